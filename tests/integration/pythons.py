"""A real relocatable CPython, served as a mirror of python-build-standalone's releases.

Its releases are on GitHub, which not every machine reaches. A Go module carries the files of one of them (3.11.11 of
20241219, for glibc, without site-packages); here they become an archive of the same layout, with pip from PyPI.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODULE = "github.com/kluctl/go-embed-python@v0.0.0-3.11.11-20241219-1"


@dataclass(slots=True)
class Mirror:
    """A folder that is served on this machine, and the paths that were asked for."""

    folder: Path
    url: str = ""
    asked: list[str] = field(default_factory=list[str])

    def add(self, path: str, data: bytes) -> str:
        """Serves a file, and gives its SHA-256."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return hashlib.sha256(data).hexdigest()


@contextmanager
def serving(folder: Path) -> Generator[Mirror]:
    """Serves a folder over HTTP on the loopback interface."""
    mirror = Mirror(folder)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            mirror.asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    mirror.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield mirror
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


Files = Iterator[tuple[tarfile.TarInfo, bytes]]


def python_archive(folder: Path) -> bytes:
    """The archive, as an `install_only.tar.gz` is: everything below `python/`, pip included."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", compresslevel=1) as archive:
        for info, data in (*python_files(folder), *pip_files(folder)):
            info.name = f"python/{info.name}"
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def python_files(folder: Path) -> Files:
    """The files of a real CPython 3.11, relative to where it is."""
    (folder / "go.mod").write_text("module x\n\ngo 1.21\n")
    downloaded = subprocess.run(
        ["go", "mod", "download", "-json", MODULE], cwd=folder, check=True, capture_output=True, timeout=300
    )
    root = Path(json.loads(downloaded.stdout)["Dir"]) / "python/internal/data/linux-amd64"
    for entry in json.loads((root / "files.json").read_bytes())["files"]:
        info = tarfile.TarInfo(entry["name"])
        info.mode = entry["perm"] & 0o777
        data = b""
        if entry["perm"] & 1 << 31:
            info.type = tarfile.DIRTYPE
        elif "symlink" in entry:
            info.type, info.linkname = tarfile.SYMTYPE, entry["symlink"]
        else:
            source = root / f"{entry['name']}.gz"
            data = (
                gzip.decompress(source.read_bytes())
                if source.exists()
                else (root / entry["name"]).read_bytes()
            )
        yield info, data


def pip_files(folder: Path) -> Files:
    """pip, in that Python's site-packages."""
    uv = Path(sys.executable).with_name("uv")
    target = folder / "pip"
    command = [str(uv), "pip", "install", "--quiet", "--target", str(target), "pip"]
    subprocess.run(command, check=True, timeout=120)
    for path in sorted(target.rglob("*")):
        below = path.relative_to(target)
        if path.is_file() and "__pycache__" not in below.parts and below.parts[0] != "bin":
            yield tarfile.TarInfo(f"lib/python3.11/site-packages/{below}"), path.read_bytes()
