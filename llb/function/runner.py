"""What a step of `run_function` runs: two processes, one that calls the function and one that watches it."""

from __future__ import annotations

import os
import sys

from .rebuilding import ROOT
from .running import HOME, run, say
from .watching import WHERE, Stream, watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIG_DFL, SIGCHLD, SIGKILL, set_wakeup_fd, signal
    from typing import Any, NoReturn
else:  # as `signal` has them, which takes a while to load
    from _signal import SIG_DFL, SIGCHLD, SIGKILL, set_wakeup_fd, signal

SETTINGS = "ftp_proxy"
"""The variable with what is no part of the step: the engine leaves proxies out of a step's cache key."""
SETTINGS_START = "llb:"
PAYLOAD = "LLB_FUNCTION"
"""The variable with the payload, unless it is a file."""
SPARE_SETTINGS = "LLB_FUNCTION_SETTINGS"
"""The variable for them if the user has a proxy of that kind."""


def _read(text: str) -> Any:
    """JSON, without its module, which takes longer to load than all of this."""
    try:
        from _json import make_scanner

        asked: Any = _Reading()
        return make_scanner(asked)(text, 0)[0]
    except (ImportError, AttributeError, TypeError):  # not CPython, or one that wants more
        import json

        return json.loads(text)


class _Reading:
    """What `_json` asks of a decoder."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def _settings() -> Any:
    found: Any = {}
    for name in (SETTINGS, SETTINGS.upper(), SPARE_SETTINGS):
        text = os.environ.get(name, "")
        if text.startswith(SETTINGS_START):
            del os.environ[name]
            found = _read(text[len(SETTINGS_START) :])
    return found


def _noticed(number: int, frame: object) -> None:
    """Children are waited for when the select is over; the signal is to end it."""


def main(home: str = HOME) -> None:
    """What the step runs."""
    settings = _settings()
    given = os.environ.pop(PAYLOAD, "")
    if not given:
        with open(home + "/payload", encoding="ascii") as file:
            given = file.read()
    payload = _read(given)
    sys.path.insert(0, ROOT)
    sys.argv = [payload["name"]]
    wake, signalled = os.pipe()
    os.set_blocking(signalled, False)
    signal(SIGCHLD, _noticed)
    set_wakeup_fd(signalled)
    streams = [os.pipe(), os.pipe()]
    dump, dumped = os.pipe()
    seconds: float = settings.get("timeout", 3600)
    child = os.fork()
    if child == 0:
        set_wakeup_fd(-1)
        signal(SIGCHLD, SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        for number, (_, write) in enumerate(streams, 1):
            os.dup2(write, number)
        os.set_inheritable(dumped, False)
        for one in (null, wake, signalled, dump, *[end for pair in streams for end in pair]):
            os.close(one)
        import faulthandler

        file = os.fdopen(dumped, "w")
        faulthandler.enable(file)
        faulthandler.register(WHERE, file, all_threads=False)
        run(payload, settings)
        return
    os.close(dumped)
    for _, write in streams:
        os.close(write)
    passed = [Stream(read, number) for number, (read, _) in enumerate(streams, 1)]
    for read, _ in streams:
        os.set_blocking(read, False)
    status = watch(child, passed, wake, seconds)
    if status is None:
        from .explaining import where

        say(
            f"{payload['name']} did not end within {seconds:g} s (timeout=): "
            f"it and all that it started were killed{where(dump, settings)}"
        )
        _end(124)
    if os.WIFSIGNALED(status):
        from .explaining import named, where

        number = os.WTERMSIG(status)
        why = ": out of memory?" if number == SIGKILL else ""
        say(f"{payload['name']} was killed by signal {number}{named(number)}{why}{where(dump, settings)}")
        _end(128 + number)
    _end(os.WEXITSTATUS(status))


def _end(status: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
