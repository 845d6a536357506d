"""Installers: a chain of all of them compiled, and image sizes beside the same installs in Dockerfiles."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from llb import Image, Secret, compile_to_llb
from llb.image import LocalDirectory
from llb.image.recipes import DEFAULT_RECIPE, RECIPES
from tests.rig import env as rig_env

from .table import Row, show

RUNS = 30
UV_VERSION = RECIPES[DEFAULT_RECIPE].uv
BASE = "python:3.11-slim-bookworm"
PROJECT = """[project]
name = "app"
version = "1"
requires-python = ">=3.11"
dependencies = ["six==1.16.0", "idna==3.10"]
[project.optional-dependencies]
more = ["iniconfig==2.0.0"]
"""
LOCK = """version = 1
[[package]]
name = "app"
source = { virtual = "." }
requires-dist = [{ name = "six" }, { name = "idna" }, { name = "iniconfig" }]
"""
FILES = {
    "requirements.txt": "-r more.txt\n"
    + "".join([f"package-{number}==1.{number}\n" for number in range(200)]),
    "more.txt": "# more\n" + "".join([f"other-{number}>=1.{number}  # why\n" for number in range(200)]),
    "r.txt": "six==1.16.0\nidna==3.10\n",
    "pyproject.toml": PROJECT,
    "uv.lock": LOCK,
    "poetry.lock": "",
}

INSTALLS: dict[str, tuple[str, str]] = {
    "apt_install": (
        "image = base.apt_install('hello', 'sl')",
        "RUN apt-get update && apt-get install -y hello sl && rm -rf /var/lib/apt/lists/* /var/cache/apt/*",
    ),
    "pip_install": (
        "image = base.pip_install('idna==3.10', 'six==1.16.0')",
        "RUN python -m pip install --no-cache-dir idna==3.10 six==1.16.0",
    ),
    "pip_install_from_requirements": (
        "image = base.pip_install_from_requirements('r.txt')",
        "COPY r.txt /r.txt\nRUN python -m pip install --no-cache-dir -r /r.txt",
    ),
    "uv_pip_install": (
        "image = base.uv_pip_install('idna==3.10', 'six==1.16.0')",
        f"RUN --mount=type=cache,target=/root/.cache python -m pip install uv=={UV_VERSION} "
        "&& uv pip install --python $(command -v python) --compile-bytecode idna==3.10 six==1.16.0",
    ),
    "uv_sync": (
        "image = base.uv_sync('u')",
        f"WORKDIR /app\nCOPY u/pyproject.toml .\nRUN --mount=type=cache,target=/root/.cache python -m pip install "
        f"uv=={UV_VERSION} && uv sync --no-install-project --compile-bytecode",
    ),
    "poetry_install_from_file": (
        "image = base.poetry_install_from_file('p/pyproject.toml', ignore_lockfile=True, poetry_version='2.1.4')",
        "COPY p/pyproject.toml /app/\nRUN python -m pip install --no-cache-dir poetry==2.1.4 && cd /app "
        "&& POETRY_VIRTUALENVS_CREATE=false poetry install --no-root --compile --no-cache",
    ),
}
"""Each install by us, and as people write it."""


def _chain() -> Image:
    token = Secret.from_dict({"GITHUB_TOKEN": "x"})
    return (
        Image.from_registry(BASE)
        .apt_install("git", "curl")
        .pip_install("numpy", "httpx~=0.27")
        .pip_install_from_requirements("requirements.txt")
        .pip_install_from_pyproject("pyproject.toml", ["more"])
        .pip_install_private_repos("github.com/o/r", git_user="me", secrets=[token])
        .uv_pip_install("attrs", requirements=["r.txt"])
        .uv_sync()
        .poetry_install_from_file("pyproject.toml")
    )


def _plain() -> Image:
    """As many commands, without files to read."""
    image = Image.from_registry(BASE)
    for number in range(11):
        image = image.run_commands(f"echo {number}")
    return image


def _compiled(directory: Path) -> None:
    resolver = LocalDirectory(directory)
    times: dict[str, list[float]] = {"all": [], "plain": []}
    for name, chain in {"all": _chain, "plain": _plain}.items():
        for _ in range(RUNS):
            start = time.perf_counter()
            compile_to_llb(chain(), resolver=resolver)
            times[name].append((time.perf_counter() - start) * 1e3)
    row = Row("written and compiled, with 400 requirements in 2 files", times["all"], times["plain"])
    show("A chain of all installers", "11 run_commands", [row])


def _size(reference: str) -> tuple[int, int]:
    """The bytes of an image's layers as a registry keeps them, and how many there are."""
    host, _, name = reference.partition("/")
    request = urllib.request.Request(
        f"http://{host}/v2/{name.partition(':')[0]}/manifests/latest",
        headers={
            "Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        layers = json.loads(answer.read())["layers"]
    return sum(layer["size"] for layer in layers), len(layers)


def _built(known: dict[str, str], directory: Path, name: str, *options: str) -> int:
    reference = f"{known['REGISTRY']}/bench/size-{name.replace('_', '-')}:latest"
    subprocess.run(
        ["buildctl", "build", "--progress=plain", f"--local=context={directory}", f"--local=dockerfile={directory}",
         f"--output=type=image,name={reference},push=true,oci-mediatypes=true", *options],
        check=True, capture_output=True,
    )  # fmt: skip
    return _size(reference)[0]


def _sizes(known: dict[str, str], directory: Path) -> None:
    (directory / "Dockerfile").write_text(f"FROM {BASE}\n")
    base = _built(known, directory, "base", "--frontend=dockerfile.v0")
    rows: list[Row] = []
    for name, (chain, lines) in INSTALLS.items():
        (directory / "image.py").write_text(
            f"from llb import Image\nbase = Image.from_registry({BASE!r})\n{chain}\n"
        )
        (directory / "Dockerfile").write_text(f"FROM {BASE}\n{lines}\n")
        gateway = ("--frontend=gateway.v0", f"--opt=source={known['FRONTEND']}", "--opt=filename=image.py")
        ours = _built(known, directory, f"{name}-ours", *gateway) - base
        theirs = _built(known, directory, f"{name}-theirs", "--frontend=dockerfile.v0") - base
        rows.append(Row(name, [ours / 1024], [theirs / 1024], "KiB", "≤ 1.0"))
    show("Sizes of images without their base, compressed", "Dockerfile", rows)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for path, text in FILES.items():
            (directory / path).write_text(text)
        for part in ("p", "u"):
            (directory / part).mkdir()
        (directory / "u/pyproject.toml").write_text(PROJECT)
        (directory / "p/pyproject.toml").write_text(
            "[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\npython = '>=3.11'\nsix = '1.16.0'\n"
            "[[tool.poetry.source]]\nname = 'simple'\nurl = 'https://pypi.org/simple/'\npriority = 'primary'\n"
        )
        _compiled(directory)
        known = rig_env.read()
        if "BUILDKIT_HOST" not in known or "FRONTEND" not in known:
            print(f"\n## Image sizes: not measured, {known.get('LLB_RIG_MISSING', 'the rig is not up')}")
            return
        os.environ.update(known)
        _sizes(known, directory)


if __name__ == "__main__":
    main()
