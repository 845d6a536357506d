"""What the user is told: errors with the lines of their file, and what the file printed."""

from __future__ import annotations

from llb.errors import LLBError
from llb.gateway import ConnectionLostError, RpcError, decode_status, encode_status, source_detail
from llb.gateway.transport import UNKNOWN
from llb.imagefile import UserCodeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llb.gateway import Bridge
    from llb.image import SecretRequest
    from llb.location import Location

_LINES = 30
"""How many lines of what an image file prints are shown."""
_WIDTH = 400
_QUOTABLE = 4 << 20
"""How large a file may be to go along whole with an error, as excerpts need: gRPC limits its messages."""


_ENGINES = {
    "10": "23.0",
    "11": "24.0",
    "12": "25.0",
    "13": "26.0",
    "14": "27.0",
    "20": "28.0",
    "21": "28.1",
    "22": "28.2",
    "25": "28.5",
}
"""The Docker Engine that brought a minor version of BuildKit."""


def needs(capability: str) -> str:
    """What to have for a capability, as the end of a sentence; empty if any version has it."""
    from llb.graph import SINCE

    version = SINCE.get(capability, "")
    if not version:
        return ""
    minor = int(version.partition(".")[2])
    engines = [engine for brought, engine in _ENGINES.items() if int(brought) >= minor]
    return f": it needs BuildKit {version}" + (f" (Docker Engine {engines[0]})" if engines else "")


def status_of(error: LLBError, files: Mapping[str, bytes], *, excerpts: bool = True) -> bytes:
    """An error as BuildKit's clients show it: the excerpts of the user's files, then the message.

    Args:
        error: what went wrong.
        files: the user's files by the name that locations use.
        excerpts: whether the daemon passes them on; where it does not, the message says the line.
    """
    if isinstance(error, RpcError) and error.status:
        return _with_line(error, files)
    step = f"{error.step}: " if error.step and not error.message.startswith(error.step) else ""
    message = f"{step}{error.message}" + (f"\n{error.hint}" if error.hint else "")
    locations: list[Location] = [error.location] if error.location is not None else []
    if isinstance(error, UserCodeError):
        # Of several lines in one file only the innermost.
        others = {frame.filename: frame for frame in error.frames}
        locations = [frame for frame in others.values() if frame not in locations] + locations
    quotable = {name for name, data in files.items() if len(data) <= _QUOTABLE}
    if locations and not (excerpts and locations[-1].filename in quotable):
        message = f"{locations[-1]}: {message}"
    details = [
        source_detail(place.filename, files[place.filename], [(place.line, place.line)])
        for place in reversed(locations)  # clients print the last one first
        if place.filename in quotable
    ]
    # Any other code would be printed before the message.
    return encode_status(error.code if isinstance(error, RpcError) else UNKNOWN, message, details)


def _with_line(error: RpcError, files: Mapping[str, bytes]) -> bytes:
    """The daemon's own error with all its details, and the user's line where it belongs to one."""
    place = error.location
    data = files.get(place.filename) if place is not None else None
    if data is None and not error.hint:
        return error.status
    code, message, details = decode_status(error.status)
    if place is not None and data is not None and len(data) <= _QUOTABLE:
        details.append(source_detail(place.filename, data, [(place.line, place.line)]))
    return encode_status(code, f"{message}\n{error.hint}" if error.hint else message, details)


def with_secrets(error: RpcError, secrets: Sequence[SecretRequest]) -> RpcError:
    """The daemon's error about a secret that the client did not send, with what the client is to be given."""
    missing = next((one for one in secrets if f"secret {one.id}: not found" in error.message), None)
    if missing is None:
        return error
    flags = " ".join([one.flag() for one in secrets])
    message = f"the build needs the secret {missing.id}, which was not given\nBuild with {flags}"
    details = decode_status(error.status)[2] if error.status else ()
    return RpcError(error.code, message, encode_status(UNKNOWN, message, details))


def lines_of(filename: str, output: str) -> list[str]:
    """What an image file printed, as notices of bounded number and length."""
    lines = [line.expandtabs() for line in output.splitlines() if line.strip()]
    shown = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]} …" for line in lines[:_LINES]]
    if len(lines) > _LINES:
        shown.append(f"… and {len(lines) - _LINES} lines more")
    return [f"{filename}: {line}" for line in shown]


def show(bridge: Bridge, notices: Sequence[str], session: str) -> None:
    """Shows notices in the build's progress: each as the name of a vertex.

    Not as warnings: clients show those in any order, and buildctl only where their vertex happens to be heard
    of again after them. Builds that run at once share vertices of one digest, names included, so what was
    said and in which session is part of the first vertex, and so of all.
    """
    from llb import graph
    from llb.graph.definition import sha256

    said = sha256("\0".join([session, *notices]).encode("utf-8", "replace")).hexdigest()
    state = graph.scratch()
    for notice in notices:
        state = state.file(graph.mkdir(f"/{said}"), meta=graph.Meta(name=notice))
    try:
        bridge.solve(graph.marshal(state).to_bytes(), evaluate=True).result()
    except ConnectionLostError:
        raise
    except RpcError:  # what cannot be shown is no reason to fail
        log("\n".join([*notices, ""]))


def log(text: str) -> None:
    """Writes to the daemon's log, if it has one."""
    import os
    from contextlib import suppress

    with suppress(OSError):
        os.write(2, text.encode("utf-8", "replace"))
