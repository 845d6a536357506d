"""Long-running processes of a clone: started detached, found again by pid and start time, stopped wholly."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import RigError
from .paths import Clone, write_atomic
from .report import interrupted, tail

# A private mount and pid namespace: when its first process ends, the kernel ends every other process and
# drops every mount made inside, so nothing that a daemon started outlives it. The pid is read from the
# host's /proc: the host's number.
_PRIVATE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--")
_ENTER = 'read -r pid _ </proc/self/stat; echo "$pid" >"$0"; mount -t proc proc /proc; exec "$@"'


@dataclass(frozen=True)
class Daemon:
    clone: Clone
    name: str

    @property
    def _file(self) -> Path:
        return self.clone.sub("pids") / f"{self.name}.json"

    @property
    def log(self) -> Path:
        return self.clone.sub("log") / f"{self.name}.log"

    def pid(self) -> int | None:
        """Its pid while it runs. A pid alone may have been given to another process: the start time tells."""
        try:
            known = json.loads(self._file.read_text())
        except FileNotFoundError:
            return None
        return known["pid"] if _start_time(known["pid"]) == known["start"] else None

    def start(
        self, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, script: str | None = None
    ) -> None:
        """Runs `argv`, or `script`: shell that sets up the namespace and writes its pid to $PIDFILE."""
        raw = self._file.with_suffix(".new")
        raw.unlink(missing_ok=True)
        words = [str(word) for word in argv]
        if script is None:
            command = [*_PRIVATE, "sh", "-ec", _ENTER, str(raw), *words]
        else:
            command = [*_PRIVATE, "sh", "-ec", script, "sh", *words]
        environment = {**(os.environ if env is None else env), "PIDFILE": str(raw)}
        with self.log.open("wb") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        deadline = time.monotonic() + 10
        while not (raw.exists() and raw.read_text().endswith("\n")):
            if child.poll() is not None or time.monotonic() > deadline:
                raise RigError(f"{self.name} did not start:\n{self.log_tail()}")
            time.sleep(0.005)
        pid = int(raw.read_text())
        start = _start_time(pid)
        if start is None:
            raise RigError(f"{self.name} ended at once:\n{self.log_tail()}")
        write_atomic(self._file, json.dumps({"pid": pid, "start": start}))
        raw.unlink()

    def wait_ready(self, ready: Callable[[], bool], seconds: float = 30) -> None:
        """Polls with a real call until it answers."""
        deadline = time.monotonic() + seconds
        while not ready():
            if interrupted():
                raise RigError("interrupted")
            if self.pid() is None:
                raise RigError(f"{self.name} ended while starting; {self.log}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RigError(
                    f"{self.name} gave no answer in {seconds:.0f} s; {self.log}:\n{self.log_tail()}"
                )
            time.sleep(0.05)

    def stop(self, seconds: float = 10) -> bool:
        """Asks, then kills. True if it was running."""
        pid = self.pid()
        if pid is not None:
            for number, limit in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    break
                deadline = time.monotonic() + limit
                while self.pid() is not None and time.monotonic() < deadline:
                    time.sleep(0.02)
                if self.pid() is None:
                    break
            else:
                raise RigError(f"{self.name} (pid {pid}) does not end")
        self._file.unlink(missing_ok=True)
        return pid is not None

    def log_tail(self) -> str:
        try:
            return tail(self.log.read_text(errors="replace"))
        except FileNotFoundError:
            return "    (no log)"


def _start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat, in clock ticks since boot; None for no process or a dead one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


def remove_cgroups(name: str) -> None:
    """Removes the empty cgroups that a daemon leaves: in each hierarchy of v1, or in the one of v2."""
    base = Path("/sys/fs/cgroup")
    deadline = time.monotonic() + 3  # killed processes take a moment to leave theirs
    while groups := [group for top in (base, *base.glob("*")) if (group := top / name).is_dir()]:
        for group in groups:
            for folder in sorted((entry for entry in group.rglob("*") if entry.is_dir()), reverse=True):
                _rmdir(folder)
            _rmdir(group)
        if time.monotonic() > deadline:
            break  # an empty cgroup costs nothing, and the next `down` tries again
        time.sleep(0.02)


def _rmdir(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.rmdir()
