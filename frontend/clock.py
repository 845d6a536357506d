"""Where the time of a build goes: written to the daemon's log if LLB_FRONTEND_TIMES is set in the image."""

from __future__ import annotations

import os
from time import clock_gettime_ns

_ON = "LLB_FRONTEND_TIMES" in os.environ
_MONOTONIC = 1
_ticks: list[tuple[str, int]] = []


def tick(what: str) -> None:
    """Notes that something is done now."""
    if _ON:
        _ticks.append((what, clock_gettime_ns(_MONOTONIC)))


def report() -> None:
    """Writes what was noted: milliseconds since the process was started, and what was done then."""
    if not _ON:
        return
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start = int(fields[19]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    first = _ticks[0][1]
    lines = [f"{(at - first) / 1e6:6.1f} ms {what}" for what, at in _ticks]
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # noqa: SIM115
    lines.append(
        f"{(first - start) / 1e6:6.1f} ms (to 10) from the start of the process to the first of these"
    )
    os.write(2, ("llb frontend times\n" + "\n".join(lines) + f"\n{peak}").encode())
