"""Where a command's output goes: a file that is written whole or not at all, or standard output."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import click


class NobodyReadsError(Exception):
    """The reader of a pipe has gone. Not a `BrokenPipeError`, which click turns into a status of its own."""


def take_stdout() -> BinaryIO:
    """Standard output for the command alone: what anything else writes there now goes to standard error.

    The user's code may print at any time, at its end too, and a piped definition must hold nothing else.

    Raises:
        click.ClickException: standard output is closed.
    """
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise click.ClickException("standard output is closed; name a file with -o")
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # not a real one
        return sys.stdout.buffer
    sys.stdout.flush()
    ours = os.fdopen(os.dup(descriptor), "wb", closefd=True)
    os.dup2(2, descriptor)
    sys.stdout = sys.stderr
    return ours


def write(path: Path, content: bytes) -> None:
    """Writes a file, with nothing left behind if that fails.

    A regular file is written under a temporary name beside it, then renamed, with the mode that it has or
    that a new file gets. What a link names is written, not the link. A device or a pipe is written to.

    Raises:
        click.ClickException: it cannot be written.
        NobodyReadsError: it is a pipe that nobody reads any more.
    """
    with telling(repr(str(path))):
        target = Path(os.path.realpath(path))
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(path.stat().st_mode):
                path.write_bytes(content)
                return
        _replace(target, content)


@contextmanager
def telling(what: str) -> Generator[None, None, None]:
    """Tells of a failure to write."""
    try:
        yield
    except BrokenPipeError:
        raise NobodyReadsError from None
    except OSError as error:
        raise click.ClickException(f"cannot write {what}: {error.strerror}") from None


def _replace(target: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".llb-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            os.fchmod(handle, _mode(target))
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _mode(target: Path) -> int:
    with suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
