"""Where things are: the clone's own `.engine/`, its port and short path, and the machine's cache."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import RigError
from .report import say

ROOT = Path(__file__).resolve().parents[2]
_SOCKET_LIMIT = 100  # sun_path holds 108 bytes; leave room for the names below


@dataclass(frozen=True)
class Clone:
    """One checkout's engines. Two checkouts on a machine share nothing but the cache."""

    root: Path = ROOT

    @property
    def dir(self) -> Path:
        return self.root / ".engine"

    @property
    def id(self) -> str:
        """Names what is machine-wide (cgroups, short directories), so that clones do not meet there."""
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:10]

    @property
    def bin(self) -> Path:
        return self.dir / "bin"

    @property
    def cdi(self) -> Path:
        return self.dir / "cdi"

    @property
    def cgroup(self) -> str:
        return f"llb-rig-{self.id}"

    def sub(self, name: str) -> Path:
        path = self.dir / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def run(self) -> Path:
        """The directory of sockets: in `.engine`, or a short one elsewhere when the path is too long."""
        if len(str(self.dir / "run" / "buildkitd.sock")) <= _SOCKET_LIMIT:
            return self.sub("run")
        remembered = self.state().get("run")
        if isinstance(remembered, str):
            path = Path(remembered)
        else:
            base = Path("/run") if os.access("/run", os.W_OK) else Path(tempfile.gettempdir())
            path = base / f"llb-{self.id}"
            self.remember(run=str(path))
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def state(self) -> dict[str, Any]:
        try:
            return json.loads((self.dir / "state.json").read_text())
        except FileNotFoundError:
            return {}

    def remember(self, **values: object) -> None:
        with locked(self.dir / "state.lock"):
            state = {**self.state(), **values}
            write_atomic(self.dir / "state.json", json.dumps(state, indent=1) + "\n")

    def port(self, name: str, *, must_be_free: bool = False) -> int:
        """Derived from the clone's path, below the ephemeral range; kept unless another program took it."""
        state = self.state()
        port = state.get(f"{name}_port")
        if isinstance(port, int) and not (must_be_free and not _is_free(port)):
            return port
        ours = {value for key, value in state.items() if key.endswith("_port")}
        start = int(self.id, 16)
        for offset in range(200):
            port = 20000 + (start + offset) % 10000
            if port not in ours and _is_free(port):
                self.remember(**{f"{name}_port": port})
                return port
        raise RigError("no free port between 20000 and 29999 on 127.0.0.1")

    @contextmanager
    def lock(self) -> Generator[None]:
        """One `up` or `down` at a time in a clone."""
        write_atomic(self.dir / ".gitignore", "*\n")
        with locked(self.dir / "lock"):
            yield


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def write_atomic(path: Path, text: str, mode: int = 0o644) -> None:
    """Readers see the old file or the new one; an unchanged file is left alone."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    temporary.write_text(text)
    temporary.chmod(mode)
    temporary.rename(path)


@contextmanager
def locked(path: Path, waiting: tuple[str, str] | None = None) -> Generator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                say(*waiting)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def cache_root() -> Path:
    if chosen := os.environ.get("LLB_CACHE_DIR"):
        return Path(chosen) / "rig"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llb" / "rig"


def digest(*parts: str | bytes) -> str:
    """A short name for a recipe: what would change the result changes the name."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:16]


def cached(name: str) -> Path | None:
    path = cache_root() / name
    return path if path.is_dir() else None


@contextmanager
def making(name: str) -> Generator[tuple[Path, bool]]:
    """Yields (directory, to be filled?): filled under another name and renamed, so what is there is complete.

    Holds a lock per entry: a second clone waits, then finds the entry made.
    """
    final = cache_root() / name
    with locked(cache_root() / f".{name}.lock", ("cache", f"{name} is being made; waiting for it")):
        if final.is_dir():
            yield final, False
            return
        temporary = cache_root() / f".{name}.tmp"  # the lock is ours, so a leftover is a dead run's
        remove_tree(temporary)
        temporary.mkdir(parents=True)
        try:
            yield temporary, True
            temporary.chmod(0o755)
            temporary.rename(final)
        except BaseException:
            remove_tree(temporary)
            raise


def remove_tree(path: Path) -> None:
    """Like rm -r, but refuses where something is mounted beneath: a bind mount of /dev would be emptied."""
    if not path.exists():
        return
    prefix = f"{path.resolve()}/"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.split()[4].startswith(prefix):
            raise RigError(f"{line.split()[4]} is still mounted; unmount it, then remove {path}")
    shutil.rmtree(path)
