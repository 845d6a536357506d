"""Bases, built for real: what is inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.integration.tools import Tools

SLIM = """
from llb import Image, build_arg
image = Image.debian_slim(build_arg("LLB_PYTHON_VERSION")).run_commands("gcc --version && gfortran --version && make --version && python -m wheel version")
"""


def test_debian_slim_has_compilers_and_current_tools(docker: Tools, project: Callable[..., Path]) -> None:
    # The base of examples/hello on the same engine: compilers are installed once for both.
    context = project(SLIM)
    built = docker.docker_build(
        context, "--tag=llb-test-slim", "--network=host", "--build-arg=LLB_PYTHON_VERSION=3.11"
    ).ok()
    assert "is taken" not in built.stderr
    probe = "python --version; uv --version; pip --version; debconf-show debconf; find / -xdev -name '*.deb'; ls /var/lib/apt/lists /root/.cache"
    ran = docker.run("docker", "run", "--rm", "--network=none", "llb-test-slim", "sh", "-c", probe).text
    assert "Python 3.11" in ran
    assert "uv " in ran
    assert "debconf/frontend: Noninteractive" in ran
    assert ".deb" not in ran
    assert "Packages" not in ran
    config = docker.run("docker", "inspect", "--format={{json .Config.Cmd}}", "llb-test-slim").ok()
    assert config.stdout.decode().strip() == '["sleep","172800"]'


def test_the_container_names_its_default_python_and_reads_the_project(
    frontend: Tools, project: Callable[..., Path]
) -> None:
    # Its bases are not in the closed network's registry: which ones are asked for is what is looked at.
    image = "from llb import Image\nimage = Image.debian_slim()\n"
    missing = frontend.gateway(project(image)).failed().stderr
    assert "python:3.12.10-slim-bookworm" in missing
    pinned = '[tool.llb]\nimage-builder-version = "2024.04"\n'
    missing = frontend.gateway(project(image, **{"pyproject.toml": pinned})).failed().stderr
    assert "python:3.12.2-slim-bookworm" in missing
    unknown = frontend.gateway(tmp := project(image), "--opt=build-arg:LLB_IMAGE_BUILDER_VERSION=1").failed()
    assert "unknown builder version '1'" in unknown.stderr
    assert "2023.12, 2024.04, 2024.10, 2025.06, 2026.10" in unknown.stderr
    compiled = frontend.llb(
        "compile", "image.py", "--format=text", "--build-arg=LLB_PYTHON_VERSION=3.11", cwd=tmp
    )
    assert "python:3.11.8-slim-bookworm" in compiled.ok().text


def test_a_client_that_serves_no_context_has_no_project(
    frontend: Tools, project: Callable[..., Path]
) -> None:
    context = project("from llb import Image\nimage = Image.debian_slim('3.12').run_commands('true')\n")
    ran = frontend.buildctl(
        "--frontend=gateway.v0",
        f"--opt=source={frontend.frontend}",
        "--opt=filename=image.py",
        f"--local=dockerfile={context}",
    ).failed()
    assert "python:3.12.10-slim-bookworm was not found" in ran.stderr
