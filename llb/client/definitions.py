"""Definitions whose local sources are somebody else's: found, and given other names and sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llb import wire
from llb.graph import Definition, digest_of

_SOURCE = 3
_SCHEME = "local://"


@dataclass(frozen=True, slots=True)
class LocalSource:
    """A local source of a definition."""

    name: str
    attrs: Mapping[str, str]


def local_sources(definition: Definition) -> list[LocalSource]:
    """The local sources of a definition, in its order."""
    return [found for op in definition.ops if (found := _local_of(op)) is not None]


def _local_of(op: bytes) -> LocalSource | None:
    reader = wire.Reader(op)
    if not reader.has(_SOURCE):
        return None
    source = reader.message(_SOURCE)
    identifier = source.string(1)
    if not identifier.startswith(_SCHEME):
        return None
    attrs = {name: value.decode() for name, value in source.mapping(2).items()}
    return LocalSource(identifier.removeprefix(_SCHEME), attrs)


def relocated(definition: Definition, change: Callable[[LocalSource], LocalSource]) -> Definition:
    """The same graph with other local sources; what builds on them gets other digests, all else stays.

    Args:
        definition: what to change.
        change: gives what stands in place of a local source.
    """
    renamed: dict[str, str] = {}
    ops: list[bytes] = []
    for op in definition.ops:
        source = _local_of(op)
        made = _with_inputs(op, renamed) if source is None else _with_source(op, change(source))
        if made != op:
            renamed[digest_of(op)] = digest_of(made)
        ops.append(made)
    if not renamed:
        return definition
    return Definition(
        tuple(ops),
        {renamed.get(digest, digest): value for digest, value in definition.encoded_metadata.items()},
        definition.sources,
        {renamed.get(digest, digest): value for digest, value in definition.encoded_locations.items()},
    )


def _with_inputs(op: bytes, renamed: Mapping[str, str]) -> bytes:
    inputs = wire.Reader(op).messages(1)
    if not any(one.string(1) in renamed for one in inputs):
        return op
    head = [wire.message(1, one) for one in wire.Reader(op).all_data(1)]
    before = b"".join(head)
    if not op.startswith(before):  # inputs come first, as Go and this library write them
        raise ValueError("an op whose inputs are not its first fields")
    made = [
        wire.message(
            1, wire.string(1, renamed.get(one.string(1), one.string(1))) + wire.integer(2, one.integer(2))
        )
        for one in inputs
    ]
    return b"".join(made) + op[len(before) :]


def _with_source(op: bytes, source: LocalSource) -> bytes:
    old = wire.message(_SOURCE, wire.Reader(op).data(_SOURCE))
    new = wire.message(_SOURCE, wire.string(1, _SCHEME + source.name) + wire.mapping(2, source.attrs))
    return op.replace(old, new)
