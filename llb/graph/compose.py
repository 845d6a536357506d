"""Vertices that put filesystems together: merge, diff, passthrough, and builds within a build."""

from __future__ import annotations

from llb import wire
from llb.errors import InvalidError
from llb.graph.metadata import NO_META
from llb.graph.platform import as_platform
from llb.graph.state import SCRATCH, State, checked_state
from llb.graph.vertex import EMPTY, Vertex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from llb.graph.metadata import Meta
    from llb.graph.platform import Platform
    from llb.graph.vertex import Encoder

_MERGE = frozenset(("mergeop",))
_DIFF = frozenset(("diffop",))
_PASSTHROUGH = frozenset(("passthroughop",))
_BUILD = frozenset(("source.buildop.llbfilename",))


def merge(states: Sequence[State], *, filters: Sequence[str] = (), meta: Meta = NO_META) -> State:
    """All filesystems on top of each other, without copying. Values are the first one's that is not empty.

    Empty ones do not count; of none the result is empty, of one it is that one.
    """
    inputs = tuple([one for one in states if checked_state(one, "an input of a merge").vertex is not None])
    if len(inputs) < 2:
        return inputs[0] if inputs else SCRATCH
    return State(MergeOp(inputs, meta, tuple(filters)), 0, inputs[0].values)


def diff(lower: State, upper: State, *, filters: Sequence[str] = (), meta: Meta = NO_META) -> State:
    """What `upper` adds to `lower` and removes from it. From an empty filesystem, that is `upper` itself."""
    if checked_state(lower, "the lower side of a diff").vertex is None:
        return upper if checked_state(upper, "the upper side of a diff").vertex is not None else SCRATCH
    inputs = tuple(
        [one for one in (lower, checked_state(upper, "the upper side of a diff")) if one.vertex is not None]
    )
    return State(DiffOp(inputs, meta, tuple(filters)), 0, lower.values)


def passthrough(
    id: str,  # noqa: A002 (BuildKit's word)
    states: Sequence[State],
    *,
    requires: Sequence[State] = (),
    filters: Sequence[str] = (),
    meta: Meta = NO_META,
) -> tuple[State, ...]:
    """The states as they are, but not before `requires` are built. `id` tells several apart.

    Values stay. An empty state stays empty.
    """
    if not id:
        raise InvalidError("a passthrough needs an id", hint="Any text that tells it from others.")
    present = [one for one in states if checked_state(one, "an input of a passthrough").vertex is not None]
    needed = [one for one in requires if checked_state(one, "a requirement").vertex is not None]
    if not present:
        raise InvalidError("a passthrough needs a filesystem to pass on", hint="All of them are empty.")
    vertex = PassthroughOp((*present, *needed), meta, tuple(filters), id, len(present))
    numbers = iter(range(len(present)))
    return tuple([one if one.vertex is None else State(vertex, next(numbers), one.values) for one in states])


def build(
    state: State,
    *,
    filename: str = "",
    platform: Platform | str | None = None,
    filters: Sequence[str] = (),
    meta: Meta = NO_META,
) -> State:
    """What a definition within `state` builds: the file `filename`, by default `buildkit.llb.definition`."""
    if checked_state(state, "the source of a build").vertex is None:
        raise InvalidError("an empty filesystem holds no definition to build")
    wanted = as_platform(platform) if platform is not None else None
    return state.with_output_of(State(BuildOp((state,), meta, tuple(filters), filename, wanted)))


class MergeOp(Vertex):
    """Filesystems on top of each other."""

    def encode(self, encoder: Encoder) -> tuple[bytes, frozenset[str]]:
        references = b"".join([wire.message(1, encoder.reference(one)) for one in self.inputs])
        body = b"".join([wire.message(1, wire.integer(1, number)) for number in range(len(self.inputs))])
        return references + encoder.constraints(self.filters) + wire.message(6, body), _MERGE


class DiffOp(Vertex):
    """The difference of two filesystems. With one input, the upper one is empty."""

    def encode(self, encoder: Encoder) -> tuple[bytes, frozenset[str]]:
        references = b"".join([wire.message(1, encoder.reference(one)) for one in self.inputs])
        upper = wire.integer(1, 1 if len(self.inputs) == 2 else EMPTY)
        body = wire.message(1, b"") + wire.message(2, upper)
        return references + encoder.constraints(self.filters) + wire.message(7, body), _DIFF


class PassthroughOp(Vertex):
    """Filesystems as they are: an edge that says what must be built first."""

    id: str
    outputs: int

    def encode(self, encoder: Encoder) -> tuple[bytes, frozenset[str]]:
        references = b"".join([wire.message(1, encoder.reference(one)) for one in self.inputs])
        outputs = b"".join([wire.varint(number) for number in range(self.outputs)])
        body = wire.string(1, self.id) + wire.data(2, outputs)
        return references + encoder.constraints(self.filters) + wire.message(8, body), _PASSTHROUGH


class BuildOp(Vertex):
    """A definition that an input holds, built."""

    filename: str
    platform: Platform | None

    def encode(self, encoder: Encoder) -> tuple[bytes, frozenset[str]]:
        definition = wire.mapping(2, {"buildkit.llb.definition": b""})
        attrs = wire.mapping(4, {"llbbuild.filename": self.filename} if self.filename else {})
        body = wire.integer(1, EMPTY) + definition + attrs
        reference = wire.message(1, encoder.reference(self.inputs[0]))
        return reference + encoder.platform_constraints(self.platform, self.filters) + wire.message(
            5, body
        ), _BUILD
