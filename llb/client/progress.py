"""Progress of a build: what it says is kept for errors and logs, and shown as plain lines."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import IO

from llb.client.events import Event, Events, LogEvent, StatusEvent, VertexEvent, WarningEvent
from llb.errors import LLBError

_KEPT = 1 << 20
"""How many bytes of the end of a step's output are kept."""
_UNITS = ("B", "kB", "MB", "GB", "TB")


class Record:
    """What a build has said so far."""

    def __init__(self) -> None:
        self.vertices: dict[str, VertexEvent] = {}
        self.warnings: list[WarningEvent] = []
        self._logs: dict[str, deque[bytes]] = {}
        self._sizes: dict[str, int] = {}

    def add(self, event: Event) -> None:
        if isinstance(event, VertexEvent):
            known = self.vertices.get(event.digest)
            if known is not None and known.cached and not event.cached:
                return  # the engine says it once
            self.vertices[event.digest] = event
        elif isinstance(event, LogEvent):
            pieces = self._logs.setdefault(event.vertex, deque())
            pieces.append(event.data)
            size = self._sizes.get(event.vertex, 0) + len(event.data)
            while size > _KEPT and len(pieces) > 1:
                size -= len(pieces.popleft())
            self._sizes[event.vertex] = size
        elif isinstance(event, WarningEvent):
            self.warnings.append(event)

    def log(self, digest: str) -> str:
        """What a step wrote, both streams as they came."""
        return b"".join(self._logs.get(digest, ())).decode("utf-8", "replace")

    def logs(self) -> Mapping[str, str]:
        """The same of all steps that wrote something, by digest."""
        return {digest: self.log(digest) for digest in self._logs}

    def failed(self) -> VertexEvent | None:
        """The step that failed: not one that ended because another one did."""
        for vertex in self.vertices.values():
            if vertex.error and not vertex.error.endswith("context canceled"):
                return vertex
        return None


class Watch:
    """Listens to a build in the background.

    Args:
        events: what it says.
        listeners: are told of each event, in a thread of their own; one that fails is not told any more.
        hidden: takes from what a command wrote what nobody shall see.
    """

    def __init__(
        self,
        events: Events,
        listeners: Iterable[Callable[[Event], object]] = (),
        hidden: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self.record = Record()
        self._hidden = hidden
        self._events = events
        self._listeners = list(listeners)
        self._thread = threading.Thread(target=self._run, name="llb-progress", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(LLBError):  # the build itself fails for the same reason, and says so
            for event in self._events:
                if isinstance(event, LogEvent):
                    event = replace(event, data=self._hidden(event.data))
                self.record.add(event)
                for listener in tuple(self._listeners):
                    try:
                        listener(event)
                    except Exception:  # noqa: BLE001 - it is anybody's code, and the build goes on
                        self._listeners.remove(listener)

    def finish(self, timeout: float = 5.0) -> Record:
        """Waits for the last events, then closes."""
        self._thread.join(timeout)
        self._events.close()
        self._thread.join(timeout)
        return self.record


class PlainProgress:
    """Each event as a line, steps numbered as they come.

    Args:
        file: where to write; default: standard error.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self._file = file
        self._numbers: dict[str, int] = {}
        self._done: set[str] = set()
        self._partial: dict[str, bytes] = {}
        self._begun: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        lines: list[str] = []
        if isinstance(event, VertexEvent):
            lines = self._vertex(event)
        elif isinstance(event, StatusEvent):
            lines = self._status(event)
        elif isinstance(event, LogEvent):
            lines = self._log(event)
        else:
            where = f"{event.filename}:{event.lines[0][0]}: " if event.filename and event.lines else ""
            lines = [f"WARNING: {where}{event.short}", *[f"  {line}" for line in event.detail]]
        if lines:
            file = self._file or sys.stderr
            file.write("\n".join(lines) + "\n")
            file.flush()

    def _number(self, digest: str) -> str:
        return f"#{self._numbers.setdefault(digest, len(self._numbers) + 1)}"

    def _vertex(self, event: VertexEvent) -> list[str]:
        if event.started is None or event.digest in self._done:
            return []
        lines: list[str] = []
        if event.digest not in self._numbers:
            lines.append(f"{self._number(event.digest)} {event.name}")
            self._begun[event.digest] = event.started
        if event.completed is None:
            return lines
        number = self._number(event.digest)
        rest = self._partial.pop(event.digest, b"")
        if rest:
            lines.append(f"{number} {rest.decode('utf-8', 'replace')}")
        self._done.add(event.digest)
        if event.error.endswith("context canceled"):
            lines.append(f"{number} CANCELED")
        elif event.error:
            lines.append(f"{number} ERROR: {event.error}")
        elif event.cached:
            lines.append(f"{number} CACHED")
        else:
            lines.append(f"{number} DONE {event.completed - event.started:.1f}s")
        return lines

    def _status(self, event: StatusEvent) -> list[str]:
        if event.completed is None or event.vertex not in self._numbers:
            return []
        size = ""
        if event.current:
            of = f" / {_size(event.total)}" if event.total > event.current else ""
            size = f": {_size(event.current)}{of}"
        took = f" {event.completed - event.started:.1f}s" if event.started is not None else ""
        return [f"{self._number(event.vertex)} {event.name or event.id}{size}{took} done"]

    def _log(self, event: LogEvent) -> list[str]:
        number = self._number(event.vertex)
        *whole, rest = (self._partial.get(event.vertex, b"") + event.data).split(b"\n")
        self._partial[event.vertex] = rest[-65536:]
        begun = self._begun.get(event.vertex)
        at = f" {event.time - begun:.3f}" if begun is not None and event.time is not None else ""
        return [f"{number}{at} {line.decode('utf-8', 'replace').rstrip(chr(13))}" for line in whole]


def _size(count: int) -> str:
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.2f}{_UNITS[unit]}" if unit else f"{count}B"
