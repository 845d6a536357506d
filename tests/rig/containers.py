"""The rig as containers of a Docker that is at hand: registries, BuildKit and Docker Engines (dind).

For the ordinary machine: Docker and Docker Hub are there, so the base images are the genuine ones and nothing
is seeded. Not tried against the genuine images where this was written: no container registry was in reach.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from . import buildkit, dockerd, registry
from .buildkit import VERSION, link
from .errors import RigError
from .paths import Clone
from .report import call, interrupted, tail, timed

_IMAGES = {
    "registry": "registry:3",
    "registry-private": "registry:3",
    "buildkit": f"moby/buildkit:{VERSION}",
    "docker": "docker:28-dind",
    "docker-classic": "docker:28-dind",
}
_ENGINES = {"docker": dockerd.CURRENT, "docker-classic": dockerd.CLASSIC}
_REGISTRIES = {"registry": registry.OPEN, "registry-private": registry.PRIVATE}


def _docker(clone: Clone) -> str | None:
    """The user's own docker, not the wrapper of a native rig whose .engine/bin is on PATH."""
    path = os.pathsep.join(
        entry
        for entry in os.get_exec_path()
        if not entry.endswith("/.engine/bin") and Path(entry) != clone.bin
    )
    return shutil.which("docker", path=path)


def _user_env(clone: Clone) -> dict[str, str]:
    """The user's own settings; where `.engine/env` was sourced over them, those of the first `up`."""
    sourced = Path(os.environ.get("DOCKER_CONFIG", "/")).parent == clone.dir
    remembered: dict[str, str] = clone.state().get("user_docker", {})
    environment = {name: value for name, value in os.environ.items() if name not in _USER_VARIABLES}
    return environment | (remembered if sourced else _user_variables())


_USER_VARIABLES = ("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


def _user_variables() -> dict[str, str]:
    return {name: value for name in _USER_VARIABLES if (value := os.environ.get(name))}


def usable(clone: Clone) -> bool:
    docker = _docker(clone)
    if not docker:
        return False
    argv = [docker, "info", "--format", "{{.OSType}}"]
    try:
        run = subprocess.run(
            argv, capture_output=True, text=True, timeout=20, env=_user_env(clone), check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0 and run.stdout.strip() == "linux"


class Containers:
    name = "containers"

    def __init__(self, clone: Clone) -> None:
        self._clone = clone
        self._env = _user_env(clone)

    def _call(self, *words: str) -> str:
        docker = _docker(self._clone)
        if not docker:
            raise RigError("LLB_RIG=containers needs the docker command")
        return call([docker, *words], env=self._env)

    def _container(self, part: str) -> str:
        return f"llb-rig-{self._clone.id}-{part}"

    def running(self, part: str) -> bool:
        try:
            return (
                self._call("inspect", "--format", "{{.State.Running}}", self._container(part)).strip()
                == "true"
            )
        except RigError:
            return False

    def answers(self, part: str) -> bool:
        if not self.running(part):
            return False
        if part in _REGISTRIES:
            return _REGISTRIES[part].answers(self._clone)
        if part in _ENGINES:
            return _ENGINES[part].answers(self._clone)
        try:
            self._call(
                "exec", self._container(part), "buildctl", "--addr", _INSIDE["buildkit"], "debug", "workers"
            )
        except RigError:
            return False
        return True

    def obtain(self, part: str) -> None:
        image = _IMAGES[part]
        try:
            self._call("image", "inspect", image)
        except RigError:
            with timed(part, f"docker pull {image}"):
                self._call("pull", "--quiet", image)

    def start(self, part: str) -> None:
        self._clone.remember(
            user_docker={name: self._env[name] for name in _USER_VARIABLES if name in self._env}
        )
        self._link_plugins()
        name = self._container(part)
        port = self._clone.port("registry", must_be_free=part == "registry")
        private = self._clone.port("registry-private", must_be_free=part == "registry")
        # One network namespace for all: the registries are 127.0.0.1:PORT to each, and to the host.
        network = f"--network=container:{self._container('registry')}"
        sockets = f"--volume={self._clone.run}:/rig"
        group = str(os.getgid())
        match part:
            case "registry":
                listen = [f"--env=REGISTRY_HTTP_ADDR=0.0.0.0:{port}"]
                listen += [f"--publish=127.0.0.1:{number}:{number}" for number in (port, private)]
                words = [*listen, "--env=REGISTRY_STORAGE_DELETE_ENABLED=true", _IMAGES[part]]
            case "registry-private":
                inside = {"storage": "/var/lib/registry", "listen": f"0.0.0.0:{private}"}
                config = registry.PRIVATE.config_file(self._clone)
                config.write_text(registry.PRIVATE_CONFIG.format(**inside, passwords="/rig.htpasswd"))
                passwords = registry.password_file(self._clone)
                passwords.write_text(registry.HTPASSWD)
                words = [network, f"--volumes-from={self._container('registry')}:ro"]
                words += [f"--volume={config}:/rig.yml:ro", f"--volume={passwords}:/rig.htpasswd:ro"]
                words += [_IMAGES[part], "/rig.yml"]
            case "buildkit":
                config = self._clone.dir / "buildkitd.toml"
                config.write_text(_BUILDKITD.format(port=port))
                settings = [f"--volume={config}:/etc/buildkit/buildkitd.toml:ro", self._cdi()]
                words = ["--privileged", network, sockets, *settings, _IMAGES[part]]
                words += ["--addr", _INSIDE[part], "--group", group]
            case _:
                config = _ENGINES[part].config_file(self._clone)
                features = {"containerd-snapshotter": _ENGINES[part].snapshotter, "cdi": True}
                config.write_text(json.dumps({**_DAEMON, **_BRIDGES[part], "features": features}))
                settings = [f"--volume={config}:/etc/docker/daemon.json:ro", self._cdi()]
                words = [
                    "--privileged",
                    network,
                    sockets,
                    *settings,
                    "--env=DOCKER_TLS_CERTDIR=",
                    _IMAGES[part],
                ]
                if part == "docker-classic":
                    words += ["sh", "-ec", _BRIDGE, "sh"]
                words += ["dockerd", "--host", _INSIDE[part], "--group", group]
        self._call("run", "--detach", "--name", name, *words)
        if part == "buildkit":
            self._call(
                "cp", "--follow-link", f"{name}:/usr/bin/buildctl", f"{self._clone.sub('bin')}/buildctl"
            )
        self._wait(part, lambda: self.answers(part))

    def _link_plugins(self) -> None:
        """The client is the user's own; so are its plugins, which it looks for beside its settings."""
        own = Path(self._env.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
        if own.is_dir():
            link(self._clone.sub("docker-config") / "cli-plugins", own)

    def _cdi(self) -> str:
        return f"--volume={self._clone.sub('cdi')}:/etc/cdi:ro"

    def _wait(self, part: str, ready: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if interrupted() or time.monotonic() > deadline or not self.running(part):
                raise RigError(f"{part} did not come up:\n{tail(self._call('logs', self._container(part)))}")
            time.sleep(0.2)

    def stop(self, part: str) -> bool:
        there = self._call("ps", "--all", "--quiet", "--filter", f"name=^{self._container(part)}$").strip()
        if there:
            self._call("rm", "--force", "--volumes", self._container(part))
        return bool(there)

    def stopped_all(self) -> None: ...

    def variables(self, part: str) -> dict[str, str]:
        known = {**_REGISTRIES, **_ENGINES, "buildkit": buildkit}
        return known[part].variables(self._clone)

    def facts(self, part: str) -> dict[str, object]:
        return {"container": self._container(part), "image": _IMAGES[part]}

    def seed(self) -> None:
        """Nothing: Docker Hub is in reach."""

    def seeded(self) -> dict[str, list[str]]:
        return {"have": [], "lack": []}


_INSIDE = {
    "buildkit": "unix:///rig/buildkitd.sock",
    "docker": "unix:///rig/docker.sock",
    "docker-classic": "unix:///rig/docker-classic.sock",
}
_DAEMON = {"builder": {"entitlements": {"network-host": True, "security-insecure": True, "device": True}}}
# Two engines in one network namespace: the second has a bridge of its own, and leaves the firewall to the first. So its
# containers reach no network unless they use the host's.
_BRIDGE = """
ip link show rig1 || { ip link add rig1 type bridge; ip addr add 172.31.255.1/24 dev rig1; ip link set rig1 up; }
exec dockerd-entrypoint.sh "$@"
"""
_BRIDGES: dict[str, dict[str, object]] = {
    "docker": {},
    "docker-classic": {"bridge": "rig1", "iptables": False, "ip6tables": False},
}
_BUILDKITD = """# Written by the rig.
debug = true
insecure-entitlements = ["network.host", "security.insecure", "device"]
[worker.oci]
  gc = false
  networkMode = "host"
[registry."127.0.0.1:{port}"]
  http = true
"""
