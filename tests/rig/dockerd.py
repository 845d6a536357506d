"""Docker Engine from Debian testing in a root of its own: a Docker of the host is neither used nor touched.

dockerd runs in private namespaces (dockerd.sh) whose root is an overlay over the cached root file system, so
clones share the cache and nothing is written to it. Two of them: one as Docker is set up today, one with the
classic image store, as most installations that were upgraded have it. The `docker` and `docker-buildx` programs of that root
run on the host through the root's own dynamic loader: they see the host's files, as a user's client would.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from . import debian, host
from .daemons import Daemon
from .errors import RigError
from .paths import Clone, cached, digest, making, write_atomic
from .registry import host as registry_host
from .report import timed

_SUITE = "forky"
_PACKAGES = ("docker.io", "docker-cli", "docker-buildx", "ca-certificates", "iptables", "git", "passt")
_SCRIPT = Path(__file__).with_suffix(".sh")
_PLUGINS = "usr/libexec/docker/cli-plugins"


def obtain() -> Path:
    """The root file system."""
    name = f"docker-{_SUITE}-{debian.host_arch()}-{digest(*_PACKAGES)}"
    if there := cached(name):
        return there
    with making(name) as (folder, fill):
        if fill:
            log = Clone().sub("log") / "docker-root.log"
            with timed("docker", f"root file system from Debian {_SUITE}"):
                debian.root_fs(
                    folder / "root",
                    suite=_SUITE,
                    packages=_PACKAGES,
                    log=log,
                    options=["--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/doc/*"],
                )
    there = cached(name)
    assert there
    return there


@dataclass(frozen=True)
class Engine:
    """A part of the rig.

    Attributes:
        name: of its socket and its folders.
        daemon: of its process.
        variable: what tells its address.
        snapshotter: images are kept by containerd, else by a graph driver: BuildKit has no merge and diff there.
    """

    name: str
    daemon: str
    variable: str
    snapshotter: bool

    def obtain(self) -> Path:
        return obtain()

    def start(self, clone: Clone, made: Path) -> None:
        debian.require_root("Docker Engine in its own namespaces")
        root = made / "root"
        _write_client(clone, root)
        work = self._etc(clone)
        write_atomic(self.config_file(clone), self.config(clone))
        write_atomic(work / "resolv.conf", host.resolv_conf())
        bundle = host.with_extra_authorities((root / "etc/ssl/certs/ca-certificates.crt").read_text())
        write_atomic(work / "ca-certificates.crt", bundle)
        daemon = Daemon(clone, self.daemon)
        environment = {
            **os.environ,
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LOWER": str(root),
            "MOUNT": str(clone.sub(f"{self.name}-root")),
            "DATA": str(clone.sub(self.name)),
            "RUN": str(clone.run),
            "ETC": str(work),
            "REPO": str(clone.root),
        }
        daemon.start([], env=environment, script=_SCRIPT.read_text())
        daemon.wait_ready(lambda: self.answers(clone), 60)

    def _etc(self, clone: Clone) -> Path:
        return clone.sub(f"{self.name}-etc")

    def config_file(self, clone: Clone) -> Path:
        return self._etc(clone) / "daemon.json"

    def config(self, clone: Clone) -> str:
        settings = {
            "hosts": [f"unix:///rig/run/{self.socket_path(clone).name}"],
            "data-root": "/var/lib/docker",
            "features": {"containerd-snapshotter": self.snapshotter, "cdi": True},
            "cdi-spec-dirs": [str(clone.sub("cdi"))],
            "builder": {
                "entitlements": {"network-host": True, "security-insecure": True, "device": True},
                "gc": {"enabled": False},
            },
            "registry-mirrors": [f"http://{registry_host(clone)}"],
            "cgroup-parent": f"/{clone.cgroup}",
            "group": "root",
            "debug": True,
            "labels": [f"llb.rig={digest(_SCRIPT.read_text())}"],  # a changed script is a changed setting
            "shutdown-timeout": 2,
        }
        return json.dumps(settings, indent=1) + "\n"

    def socket_path(self, clone: Clone) -> Path:
        return clone.run / f"{self.name}.sock"

    def variables(self, clone: Clone) -> dict[str, str]:
        return {self.variable: f"unix://{self.socket_path(clone)}"}

    def answers(self, clone: Clone) -> bool:
        connection = _UnixConnection(self.socket_path(clone))
        try:
            connection.request("GET", "/_ping")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


CURRENT = Engine("docker", "dockerd", "DOCKER_HOST", snapshotter=True)
CLASSIC = Engine("docker-classic", "dockerd-classic", "DOCKER_HOST_CLASSIC", snapshotter=False)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _write_client(clone: Clone, root: Path) -> None:
    """`docker` on PATH and its plugins in a private DOCKER_CONFIG, each a script around the root's loader."""
    loaders = [*root.glob("lib64/ld-linux-*.so.*"), *root.glob("lib/ld-linux-*.so.*")]
    if not loaders:
        raise RigError(f"no dynamic loader in {root}")
    libraries = ":".join(str(path) for path in (*root.glob("usr/lib/*-linux-gnu"), root / "usr/lib"))
    plugins = clone.sub("docker-config/cli-plugins")

    def wrapper(path: Path, program: Path) -> None:
        command = f'exec "{loaders[0]}" --library-path "{libraries}" --argv0 "$0" "{program}" "$@"'
        write_atomic(path, f"#!/bin/sh\n{command}\n", 0o755)

    wrapper(clone.sub("bin") / "docker", root / "usr/bin/docker")
    for folder in (clone.bin, plugins):
        wrapper(folder / "docker-buildx", root / _PLUGINS / "docker-buildx")
    config = clone.dir / "docker-config/config.json"
    if not config.exists():
        proxies = {"proxies": {"default": found}} if (found := host.docker_proxies()) else {}
        write_atomic(config, json.dumps(proxies) + "\n")
