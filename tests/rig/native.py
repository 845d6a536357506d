"""The rig without Docker on the host: each part obtained, started, asked and stopped by itself."""

from __future__ import annotations

from . import bases, buildkit, debian, dockerd, registry
from .daemons import Daemon, remove_cgroups
from .errors import UnavailableError
from .paths import Clone
from .report import say

_DAEMONS = {"registry": "registry", "buildkit": "buildkitd", "docker": "dockerd"}
_MODULES = {"registry": registry, "buildkit": buildkit, "docker": dockerd}


class Native:
    name = "native"

    def __init__(self, clone: Clone) -> None:
        self._clone = clone

    def running(self, part: str) -> bool:
        return Daemon(self._clone, _DAEMONS[part]).pid() is not None

    def answers(self, part: str) -> bool:
        """Whether it runs, with today's settings (the registry's port is one), and answers a real call."""
        if not self.running(part):
            return False
        module = _MODULES[part]
        file = module.config_file(self._clone)
        if not file.exists() or file.read_text() != module.config(self._clone):
            say(part, "runs with other settings; starting it anew")
        elif module.answers(self._clone):
            return True
        else:
            say(part, "runs but gives no answer; starting it anew")
        return False

    def obtain(self, part: str) -> None:
        debian.require_root({"docker": "Docker Engine"}.get(part, part))
        _MODULES[part].obtain()

    def start(self, part: str) -> None:
        module = _MODULES[part]
        module.start(self._clone, module.obtain())

    def stop(self, part: str) -> bool:
        # buildkitd would wait for the builds under way; its database takes no harm from a kill.
        return Daemon(self._clone, _DAEMONS[part]).stop(3 if part == "buildkit" else 15)

    def stopped_all(self) -> None:
        remove_cgroups(self._clone.cgroup)

    def variables(self, part: str) -> dict[str, str]:
        match part:
            case "registry":
                return {"REGISTRY": registry.host(self._clone)}
            case "buildkit":
                return {"BUILDKIT_HOST": buildkit.address(self._clone)}
            case _:
                return {"DOCKER_HOST": dockerd.address(self._clone)}

    def facts(self, part: str) -> dict[str, object]:
        daemon = Daemon(self._clone, _DAEMONS[part])
        return {"pid": daemon.pid(), "log": str(daemon.log)}

    def seed(self) -> None:
        if not self.running("registry"):
            raise UnavailableError("base images need the registry")
        for recipe in bases.recipes():
            bases.push(self._clone, recipe)

    def seeded(self) -> dict[str, list[str]]:
        return bases.describe(self._clone)
