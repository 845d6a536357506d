"""The links of a chain, and what a chain has become so far while it is lowered."""

from __future__ import annotations

from llb._value import Value, slot_setters
from llb.location import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from llb.graph import State
    from llb.image.build import Build
    from llb.image.secrets import Secret
    from llb.oci import History, ImageConfig

    Histories = tuple["Histories | None", History]
    """The last entry, behind all earlier ones: a chain of n steps keeps n links, not n copies."""


class Step(Value):
    """One call of a method of `Image`: what was asked for, and what was there before.

    A kind of step is a subclass: its fields are the checked arguments, `lower` makes vertices of them. It
    lives in one file with the method that makes it.
    """

    # A step is itself only, and shown without what is below it: chains are long.
    __eq__ = object.__eq__  # pyright: ignore[reportAssignmentType]
    __hash__ = object.__hash__

    parent: Step | None
    location: Location

    method = ""
    """The method that makes such a step."""

    closes = False
    """Whether only steps that `goes_on_top` may follow."""

    goes_on_top = False

    @property
    def vertices(self) -> int:
        """How many vertices the progress counts for this step."""
        return 0

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What its commands are given."""
        return ()

    def announce(self, build: Build) -> None:
        """Tell a build, before anything is lowered, what this step will ask it for."""

    def lower(self, below: Lowered, build: Build) -> Lowered:
        """What the chain has become with this step.

        Raises:
            LLBError: the step cannot be done; where and in which step is added by the caller.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{self.method} at {self.location}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an image cannot be pickled: compile it, or make it where it is needed")


class Lowered(Value):
    """What a chain has become: its filesystem, its config, and what later steps must know."""

    state: State
    config: ImageConfig
    histories: Histories | None = None
    ignore_cache: bool = False
    """No cached result may be used from here on."""
    cmd_set: bool = False
    """The chain itself has set a CMD, so ENTRYPOINT keeps it."""
    adds: tuple[State, ...] = ()
    """What files that are added without `copy` start from, and the layer of each so far."""

    # By hand, as one is made for each command of a chain: a third of the general constructor's time.
    def __init__(
        self,
        state: State,
        config: ImageConfig,
        histories: Histories | None = None,
        ignore_cache: bool = False,
        cmd_set: bool = False,
        adds: tuple[State, ...] = (),
    ) -> None:
        _set_state(self, state)
        _set_config(self, config)
        _set_histories(self, histories)
        _set_ignore_cache(self, ignore_cache)
        _set_cmd_set(self, cmd_set)
        _set_adds(self, adds)

    def then(self, state: State, history: History, adds: tuple[State, ...] = ()) -> Lowered:
        """With another filesystem, and the history entry of what made it."""
        histories = (self.histories, history)
        return Lowered(state, self.config, histories, self.ignore_cache, self.cmd_set, adds)

    def configured(self, config: ImageConfig, history: History, state: State | None = None) -> Lowered:
        """With another config, and perhaps other values for the commands to come."""
        return Lowered(
            state if state is not None else self.state,
            config,
            (self.histories, history),
            self.ignore_cache,
            self.cmd_set,
        )

    def forced(self, force: bool) -> Lowered:
        """With or without cached results from here on; once they are ignored, they stay so."""
        if not force or self.ignore_cache:
            return self
        return Lowered(self.state, self.config, self.histories, True, self.cmd_set)

    def finished_config(self) -> ImageConfig:
        """The config with its whole history."""
        entries: list[History] = []
        link = self.histories
        while link is not None:
            link, entry = link
            entries.append(entry)
        return self.config.replace(history=(*self.config.history, *reversed(entries)))


_set_state, _set_config, _set_histories, _set_ignore_cache, _set_cmd_set, _set_adds = slot_setters(Lowered)


def steps_of(last: Step) -> list[Step]:
    """A chain's steps, the base first."""
    steps: list[Step] = []
    step: Step | None = last
    while step is not None:
        steps.append(step)
        step = step.parent
    steps.reverse()
    return steps
