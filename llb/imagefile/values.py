"""What is known of an image file and of the modules beside it."""

from __future__ import annotations

from llb._value import Value
from llb.errors import ImageFileError
from llb.location import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType
    from typing import Any

    from llb.image import Image


class BuildArg(Value):
    """A build argument that an image file asked for."""

    name: str
    default: str | None
    description: str
    value: str | None
    """What the file got."""
    location: Location


class ImageFile(Value):
    """An image file that was executed."""

    name: str
    """Its display name: relative to the directory that it was given in."""
    namespace: Mapping[str, Any]
    targets: Mapping[str, Image]
    """Its public module-level images, in the order of their names' first assignment; of a script that uses
    `modal` also those of its functions, classes, sandboxes and apps."""
    build_args: tuple[BuildArg, ...] = ()
    aliases: Mapping[str, str] | None = None
    """Other names of targets, which are not listed."""
    used: tuple[Image, ...] = ()
    """The images that functions, classes and sandboxes of a script ask for, each once."""
    ended: Location | None = None
    """Where its evaluation ended early: at what only a service could do."""


class UserCodeError(ImageFileError):
    """An exception in the user's own code.

    Args:
        message: the exception's own words.
        frames: the user's lines that led to it, the image file's first.
    """

    def __init__(self, message: str, frames: Sequence[Location] = (), *, hint: str = "") -> None:
        super().__init__(message, hint=hint, location=frames[-1] if frames else None)
        self.frames = tuple(frames)


class ModuleFile(Value):
    """The source of a module."""

    filename: str
    """Its display name, such as `mylib/__init__.py`."""
    data: bytes
    package: bool = False


def kind_of(value: object) -> str:
    """A value's type with its article."""
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def compile_file(source: bytes, filename: str) -> CodeType:
    """Compiles a file of the user's.

    Raises:
        ImageFileError: it is not Python.
    """
    try:
        return compile(source, filename, "exec", dont_inherit=True)
    except SyntaxError as error:
        line = error.lineno or 1
        message = error.msg
        if "codec can't decode" in message or "Non-UTF-8" in message or "(unicode error)" in message:
            undecodable = _undecodable(source)
            if undecodable is not None:
                line, message = undecodable
        kind = type(error).__name__
        raise UserCodeError(f"{kind}: {message}", [Location(error.filename or filename, line)]) from None
    except ValueError as error:  # NUL bytes, before Python 3.12
        line = source[: max(source.find(b"\0"), 0)].count(b"\n") + 1
        raise UserCodeError(f"SyntaxError: {error}", [Location(filename, line)]) from None
    except (RecursionError, MemoryError, OverflowError) as error:
        message = f"{filename} cannot be compiled: {type(error).__name__}: {error}"
        raise UserCodeError(message, [Location(filename, 1)]) from None


def _undecodable(source: bytes) -> tuple[int, str] | None:
    try:
        source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        return line, f"the file is not UTF-8 (byte 0x{source[error.start]:02x})"
    return None
