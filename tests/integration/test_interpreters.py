"""The same chains give the same bytes under every Python that llb supports: in containers, and on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.tools import ROOT, Tools

PROGRAM = """
import hashlib, json, sys
sys.path.insert(0, ROOT)
from llb import FilePatternMatcher, Image, compile_to_llb
from llb.image import LocalDirectory, ResolvedBase, Secret
from tests.unit.image.dockerfile_cases import CASES

class Known(LocalDirectory):
    def base(self, reference, platform):
        name, _, digest = reference.partition("@")
        return ResolvedBase(name, case.digest or digest, json.dumps(case.config).encode())

def start():
    return Image.from_registry("python:3.12-slim").run_commands("common")

found = hashlib.sha256()
def add(image, **options):
    definition = compile_to_llb(image, source_files=lambda name: None, resolver=Known(ROOT), **options)
    for data in (definition.to_bytes(), definition.image_config, definition.base_config):
        found.update(data)

compiled = 0
for name, case in sorted(CASES.items()):
    try:
        image = case.chain()
        add(image, platform=case.platform, options=case.options.replace(local_unique="u"))
        compiled += 1
    except FileNotFoundError:  # its files are only in the mind of another test
        pass
assert compiled > 20, compiled
case = CASES["base and a command"]
tools = Image.from_registry("golang:1").run_commands("make", env={"A": "1"})
for image in (
    Image.debian_slim("3.11").apt_install("git").pip_install("numpy", "six").labels({"b": "2", "a": "1"}),
    start().add_local_dir("llb", "/l", ignore=~FilePatternMatcher("*.py", "!graph")).add_local_file("README.md", "/r"),
    start().add_local_dir("llb", "/l", ignore=lambda path: path.suffix != ".py" or path.name > "m", copy=True),
    start().add_local_python_source("llb", "frontend.build"),
    Image.merge(start().run_commands("a"), start().env({"B": "2"}).run_commands("b"), tools),
    start().copy_from(tools, "/out/*", "/bin/").expose(80, "53/udp").stop_signal("SIGINT").healthcheck("x", interval=7),
    start().run_commands("x", secrets=[Secret.from_dict({"TOKEN": "hunter2"})], force_build=True).workdir("/w"),
    start().env({"PATH": "/x:$PATH", "\\u00fc": "\\U0001f600"}).shell(["/bin/bash", "-c"]).entrypoint(["a"]).cmd(["\\u00fc"]),
):
    add(image)
    add(image, platform="linux/arm/v7")
print(sys.version_info[:2], found.hexdigest())
"""


def test_every_interpreter_compiles_the_same_bytes(docker: Tools) -> None:
    program = f"ROOT = '/llb'\n{PROGRAM}"
    found: dict[str, str] = {}
    for image in ("python:3.11-slim-bookworm", "python:3.13-slim-trixie", "python:3.14-slim-trixie"):
        mount = f"--volume={ROOT}:/llb:ro"
        command = ("python", "-W", "error", "-B", "-c", program)
        ran = docker.run(
            "docker", "run", "--rm", "--network=none", mount, "--workdir=/llb", image, *command
        ).ok()
        version, _, digest = ran.stdout.decode().strip().rpartition(" ")
        found[version] = digest
    assert sorted(found) == ["(3, 11)", "(3, 13)", "(3, 14)"]
    assert len(set(found.values())) == 1, found


def other_interpreters() -> list[Path]:
    """The Pythons of this machine that llb supports, each once."""
    wanted = [shutil.which(f"python3.{minor}") for minor in range(11, 20)]
    for home in (Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python"):
        wanted += sorted(str(one) for one in home.glob("*/bin/python3"))
    found: dict[Path, None] = {}
    for one in (sys.executable, *wanted):
        if one is None:
            continue
        ran = subprocess.run(
            [one, "-c", "import sys; print(sys.version_info >= (3, 11) or '')"],
            capture_output=True,
            check=False,
        )
        if ran.stdout.strip():
            found[Path(one).resolve()] = None
    return list(found)


def test_every_interpreter_of_this_machine_does(tmp_path: Path) -> None:
    interpreters = other_interpreters()
    if len(interpreters) < 2:
        pytest.skip(f"{sys.version.split()[0]} is the only Python on this machine that llb supports")
    found: dict[Path, str] = {}
    for number, one in enumerate(interpreters):
        environment = {**os.environ, "PYTHONHASHSEED": str(number + 1)}
        environment.pop("PYTHONPATH", None)
        command = [one, "-B", "-c", f"ROOT = {str(ROOT)!r}\n{PROGRAM}"]
        ran = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
        )
        assert ran.returncode == 0, f"{one}: {ran.stderr}"
        found[one] = ran.stdout.split()[-1]
    assert len(set(found.values())) == 1, found
