"""Every mistake that a user can make, one class each.

LLBError
 ├─ InvalidError               a wrong value in a call (also a ValueError)
 │   ├─ InvalidTypeError       a wrong type in a call (also a TypeError)
 │   ├─ LocalFunctionError     a function that is defined inside another one
 │   ├─ RemovedNameError       a method that is gone, with its successor (also an AttributeError)
 │   └─ ModuleNotMountable     a Python module that cannot be added
 ├─ ImageFileError             the image file itself: unreadable, syntax, raises, runs too long
 │   └─ TargetError            the image file has no such target, or none that is meant
 ├─ LocalFileError             a local file or directory of a step (also a FileNotFoundError)
 │   └─ LocalDirectoryError    a directory was expected (also a NotADirectoryError)
 ├─ BaseError                  a base image: unknown, refused, without the wanted platform
 ├─ DefinitionError            bytes that are not an LLB definition
 ├─ UnsupportedError           the engine (or this door) lacks what a step needs
 ├─ VersionError               an unknown builder version
 ├─ NotFoundError              a name or id that nobody knows
 ├─ ExecutionError             something that must be built first, or changed while it was built
 │   └─ NotBuiltError          an attribute that an image has when it was built (also an AttributeError)
 ├─ EngineError                no engine can be reached
 └─ RemoteError                the engine failed
     ├─ DockerfileError        a Dockerfile that BuildKit's frontend refuses
     └─ ImageBuildError        a step failed while it was built
"""

from __future__ import annotations

from llb._value import Value
from llb.location import Location

__all__ = [
    "BaseError",
    "DefinitionError",
    "DockerfileError",
    "EngineError",
    "ExecutionError",
    "ImageBuildError",
    "ImageFileError",
    "InvalidError",
    "InvalidTypeError",
    "LLBError",
    "LocalDirectoryError",
    "LocalFileError",
    "LocalFunctionError",
    "ModuleNotMountable",
    "NotBuiltError",
    "NotFoundError",
    "RemoteError",
    "RemovedNameError",
    "TargetError",
    "UnsupportedError",
    "VersionError",
]


class LLBError(Exception):
    """Base of this library's errors.

    Args:
        message: what is wrong, in the user's terms.
        hint: the way out: what to write, run or install instead.
        step: the step's method name, such as `pip_install`.
        location: the user's line that made the step.
    """

    def __init__(
        self, message: str, *, hint: str = "", step: str = "", location: Location | None = None
    ) -> None:
        message = without_credentials(message)
        super().__init__(message)
        self.message = message
        self.hint = without_credentials(hint)
        self.step = step
        self.location = location

    def at(self, location: Location, step: str = "") -> LLBError:
        """This error, told where it happened, unless it knows already."""
        self.location = self.location or location
        self.step = self.step or step
        return self

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        what = f"{self.step}: " if self.step and not self.message.startswith(self.step) else ""
        return f"{where}{what}{self.message}" + (f"\n{self.hint}" if self.hint else "")


class InvalidError(LLBError, ValueError):
    """A wrong value in a call."""


class InvalidTypeError(InvalidError, TypeError):
    """A wrong type in a call."""


class RemovedNameError(InvalidError, AttributeError):
    """A method that existed once; the hint names what does the same."""


class LocalFunctionError(InvalidError):
    """A function that is defined inside another one, and so has no name that it can be found by."""


class ModuleNotMountable(InvalidError):
    """A Python module that cannot be added as source."""


class ImageFileError(LLBError):
    """The image file cannot be read, is not Python, raises, or runs too long."""


class TargetError(ImageFileError):
    """The image file has no such target, or it is not clear which one is meant."""


class LocalFileError(LLBError, FileNotFoundError):
    """A local file or directory that a step names is not there."""


class LocalDirectoryError(LocalFileError, NotADirectoryError):
    """A directory was expected, and something else is there."""


class BaseError(LLBError):
    """A base image cannot be had: unknown, refused by its registry, or not for the wanted platform."""


class DefinitionError(LLBError, ValueError):
    """Bytes that are not an LLB definition."""


class UnsupportedError(LLBError):
    """The engine, or the door that the build came through, lacks what a step needs."""


class VersionError(LLBError):
    """An unknown builder version."""


class NotFoundError(LLBError):
    """A name or id that nobody knows."""


class ExecutionError(LLBError):
    """Something must be built first, or was changed while it was built."""


class EngineError(LLBError):
    """No engine can be reached: none is there, it refuses, or its address is none."""


class NotBuiltError(ExecutionError, AttributeError):
    """An attribute that an image has only when it was built."""


class RemoteError(LLBError):
    """The engine failed."""


class DockerfileError(RemoteError):
    """A Dockerfile that BuildKit's frontend refuses; `line` is the line of it, 0 if none is to blame."""

    line = 0


class ImageBuildError(RemoteError):
    """A step failed while it was built.

    Args:
        message: what is wrong, in the user's terms.
        hint: the way out.
        step: the step's method name.
        location: the user's line that made the step.
        exit_code: of the command that failed; None if it was none.
        log: the last lines that it wrote.
        image_id: of the image that was to be built, if it has one: `image.logs` is kept by it.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        step: str = "",
        location: Location | None = None,
        exit_code: int | None = None,
        log: tuple[str, ...] = (),
        image_id: str = "",
    ) -> None:
        super().__init__(message, hint=hint, step=step, location=location)
        self.exit_code = exit_code
        self.log = log
        self.image_id = image_id

    def __str__(self) -> str:
        first, _, rest = super().__str__().partition("\n")
        return "\n".join([first, *[f"  {line}" for line in self.log], *([rest] if rest else [])])


def without_credentials(text: str) -> str:
    """A text for people: what URLs in it say of users and passwords is left out.

    A user alone is a token more often than a name; not so with SSH.
    """
    if "://" not in text:
        return text
    before, *parts = text.split("://")
    done = [before]
    for part in parts:
        end = min([found for mark in "/?# \"'\n" if (found := part.find(mark)) >= 0], default=len(part))
        user, at, host = part[:end].rpartition("@")
        plain = user == "git" or (before.endswith("ssh") and ":" not in user)
        done.append(part if not at or plain else f"…@{host}{part[end:]}")
        before = part
    return "://".join(done)


class Excerpt(Value):
    """The text around a line, as shown below an error."""

    filename: str
    text: str
    line: int
    context: int = 3

    def __str__(self) -> str:
        # Lines as Python counts them; `splitlines` also splits at form feeds and the like.
        lines = self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        first = max(1, self.line - self.context)
        last = min(len(lines), self.line + self.context)
        rule = "-" * 20
        body = [
            f"{number:4} | {'>>>' if number == self.line else '   '} {lines[number - 1]}".rstrip()
            for number in range(first, last + 1)
        ]
        return "\n".join([f"{self.filename}:{self.line}", rule, *body, rule])
