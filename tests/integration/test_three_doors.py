"""One image file, three doors: the same vertices, and what one door built is cached for the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from llb import graph
from tests.integration.tools import Tools

CHAIN = """
    from llb import Image

    image = (
        Image.from_registry("busybox:latest")
        .run_commands("echo {nonce} > /one", "echo two > /two")
        .env({{"GREETING": "hello"}})
        .workdir("/srv")
        .run_commands("echo $GREETING > three")
    )
"""


def bases(engine: Tools, context: Path) -> Path:
    """A --bases file with what the registry says of busybox: its digest and its config."""
    reference = f"{engine.registry}/library/busybox:latest"
    path = context / "bases.json"
    entry = {"digest": engine.digest(reference), "config": engine.image_config(reference, "linux/amd64")}
    path.write_text(json.dumps({"docker.io/library/busybox:latest": {"linux/amd64": entry}}))
    return path


def test_the_same_vertices_and_one_cache_through_every_door(
    docker: Tools, builder: str, project: Callable[..., Path], nonce: str
) -> None:
    context = project(CHAIN.format(nonce=nonce))

    first = docker.docker_build(context, builder=builder, progress="rawjson").ok()
    second = docker.gateway(context, progress="rawjson").ok()
    bytes_ = (
        docker.llb("compile", "image.py", "--bases", str(bases(docker, context)), cwd=context).ok().stdout
    )
    third = docker.buildctl(stdin=bytes_, progress="rawjson").ok()

    digests = set(graph.Definition.from_bytes(bytes_).digests()[:-1])
    assert len(digests) == 5  # the base, three commands, and the working directory
    assert digests == set(first.steps()) == set(second.steps()) == set(third.steps())
    assert len(first.not_cached()) == 4
    assert second.not_cached() == []
    assert third.not_cached() == []


def test_docker_engine_builds_it_too(docker: Tools, project: Callable[..., Path], nonce: str) -> None:
    """Its client asks for local images first, which is part of the base's vertex: so these digests are its own."""
    context = project(CHAIN.format(nonce=nonce))
    first = docker.docker_build(context, progress="rawjson").ok()
    second = docker.docker_build(context, progress="rawjson").ok()
    assert len(first.not_cached()) == 4
    assert second.not_cached() == []
    assert set(first.steps()) == set(second.steps())


def test_bake_builds_an_image_file(
    docker: Tools, builder: str, project: Callable[..., Path], nonce: str
) -> None:
    bake = f"""
        target "default" {{
          context = "."
          dockerfile = "image.py"
          args = {{ BUILDKIT_SYNTAX = "{docker.frontend}" }}
          output = ["type=cacheonly"]
        }}
    """
    context = project(CHAIN.format(nonce=nonce), **{"docker-bake.hcl": bake})
    first = docker.run(
        "docker", "buildx", "--builder", builder, "bake", "--progress=rawjson", cwd=context
    ).ok()
    second = docker.gateway(context, progress="rawjson").ok()
    assert set(first.steps()) == set(second.steps())
    assert second.not_cached() == []


def test_the_first_line_of_an_image_file_names_the_frontend(
    docker: Tools, builder: str, project: Callable[..., Path], nonce: str
) -> None:
    chain = project(CHAIN.format(nonce=nonce)) / "image.py"
    chain.write_text(f"# syntax={docker.frontend}\n" + chain.read_text())
    docker.run("docker", "buildx", "--builder", builder, "build", "-f", str(chain), str(chain.parent)).ok()


def test_local_files_have_one_cache_too(
    docker: Tools, builder: str, project: Callable[..., Path], nonce: str
) -> None:
    """A local source carries its session, so its vertex differs in every build; its content is what is cached."""
    context = project(
        """
        from llb import Image

        image = (
            Image.from_registry("busybox:latest")
            .add_local_dir("src", "/app", copy=True)
            .run_commands("cat /app/data > /copied")
            .add_local_file("late.txt", "/late.txt")
        )
        """,
        **{"src/data": nonce, "late.txt": nonce},
    )
    docker.docker_build(context, builder=builder).ok()
    second = docker.gateway(context, progress="rawjson").ok()
    bytes_ = (
        docker.llb("compile", "image.py", "--bases", str(bases(docker, context)), cwd=context).ok().stdout
    )
    third = docker.buildctl(f"--local=context={context}", stdin=bytes_, progress="rawjson").ok()
    for build in (second, third):
        assert [name for name in build.not_cached() if "local://" not in name] == []
