"""Errors as BuildKit passes them between its parts: `google.rpc.Status` with JSON details.

A detail is an `Any` with URL `github.com/moby/buildkit/<type>+json`; its value is the JSON of that type.
Source details carry the whole file, because the client that prints the excerpt opens no files.
"""

from __future__ import annotations

from llb import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

_PREFIX = "github.com/moby/buildkit/"


def encode_status(code: int, message: str, details: Iterable[bytes] = ()) -> bytes:
    """A `google.rpc.Status`; details are encoded `Any`s."""
    text = message.encode(
        "utf-8", "backslashreplace"
    ).decode()  # half a surrogate pair is no text on the wire
    return (
        wire.integer(1, code) + wire.string(2, text) + b"".join([wire.message(3, each) for each in details])
    )


def decode_status(status: bytes) -> tuple[int, str, list[bytes]]:
    """Code, message and encoded details of a `google.rpc.Status`."""
    reader = wire.Reader(status)
    return reader.integer(1), reader.string(2), reader.all_data(3)


def detail(kind: str, value: dict[str, Any]) -> bytes:
    """A detail of one of BuildKit's types, such as `errdefs.Subrequest`."""
    import json

    encoded = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    return wire.string(1, f"{_PREFIX}{kind}+json") + wire.data(2, encoded)


def decode_detail(encoded: bytes) -> tuple[str, dict[str, Any]] | None:
    """Type and value of a detail of BuildKit's; None for any other."""
    import json

    reader = wire.Reader(encoded)
    url = reader.string(1)
    if not url.startswith(_PREFIX) or not url.endswith("+json"):
        return None
    try:
        value: Any = json.loads(reader.data(2))
    except ValueError:
        return None
    return url[len(_PREFIX) : -len("+json")], value


def source_detail(
    filename: str, data: bytes, lines: Sequence[tuple[int, int]], language: str = "python"
) -> bytes:
    """Where in a file an error is: BuildKit's clients print the name and these lines (from 1, inclusive)."""
    from binascii import b2a_base64

    return detail(
        "errdefs.Source",
        {
            "info": {
                "filename": filename,
                "data": b2a_base64(data, newline=False).decode(),
                "language": language,
            },
            "ranges": [{"start": {"line": first}, "end": {"line": last}} for first, last in lines],
        },
    )


def subrequest_detail(name: str) -> bytes:
    """Marks an error as "this subrequest is not known here"."""
    return detail("errdefs.Subrequest", {"name": name})
