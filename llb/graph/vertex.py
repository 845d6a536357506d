"""What all vertices have in common, and what encodes them."""

from __future__ import annotations

from llb import wire
from llb._value import Value
from llb.graph.metadata import NO_META, Meta, encode_capabilities
from llb.graph.values import DEFAULT_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from llb.graph.platform import Platform
    from llb.graph.state import State
    from llb.graph.values import Values

DIGEST_INPUT = b"\x0a\x49\x0a\x47"
"""What a `pb.Op` starts with, up to the 71 characters of the digest, if its first input is an output 0."""

EMPTY = -1
"""The input that means an empty filesystem; an output that is not kept."""


class Vertex(Value):
    """One operation of the graph. Immutable; the same object is the same vertex.

    `inputs` are the states it builds on, in the order in which Go's client visits them: a definition lists
    the vertices so.
    """

    # A vertex is itself only: comparing contents would walk the whole graph below.
    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    inputs: tuple[State, ...]
    meta: Meta
    filters: tuple[str, ...]

    @property
    def output_platform(self) -> Platform | None:
        """The platform that a state on this vertex gets, where the operation names one."""
        return None

    def encode(self, encoder: Encoder) -> tuple[bytes, frozenset[str]]:
        """The bytes of the `pb.Op`, and the capabilities that the engine needs for it."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.meta.name!r}>" if self.meta.name else f"<{type(self).__name__}>"


class Encoder:
    """What vertices ask while they are encoded: digests of their inputs, defaults of the build."""

    __slots__ = (
        "_capabilities",
        "_constraints",
        "_filters",
        "_meta",
        "_platform",
        "_with_path",
        "capabilities",
        "digests",
        "local_unique",
    )

    def __init__(
        self,
        platform: Platform,
        capabilities: frozenset[str] | None,
        filters: tuple[str, ...],
        meta: Meta,
        local_unique: str,
    ) -> None:
        self.capabilities = capabilities
        self.local_unique = local_unique
        self.digests: dict[Vertex, bytes] = {}
        self._platform = platform
        self._filters = filters
        self._meta = meta
        self._constraints: dict[tuple[int, tuple[str, ...]], bytes] = {}
        self._capabilities: dict[frozenset[str], bytes] = {}
        self._with_path: dict[Values, Values] = {}

    @property
    def platform(self) -> Platform:
        return self._platform

    def reference(self, state: State) -> bytes:
        """The bytes of a `pb.Input`."""
        vertex = state.vertex
        assert vertex is not None
        return b"\x0a\x47" + self.digests[vertex] + wire.integer(2, state.index)

    def constraints(self, filters: tuple[str, ...]) -> bytes:
        """The fields platform and constraints of a `pb.Op` that is the same on every platform."""
        key = (0, filters)
        if (known := self._constraints.get(key)) is None:
            known = wire.message(11, wire.strings(1, self._filters + filters))
            self._constraints[key] = known
        return known

    def platform_constraints(self, platform: Platform | None, filters: tuple[str, ...]) -> bytes:
        """The same of an operation that has a platform: its own, else the build's."""
        platform = platform or self._platform
        key = (id(platform), filters)  # vertices keep their platforms while they are encoded
        if (known := self._constraints.get(key)) is None:
            filter_field = wire.message(11, wire.strings(1, self._filters + filters))
            known = self._constraints[key] = wire.message(10, platform.encode()) + filter_field
        return known

    def with_default_path(self, values: Values) -> Values:
        """A command's values with PATH, for an engine that does not set it."""
        if (known := self._with_path.get(values)) is None:
            known = self._with_path[values] = values.with_env([("PATH", DEFAULT_PATH)])
        return known

    def metadata(self, meta: Meta, capabilities: frozenset[str]) -> bytes:
        """The bytes of a `pb.OpMetadata`."""
        if (encoded := self._capabilities.get(capabilities)) is None:
            encoded = self._capabilities[capabilities] = encode_capabilities(capabilities)
        if self._meta is not NO_META:
            meta = meta.over(self._meta)
        if meta is NO_META:
            return encoded
        return meta.encode_before_caps() + encoded + meta.encode_after_caps()


class Inputs:
    """The `inputs` field of a `pb.Op` while it is written: each (digest, output) once."""

    __slots__ = ("_encoder", "_known")

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[bytes, int] = {}

    def add(self, state: State | None) -> int:
        """The number of an input; -1 for an empty filesystem."""
        if state is None or state.vertex is None:
            return EMPTY
        return self._known.setdefault(self._encoder.reference(state), len(self._known))

    def __len__(self) -> int:
        return len(self._known)

    def encode(self) -> bytes:
        return b"".join([wire.message(1, reference) for reference in self._known])
