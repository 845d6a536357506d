"""The clone's registries, and a small client for their HTTP interface (push only what is not there).

Two of them over one storage: an open one, and a private one that asks for a password and only reads.
"""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from . import debian
from .daemons import Daemon
from .paths import Clone, cached, making, write_atomic
from .report import call, timed

_PACKAGE = "docker-registry"
# No secret: it listens on 127.0.0.1 alone, and holds what the open one holds.
USER, PASSWORD = "rig", "only-for-tests"
HTPASSWD = "rig:$2b$04$rigrigrigrigrigrigriguUOl9vfl1B4wI0f5Bx1sN3giUymQMMMi\n"


def host(clone: Clone) -> str:
    return OPEN.host(clone)


@dataclass(frozen=True)
class Registry:
    """A part of the rig."""

    daemon: str
    private: bool

    def obtain(self) -> Path:
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

    def host(self, clone: Clone) -> str:
        return f"127.0.0.1:{clone.port(self.daemon)}"

    def variables(self, clone: Clone) -> dict[str, str]:
        if not self.private:
            return {"REGISTRY": self.host(clone)}
        return {
            "REGISTRY_PRIVATE": self.host(clone),
            "REGISTRY_PRIVATE_USER": USER,
            "REGISTRY_PRIVATE_PASSWORD": PASSWORD,
        }

    def start(self, clone: Clone, program: Path) -> None:
        debian.require_root("the private namespace of the registry")
        clone.port(self.daemon, must_be_free=True)
        if self.private:
            write_atomic(password_file(clone), HTPASSWD)
        file = self.config_file(clone)
        write_atomic(file, self.config(clone))
        daemon = Daemon(clone, self.daemon)
        daemon.start([program, "serve", file])
        daemon.wait_ready(lambda: self.answers(clone))

    def answers(self, clone: Clone) -> bool:
        login = (USER, PASSWORD) if self.private else None
        try:
            return Client(self.host(clone), login).ping()
        except OSError:
            return False

    def config_file(self, clone: Clone) -> Path:
        return clone.dir / f"{self.daemon}.yml"

    def config(self, clone: Clone) -> str:
        listen, storage = f"127.0.0.1:{clone.port(self.daemon)}", str(clone.sub("registry"))
        if self.private:
            return PRIVATE_CONFIG.format(storage=storage, listen=listen, passwords=password_file(clone))
        return _CONFIG.format(storage=storage, listen=listen)


OPEN = Registry("registry", private=False)
PRIVATE = Registry("registry-private", private=True)


def password_file(clone: Clone) -> Path:
    return clone.dir / "registry-private.htpasswd"


_CONFIG = """# Written by the rig.
version: 0.1
log: {{level: info, formatter: text}}
storage:
  filesystem: {{rootdirectory: "{storage}"}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http: {{addr: "{listen}"}}
"""
PRIVATE_CONFIG = """# Written by the rig.
version: 0.1
log: {{level: info, formatter: text}}
storage:
  filesystem: {{rootdirectory: "{storage}"}}
  maintenance: {{uploadpurging: {{enabled: false}}, readonly: {{enabled: true}}}}
http: {{addr: "{listen}"}}
auth:
  htpasswd: {{realm: "the rig's private registry", path: "{passwords}"}}
"""


class Client:
    def __init__(self, host: str, login: tuple[str, str] | None = None) -> None:
        self._base = f"http://{host}/v2"
        # Never through a proxy: the registry is on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        if login:
            token = base64.b64encode(":".join(login).encode()).decode()
            self._opener.addheaders.append(("Authorization", f"Basic {token}"))

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
