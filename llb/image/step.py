"""The links of a chain, and what a chain has become so far while it is lowered."""

from __future__ import annotations

from llb._value import Value, slot_setters
from llb.errors import InvalidError, LLBError
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

    is_local = False
    """Whether a chain that starts with it starts from local files: which base they name is not known yet."""

    @property
    def others(self) -> tuple[Step, ...]:
        """The last steps of other chains whose results this step takes: they are lowered before it."""
        return ()

    @property
    def vertices(self) -> int:
        """How many vertices the progress counts for this step."""
        return 0

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What its commands are given."""
        return ()

    @property
    def gpu(self) -> tuple[str, ...]:
        """The GPUs that its commands ask for: choices in order of preference."""
        return ()

    def announce(self, build: Build) -> None:
        """Tell a build, before anything is lowered, what this step will ask it for."""

    def ask(self, below: Lowered, build: Build) -> bool:  # noqa: ARG002
        """Put a question to the resolver that `lower` needs the answer of; whether there is one.

        Steps that do not need its result are lowered before it is waited for.
        """
        return False

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

    def on(self, state: State) -> Lowered:
        """The same of another filesystem."""
        return Lowered(state, self.config, self.histories, self.ignore_cache, self.cmd_set)

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
        return Lowered(self.state, self.config, self.histories, True, self.cmd_set, self.adds)

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
    """The steps of a chain and of all chains that it joins, each once: what a step takes comes before it."""
    steps: list[Step] = []
    known: set[Step] = set()
    pending = [last]
    while pending:
        step = pending[-1]
        before = [
            one for one in (*reversed(step.others), step.parent) if one is not None and one not in known
        ]
        if step not in known and before:
            pending.extend(before)
            continue
        pending.pop()
        if step not in known:
            known.add(step)
            steps.append(step)
    return steps


def root_of(last: Step) -> Step:
    """The step that a chain starts with."""
    while last.parent is not None:
        last = last.parent
    return last


def lower_step(step: Step, below: Lowered, build: Build) -> Lowered:
    """What a chain has become with a step.

    Raises:
        LLBError: it cannot be done; the error knows the user's line.
    """
    _check_open(step)
    try:
        return step.lower(below, build)
    except LLBError as error:
        raise error.at(step.location, step.method) from None


def ask_step(step: Step, below: Lowered, build: Build) -> bool:
    """Let a step put its question; whether it had one.

    Raises:
        LLBError: it cannot be done; the error knows the user's line.
    """
    _check_open(step)
    try:
        return step.ask(below, build)
    except LLBError as error:
        raise error.at(step.location, step.method) from None


def _check_open(step: Step) -> None:
    if step.parent is not None and step.parent.closes and not step.goes_on_top:
        raise closed_error(step, step.parent)


def closed_error(step: Step, closed: Step) -> InvalidError:
    """The refusal of a step after files that are added without `copy=True`."""
    return InvalidError(
        f"{step.method} cannot follow {closed.method} (at {closed.location}): "
        "files that are added without copy=True come last",
        hint=f"Write {closed.method}(…, copy=True), or move it to the end of the chain.",
        step=step.method,
        location=step.location,
    )
