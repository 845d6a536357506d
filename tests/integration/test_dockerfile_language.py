"""Dockerfile lines and Dockerfiles as steps of an image: BuildKit's own frontend does them, through both kinds of doors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.tools import Ran, Tools


def build(request: pytest.FixtureRequest, frontend: Tools, context: Path, door: str, *arguments: str) -> Ran:
    if door == "docker":
        request.getfixturevalue("docker")
        return frontend.docker_build(context, *arguments)
    return frontend.gateway(context, *arguments)


def test_lines_continue_the_chain_and_the_chain_continues_the_lines(
    frontend: Tools, project: Callable[..., Path]
) -> None:
    context = project(
        """
        from llb import Image

        image = (
            Image.from_registry("busybox:latest")
            .env({"FIRST": "1"})
            .workdir("/srv")
            .dockerfile_commands(
                "ARG WHO=nobody",
                "COPY data.txt .",
                "RUN <<EOF",
                "echo $FIRST $WHO $(cat data.txt) > made",
                "EOF",
                'SHELL ["/bin/sh", "-ec"]',
                "ENV SECOND=2",
                build_args={"WHO": "me"},
            )
            .run_commands("echo $SECOND $(pwd) >> made; test \\"$(cat made)\\" = \\"$(printf '1 me data\\\\n2 /srv')\\"")
        )
        """,
        **{"data.txt": "data", ".dockerignore": "secret*", "secret.txt": "x"},
    )
    name = f"{frontend.registry}/test/language:lines"
    frontend.gateway(context, f"--output=type=image,name={name},push=true").ok()
    config = frontend.image_config(name)
    assert config["config"]["Env"][1:] == ["FIRST=1", "SECOND=2"]
    assert config["config"]["WorkingDir"] == "/srv"
    assert config["config"]["Shell"] == ["/bin/sh", "-ec"]
    layers = [entry["created_by"] for entry in config["history"] if not entry.get("empty_layer")]
    assert [layer.partition(" ")[0] for layer in layers[1:]] == ["WORKDIR", "COPY", "RUN", "RUN"]
    assert len(layers) == len(frontend.layers(name))
