"""Scripts as users of the service write them (tests/compat), built unchanged: what is in the images.

Those that need only PyPI and Debian; `tests/unit/compat/test_scripts.py` compiles all.
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.tools import ROOT, Tools

PACKAGES = "usr/local/lib/python3.11/dist-packages"


@dataclass(frozen=True)
class Built:
    """The files of an image's last layers, and its config."""

    files: dict[str, bytes]
    config: dict[str, Any]

    def has(self, *packages: str) -> bool:
        """Whether those packages were installed for Python."""
        return all(
            any(name.startswith((f"{PACKAGES}/{one}/", f"{PACKAGES}/{one}.py")) for name in self.files)
            for one in packages
        )

    @property
    def environment(self) -> dict[str, str]:
        return dict(entry.split("=", 1) for entry in self.config["config"]["Env"])


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A context with all of the scripts."""
    return shutil.copytree(ROOT / "tests/compat", tmp_path / "scripts")


Door = Callable[..., None]


def by_docker(tools: Tools, builder: str) -> Door:
    def build(context: Path, file: str, output: str, *arguments: str) -> None:
        tools.docker_build(context, f"--output={output}", *arguments, file=file, builder=builder).ok()

    return build


def by_buildctl(tools: Tools) -> Door:
    def build(context: Path, file: str, output: str, *arguments: str) -> None:
        options = [f"--opt={one.removeprefix('--')}" for one in arguments]
        tools.gateway(context, f"--output={output}", *options, file=file).ok()

    return build


def by_llb(tools: Tools) -> Door:
    def build(context: Path, file: str, output: str, *arguments: str) -> None:
        config, bases = context / "config.json", context / "bases.json"
        base = f"{tools.registry}/library/python:3.11.12-slim-bookworm"
        known = {"digest": tools.digest(base), "config": tools.image_config(base, "linux/amd64")}
        bases.write_text(json.dumps({f"docker.io/{base.partition('/')[2]}": {"linux/amd64": known}}))
        options = [f"--bases={bases}", f"--config-out={config}"]
        made = tools.llb("compile", file, *arguments, *options, cwd=context).ok().stdout
        output += f',"containerimage.config={config.read_text().replace(chr(34), chr(34) * 2)}"'
        tools.buildctl(f"--local=context={context}", f"--output={output}", stdin=made).ok()

    return build


def built(tools: Tools, door: Door, context: Path, file: str, *arguments: str, layers: int) -> Built:
    """Builds through a door, pushes, and reads the last layers."""
    name = f"{tools.registry}/test/compat-{Path(file).stem.lower()}:latest"
    door(context, file, f"type=image,name={name},push=true", *arguments)
    files: dict[str, bytes] = {}
    for layer in tools.layers(name)[-layers:]:
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            for member in archive:
                found = archive.extractfile(member) if member.isreg() else None
                files[member.name] = found.read() if found is not None else b""
    return Built(files, tools.image_config(name))


@pytest.mark.parametrize("door", ["docker build", "llb compile"])
def test_a_web_service(docker: Tools, builder: str, scripts: Path, door: str) -> None:
    through = by_docker(docker, builder) if door == "docker build" else by_llb(docker)
    image = built(docker, through, scripts, "web/app.py", "--target=fastapi_app", layers=4)
    assert image.has("idna", "six")
    assert image.files["assets/index.html"] == b"<h1>notes</h1>\n"
    assert image.files["root/settings.toml"] == b'title = "notes"\n'
    assert any(name.endswith("bin/sqlite3") for name in image.files)


def test_nightly_jobs(frontend: Tools, scripts: Path) -> None:
    image = built(frontend, by_buildctl(frontend), scripts, "jobs/nightly.py", layers=9)
    assert image.environment["PATH"].startswith("/opt/jobs/bin:/usr/local/")
    assert image.files["opt/jobs/said"] == b"hello from jobs\n"
    assert image.has("idna", "toolz", "certifi")
    assert any(name.endswith("bin/jq") for name in image.files)
    assert image.config["config"]["WorkingDir"] == "/opt/jobs"


def test_a_sandboxs_image(frontend: Tools, scripts: Path) -> None:
    image = built(
        frontend, by_buildctl(frontend), scripts, "sandbox_notebook.py", "--target=sandbox", layers=1
    )
    assert image.has("notebook_shim")
    assert not image.config["config"].get("Entrypoint")


@pytest.mark.parametrize("door", ["docker build", "llb compile"])
def test_a_package_with_an_odd_name(docker: Tools, builder: str, scripts: Path, door: str) -> None:
    through = by_docker(docker, builder) if door == "docker build" else by_llb(docker)
    image = built(docker, through, scripts, "04_text-tools/words.py", "--target=plural", layers=3)
    assert image.has("six", "inflection")
    assert image.files["root/wordlist.py"] == b'WORDS = ["apple", "pear"]\n'


@pytest.mark.parametrize(("target", "packages"), [("parse", ["six"]), ("Reader", ["idna", "attrs"])])
def test_images_written_in_decorators(
    frontend: Tools, scripts: Path, target: str, packages: list[str]
) -> None:
    image = built(frontend, by_buildctl(frontend), scripts, "inline.py", f"--target={target}", layers=1)
    assert image.has(*packages)


@pytest.mark.parametrize("door", ["docker build", "buildctl"])
def test_a_script_that_looks_around(docker: Tools, builder: str, scripts: Path, door: str) -> None:
    """It imports from a directory that it puts on its path, looks for a file, and writes one beside itself."""
    through = by_docker(docker, builder) if door == "docker build" else by_buildctl(docker)
    image = built(docker, through, scripts, "scraper/scrape.py", layers=2)
    assert image.has("idna", "six")
    assert image.files["etc/robots.txt"] == b"User-agent: *\n"
    assert image.environment["SITES"] == "example.com,example.org"
    assert image.environment["LIBS"] == "sites.py"
    assert not (scripts / "scraper/scrape.ini").exists()


def test_a_stub_of_long_ago(frontend: Tools, scripts: Path) -> None:
    image = built(frontend, by_buildctl(frontend), scripts / "legacy", "pages.py", "--target=page", layers=3)
    assert image.has("markupsafe")
    assert image.files["templates/index.html"] == b"<p>{{ name }}</p>\n"
    assert image.files["srv/robots.txt"] == b"User-agent: *\n"
    assert image.environment["PAGES"] == "1"


def test_the_targets_of_a_script_are_listed(docker: Tools, builder: str, scripts: Path) -> None:
    listed = docker.docker_build(scripts, "--call=targets", file="inline.py", builder=builder).ok()
    assert [
        line.split()[0] for line in listed.text.splitlines() if line.startswith(("parse", "Reader", "plain"))
    ] == [
        "parse",
        "Reader",
        "plain",
    ]
    failed = docker.docker_build(scripts, file="inline.py", builder=builder).failed()
    assert "Say which one with --target: parse, Reader, plain, sweep." in failed.text


def test_a_script_is_no_script_where_that_is_not_wanted(docker: Tools, builder: str, scripts: Path) -> None:
    failed = docker.docker_build(
        scripts, "--build-arg=LLB_COMPAT=0", file="inline.py", builder=builder
    ).failed()
    assert "No module named 'modal'" in failed.text


@pytest.mark.parametrize("door", ["docker build", "buildctl"])
def test_modules_of_the_working_directory(
    docker: Tools, builder: str, project: Callable[..., Path], nonce: str, door: str
) -> None:
    """They are in the context, and the script is below it."""
    context = project(
        **{
            "deploy-1/app.py": "import torch, modal\nfrom src.common import image\nfrom .beside import NAME\n"
            f"image = image.run_commands('echo {nonce} > /made', f'echo {{NAME}} > /name')\n",
            "deploy-1/beside.py": "NAME = 'beside'\n",
            "src/common.py": "import modal\nimage = modal.Image.from_registry('busybox:latest')\n",
        }
    )
    through = by_docker(docker, builder) if door == "docker build" else by_buildctl(docker)
    image = built(docker, through, context, "deploy-1/app.py", layers=2)
    assert (image.files["made"], image.files["name"]) == (f"{nonce}\n".encode(), b"beside\n")


def test_an_image_file_imports_what_only_the_image_has(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    context = project(
        f"""
        from llb import Image

        image = Image.from_registry("busybox:latest").run_commands("echo {nonce}")

        with image.imports():
            import torch
        """
    )
    frontend.gateway(context).ok()
