"""The rig without Docker on the host: each part obtained, started, asked and stopped by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from . import bases, buildkit, debian, dockerd, registry
from .daemons import Daemon, remove_cgroups
from .errors import UnavailableError
from .paths import Clone
from .report import say


class Part(Protocol):
    """What it takes to run a part here. `config` holds all settings: other ones mean a new start."""

    @property
    def daemon(self) -> str: ...
    def obtain(self) -> Path: ...
    def start(self, clone: Clone, made: Path, /) -> None: ...
    def answers(self, clone: Clone, /) -> bool: ...
    def config_file(self, clone: Clone, /) -> Path: ...
    def config(self, clone: Clone, /) -> str: ...
    def variables(self, clone: Clone, /) -> dict[str, str]: ...


_PARTS: dict[str, Part] = {
    "registry": registry.OPEN,
    "registry-private": registry.PRIVATE,
    "buildkit": buildkit,
    "docker": dockerd.CURRENT,
    "docker-classic": dockerd.CLASSIC,
}


class Native:
    name = "native"

    def __init__(self, clone: Clone) -> None:
        self._clone = clone

    def running(self, part: str) -> bool:
        return Daemon(self._clone, _PARTS[part].daemon).pid() is not None

    def answers(self, part: str) -> bool:
        """Whether it runs, with today's settings (the registry's port is one), and answers a real call."""
        if not self.running(part):
            return False
        how = _PARTS[part]
        file = how.config_file(self._clone)
        if not file.exists() or file.read_text() != how.config(self._clone):
            say(part, "runs with other settings; starting it anew")
        elif how.answers(self._clone):
            return True
        else:
            say(part, "runs but gives no answer; starting it anew")
        return False

    def obtain(self, part: str) -> None:
        debian.require_root("Docker Engine" if part.startswith("docker") else part)
        _PARTS[part].obtain()

    def start(self, part: str) -> None:
        _PARTS[part].start(self._clone, _PARTS[part].obtain())

    def stop(self, part: str) -> bool:
        # buildkitd would wait for the builds under way; its database takes no harm from a kill.
        return Daemon(self._clone, _PARTS[part].daemon).stop(3 if part == "buildkit" else 15)

    def stopped_all(self) -> None:
        remove_cgroups(self._clone.cgroup)

    def variables(self, part: str) -> dict[str, str]:
        return _PARTS[part].variables(self._clone)

    def facts(self, part: str) -> dict[str, object]:
        daemon = Daemon(self._clone, _PARTS[part].daemon)
        return {"pid": daemon.pid(), "log": str(daemon.log)}

    def seed(self) -> None:
        if not self.running("registry"):
            raise UnavailableError("base images need the registry")
        for recipe in bases.recipes():
            bases.push(self._clone, recipe)

    def seeded(self) -> dict[str, list[str]]:
        return bases.describe(self._clone)
