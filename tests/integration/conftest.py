"""Real engines as fixtures. A test that lacks its engine is skipped with the rig's reason; CI counts the skips."""

from __future__ import annotations

import os
import textwrap
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.tools import Tools
from tests.rig import env as rig_env

START = time.time()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The search for the canary comes last: it looks at what all others have left."""
    items.sort(key=lambda item: "test_canary" in item.nodeid)


def _tools() -> Tools:
    known = rig_env.read()
    return Tools({**os.environ, **known})


def _need(tools: Tools, variables: Sequence[str], part: str) -> Tools:
    missing = [name for name in variables if not tools.env.get(name)]
    if missing:
        reason = tools.env.get("LLB_RIG_MISSING") or "the rig is not up: run `make engine`"
        pytest.skip(f"no {part}: {reason}")
    return tools


@pytest.fixture(scope="session")
def engine() -> Tools:
    """buildkitd, buildctl and a registry."""
    return _need(_tools(), ("BUILDKIT_HOST", "REGISTRY"), "buildkitd")


@pytest.fixture(scope="session")
def frontend(engine: Tools) -> Tools:
    """The same, with our frontend image in the registry."""
    return _need(engine, ("FRONTEND",), "frontend image")


@pytest.fixture(scope="session")
def docker(frontend: Tools) -> Tools:
    """The same, with a Docker Engine."""
    return _need(frontend, ("DOCKER_HOST",), "docker")


@pytest.fixture(scope="session")
def classic(docker: Tools) -> Tools:
    """A Docker Engine with the classic image store, whose BuildKit has neither merge nor diff."""
    _need(docker, ("DOCKER_HOST_CLASSIC",), "docker-classic")
    return replace(docker, env={**docker.env, "DOCKER_HOST": docker.env["DOCKER_HOST_CLASSIC"]})


@pytest.fixture(scope="session")
def builder(docker: Tools) -> str:
    """A buildx builder on the standalone buildkitd: `docker build` and buildctl on one daemon."""
    name = "llb-rig"
    if docker.run("docker", "buildx", "inspect", name).status != 0:
        docker.run(
            "docker", "buildx", "create", "--name", name, "--driver", "remote", docker.env["BUILDKIT_HOST"]
        ).ok()
    return name


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Writes a build context: `project(image="…", **{"app.py": "…"})`."""

    def write(image: str = "", **files: str | bytes) -> Path:
        if image:
            files["image.py"] = textwrap.dedent(image).lstrip()
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path

    return write


@pytest.fixture
def nonce(request: pytest.FixtureRequest) -> str:
    """A text of this run alone, for steps that must not be cached from an earlier run."""
    return f"{request.node.name}-{uuid.uuid4().hex[:12]}"
