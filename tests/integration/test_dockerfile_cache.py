"""A Dockerfile and the equal chain are one cache, both ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.tools import Ran, Tools

DOCKERFILE = """
FROM busybox:latest
RUN echo {nonce} > /one
ENV GREETING=hello
WORKDIR /srv
RUN echo $GREETING > two
COPY data.txt /srv/data.txt
COPY tree /srv/tree
USER 1000:1000
RUN echo three > /tmp/three
COPY late.txt /late.txt
"""

CHAIN = """
    from llb import Image

    image = (
        Image.from_registry("busybox:latest")
        .run_commands("echo {nonce} > /one")
        .env({{"GREETING": "hello"}})
        .workdir("/srv")
        .run_commands("echo $GREETING > two")
        .add_local_file("data.txt", "/srv/data.txt", copy=True)
        .add_local_dir("tree", "/srv/tree", copy=True)
        .user("1000:1000")
        .run_commands("echo three > /tmp/three")
        .add_local_file("late.txt", "/late.txt")
    )
"""


@pytest.fixture
def context(project: Callable[..., Path], nonce: str) -> Path:
    return project(
        CHAIN.format(nonce=nonce),
        **{
            "Dockerfile": DOCKERFILE.format(nonce=nonce),
            "data.txt": nonce,
            "tree/a/b.txt": nonce,
            "tree/c": nonce,
            "late.txt": nonce,
        },
    )


def dockerfile(engine: Tools, context: Path) -> Ran:
    return engine.buildctl(
        "--frontend=dockerfile.v0",
        f"--local=context={context}",
        f"--local=dockerfile={context}",
        progress="rawjson",
    ).ok()


def test_a_chain_finds_every_step_of_a_dockerfile_cached(frontend: Tools, context: Path) -> None:
    first = dockerfile(frontend, context)
    second = frontend.gateway(context, progress="rawjson").ok()
    assert len([name for name in first.not_cached() if "] RUN" in name or "] COPY" in name]) >= 6
    assert len(second.steps()) >= 8
    assert second.not_cached() == []


def test_a_dockerfile_finds_every_step_of_a_chain_cached(frontend: Tools, context: Path) -> None:
    first = frontend.gateway(context, progress="rawjson").ok()
    second = dockerfile(frontend, context)
    assert len([name for name in first.not_cached() if "run_commands" in name or "add_local" in name]) >= 6
    assert len(second.steps()) >= 8
    assert second.not_cached() == []
