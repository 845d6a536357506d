"""What a vertex carries beside its operation: names, cache control, source lines. Never in its digest."""

from __future__ import annotations

from llb import wire
from llb._value import Value, slot_setters
from llb.errors import InvalidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from llb.graph.definition import Definition

CUSTOM_NAME = "llb.customname"
"""The description key that names a vertex in the progress."""

_CUSTOM_NAME_ENTRY = wire.message(1, CUSTOM_NAME.encode()) + b"\x12"


class SourceFile(Value):
    """A file that vertices come from; an engine quotes its lines in errors."""

    filename: str
    data: bytes = b""
    language: str = "python"
    definition: Definition | None = None

    def encode(self) -> bytes:
        """The bytes of a `pb.SourceInfo`."""
        definition = wire.message(3, self.definition.to_bytes()) if self.definition is not None else b""
        return (
            wire.string(1, self.filename)
            + wire.data(2, self.data)
            + definition
            + wire.string(4, self.language)
        )


class SourceRange(Value):
    """Lines of a source file, counted from 1. `end_line` 0 means the start line."""

    file: SourceFile
    start_line: int
    end_line: int = 0
    start_character: int = 0
    end_character: int = 0

    # By hand, as one is made for each step of a chain.
    def __init__(
        self,
        file: SourceFile,
        start_line: int,
        end_line: int = 0,
        start_character: int = 0,
        end_character: int = 0,
    ) -> None:
        end_line = end_line or start_line
        if not 0 <= start_line <= end_line:
            raise InvalidError(f"lines {start_line} to {end_line} are no range of a file")
        _set_file(self, file)
        _set_start_line(self, start_line)
        _set_end_line(self, end_line)
        _set_start_character(self, start_character)
        _set_end_character(self, end_character)

    def encode(self) -> bytes:
        """The bytes of a `pb.Range`."""
        start = wire.integer(1, self.start_line) + wire.integer(2, self.start_character)
        if self.end_line == self.start_line and self.end_character == self.start_character:
            end = start
        else:
            end = wire.integer(1, self.end_line) + wire.integer(2, self.end_character)
        return wire.message(1, start) + wire.message(2, end)


_set_file, _set_start_line, _set_end_line, _set_start_character, _set_end_character = slot_setters(
    SourceRange
)


class ProgressGroup(Value):
    """Vertices of one id are shown as one; a weak group yields to a vertex's own name when it is alone."""

    id: str
    name: str
    weak: bool = False

    def encode(self) -> bytes:
        """The bytes of a `pb.ProgressGroup`."""
        return wire.string(1, self.id) + wire.string(2, self.name) + wire.integer(3, self.weak)


class LinuxResources(Value):
    """Limits of CPU and memory for a command. 0 and empty mean no limit."""

    memory: int = 0
    memory_swap: int = 0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""

    def encode(self) -> bytes:
        """The bytes of a `pb.LinuxResources`."""
        return (
            wire.integer(1, self.memory)
            + wire.integer(2, self.memory_swap)
            + wire.integer(3, self.cpu_shares)
            + wire.integer(4, self.cpu_period)
            + wire.integer(5, self.cpu_quota)
            + wire.string(6, self.cpuset_cpus)
            + wire.string(7, self.cpuset_mems)
        )


class Meta(Value):
    """What an operation is told about itself.

    Args:
        name: how the progress calls the vertex (`llb.customname`).
        description: further texts that the engine keeps and does not read; a mapping or pairs.
        ignore_cache: run even if a cached result exists. The vertices above are not forced.
        export_cache: True exports the result to remote caches in any mode, False never.
        progress_group: show the vertex as part of a group.
        locations: the lines that made the vertex; neighbours in one file are one location.
        linux_resources: limits of CPU and memory; commands only.
    """

    name: str = ""
    description: tuple[tuple[str, str], ...] = ()
    ignore_cache: bool = False
    export_cache: bool | None = None
    progress_group: ProgressGroup | None = None
    locations: tuple[SourceRange, ...] = ()
    linux_resources: LinuxResources | None = None

    # By hand, as one is made for each step of a chain: a third of the general constructor's time.
    def __init__(
        self,
        name: str = "",
        description: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        ignore_cache: bool = False,
        export_cache: bool | None = None,
        progress_group: ProgressGroup | None = None,
        locations: Iterable[SourceRange] = (),
        linux_resources: LinuxResources | None = None,
    ) -> None:
        _set_name(self, name)
        _set_description(self, _pairs(description) if description else ())
        _set_ignore_cache(self, ignore_cache)
        _set_export_cache(self, export_cache)
        _set_progress_group(self, progress_group)
        _set_locations(self, tuple(locations))
        _set_linux_resources(self, linux_resources)

    def over(self, base: Meta) -> Meta:
        """This on top of defaults: its own values win, descriptions are joined."""
        return Meta(
            self.name or base.name,
            (*base.description, *self.description),
            self.ignore_cache or base.ignore_cache,
            base.export_cache if self.export_cache is None else self.export_cache,
            self.progress_group or base.progress_group,
            self.locations,
            self.linux_resources or base.linux_resources,
        )

    @property
    def described(self) -> bool:
        return bool(self.name or self.description)

    def encode_before_caps(self) -> bytes:
        """The fields of a `pb.OpMetadata` up to its capabilities."""
        if self.description or self.ignore_cache or self.export_cache is not None:
            texts = dict(self.description)
            if self.name:
                texts[CUSTOM_NAME] = self.name
            return (
                wire.integer(1, self.ignore_cache)
                + wire.mapping(2, texts)
                + (
                    wire.message(4, wire.integer(1, self.export_cache))
                    if self.export_cache is not None
                    else b""
                )
            )
        if not self.name:
            return b""
        name = self.name.encode()
        entry = _CUSTOM_NAME_ENTRY + wire.VARINTS[len(name)] + name
        return b"\x12" + wire.VARINTS[len(entry)] + entry

    def encode_after_caps(self) -> bytes:
        """The fields of a `pb.OpMetadata` behind its capabilities."""
        group, resources = self.progress_group, self.linux_resources
        if group is None and resources is None:
            return b""
        return (wire.message(6, group.encode()) if group is not None else b"") + (
            wire.message(7, resources.encode()) if resources is not None else b""
        )


(
    _set_name,
    _set_description,
    _set_ignore_cache,
    _set_export_cache,
    _set_progress_group,
    _set_locations,
    _set_linux_resources,
) = slot_setters(Meta)

NO_META = Meta()


def _pairs(description: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    items: Callable[[], Iterable[tuple[str, str]]] | None = getattr(description, "items", None)
    return tuple(items() if items is not None else description)  # pyright: ignore[reportReturnType]


class OpMetadata(Value):
    """The metadata of a vertex in a definition."""

    ignore_cache: bool = False
    description: tuple[tuple[str, str], ...] = ()
    export_cache: bool | None = None
    capabilities: tuple[str, ...] = ()
    progress_group: ProgressGroup | None = None
    linux_resources: LinuxResources | None = None

    @property
    def name(self) -> str:
        """How the progress calls the vertex; empty if it has no name of its own."""
        return dict(self.description).get(CUSTOM_NAME, "")

    def encode(self) -> bytes:
        """The bytes of a `pb.OpMetadata`."""
        return (
            wire.integer(1, self.ignore_cache)
            + wire.mapping(2, dict(self.description))
            + (wire.message(4, wire.integer(1, self.export_cache)) if self.export_cache is not None else b"")
            + encode_capabilities(self.capabilities)
            + (wire.message(6, self.progress_group.encode()) if self.progress_group is not None else b"")
            + (wire.message(7, self.linux_resources.encode()) if self.linux_resources is not None else b"")
        )

    @staticmethod
    def decode(data: bytes) -> OpMetadata:
        """From the bytes of a `pb.OpMetadata`. Raises ValueError if they are none."""
        reader = wire.Reader(data)
        description = {entry.string(1): entry.string(2) for entry in reader.messages(2)}
        capabilities = {entry.string(1): entry.integer(2) for entry in reader.messages(5)}
        group, resources = reader.message(6), reader.message(7)
        return OpMetadata(
            bool(reader.integer(1)),
            tuple(sorted(description.items())),
            bool(reader.message(4).integer(1)) if reader.has(4) else None,
            tuple(sorted([name for name, wanted in capabilities.items() if wanted])),
            ProgressGroup(group.string(1), group.string(2), bool(group.integer(3)))
            if reader.has(6)
            else None,
            LinuxResources(
                resources.integer(1),
                resources.integer(2),
                resources.integer(3),
                resources.integer(4),
                resources.integer(5),
                resources.string(6),
                resources.string(7),
            )
            if reader.has(7)
            else None,
        )

    def merged(self, newer: OpMetadata) -> OpMetadata:
        """Of one vertex that was described twice: everything asked for holds, the later text wins."""
        return OpMetadata(
            self.ignore_cache or newer.ignore_cache,
            tuple(sorted((dict(self.description) | dict(newer.description)).items())),
            self.export_cache if newer.export_cache is None else newer.export_cache,
            tuple(sorted({*self.capabilities, *newer.capabilities})),
            newer.progress_group or self.progress_group,
            newer.linux_resources or self.linux_resources,
        )


def encode_capabilities(names: Iterable[str]) -> bytes:
    """The capability field of a `pb.OpMetadata`."""
    return b"".join([wire.message(5, wire.string(1, name) + b"\x10\x01") for name in sorted(names)])
