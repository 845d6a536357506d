"""The end of image files that take too long."""

from __future__ import annotations

import os

from llb.imagefile.values import UserCodeError
from llb.location import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Sequence
    from types import FrameType
    from typing import Any

    from llb.imagefile.execution import Run
else:
    import _signal  # `signal` without its enums: 1 ms less in the frontend container

_GRACE = 2.0
"""Seconds between the end of the time and the hard stop of code that nothing interrupts."""


class TimeIsUpError(BaseException):
    """Raised into the user's code; not an `Exception`, so that it is hard to swallow."""


def too_long(filename: str, timeout: float, frames: Sequence[Location]) -> UserCodeError:
    return UserCodeError(
        f"{filename} did not end within {timeout:g} s",
        frames,
        hint="An image file only describes images; leave the work to their steps.",
    )


class Watch:
    """Ends an execution that takes too long.

    First by an exception, raised again and again in case it is swallowed. Code that is stuck inside a C
    function never gets to see it: for that, a forked child waits, reads from a traceback that the signal
    handler of `faulthandler` writes where the parent is, and tells of it; then the parent ends.
    """

    def __init__(self, run: Run, timeout: float, on_stuck: Callable[[UserCodeError], object] | None) -> None:
        self._run = run
        self._timeout = timeout
        self._on_stuck = on_stuck
        self._pid = os.getpid()
        self._fds: list[int] = []
        self._child = 0
        self._handler: Any = None
        self._armed = False

    def start(self) -> None:
        if self._on_stuck is not None:
            self._fork(self._on_stuck)
        try:
            self._handler = _signal.signal(_signal.SIGALRM, self._up)
        except ValueError:  # not the main thread
            return
        self._armed = True
        _signal.setitimer(_signal.ITIMER_REAL, self._timeout, 0.2)

    def stop(self) -> None:
        if os.getpid() != self._pid:  # a child of the user's: it has neither the timer nor the threads
            return
        if self._armed:
            self._armed = False
            _signal.setitimer(_signal.ITIMER_REAL, 0)
            _signal.signal(_signal.SIGALRM, self._handler)
        if self._child:
            import faulthandler

            faulthandler.cancel_dump_traceback_later()
            faulthandler.unregister(_signal.SIGUSR1)
            # Not asked to end: a child that was forked beside other threads may hold a lock for ever.
            try:
                os.kill(self._child, _signal.SIGKILL)
                os.waitpid(self._child, 0)
            except OSError:  # the user's code waited for all children, or ignores their end
                pass
            for fd in self._fds:
                try:  # noqa: SIM105 - contextlib is not imported for it
                    os.close(fd)
                except OSError:  # the user's code closed it
                    pass

    def _up(self, _number: int, _frame: FrameType | None) -> None:
        if self._armed and not self._run.busy:
            raise TimeIsUpError

    def _fork(self, on_stuck: Callable[[UserCodeError], object]) -> None:
        import faulthandler

        stopped, stop_fd = os.pipe()
        dumped, dump_fd = os.pipe()
        faulthandler.register(_signal.SIGUSR1, dump_fd, all_threads=False)
        parent = os.getpid()
        try:
            self._child = os.fork()
        except OSError:  # no room for another process: then without a hard stop
            return
        if not self._child:
            try:
                os.close(stop_fd)
                os.close(dump_fd)
                self._wait(parent, stopped, dumped, on_stuck)
            finally:
                os._exit(0)
        os.close(stopped)
        os.close(dumped)
        null = os.open(os.devnull, os.O_WRONLY)
        self._fds = [stop_fd, dump_fd, null]
        faulthandler.dump_traceback_later(self._timeout + 1.5 * _GRACE, exit=True, file=null)

    def _wait(
        self, parent: int, stopped: int, dumped: int, on_stuck: Callable[[UserCodeError], object]
    ) -> None:
        """The child's life: ends when the parent stops watching, or goes on alone."""
        from select import select

        if select([stopped], [], [], self._timeout + _GRACE)[0]:
            return
        os.kill(parent, _signal.SIGUSR1)
        dump = b""
        while len(dump) < 1 << 16 and select([dumped], [], [], _GRACE / 8)[0]:
            dump += os.read(dumped, 1 << 16)
        frames: list[Location] = []
        # Lines such as '  File "image.py", line 3 in <module>', innermost first.
        for line in dump.decode("utf-8", "replace").splitlines():
            name, separator, rest = line.strip().removeprefix('File "').rpartition('", line ')
            number = rest.partition(" ")[0]
            if separator and name in self._run.sources and number.isdigit():
                frames.insert(0, Location(name, int(number)))
        on_stuck(too_long(self._run.filename, self._timeout, frames))
