"""The clone's registry, and a small client for its HTTP interface (push only what is not there)."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO

from . import debian
from .daemons import Daemon
from .paths import Clone, cached, making, write_atomic
from .report import call, timed

_PACKAGE = "docker-registry"


def obtain() -> Path:
    """The program, taken out of Debian's package."""
    name = f"registry-{debian.host_arch()}"
    if not (there := cached(name)):
        with making(name) as (folder, fill):
            if fill:
                with timed("registry", f"fetching Debian's {_PACKAGE}"):
                    package = debian.download(_PACKAGE, folder)
                    call(["dpkg-deb", "-x", package, folder])
                    package.unlink()
        there = cached(name)
        assert there
    return there / "usr/bin" / _PACKAGE


def host(clone: Clone) -> str:
    return f"127.0.0.1:{clone.registry_port()}"


def start(clone: Clone, program: Path) -> None:
    debian.require_root("the private namespace of the registry")
    port = clone.registry_port(must_be_free=True)
    file = config_file(clone)
    write_atomic(file, _CONFIG.format(storage=clone.sub("registry"), port=port))
    daemon = Daemon(clone, "registry")
    daemon.start([program, "serve", file])
    daemon.wait_ready(lambda: answers(clone))


def answers(clone: Clone) -> bool:
    try:
        return Client(host(clone)).ping()
    except OSError:
        return False


def config_file(clone: Clone) -> Path:
    return clone.dir / "registry.yml"


def config(clone: Clone) -> str:
    return _CONFIG.format(storage=clone.sub("registry"), port=clone.registry_port())


_CONFIG = """# Written by the rig.
version: 0.1
log: {{level: info, formatter: text}}
storage:
  filesystem: {{rootdirectory: "{storage}"}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


class Client:
    def __init__(self, host: str) -> None:
        self._base = f"http://{host}/v2"
        # Never through a proxy: the registry is on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def _send(
        self, method: str, url: str, body: bytes | BinaryIO | None = None, **headers: str
    ) -> tuple[int, dict[str, str]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, data=body, method=method, headers=named)
        try:
            with self._opener.open(request, timeout=60) as reply:
                return reply.status, {name.lower(): value for name, value in reply.headers.items()}
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return 404, {}
            raise

    def ping(self) -> bool:
        return self._send("GET", f"{self._base}/")[0] == 200

    def tag_digest(self, repository: str, tag: str, media_types: str) -> str | None:
        status, headers = self._send("HEAD", f"{self._base}/{repository}/manifests/{tag}", Accept=media_types)
        return headers.get("docker-content-digest") if status == 200 else None

    def push_blob(self, repository: str, digest: str, file: Path) -> None:
        if self._send("HEAD", f"{self._base}/{repository}/blobs/{digest}")[0] == 200:
            return
        _, headers = self._send("POST", f"{self._base}/{repository}/blobs/uploads/", b"")
        place = headers["location"]
        joint = "&" if "?" in place else "?"
        with file.open("rb") as data:
            self._send(
                *("PUT", f"{place}{joint}digest={digest}", data),
                Content_Type="application/octet-stream",
                Content_Length=str(file.stat().st_size),
            )

    def push_manifest(self, repository: str, reference: str, media_type: str, data: bytes) -> None:
        self._send("PUT", f"{self._base}/{repository}/manifests/{reference}", data, Content_Type=media_type)
