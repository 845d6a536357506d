"""Changes to vertices of a finished definition: what commands are given, and the lines they are from."""

from __future__ import annotations

from llb import wire
from llb._value import Value
from llb.graph.definition import Definition, digest_of
from llb.graph.metadata import OpMetadata, SourceFile, SourceRange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from llb.graph.mounts import Device, SecretEnv

_EXEC = 2
_FILE = 4


class Extras(Value):
    """What commands are given besides what they have."""

    env: tuple[tuple[str, str], ...] = ()
    """Variables; they win over a command's own of the same name."""
    secret_env: tuple[SecretEnv, ...] = ()
    """Secrets as variables; a command's own of the same name wins."""
    devices: tuple[Device, ...] = ()


def with_extras(definition: Definition, extras: Extras, unchanged: Collection[str]) -> Definition:
    """A definition whose commands are given more.

    Args:
        definition: whose commands.
        extras: what they are given. Without any, the definition stays as it is.
        unchanged: digests of vertices to leave alone. What they build on must be among them.
    """
    if extras == Extras():
        return definition
    renamed: dict[str, str] = {}
    ops: list[bytes] = []
    metadata: dict[str, bytes] = {}
    locations: dict[str, bytes] = {}
    for digest, op in zip(definition.digests(), definition.ops, strict=True):
        described = definition.encoded_metadata.get(digest, b"")
        changed = op
        if digest not in unchanged:
            changed, given = _with_extras(_relinked(op, renamed), extras)
            if given:
                known = OpMetadata.decode(described)
                described = known.replace(capabilities=tuple(sorted({*known.capabilities, *given}))).encode()
        name = renamed[digest] = digest_of(changed)
        ops.append(changed)
        metadata[name] = described
        if digest in definition.encoded_locations:
            locations[name] = definition.encoded_locations[digest]
    return Definition(tuple(ops), metadata, definition.sources, locations)


def _relinked(op: bytes, renamed: dict[str, str]) -> bytes:
    """An op on top of the changed vertices."""
    return b"".join(
        [
            wire.message(1, _renamed(value, renamed)) if number == 1 else encoded
            for number, value, encoded in _fields(op)
        ]
    )


def _renamed(reference: bytes, renamed: dict[str, str]) -> bytes:
    reader = wire.Reader(reference)
    digest = reader.string(1)
    return wire.string(1, renamed.get(digest, digest)) + wire.integer(2, reader.integer(2))


def _with_extras(op: bytes, extras: Extras) -> tuple[bytes, set[str]]:
    """An op with what its command is given, and the capabilities that this needs; others stay as they are."""
    reader = wire.Reader(op)
    if not reader.has(_EXEC):
        return op, set()
    capabilities: set[str] = set()
    command = reader.message(_EXEC)
    own = {one.string(2) for one in command.messages(5)}
    secrets = [one for one in extras.secret_env if one.name not in own]
    if secrets:
        capabilities |= {"exec.mount.secret", "exec.secretenv"}
    if extras.devices:
        capabilities.add("exec.meta.cdi")
    parts: list[tuple[int, bytes]] = [
        (number, wire.message(1, _with_env(value, extras.env)) if number == 1 else encoded)
        for number, value, encoded in _fields(reader.data(_EXEC))
    ]
    parts += [
        (
            5,
            wire.message(
                5, wire.string(1, one.id) + wire.string(2, one.name) + wire.integer(3, one.optional)
            ),
        )
        for one in secrets
    ]
    parts += [
        (6, wire.message(6, wire.string(1, one.name) + wire.integer(2, one.optional)))
        for one in extras.devices
    ]
    parts.sort(key=_number)
    body = b"".join([encoded for _, encoded in parts])
    return (
        b"".join(
            [wire.message(_EXEC, body) if number == _EXEC else encoded for number, _, encoded in _fields(op)]
        ),
        capabilities,
    )


def _with_env(meta: bytes, env: Sequence[tuple[str, str]]) -> bytes:
    """A command's `pb.Meta` with variables; those that it has already move to the end, as in a state."""
    names = {name for name, _ in env}
    parts: list[tuple[int, bytes]] = []
    for number, value, encoded in _fields(meta):
        if number == 2 and value.partition(b"=")[0].decode() in names:
            continue
        parts.append((number, encoded))
    parts += [(2, wire.message(2, f"{name}={value}".encode())) for name, value in env]
    parts.sort(key=_number)
    return b"".join([encoded for _, encoded in parts])


def _number(part: tuple[int, bytes]) -> int:
    return part[0]


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The fields of a message in their order: number, the bytes of the value, and all of the field's bytes.

    Fields that are no bytes have an empty value.
    """
    at = 0
    while at < len(message):
        start = at
        key, at = wire.read_varint(message, at)
        value = b""
        if key & 7 == 2:
            size, at = wire.read_varint(message, at)
            value = message[at : at + size]
            at += size
        elif key & 7 == 0:
            _, at = wire.read_varint(message, at)
        else:
            at += 8 if key & 7 == 1 else 4
        yield key >> 3, value, message[start:at]


def with_locations(
    definition: Definition, found: Callable[[SourceRange], Sequence[SourceRange]]
) -> Definition:
    """A definition whose vertices have more source lines: clients quote them after those they have.

    Args:
        definition: whose vertices.
        found: what further lines one of the lines that they have stands for.
    """
    sources = list(definition.sources)
    places: dict[SourceFile, int] = {}
    locations = dict(definition.encoded_locations)
    for digest, ranges in definition.locations.items():
        more: list[bytes] = []
        for one in ranges:
            for line in found(one):
                if line.file not in places:
                    places[line.file] = len(sources)
                    sources.append(line.file)
                encoded = wire.message(1, wire.integer(1, places[line.file]) + wire.message(2, line.encode()))
                if encoded not in more:
                    more.append(encoded)
        if more:
            locations[digest] += b"".join(more)
    return Definition(definition.ops, definition.encoded_metadata, tuple(sources), locations)


def read_paths(definition: Definition, source: str) -> tuple[str, ...] | None:
    """Which paths of a vertex's first output the others read, sorted; None: all of it.

    Args:
        definition: where it is read.
        source: the digest of the vertex. Not read at all: no paths.
    """
    found: set[str] = set()
    for op in definition.ops:
        reader = wire.Reader(op)
        inputs = [number for number, one in enumerate(reader.messages(1)) if one.string(1) == source]
        if not inputs:
            continue
        if reader.has(_FILE):
            actions = reader.message(_FILE).messages(2)
            copies = [one for one in actions if one.has(4) and one.integer(2) in inputs]
            # Anything else than copying from it, such as copying onto it, has all of it.
            if not copies or any(one.integer(1) in inputs for one in actions):
                return None
            found.update([one.message(4).string(1) for one in copies])
        elif reader.has(_EXEC):
            mounts = [one for one in reader.message(_EXEC).messages(2) if one.integer(1) in inputs]
            found.update([one.string(2) or "/" for one in mounts])
        else:
            return None
    return tuple(sorted(found))
