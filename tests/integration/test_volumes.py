"""Volumes on a real engine: what is in them stays on the engine, and in no layer, whatever is forced."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.tools import Ran, Tools

FILE = """
from llb import Image, Volume

log = Volume.from_name("{nonce}"){options}
image = (
    Image.from_registry("busybox:latest")
    .run_commands("echo {nonce} >>/v/log; echo in the volume: $(wc -l </v/log)", volumes={{"/v": log}}{first})
    .run_commands("test -d /v; echo seen again: $(wc -l </again/log)", volumes={{"/again": log}})
)
"""


def counted(ran: Ran, text: str) -> list[str]:
    """What steps said after a text, in the log."""
    return re.findall(rf"^#\d+ [\d.]+ {text} *(.*)$", ran.ok().stderr, re.MULTILINE)


def compiled(engine: Tools, project: Path, *options: str) -> Ran:
    definition = engine.llb("compile", "image.py", cwd=project).ok()
    return engine.buildctl(*options, stdin=definition.stdout, cwd=project)


@pytest.mark.parametrize("options", ["", '.with_mount_options(sub_path="a/b")'])
def test_a_forced_step_finds_what_its_volume_held(
    engine: Tools, project: Callable[..., Path], nonce: str, options: str
) -> None:
    """`ignore_cache` of the command itself would have emptied it."""
    name = nonce[-12:]
    where = project(FILE.format(nonce=name, first="", options=options))
    assert counted(compiled(engine, where), "in the volume:") == ["1"]
    assert counted(compiled(engine, where), "in the volume:") == []  # cached
    project(FILE.format(nonce=name, first=", force_build=True", options=options))
    for runs in ("2", "3"):
        ran = compiled(engine, where)
        assert counted(ran, "in the volume:") == [runs]
        assert counted(ran, "seen again:") == [runs]  # the steps after it run, too
    project(FILE.format(nonce=name, first="", options=options))
    assert counted(compiled(engine, where), "in the volume:") == []


def test_every_door_has_the_same_volume_and_no_cache_keeps_it(
    docker: Tools, builder: str, project: Callable[..., Path], nonce: str
) -> None:
    name = nonce[-12:]
    where = project(FILE.format(nonce=name, first="", options=""))
    assert counted(compiled(docker, where), "in the volume:") == ["1"]
    assert counted(docker.gateway(where), "in the volume:") == []
    assert counted(docker.gateway(where, "--no-cache"), "in the volume:") == ["2"]
    assert counted(docker.docker_build(where, "--no-cache", builder=builder), "in the volume:") == ["3"]
    (where / "Dockerfile").write_text(
        f"FROM busybox\nRUN --mount=type=cache,id=llb-volume/{name},target=/x : {name}; "
        "echo from Docker: $(wc -l </x/log)\n"
    )
    ran = docker.buildctl(
        "--frontend=dockerfile.v0", f"--local=context={where}", f"--local=dockerfile={where}"
    )
    assert counted(ran, "from Docker:") == ["3"]


def test_nothing_of_a_volume_is_in_a_layer(engine: Tools, project: Callable[..., Path], nonce: str) -> None:
    name = nonce[-12:]
    where = project(
        f"""
        from llb import Image, Volume
        data = Volume.from_name("{name}")
        image = (
            Image.from_registry("busybox:latest")
            .run_commands("echo {name} >/srv/v/in; echo x >/scratch/in; echo out >/kept", volumes={{
                "/srv/v": data.with_mount_options(sub_path="x/deep"),
                "/scratch": Volume.ephemeral(),
            }})
        )
        """
    )
    target = f"{engine.registry}/volumes:{name}"
    compiled(engine, where, f"--output=type=image,name={target},push=true").ok()
    names: list[str] = []
    for layer in engine.layers(target)[1:]:
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            names += archive.getnames()
    assert [one for one in names if not one.startswith(("proc", "sys"))] == ["kept"]


def test_a_directory_of_a_volume_is_made_and_a_read_only_one_is_refused_to_writers(
    engine: Tools, project: Callable[..., Path], nonce: str
) -> None:
    name = nonce[-12:]
    where = project(
        f"""
        from llb import Image, Volume
        data = Volume.from_name("{name}")
        image = (
            Image.from_registry("busybox:latest")
            .user("1000")
            .run_commands("id -u | grep 1000; ls /m", volumes={{"/m": data.with_mount_options(sub_path="x/y")}})
            .user("root")
            .run_commands("echo found: $(cd /all && find . -mindepth 1 | sort)", volumes={{"/all": data}})
            .run_commands("touch /all/z", volumes={{"/all": data.read_only()}})
        )
        """
    )
    ran = compiled(engine, where).failed()
    assert "found: ./x ./x/y" in ran.text
    assert "/all/z: Read-only file system" in ran.text
    assert "image.py:9" in ran.text  # the user's line
