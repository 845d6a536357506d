"""Progress lines with times, and running helper programs so that Ctrl-C ends them too."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import RigError

_began = time.monotonic()
_print_lock = threading.Lock()
_running: dict[subprocess.Popen[bytes], bool] = {}  # and whether it may be killed
_interrupted = threading.Event()


def say(part: str, text: str) -> None:
    with _print_lock:
        print(f"{time.monotonic() - _began:6.1f}s  {part:<16} {text}", file=sys.stderr, flush=True)


@contextmanager
def timed(part: str, text: str) -> Generator[None]:
    say(part, f"{text} ...")
    start = time.monotonic()
    yield
    say(part, f"{text}: done in {time.monotonic() - start:.1f} s")


def call(
    argv: Sequence[str | Path],
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    disposable: bool = False,
) -> str:
    """Runs a program. Output goes to `log` or is returned, its last lines into the error if it fails.

    `disposable`: what it makes is thrown away when it is interrupted, so it may be killed.
    """
    if _interrupted.is_set():
        raise RigError("interrupted")
    words = [str(word) for word in argv]
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") if log else _Pipe() as out:
        try:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env, cwd=cwd
            )
        except FileNotFoundError:
            raise RigError(f"{words[0]} is not installed") from None
        _running[child] = disposable
        try:
            output = child.communicate()[0] or b""
        finally:
            del _running[child]
    text = log.read_text(errors="replace") if log else output.decode(errors="replace")
    if child.returncode != 0:
        where = f" (all of it: {log})" if log else ""
        raise RigError(f"{words[0]} failed with {child.returncode}{where}:\n{tail(text)}")
    return text


class _Pipe:
    def __enter__(self) -> int:
        return subprocess.PIPE

    def __exit__(self, *_: object) -> None: ...


def tail(text: str, lines: int = 15) -> str:
    return "\n".join("    " + line[:300] for line in text.strip().splitlines()[-lines:])


def interrupted() -> bool:
    return _interrupted.is_set()


def interrupt() -> None:
    """Ends the helper programs under way in any thread, and lets no new one start."""
    _interrupted.set()
    for child, disposable in list(_running.items()):
        if disposable:
            child.kill()
        else:
            child.terminate()
