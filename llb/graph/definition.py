"""Definitions: graphs as the bytes that an engine takes, and back."""

from __future__ import annotations

import sys

from llb import wire
from llb._value import Value, slot_setters
from llb.errors import DefinitionError
from llb.graph.metadata import NO_META, OpMetadata, SourceFile, SourceRange
from llb.graph.platform import Platform, as_platform
from llb.graph.state import SCRATCH, State
from llb.graph.vertex import Encoder, Vertex

# Not hashlib, if it can be helped: it loads OpenSSL, which takes longer than this whole package.
try:
    if sys.version_info >= (3, 12):
        from _sha2 import sha256  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
    else:
        from _sha256 import sha256  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
except ImportError:
    from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from hashlib import sha256
    from typing import Any, ClassVar, Self


def digest_of(op: bytes) -> str:
    """The digest of a vertex: of the bytes of its `pb.Op`."""
    return "sha256:" + sha256(op).hexdigest()


class Definition(Value):
    """A marshalled graph: ops, each after its inputs; the last one only names the result.

    `encoded_metadata` and `encoded_locations` hold `pb.OpMetadata` and `pb.Locations` bytes by vertex digest;
    `metadata` and `locations` are the same as values. Locations count `sources` from 0. No ops: an empty
    filesystem.
    """

    ops: tuple[bytes, ...] = ()
    encoded_metadata: Mapping[str, bytes] = {}
    sources: tuple[SourceFile, ...] = ()
    encoded_locations: Mapping[str, bytes] = {}

    __slots__ = ("memo",)
    if TYPE_CHECKING:
        memo: ClassVar[dict[str, Any]]  # not a field: what was found out about the fields already

    def __post_init__(self) -> None:
        object.__setattr__(self, "memo", {})

    def __hash__(self) -> int:
        return hash(self.ops)

    @classmethod
    def of(cls, definition: Definition, **more: Any) -> Self:
        """A subclass's value from a plain definition and the subclass's own fields."""
        made = cls(
            definition.ops,
            definition.encoded_metadata,
            definition.sources,
            definition.encoded_locations,
            **more,
        )
        made.memo.update(definition.memo)
        return made

    def digests(self) -> tuple[str, ...]:
        """The digest of each op, the last one included."""
        memo = self.memo
        if "digests" not in memo:
            memo["digests"] = tuple([digest_of(op) for op in self.ops])
        return memo["digests"]

    @property
    def digest(self) -> str:
        """The digest of the last op: it names the whole result. Empty for an empty filesystem."""
        return self.digests()[-1] if self.ops else ""

    @property
    def head(self) -> str:
        """The digest of the vertex that the result is an output of. Empty for an empty filesystem."""
        return graph_of(self).head if self.ops else ""

    @property
    def head_index(self) -> int:
        """Which output of `head` the result is."""
        return graph_of(self).head_index if self.ops else 0

    @property
    def metadata(self) -> Mapping[str, OpMetadata]:
        """What is known of each vertex beside its op, by digest."""
        memo = self.memo
        if "metadata" not in memo:
            known: dict[bytes, OpMetadata] = {}
            decoded: dict[str, OpMetadata] = {}
            for digest, encoded in self.encoded_metadata.items():
                if encoded not in known:
                    known[encoded] = OpMetadata.decode(encoded)
                decoded[digest] = known[encoded]
            memo["metadata"] = decoded
        return memo["metadata"]

    @property
    def locations(self) -> Mapping[str, tuple[SourceRange, ...]]:
        """The source lines of vertices, by digest."""
        memo = self.memo
        if "locations" not in memo:
            memo["locations"] = {
                digest: tuple(_ranges(encoded, self.sources))
                for digest, encoded in self.encoded_locations.items()
            }
        return memo["locations"]

    @property
    def capabilities(self) -> frozenset[str]:
        """All capabilities that the vertices name."""
        return frozenset([name for one in self.metadata.values() for name in one.capabilities])

    def to_bytes(self) -> bytes:
        """The bytes of a `pb.Definition`: the same for equal definitions."""
        varints = wire.VARINTS
        parts: list[bytes] = []
        for op in self.ops:
            parts += (b"\x0a", varints[len(op)], op)
        metadata = self.encoded_metadata
        for digest in sorted(metadata):
            encoded = metadata[digest]
            key = digest.encode()
            size = varints[len(encoded)]
            entry = 3 + len(key) + len(size) + len(encoded)
            parts += (b"\x12", varints[entry], b"\x0a", varints[len(key)], key, b"\x12", size, encoded)
        if self.sources or self.encoded_locations:
            locations = wire.mapping(1, self.encoded_locations)
            infos = [wire.message(2, source.encode()) for source in self.sources]
            parts.append(wire.message(3, b"".join([locations, *infos])))
        return b"".join(parts)

    @staticmethod
    def from_bytes(data: bytes) -> Definition:
        """A definition from the bytes of a `pb.Definition`; its ops are kept as they are.

        Raises:
            DefinitionError: the bytes are none, or its graph has no result or misses a vertex.
        """
        try:
            return _decode(data, 0)
        except (ValueError, RecursionError) as error:
            if isinstance(error, DefinitionError):
                raise
            raise DefinitionError(f"not an LLB definition: {error}") from None

    def state(self, platform: Platform | str | None = None) -> State:
        """The result as a state to build on.

        Its vertices keep their bytes, and so their digests; metadata and sources come along. The state's
        platform is the one given, else the one of its vertex, if that has one. Environment and so on are not
        in a
        definition: `State.with_image_config` sets them.
        """
        if not self.ops:
            return SCRATCH
        graph = graph_of(self)
        state = SCRATCH.with_output_of(State(graph.vertices[graph.head], graph.head_index))
        return state.with_platform(as_platform(platform)) if platform is not None else state

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {max(0, len(self.ops) - 1)} vertices, {self.digest[:19]}>"


class Graph(Value):
    """A definition's result, and its vertices for embedding."""

    head: str
    head_index: int
    vertices: Mapping[str, EmbeddedOp]


def graph_of(definition: Definition) -> Graph:
    """The graph of a definition that is not empty.

    Raises:
        DefinitionError: it has no result, or misses a vertex.
    """
    memo = definition.memo
    if "graph" not in memo:
        memo["graph"] = _graph(definition)
    return memo["graph"]


def _graph(definition: Definition) -> Graph:
    metadata, locations = definition.metadata, definition.encoded_locations
    vertices: dict[str, EmbeddedOp] = {}
    platforms: dict[bytes, Platform] = {}
    nothing = OpMetadata()
    inputs: dict[str, list[tuple[str, int]]] = {}
    for digest, op in zip(definition.digests(), definition.ops, strict=True):
        reader = wire.Reader(op)
        inputs[digest] = [(one.string(1), one.integer(2)) for one in reader.messages(1)]
        platform = reader.data(10)
        if platform and platform not in platforms:
            platforms[platform] = Platform.decode(platform)
        vertices[digest] = EmbeddedOp(
            op,
            digest,
            platforms.get(platform),
            metadata.get(digest, nothing),
            definition.encoded_metadata.get(digest, b""),
            tuple(_located(locations[digest], definition.sources)) if digest in locations else (),
        )
    # In a second pass, so that any order of ops will do.
    for digest, pairs in inputs.items():
        states: list[State] = []
        for one, index in pairs:
            if one not in vertices or index < 0:
                raise DefinitionError(
                    f"not an LLB definition: {digest} builds on output {index} of {one}: there is none"
                )
            states.append(State(vertices[one], index))
        vertices[digest].link(tuple(states))
    result = inputs[definition.digest]
    if len(result) != 1:
        raise DefinitionError(f"not an LLB definition: its last op has {len(result)} inputs instead of one")
    return Graph(*result[0], vertices)


def op_platform(op: bytes) -> Platform | None:
    """The platform that an op names."""
    reader = wire.Reader(op)
    return Platform.decode(reader.data(10)) if reader.has(10) else None


class EmbeddedOp(Vertex):
    """A vertex of another definition, carried over as it is."""

    op: bytes
    digest: str
    platform: Platform | None
    metadata: OpMetadata
    encoded_metadata: bytes
    locations: tuple[tuple[SourceFile, bytes], ...]

    def __init__(
        self,
        op: bytes,
        digest: str,
        platform: Platform | None,
        metadata: OpMetadata,
        encoded_metadata: bytes,
        locations: tuple[tuple[SourceFile, bytes], ...],
    ) -> None:
        for setter, value in zip(
            _setters,
            ((), NO_META, (), op, digest, platform, metadata, encoded_metadata, locations),
            strict=True,
        ):
            setter(self, value)

    def link(self, inputs: tuple[State, ...]) -> None:
        """Tell it what it builds on, once, while its definition is decoded."""
        _setters[0](self, inputs)

    @property
    def output_platform(self) -> Platform | None:
        return self.platform

    def encode(self, encoder: Encoder) -> tuple[bytes, frozenset[str]]:  # noqa: ARG002 (others need it)
        return self.op, frozenset(self.metadata.capabilities)


_setters = slot_setters(EmbeddedOp)


def _located(encoded: bytes, sources: tuple[SourceFile, ...]) -> list[tuple[SourceFile, bytes]]:
    """The locations of a vertex: files, each with its encoded ranges."""
    found: list[tuple[SourceFile, bytes]] = []
    for location in wire.Reader(encoded).messages(1):
        index = location.integer(1)
        if not 0 <= index < len(sources):
            raise DefinitionError(f"not an LLB definition: it has no source file {index}")
        found.append((sources[index], b"".join([wire.message(2, one) for one in location.all_data(2)])))
    return found


def _ranges(encoded: bytes, sources: tuple[SourceFile, ...]) -> list[SourceRange]:
    found: list[SourceRange] = []
    for file, ranges in _located(encoded, sources):
        for one in wire.Reader(ranges).messages(2):
            start, end = one.message(1), one.message(2)
            first = max(0, start.integer(1))
            found.append(
                SourceRange(file, first, max(first, end.integer(1)), start.integer(2), end.integer(2))
            )
    return found


def _decode(data: bytes, depth: int) -> Definition:
    """A definition, or one that belongs to a source file of another."""
    if depth > 100:
        raise DefinitionError("not an LLB definition: its source files are nested too deep")
    reader = wire.Reader(data)
    source = reader.message(3)
    files: list[SourceFile] = []
    for info in source.messages(2):
        inner = _decode(info.data(3), depth + 1) if info.has(3) else None
        files.append(SourceFile(info.string(1), info.data(2), info.string(4), inner))
    definition = Definition(tuple(reader.all_data(1)), reader.mapping(2), tuple(files), source.mapping(1))
    if definition.ops:
        graph_of(definition)  # checks it as a whole
    _ = definition.metadata, definition.locations
    return definition
