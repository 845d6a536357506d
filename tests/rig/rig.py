"""What `up`, `down` and `status` do, whoever runs the parts: this host itself, or a Docker on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any, Protocol

from . import env, report
from .containers import Containers, usable
from .errors import RigError, UnavailableError
from .native import Native
from .paths import Clone, remove_tree
from .report import say

DAEMONS = ("registry", "registry-private", "buildkit", "docker", "docker-classic")
PARTS = (*DAEMONS, "bases")


class Backend(Protocol):
    """Who runs the parts."""

    name: str

    def running(self, part: str) -> bool: ...
    def answers(self, part: str) -> bool: ...
    def obtain(self, part: str) -> None: ...
    def start(self, part: str) -> None: ...
    def stop(self, part: str) -> bool: ...
    def stopped_all(self) -> None: ...
    def variables(self, part: str) -> dict[str, str]: ...
    def facts(self, part: str) -> dict[str, object]: ...
    def seed(self) -> None: ...
    def seeded(self) -> dict[str, list[str]]: ...


_VARIABLES = (
    *("REGISTRY", "REGISTRY_PRIVATE", "REGISTRY_PRIVATE_USER", "REGISTRY_PRIVATE_PASSWORD"),
    *("BUILDKIT_HOST", "DOCKER_HOST", "DOCKER_HOST_CLASSIC"),
)


def backend(clone: Clone) -> Backend:
    """LLB_RIG says which, or auto: what this clone used last, else containers where a Docker answers."""
    wanted = os.environ.get("LLB_RIG") or "auto"
    if wanted == "auto":
        wanted = clone.state().get("backend") or ("containers" if usable(clone) else "native")
    if wanted not in ("native", "containers"):
        raise RigError(f"LLB_RIG={wanted}: it is one of native, containers, auto")
    return Containers(clone) if wanted == "containers" else Native(clone)


class Rig:
    def __init__(self, clone: Clone) -> None:
        self.clone = clone
        self._backend = backend(clone)
        self._missing: dict[str, str] = {}
        self._failed = False
        self._started: list[str] = []

    def up(self, parts: Sequence[str]) -> bool:
        """Starts what does not run. True if something failed that this machine should have."""
        with self.clone.lock():
            other = self.clone.state().get("backend")
            if other not in (None, self._backend.name):
                raise RigError(
                    f"this clone's engines run as {other}: `down` them before LLB_RIG={self._backend.name}"
                )
            self.clone.remember(backend=self._backend.name)
            try:
                self._up(parts)
            except BaseException:
                report.interrupt()
                for part in reversed(self._started):
                    self._backend.stop(part)
                raise
            finally:
                self._write_env(parts)
        return self._failed

    def _up(self, parts: Sequence[str]) -> None:
        # The others are told the registry's address, so it comes first, always; the rest goes side by side.
        self._attempt("registry", lambda: self._start("registry"))
        work: dict[str, Callable[[], None]] = {
            part: partial(self._start, part) for part in DAEMONS if part != "registry"
        }
        work["bases"] = self._backend.seed
        with ThreadPoolExecutor(len(work)) as pool:
            jobs = [pool.submit(self._attempt, part, job) for part, job in work.items() if part in parts]
            try:
                while wait(jobs, timeout=0.2).not_done:
                    pass  # woken now and then, so that Ctrl-C is heard
            except BaseException:
                report.interrupt()
                raise
        for job in jobs:
            job.result()

    def _attempt(self, part: str, work: Callable[[], None]) -> None:
        try:
            work()
        except UnavailableError as reason:
            self._missing[part] = str(reason)
            say(part, f"not on this machine: {reason}")
        except (RigError, OSError) as error:
            if report.interrupted():
                return
            self._failed = True
            self._missing[part] = str(error)
            say(part, f"FAILED: {error}")

    def _start(self, part: str) -> None:
        if self._backend.answers(part):
            return
        self._backend.stop(part)
        self._backend.obtain(part)
        self._started.append(part)
        try:
            self._backend.start(part)
        except BaseException:
            self._backend.stop(part)
            raise
        say(part, f"runs at {self._address(part)}")

    def _address(self, part: str) -> str:
        return next(iter(self._backend.variables(part).values()))

    def _reasons(self) -> dict[str, str]:
        line = env.read(self.clone).get("LLB_RIG_MISSING", "")
        return dict(entry.split(": ", 1) for entry in line.split("; ") if ": " in entry)

    def _write_env(self, tried: Sequence[str]) -> None:
        reasons = {part: reason for part, reason in self._reasons().items() if part not in tried}
        for part, reason in self._missing.items():
            reasons[part] = reason.splitlines()[0].rstrip(":").replace("; ", ", ")
        variables: dict[str, str | None] = dict.fromkeys(_VARIABLES)
        for part in DAEMONS:
            if self._backend.running(part):
                variables |= self._backend.variables(part)
        variables["DOCKER_CONFIG"] = str(self.clone.sub("docker-config"))  # never the user's own
        variables["LLB_RIG_MISSING"] = (
            "; ".join(f"{part}: {why}" for part, why in sorted(reasons.items())) or None
        )
        env.update(self.clone, **variables)

    def down(self, parts: Sequence[str], *, data: bool) -> None:
        if not self.clone.dir.exists():
            return
        with self.clone.lock():
            for part in reversed(DAEMONS):
                if part in parts and self._backend.stop(part):
                    say(part, "stopped")
            if not any(map(self._backend.running, DAEMONS)):
                self._backend.stopped_all()
                self.clone.remember(backend=None)
            self._write_env(())
        if data and set(parts) == set(PARTS):
            if self.clone.dir not in self.clone.run.parents:
                remove_tree(self.clone.run)
            remove_tree(self.clone.dir)
            say("rig", f"removed {self.clone.dir}")

    def status(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        reasons = self._reasons()
        for part in DAEMONS:
            if self._backend.running(part):
                state = "up" if self._backend.answers(part) else "stuck"
                found[part] = {"state": state, "address": self._address(part), **self._backend.facts(part)}
            elif part in reasons:
                found[part] = {"state": "missing", "reason": reasons[part]}
            else:
                found[part] = {"state": "down"}
        found["bases"] = {"state": "down"}
        if found["registry"]["state"] == "up":
            tags = self._backend.seeded()
            found["bases"] = {"state": "partial" if tags["lack"] else "up", **tags}
        return found
