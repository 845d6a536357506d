"""Where in the user's own code a step was written."""

from __future__ import annotations

import sys

from llb._value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_OWN = __file__.removesuffix("location.py")
"""This library's folder: its frames are not the user's."""


class Location(Value):
    """A line of the user's code, as the running code names its file (`co_filename`).

    The name may be an absolute path of this machine; it never enters a vertex. Lines count from 1.
    """

    filename: str
    line: int

    def __str__(self) -> str:
        return f"{self.filename}:{self.line}"


def caller() -> Location:
    """The nearest frame on the stack that is not this library's: the line of the user's call."""
    frame = _users_frame()
    if frame is None:
        return Location("<unknown>", 1)
    return Location(frame.f_code.co_filename, frame.f_lineno or 1)


def last_line() -> int:
    """The line that the user's call, which `caller` gives the first line of, ends in."""
    frame = _users_frame()
    if frame is None:
        return 1
    for number, (_, end, _, _) in enumerate(frame.f_code.co_positions()):
        if number == frame.f_lasti // 2:
            return end or frame.f_lineno or 1
    return frame.f_lineno or 1


def _users_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    while frame is not None and frame.f_code.co_filename.startswith(_OWN):
        frame = frame.f_back
    return frame
