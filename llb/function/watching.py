"""Watches the process that calls the function: passes on what it prints, ends it in time. In the step."""

from __future__ import annotations

import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from signal import SIGKILL, SIGUSR2
else:  # as `signal` has them, which takes a while to load
    from _signal import SIGKILL, SIGUSR2


WHERE = SIGUSR2
"""Asks the process where it is. A timer of `faulthandler` would keep its children from ending."""


class Stream:
    """What the function prints, passed on at once; of a progress bar only a line now and then."""

    EVERY = 5.0
    """Seconds between two states of a progress bar."""
    QUIET = 0.2
    """Seconds after which a line without its end is passed on."""
    LONGEST = 1 << 16

    def __init__(self, source: int, target: int) -> None:
        self.source = source
        self._target = target
        self._line = b""
        self._since = 0.0
        self._shown = -self.EVERY
        self._bar = False

    def feed(self, data: bytes, now: float) -> None:
        out: list[bytes] = []
        if b"\r" not in data and b"\r" not in self._line and not self._bar:
            head, newline, tail = data.rpartition(b"\n")
            if newline:
                out.append(self._line + head + newline)
                self._line = tail
            else:
                self._line += data
        else:
            lines = (self._line + data).split(b"\n")
            self._line = lines.pop()
            for line in lines:
                out.extend(self._ended(line, now))
            out.extend(self._open(now))
        if len(self._line) > self.LONGEST:
            out.append(self._line)
            self._line = b""
        if self._line and not self._since:
            self._since = now
        elif not self._line:
            self._since = 0.0
        self._write(b"".join(out))

    def _ended(self, line: bytes, now: float) -> Iterator[bytes]:
        if line.endswith(b"\r"):
            line = line[:-1]
        moves = b"\x1b[A" in line
        line = line.replace(b"\x1b[A", b"")
        if b"\r" not in line:
            if not self._bar or line.strip():
                self._bar = False
                yield line + b"\n"
            return
        text = _last(line)
        self._bar = moves
        if text and (not moves or now - self._shown >= self.EVERY):
            self._shown = now if moves else -self.EVERY
            yield text + b"\n"

    def _open(self, now: float) -> Iterator[bytes]:
        if b"\r" not in self._line:
            return
        text = _last(self._line.replace(b"\x1b[A", b""))
        if text and now - self._shown >= self.EVERY:
            self._shown = now
            yield text + b"\n"
        self._line = b"\r" + text if text else b""

    def idle(self, now: float) -> None:
        """Passes on a line that does not end, such as a question."""
        if self._line and b"\r" not in self._line and now - self._since >= self.QUIET:
            self._write(self._line)
            self._line = b""
            self._since = 0.0

    @property
    def waits(self) -> bool:
        return bool(self._line) and b"\r" not in self._line

    def finish(self) -> None:
        text = _last(self._line.replace(b"\x1b[A", b"")) if b"\r" in self._line else self._line
        self._write(text + b"\n" if b"\r" in self._line and text else text)
        self._line = b""

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._target, data) :]


def _last(line: bytes) -> bytes:
    """What is seen of a line that was written over."""
    parts = [part for part in line.split(b"\r") if part.strip()]
    return parts[-1].rstrip() if parts else b""


def _read(stream: Stream, now: float) -> bool:
    try:
        data = os.read(stream.source, 1 << 16)
    except BlockingIOError:
        return False
    except OSError:
        return False
    if data:
        stream.feed(data, now)
    return bool(data)


def watch(child: int, streams: list[Stream], wake: int, seconds: float) -> int | None:
    """Passes on what the child prints until it ends; its wait status, or None if it took too long."""
    end = time.monotonic() + seconds
    waiting = [stream.source for stream in streams] + [wake]
    by_source = {stream.source: stream for stream in streams}
    status = None
    while status is None:
        now = time.monotonic()
        if now >= end:
            break
        patience = min([end - now] + [Stream.QUIET for stream in streams if stream.waits])
        for ready in select.select(waiting, [], [], patience)[0]:
            if ready == wake:
                os.read(wake, 512)
            elif not _read(by_source[ready], time.monotonic()):
                waiting.remove(ready)
        for stream in streams:
            stream.idle(time.monotonic())
        status = _reaped(child)
    if status is None:
        os.kill(child, WHERE)
        time.sleep(0.05)
        kill_all(child)
    for stream in streams:
        for _ in range(64):  # what children that live on may still write is not waited for
            if not _read(stream, time.monotonic()):
                break
        stream.finish()
    return status


def _reaped(child: int) -> int | None:
    """The child's wait status once it has ended; orphans are reaped too."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == 0:
            return None
        if pid == child:
            return status


def kill_all(child: int) -> None:
    """Ends the child and all that it has started."""
    if os.getpid() == 1:  # of a namespace of its own
        _kill(-1)
        return
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
    doomed = [child]
    for one in doomed:
        doomed.extend([pid for pid, parent in parents.items() if parent == one])
    for one in doomed:
        _kill(one)


def _kill(process: int) -> None:
    try:
        os.kill(process, SIGKILL)
    except OSError:
        return
