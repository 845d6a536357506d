"""Buckets in a step: what is mounted, whose keys are asked for, and what is in nobody's key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llb import CloudBucketMount, Image, Secret, Volume, compile_to_llb
from llb.errors import UnsupportedError
from llb.image import ImageDefinition
from llb.image.commands import RunCommands, run_options
from llb.image.secrets import secrets_of
from llb.pb import ops_pb2 as pb

CANARY = "canary-8d21f0"
BASE = Image.from_registry("debian:12")
KEYS = Secret.from_dict({"AWS_ACCESS_KEY_ID": CANARY, "AWS_SECRET_ACCESS_KEY": CANARY}, name="s3")
DATA = CloudBucketMount("data", key_prefix="v1/", secret=KEYS)


def step(*buckets: CloudBucketMount, **options: Any) -> Image:
    """A step with buckets at `/b0`, `/b1`…"""
    places: dict[str, Any] = {f"/b{number}": one for number, one in enumerate(buckets)}
    loose: Any = BASE
    given = run_options(volumes={**places, **options.pop("volumes", {})}, of_function=True, **options)
    return loose._then(RunCommands, given, ("work",))


def ops(definition: ImageDefinition) -> list[pb.Op]:
    return [pb.Op.FromString(op) for op in definition.ops]


def work(definition: ImageDefinition) -> pb.ExecOp:
    return next(op.exec for op in ops(definition) if op.exec.meta.args[-1:] == ["work"])


def specs(definition: ImageDefinition) -> list[dict[str, Any]]:
    files = [action.mkfile for op in ops(definition) for action in op.file.actions]
    return json.loads(next(file.data for file in files if file.path == "/spec"))


def test_a_program_comes_before_the_command_and_nothing_of_the_bucket_is_an_output() -> None:
    command = work(compile_to_llb(step(DATA)))
    assert list(command.meta.args) == ["/bin/sh", "/dev/.llb-buckets/start", "/bin/sh", "-c", "work"]
    mounts = {one.dest: one for one in command.mounts}
    assert (mounts["/b0"].input, mounts["/b0"].output) == (-1, -1)
    assert mounts["/dev/.llb-boto3"].readonly
    assert [one.dest for one in command.mounts if one.output >= 0] == ["/"]


def test_its_keys_are_secrets_under_names_that_the_command_does_not_get() -> None:
    definition = compile_to_llb(step(DATA, DATA))
    found = [(one.name, one.ID) for one in work(definition).secretenv]
    assert found == [
        ("LLB_BUCKET_0_AWS_ACCESS_KEY_ID", "s3.AWS_ACCESS_KEY_ID"),
        ("LLB_BUCKET_0_AWS_SECRET_ACCESS_KEY", "s3.AWS_SECRET_ACCESS_KEY"),
        ("LLB_BUCKET_1_AWS_ACCESS_KEY_ID", "s3.AWS_ACCESS_KEY_ID"),
        ("LLB_BUCKET_1_AWS_SECRET_ACCESS_KEY", "s3.AWS_SECRET_ACCESS_KEY"),
    ]
    ids = ["s3.AWS_ACCESS_KEY_ID", "s3.AWS_SECRET_ACCESS_KEY"]
    assert [one.id for one in definition.secrets] == ids
    assert secrets_of(step(DATA)) == ids
    assert CANARY.encode() not in b"".join(definition.ops)


def test_what_is_mounted_is_part_of_the_step() -> None:
    assert specs(compile_to_llb(step(DATA))) == [
        {
            "number": 0,
            "path": "/b0",
            "bucket": "data",
            "endpoint": "",
            "prefix": "v1/",
            "read_only": False,
            "requester_pays": False,
            "path_style": False,
        }
    ]
    one = compile_to_llb(step(DATA)).digest
    assert one == compile_to_llb(step(DATA)).digest
    for other in (
        CloudBucketMount("other", key_prefix="v1/", secret=KEYS),
        CloudBucketMount("data", secret=KEYS),
        CloudBucketMount("data", key_prefix="v1/"),
        CloudBucketMount("data", "https://s3.example.com", key_prefix="v1/", secret=KEYS),
        CloudBucketMount("data", key_prefix="v1/", secret=KEYS, read_only=True),
        CloudBucketMount("data", key_prefix="v1/", secret=KEYS, force_path_style=True),
    ):
        assert compile_to_llb(step(other)).digest != one


def test_the_library_is_installed_beside_the_image_by_pinned_hashes() -> None:
    definition = compile_to_llb(step(DATA))
    (install,) = [op.exec for op in ops(definition) if "pip" in op.exec.meta.args]
    assert "--require-hashes" in install.meta.args
    files = [action.mkfile for op in ops(definition) for action in op.file.actions]
    lines = next(file.data for file in files if file.path == "/requirements.txt").decode().splitlines()
    assert all("==" in line and " --hash=sha256:" in line for line in lines)
    sources = [op.source.identifier for op in ops(definition) if op.HasField("source")]
    assert any("python:3.13" in one for one in sources)


def test_beside_a_volume_a_forced_step_keeps_it() -> None:
    definition = compile_to_llb(step(DATA, volumes={"/v": Volume.from_name("v")}, force_build=True))
    forced = [definition.metadata[digest].ignore_cache for digest in definition.digests()[:-1]]
    kinds = [op.WhichOneof("op") for op in ops(definition)[:-1]]
    assert [kind for kind, force in zip(kinds, forced, strict=True) if force] == ["file"]
    alone = compile_to_llb(step(DATA, force_build=True))
    forced = [alone.metadata[digest].ignore_cache for digest in alone.digests()[:-1]]
    assert forced[-1]


def test_a_bucket_needs_linux() -> None:
    loose: Any = Image.from_registry("windows/nanoserver")
    image = loose._then(RunCommands, run_options(volumes={"/b": DATA}, of_function=True), ("x",))
    with pytest.raises(UnsupportedError, match="needs a Linux image"):
        compile_to_llb(image, platform="windows/amd64")
