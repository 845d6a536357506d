"""Runs payloads on this machine: image files as the doors execute them, and the runner without a container."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

from llb import imagefile
from llb.function import Payload, payload_of, runner_files
from llb.function.runner import SETTINGS
from llb.imagefile import ModuleFile, Modules

IMAGE = "image.py"


class Given(Modules):
    """Modules that a test gives."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def find(self, name: str) -> ModuleFile | None:
        path = name.replace(".", "/")
        for candidate, package in ((f"{path}/__init__.py", True), (f"{path}.py", False)):
            if candidate in self._files:
                return ModuleFile(candidate, textwrap.dedent(self._files[candidate]).encode(), package)
        if any(one.startswith(f"{path}/") for one in self._files):
            return ModuleFile(path, b"", True)
        return None


def evaluate(source: str, files: Mapping[str, str] | None = None, directory: str = "") -> dict[str, Any]:
    """The names of an image file, executed as a door does it."""
    text = textwrap.dedent(source).lstrip().encode()
    file = imagefile.execute(text, IMAGE, modules=Given(files or {}), directory=directory)
    return dict(file.namespace)


def payload(
    source: str,
    files: Mapping[str, str] | None = None,
    *,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    name: str = "f",
    include_source: bool = True,
    directory: str = "",
) -> Payload:
    """The payload of the function `f` of an image file."""
    namespace = evaluate(source, files, directory)
    return payload_of(namespace[name], args, kwargs, include_source=include_source)


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    stdout: str
    stderr: str


def call(
    given: Payload,
    where: Path,
    *,
    python: str = sys.executable,
    lines: bool = True,
    timeout: float = 20,
    **settings: object,
) -> Done:
    """Runs a payload as a step would, with a Python of this machine."""
    home = where / "home"
    package = home / "llb_function"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    for name, data in runner_files().items():
        (package / name).write_bytes(data)
    (home / "payload").write_bytes(given.data)
    told = given if lines else given.replace(sources={})
    code = (
        f"import sys\nsys.path[0] = {str(home)!r}\nfrom llb_function.runner import main\n"
        f"del sys.path[0]\nmain({str(home)!r})\n"
    )
    done = subprocess.run(
        [python, "-u", "-B", "-c", code],
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", SETTINGS: told.settings(timeout=timeout, **settings)},
        cwd=where,
        timeout=timeout + 20,
        check=False,
    )
    return Done(
        done.returncode,
        done.stdout.decode(errors="backslashreplace"),
        done.stderr.decode(errors="backslashreplace"),
    )


def pythons(*versions: str) -> list[str]:
    """This Python, and those of other versions that this machine has."""
    found = {version_of(sys.executable): sys.executable}
    kept = Path.home() / ".pyenv/versions"
    for version in versions:
        for path in (which(f"python{version}"), *sorted(kept.glob(f"{version}.*/bin/python3"))):
            if path is not None and version not in found and version_of(str(path)) == version:
                found[version] = str(path)
    return list(found.values())


def version_of(python: str) -> str:
    """The version of a Python; empty if it does not start."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-S", "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def returned(given: Payload, where: Path, **options: Any) -> Any:
    """What the function prints as JSON."""
    done = call(given, where, **options)
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)
