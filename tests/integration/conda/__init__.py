"""Channels of conda packages, made here."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from typing import Any

from tests.integration.pythons import Mirror

Files = Iterable[tuple[tarfile.TarInfo, bytes]]


class Channel:
    """A channel of a mirror, for linux-64."""

    def __init__(self, mirror: Mirror, name: str) -> None:
        self._mirror = mirror
        self._name = name
        self._packages: dict[str, dict[str, Any]] = {}

    def add(self, name: str, version: str, files: Files, depends: Iterable[str] = ()) -> None:
        """Adds a package with some files."""
        index = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "depends": list(depends),
            "subdir": "linux-64",
            "arch": "x86_64",
            "platform": "linux",
            "timestamp": 1700000000000,
        }
        paths: list[dict[str, Any]] = []
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w:bz2", compresslevel=1) as archive:
            for info, data in files:
                if info.isdir():
                    continue
                link = info.issym()
                paths.append(
                    {
                        "_path": info.name,
                        "path_type": "softlink" if link else "hardlink",
                        "sha256": hashlib.sha256(data).hexdigest(),
                        "size_in_bytes": len(data),
                    }
                )
                _add(archive, info, data)
            for path, value in (
                ("info/index.json", index),
                ("info/paths.json", {"paths": paths, "paths_version": 1}),
            ):
                _add(archive, tarfile.TarInfo(path), json.dumps(value).encode())
        data = target.getvalue()
        filename = f"{name}-{version}-0.tar.bz2"
        digest = self._mirror.add(f"{self._name}/linux-64/{filename}", data)
        md5 = hashlib.md5(data).hexdigest()
        self._packages[filename] = {**index, "md5": md5, "sha256": digest, "size": len(data)}

    def publish(self) -> None:
        """Writes the channel's index."""
        for subdir, packages in (("linux-64", self._packages), ("noarch", {})):
            repodata = {
                "info": {"subdir": subdir},
                "packages": packages,
                "packages.conda": {},
                "repodata_version": 1,
            }
            self._mirror.add(f"{self._name}/{subdir}/repodata.json", json.dumps(repodata).encode())


def script(path: str, text: str) -> tuple[tarfile.TarInfo, bytes]:
    """A file that can be run."""
    info = tarfile.TarInfo(path)
    info.mode = 0o755
    return info, text.encode()


def _add(archive: tarfile.TarFile, info: tarfile.TarInfo, data: bytes) -> None:
    if not info.issym():
        info.size = len(data)
    archive.addfile(info, None if info.issym() else io.BytesIO(data))
