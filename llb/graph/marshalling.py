"""From a state to a definition."""

from __future__ import annotations

from llb import wire
from llb.errors import InvalidError
from llb.graph.definition import Definition, EmbeddedOp, sha256
from llb.graph.metadata import NO_META, OpMetadata, SourceFile, encode_capabilities
from llb.graph.platform import LINUX_AMD64, as_platform
from llb.graph.state import checked_state
from llb.graph.vertex import Encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llb.graph.metadata import Meta, SourceRange
    from llb.graph.platform import Platform
    from llb.graph.state import State
    from llb.graph.vertex import Vertex


def marshal(
    state: State,
    *,
    platform: Platform | str = LINUX_AMD64,
    caps: frozenset[str] | None = None,
    filters: Sequence[str] = (),
    meta: Meta = NO_META,
    local_unique: str = "",
) -> Definition:
    """A state, and all that it builds on, as a definition.

    Args:
        state: the result.
        platform: of all vertices that say nothing else.
        caps: the engine's LLB capabilities, if they are known. One that does not set PATH itself gets it with
            each command; nothing else depends on them (`missing_capabilities` says what an engine lacks).
        filters: of the workers that may run any of it.
        meta: defaults for what vertices do not say themselves.
        local_unique: for local sources that have neither `session` nor `unique`.

    Raises:
        InvalidError: a text in it is not Unicode.
    """
    root = checked_state(state, "what is marshalled").vertex
    if root is None:
        return Definition()
    encoder = Encoder(as_platform(platform), caps, tuple(filters), meta, local_unique)
    collector = _Collector(encoder, meta)
    try:
        _visit(root, encoder, collector)
    except UnicodeEncodeError as error:
        raise InvalidError(
            f"{error.object!r} is not Unicode text, so no vertex can hold it",
            hint="Names of files that are not UTF-8 cannot be used in a build.",
        ) from None
    return collector.finish(wire.message(1, encoder.reference(state)))


def output_digests(
    states: Sequence[State], *, platform: Platform | str = LINUX_AMD64, caps: frozenset[str] | None = None
) -> tuple[str, ...]:
    """What tells states apart: the digest of the vertex, and which of its outputs; of an empty one, nothing.

    The arguments are those of `marshal`.
    """
    encoder = Encoder(as_platform(platform), caps, (), NO_META, "")
    collector = _Collector(encoder, NO_META)
    found: list[str] = []
    for state in states:
        if state.vertex is None:
            found.append("")
            continue
        _visit(state.vertex, encoder, collector)
        found.append(f"{encoder.digests[state.vertex].decode()} {state.index}")
    return tuple(found)


def _visit(root: Vertex, encoder: Encoder, collector: _Collector) -> None:
    """Encode depth first, inputs before what is built on them; with a stack, as chains may be long."""
    done = encoder.digests
    stack = [root]
    while stack:
        vertex = stack[-1]
        if vertex in done:
            stack.pop()
            continue
        waiting = False
        for one in reversed(vertex.inputs):
            if one.vertex not in done:
                stack.append(one.vertex)  # pyright: ignore[reportArgumentType]
                waiting = True
        if waiting:
            continue
        stack.pop()
        done[vertex] = collector.add(vertex)


class _Collector:
    """The parts of a definition while its vertices come in."""

    def __init__(self, encoder: Encoder, defaults: Meta) -> None:
        self.encoder = encoder
        self.defaults = defaults
        self.ops: list[bytes] = []
        self.digests: list[str] = []
        self.metadata: dict[str, bytes] = {}
        self.sources: dict[tuple[str, str, bytes, str], int] = {}
        self.files: list[SourceFile] = []
        self.file_numbers: dict[int, int] = {}
        self.locations: dict[str, dict[bytes, None]] = {}
        self.ignore_cache = defaults.ignore_cache
        self.described = defaults.described
        self.export_cache = defaults.export_cache is not None

    def add(self, vertex: Vertex) -> bytes:
        """Take a vertex whose inputs are known; gives its digest."""
        op, capabilities = vertex.encode(self.encoder)
        if isinstance(vertex, EmbeddedOp):
            digest = vertex.digest
            described = vertex.metadata
            metadata = vertex.encoded_metadata
            self.described = self.described or bool(described.description)
            locations: Iterable[tuple[SourceFile, bytes]] = vertex.locations
        else:
            digest = "sha256:" + sha256(op).hexdigest()
            described = vertex.meta
            metadata = self.encoder.metadata(described, capabilities)
            if described is not NO_META:
                self.described = self.described or described.described
            locations = _grouped(described.locations) if described.locations else ()
        if described is not NO_META:
            self.ignore_cache = self.ignore_cache or described.ignore_cache
            self.export_cache = self.export_cache or described.export_cache is not None
        if digest not in self.metadata:
            self.ops.append(op)
            self.digests.append(digest)
            self.metadata[digest] = metadata
        elif metadata != self.metadata[digest]:
            older = OpMetadata.decode(self.metadata[digest])
            self.metadata[digest] = older.merged(OpMetadata.decode(metadata)).encode()
        if locations:
            known = self.locations.setdefault(digest, {})
            for file, ranges in locations:
                known[wire.message(1, wire.integer(1, self.file_number(file)) + ranges)] = None
        return digest.encode()

    def file_number(self, file: SourceFile) -> int:
        """The place of a source file; equal ones share it."""
        number = self.file_numbers.get(id(file))
        if number is None:
            definition = file.definition.digest if file.definition is not None else ""
            key = (file.filename, file.language, file.data, definition)
            number = self.sources.setdefault(key, len(self.files))
            if number == len(self.files):
                self.files.append(file)
            self.file_numbers[id(file)] = number
        return number

    def finish(self, last: bytes) -> Definition:
        """The definition, with an op that only names the result."""
        names = ["constraints", "platform"]
        names += ["meta.ignorecache"] * self.ignore_cache
        names += ["meta.description"] * self.described
        names += ["meta.exportcache"] * self.export_cache
        digest = "sha256:" + sha256(last).hexdigest()
        self.ops.append(last)
        self.digests.append(digest)
        self.metadata[digest] = encode_capabilities(names)
        definition = Definition(
            tuple(self.ops),
            self.metadata,
            tuple(self.files),
            {digest: b"".join(locations) for digest, locations in self.locations.items()},
        )
        definition.memo["digests"] = tuple(self.digests)
        return definition


def _grouped(ranges: tuple[SourceRange, ...]) -> list[tuple[SourceFile, bytes]]:
    """Neighbouring ranges of one file as one location."""
    found: list[tuple[SourceFile, bytes]] = []
    for one in ranges:
        encoded = wire.message(2, one.encode())
        if found and found[-1][0] is one.file:
            found[-1] = (one.file, found[-1][1] + encoded)
        else:
            found.append((one.file, encoded))
    return found
