"""A Dockerfile and the equal chain are one cache, both ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.tools import Tools

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
RUN --mount=type=cache,target=/tmp/cache echo four > /tmp/four
COPY --link late.txt /late.txt
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
    dockerfile = DOCKERFILE.format(nonce=nonce).replace("RUN --mount=type=cache,target=/tmp/cache echo four > /tmp/four\n", "")
    return project(
        CHAIN.format(nonce=nonce),
        **{"Dockerfile": dockerfile, "data.txt": nonce, "tree/a/b.txt": nonce, "tree/c": nonce, "late.txt": nonce},
    )


def dockerfile(engine: Tools, context: Path):
    return engine.buildctl(
        "--frontend=dockerfile.v0", f"--local=context={context}", f"--local=dockerfile={context}", progress="rawjson"
    ).ok()


def cached(vertices: object) -> dict[str, bool]:
    return {vertex.name: vertex.cached for vertex in vertices.values()}  # pyright: ignore


def test_a_chain_finds_every_step_of_a_dockerfile_cached(frontend: Tools, context: Path) -> None:
    first = cached(dockerfile(frontend, context).steps())
    assert not any(hit for name, hit in first.items() if "] RUN" in name)
    second = cached(frontend.gateway(context, progress="rawjson").ok().steps())
    assert len([name for name in second if "run_commands" in name]) == 3
    assert all(hit for name, hit in second.items() if "local://" not in name), second


def test_a_dockerfile_finds_every_step_of_a_chain_cached(frontend: Tools, context: Path) -> None:
    first = cached(frontend.gateway(context, progress="rawjson").ok().steps())
    assert not any(hit for name, hit in first.items() if "run_commands" in name)
    second = cached(dockerfile(frontend, context).steps())
    assert len([name for name in second if "] RUN" in name]) == 3
    assert all(hit for name, hit in second.items() if "] RUN" in name or "] COPY" in name or "] WORKDIR" in name), second
