"""The messages of BuildKit's `LLBBridge` service that a frontend needs, by `llb.wire`.

Source: https://github.com/moby/buildkit/blob/v0.32.2/frontend/gateway/pb/gateway.proto
(our description of it: `proto/gateway.proto`; `llb/pb/gateway_pb2.py` is the oracle in the tests)
"""

from __future__ import annotations

from llb import wire
from llb._value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Protocol

    class PlatformLike(Protocol):
        """What `llb.graph.Platform` has."""

        @property
        def os(self) -> str: ...
        @property
        def architecture(self) -> str: ...
        @property
        def variant(self) -> str: ...
        @property
        def os_version(self) -> str: ...
        @property
        def os_features(self) -> tuple[str, ...]: ...


class Pong(Value):
    """What the daemon can do."""

    frontend_caps: frozenset[str]
    """Capabilities of the gateway, such as `gateway.warnings`."""
    llb_caps: frozenset[str]
    """Capabilities of its LLB, such as `mergeop`."""


class CacheImport(Value):
    """A cache to take results from."""

    type: str
    attrs: tuple[tuple[str, str], ...] = ()


class Ref(Value):
    """A result, perhaps not computed yet; the empty id is an empty file system."""

    id: str = ""
    definition: bytes = b""
    """The encoded `pb.Definition` that it is the result of, if it was told."""


class Result(Value):
    """What a solve gives, and what a frontend returns: one ref, or one by platform, with metadata."""

    ref: Ref | None = None
    refs: tuple[tuple[str, Ref], ...] | None = None
    metadata: tuple[tuple[str, bytes], ...] = ()
    attestations: tuple[bytes, ...] = ()
    """Encoded entries of the attestations map, passed on as they came."""


class Stat(Value):
    """An entry of a directory."""

    path: str
    mode: int
    """Go's `fs.FileMode`: permissions, and the kind in the high bits."""
    uid: int = 0
    gid: int = 0
    size: int = 0
    modified: int = 0
    """Nanoseconds since 1970."""
    linkname: str = ""

    @property
    def is_dir(self) -> bool:
        return bool(self.mode & 1 << 31)

    @property
    def is_symlink(self) -> bool:
        return bool(self.mode & 1 << 27)

    @property
    def is_file(self) -> bool:
        return not self.mode & _NOT_REGULAR


_NAME = ("utf-8", "surrogateescape")
"""Names of files are bytes; those that are not UTF-8 become what Python makes of them everywhere."""
_NOT_REGULAR = 1 << 31 | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19


class ImageMeta(Value):
    """What a registry (or another store) says of an image."""

    reference: str
    digest: str
    config: bytes


class SourceMeta(Value):
    """What BuildKit resolved a source to."""

    identifier: str
    """The source after source policies, such as `docker-image://docker.io/library/debian:bookworm`."""
    digest: str = ""
    config: bytes = b""
    checksum: str = ""
    """Of a git commit or a download."""


class WarningSource(Value):
    """The file that a warning is about."""

    filename: str
    data: bytes
    lines: tuple[tuple[int, int], ...] = ()
    language: str = "python"
    definition: bytes = b""


# -- requests


def platform(value: PlatformLike) -> bytes:
    """`pb.Platform`."""
    return b"".join(
        (
            wire.string(1, value.architecture),
            wire.string(2, value.os),
            wire.string(3, value.variant),
            wire.string(4, value.os_version),
            wire.strings(5, value.os_features),
        )
    )


def solve_request(
    *,
    definition: bytes | None,
    frontend: str,
    options: Mapping[str, str],
    inputs: Mapping[str, bytes],
    cache_imports: Sequence[CacheImport],
    evaluate: bool,
) -> bytes:
    return b"".join(
        (
            wire.message(1, definition) if definition is not None else b"",
            wire.string(2, frontend),
            wire.mapping(3, options),
            b"\x28\x01\x30\x01",  # allowResultReturn, allowResultArrayRef
            *[
                wire.message(12, wire.string(1, one.type) + wire.mapping(2, dict(one.attrs)))
                for one in cache_imports
            ],
            wire.mapping(13, inputs),
            wire.integer(14, evaluate),
        )
    )


def resolve_image_request(
    reference: str, platform_: PlatformLike | None, mode: str, log_name: str, store: tuple[str, str] | None
) -> bytes:
    """`ResolveImageConfigRequest`; `store`: session and store id of an OCI layout, instead of a registry."""
    return b"".join(
        (
            wire.string(1, reference),
            wire.message(2, platform(platform_)) if platform_ is not None else b"",
            wire.string(3, mode),
            wire.string(4, log_name),
            wire.integer(5, store is not None),
            wire.string(6, store[0]) + wire.string(7, store[1]) if store is not None else b"",
        )
    )


def resolve_source_request(
    identifier: str, attrs: Mapping[str, str], platform_: PlatformLike | None, mode: str, log_name: str
) -> bytes:
    return b"".join(
        (
            wire.message(1, wire.string(1, identifier) + wire.mapping(2, attrs)),
            wire.message(2, platform(platform_)) if platform_ is not None else b"",
            wire.string(3, log_name),
            wire.string(4, mode),
        )
    )


def read_file_request(ref: str, path: str, offset: int, length: int) -> bytes:
    section = wire.integer(1, offset) + wire.integer(2, length)
    return wire.string(1, ref) + wire.string(2, path) + wire.data(3, section)


def _range(first: int, last: int) -> bytes:
    return wire.message(1, wire.integer(1, first)) + wire.message(2, wire.integer(1, last))


def warn_request(
    digest: str, short: str, detail: Sequence[str], url: str, level: int, source: WarningSource | None
) -> bytes:
    parts = [
        wire.string(1, digest),
        wire.integer(2, level),
        wire.string(3, short),
        wire.strings(4, detail),
        wire.string(5, url),
    ]
    if source is not None:
        parts.append(
            wire.message(
                6,
                wire.string(1, source.filename)
                + wire.data(2, source.data)
                + (wire.message(3, source.definition) if source.definition else b"")
                + wire.string(4, source.language),
            )
        )
        parts += [wire.message(7, _range(*lines)) for lines in source.lines]
    return b"".join(parts)


def encode_ref(ref: Ref) -> bytes:
    return wire.string(1, ref.id) + (wire.message(2, ref.definition) if ref.definition else b"")


def encode_result(result: Result) -> bytes:
    parts: list[bytes] = []
    if result.refs is not None:
        parts.append(wire.message(4, wire.mapping(1, {key: encode_ref(ref) for key, ref in result.refs})))
    else:
        parts.append(wire.message(3, encode_ref(result.ref or Ref())))
    parts.append(wire.mapping(10, dict(result.metadata)))
    parts += [wire.message(12, entry) for entry in result.attestations]
    return b"".join(parts)


# -- responses


def _caps(entries: list[bytes]) -> frozenset[str]:
    found: list[str] = []
    for entry in entries:
        reader = wire.Reader(entry)
        if reader.integer(2):
            found.append(reader.string(1))
    return frozenset(found)


def pong(response: bytes) -> Pong:
    reader = wire.Reader(response)
    return Pong(_caps(reader.all_data(1)), _caps(reader.all_data(2)))


def decode_ref(encoded: bytes) -> Ref:
    reader = wire.Reader(encoded)
    return Ref(reader.string(1), reader.data(2))


def decode_result(encoded: bytes) -> Result:
    reader = wire.Reader(encoded)
    refs: tuple[tuple[str, Ref], ...] | None = None
    ref: Ref | None = None
    if reader.has(4):
        refs = tuple((key, decode_ref(value)) for key, value in reader.message(4).mapping(1).items())
    elif reader.has(2):  # daemons before 0.7
        refs = tuple((key, Ref(value.decode())) for key, value in reader.message(2).mapping(1).items())
    elif reader.has(3):
        ref = decode_ref(reader.data(3))
    elif reader.has(1):
        ref = Ref(reader.string(1))
    return Result(ref, refs, tuple(reader.mapping(10).items()), tuple(reader.all_data(12)))


def solve_response(response: bytes) -> Result:
    return decode_result(wire.Reader(response).data(3))


def image_meta(response: bytes, asked: str) -> ImageMeta:
    reader = wire.Reader(response)
    return ImageMeta(reader.string(3) or asked, reader.string(1), reader.data(2))


def source_meta(response: bytes) -> SourceMeta:
    reader = wire.Reader(response)
    image, git, http = reader.message(2), reader.message(3), reader.message(4)
    return SourceMeta(
        reader.message(1).string(1), image.string(1), image.data(2), git.string(1) or http.string(1)
    )


def stat(encoded: bytes) -> Stat:
    reader = wire.Reader(encoded)
    return Stat(
        reader.data(1).decode(*_NAME),
        reader.integer(2),
        reader.integer(3),
        reader.integer(4),
        reader.integer(5),
        reader.integer(6),
        reader.data(7).decode(*_NAME),
    )


def read_dir_response(response: bytes) -> list[Stat]:
    return [stat(entry) for entry in wire.Reader(response).all_data(1)]


def decode_stats(data: bytes) -> Iterator[Stat]:
    """The entries of a metadata transfer's list: each after its length, 4 bytes, little end first."""
    at = 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        yield stat(data[at + 4 : at + 4 + size])
        at += 4 + size
