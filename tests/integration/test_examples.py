"""The examples: each built through two doors, and run."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.tools import ROOT, Tools

EXAMPLES = ROOT / "examples"


@pytest.fixture
def example(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of the example that the test is about: some tests add to it what only this machine knows."""
    return Path(shutil.copytree(EXAMPLES / request.param, tmp_path / request.param))


def both_doors(
    docker: Tools, context: Path, *docker_flags: str, gateway: tuple[str, ...] = ()
) -> tuple[str, str]:
    """Built by Docker Engine, and by buildctl on a standalone daemon and pushed; what `docker run` calls them."""
    name = f"llb-example-{context.name}"
    docker.docker_build(context, f"--tag={name}", "--network=host", *docker_flags).ok()
    pushed = f"{docker.registry}/test/{name}:latest"
    docker.gateway(context, f"--output=type=image,name={pushed},push=true", *gateway).ok()
    docker.run("docker", "pull", "--quiet", pushed).ok()
    return name, pushed


@contextmanager
def running(docker: Tools, image: str) -> Generator[str]:
    name = f"llb-example-{uuid.uuid4().hex[:8]}"
    docker.run("docker", "run", "--detach", "--rm", "--network=none", f"--name={name}", image).ok()
    try:
        yield name
    finally:
        docker.run("docker", "rm", "--force", name)


@pytest.mark.parametrize("example", ["web"], indirect=True)
def test_a_web_service_answers(docker: Tools, example: Path) -> None:
    for image in both_doors(docker, example):
        with running(docker, image) as container:
            ask = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/sum/40/2').read())"
            seen = docker.run("docker", "exec", container, "python", "-c", ask)
            deadline = time.monotonic() + 30
            while seen.status != 0 and time.monotonic() < deadline:
                time.sleep(0.2)
                seen = docker.run("docker", "exec", container, "python", "-c", ask)
            assert '{"total":42}' in seen.ok().text
            assert docker.run("docker", "exec", container, "id", "-un").ok().text.strip() == "app"
            config = docker.run("docker", "inspect", "--format={{json .Config}}", container).ok().text
            assert '"8000/tcp":{}' in config
            assert '"Healthcheck":{"Test":["CMD","python"' in config


PRINTS = {
    "science": "{'a': 20.0, 'b': 20.0, 'c': 20.0}",
    "poetry": "moon landing  1969-07-20T00:00:00",
    "workspace": '[{"name":"pen","cents":120}]',
}


@pytest.mark.parametrize("example", PRINTS, indirect=True)
def test_what_an_example_prints(docker: Tools, example: Path) -> None:
    for image in both_doors(docker, example):
        seen = docker.run("docker", "run", "--rm", "--network=none", image).ok().text
        assert PRINTS[example.name] in seen
