"""Buckets, on moto's S3 server as a stand-in for a real store: alone, and in steps of a real engine."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from llb import CloudBucketMount, Image, Secret, Volume
from llb.errors import ImageBuildError
from llb.image import bucket_mounts, bucket_program
from llb.image.commands import RunCommands, run_options
from tests.integration.tools import Tools

KEY, PASSWORD = "AKIAIOSFODNN7EXAMPLE", "canary-2c91/bucket-key"
KEYS = Secret.from_dict(
    {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": PASSWORD, "AWS_REGION": "us-east-1"}
)
PROGRAM = bucket_program.__file__


class Store:
    """The stand-in store, and what is in its bucket."""

    def __init__(self, url: str, name: str) -> None:
        import boto3

        library: Any = boto3
        self.url = url
        self.name = name
        self.client = library.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="tests",
            aws_secret_access_key="tests",
        )
        self.client.create_bucket(Bucket=name)

    def put(self, **objects: str) -> None:
        for key, text in objects.items():
            self.client.put_object(Bucket=self.name, Key=key.replace("__", "/"), Body=text.encode())

    def objects(self) -> dict[str, str]:
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return {
            one["Key"]: self.client.get_object(Bucket=self.name, Key=one["Key"])["Body"].read().decode()
            for one in listed
        }


@pytest.fixture(scope="session")
def server() -> Generator[str]:
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    _, port = running.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    running.stop()


@pytest.fixture
def store(server: str, nonce: str) -> Store:
    return Store(server, f"b-{nonce[-12:]}")


# -- the program alone

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def program(store: Store, tmp_path: Path) -> Run:
    """Runs a command with the store's bucket at `data`, as a step does."""

    def run(command: str, variables: dict[str, str] | None = None, **spec: Any) -> Any:
        given = {
            "number": 0,
            "path": str(tmp_path / "data"),
            "bucket": store.name,
            "endpoint": store.url,
            "prefix": "",
            "read_only": False,
            "requester_pays": False,
            "path_style": True,
            **spec,
        }
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "spec").write_text(json.dumps([given]))
        keys = (
            {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": PASSWORD} if variables is None else variables
        )
        environment = {**os.environ, **{f"LLB_BUCKET_0_{name}": value for name, value in keys.items()}}
        words = [sys.executable, PROGRAM, str(tmp_path / "spec"), "/bin/sh", "-c", command]
        return subprocess.run(
            words, capture_output=True, text=True, env=environment, cwd=tmp_path / "data", check=False
        )

    return run


def test_objects_are_files_while_the_command_runs_and_what_it_changed_is_written_back(
    store: Store, program: Run
) -> None:
    store.put(kept="1", changed="2", gone="3", sub__deep__er="4")
    done = program(
        "cat kept sub/deep/er; echo two >changed; rm gone; mkdir new; echo n >new/file; ln -s kept link"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "14bucket " + store.name + ": 3 objects written, 1 removed"
    assert store.objects() == {
        "changed": "two\n",
        "kept": "1",
        "link": "1",
        "new/file": "n\n",
        "sub/deep/er": "4",
    }


def test_a_prefix_is_a_directory_of_its_own(store: Store, program: Run) -> None:
    store.put(a__one="1", ab="no", b__two="2")
    done = program("ls; echo x >three", prefix="a/")
    assert done.stdout.splitlines()[1] == "one"
    assert store.objects() == {"a/one": "1", "a/three": "x\n", "ab": "no", "b/two": "2"}


def test_read_only_nothing_is_written_back(store: Store, program: Run) -> None:
    store.put(a="1")
    assert program("echo x >a; touch b", read_only=True).returncode == 0
    assert store.objects() == {"a": "1"}


def test_a_command_that_fails_writes_nothing_back_and_keeps_its_status(store: Store, program: Run) -> None:
    store.put(a="1")
    assert program("echo x >a; exit 7").returncode == 7
    assert program("echo x >a; kill -9 $$").returncode == 137
    assert store.objects() == {"a": "1"}


def test_the_command_does_not_see_the_keys(store: Store, program: Run) -> None:
    done = program("env")
    assert "LLB_BUCKET" not in done.stdout
    assert PASSWORD not in done.stdout


def test_no_object_leads_out_of_the_mount(store: Store, program: Run) -> None:
    for key in ("../out", "a/../../out", "/etc/x", "a//b"):
        store.client.put_object(Bucket=store.name, Key=key, Body=b"")
        done = program("echo ran")
        assert done.returncode == 1
        assert f"has an object whose key cannot be a file's name: {key!r}" in done.stderr
        assert "ran" not in done.stdout
        store.client.delete_object(Bucket=store.name, Key=key)


def test_an_object_that_is_file_and_directory_at_once_is_refused(store: Store, program: Run) -> None:
    store.put(a="1", a__b="2")
    done = program("echo ran")
    assert done.returncode == 1
    assert "is a file and a directory at once" in done.stderr


def test_a_bucket_that_is_not_there_ends_in_one_sentence(store: Store, program: Run) -> None:
    done = program("echo ran", bucket="no-such-bucket")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"CloudBucketMount: the bucket no-such-bucket at {store.url} does not let the build list its objects: "
    )
    assert "Is its name right, and bucket_endpoint_url?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_reached_ends_in_one_sentence(program: Run) -> None:
    done = program("echo ran", endpoint="http://127.0.0.1:9")
    assert "Can this address be reached from where the image is built?" in done.stderr
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stderr


def test_a_secret_without_keys_is_told(program: Run) -> None:
    done = program("echo ran", {"TOKEN": "x"})
    assert "lacks AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY" in done.stderr


def test_without_a_secret_the_store_is_asked_anonymously(store: Store, program: Run) -> None:
    store.put(a="1")
    assert "1" in program("cat a", {}, read_only=True).stdout


def test_both_sides_call_the_variables_the_same() -> None:
    assert bucket_mounts.PREFIX == bucket_program.PREFIX


# -- in a step


def with_buckets(image: Image, command: str, volumes: dict[str, Any], **options: Any) -> Image:
    """A command with buckets, which only `run_function` can be given."""
    loose: Any = image
    return loose._then(RunCommands, run_options(volumes=volumes, of_function=True, **options), (command,))


@pytest.fixture
def here(engine: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    for name in ("BUILDKIT_HOST", "DOCKER_CONFIG"):
        monkeypatch.setenv(name, engine.env[name])
    monkeypatch.setenv("LLB_DATA_DIR", str(tmp_path / "llb"))
    monkeypatch.chdir(tmp_path)
    return engine


def test_a_step_sees_objects_as_files_and_nothing_of_them_is_in_the_image(
    here: Tools, store: Store, nonce: str, capfd: pytest.CaptureFixture[str]
) -> None:
    store.put(in__weights=f"weights {nonce}")
    bucket = CloudBucketMount(store.name, store.url, "in/", KEYS, force_path_style=True)
    base = Image.from_registry("python:3.11-slim-bookworm").env({"NONCE": nonce})
    target = f"{here.registry}/buckets:{nonce[-12:]}"
    volumes = {"/data": bucket, "/log": Volume.from_name(nonce[-12:])}
    command = (
        "cat /data/weights; wc -c </data/weights >/size; cp /size /data/size; echo ran >>/log/runs; env >/env"
    )
    image = with_buckets(base, command, volumes)
    image.build(tags=target, push=True)
    assert f"weights {nonce}" in capfd.readouterr().err
    assert store.objects()["in/size"].strip() == str(len(f"weights {nonce}"))
    with tarfile.open(fileobj=io.BytesIO(here.layers(target)[-1])) as layer:
        names = [one for one in layer.getnames() if not one.startswith(("proc", "sys"))]
        environment = layer.extractfile("env")
        assert environment is not None
        text = environment.read().decode()
    assert sorted(names) == ["env", "size"]
    assert "LLB_BUCKET" not in text
    assert PASSWORD not in text

    store.put(in__weights="other")  # what is in the bucket is no part of the key
    image.build(tags=target, push=True)
    assert "weights" not in capfd.readouterr().err.replace("cat /data/weights", "").replace(
        "</data/weights", ""
    )
    assert store.objects()["in/weights"] == "other"
    with_buckets(base, command + " #", volumes, force_build=True).build()
    assert store.objects()["in/size"].strip() == "5"  # a step that runs looks again


def test_a_bucket_that_refuses_fails_the_build_with_its_line_and_the_next_one_works(
    here: Tools, store: Store, nonce: str, capfd: pytest.CaptureFixture[str]
) -> None:
    base = Image.from_registry("python:3.11-slim-bookworm").env({"NONCE": nonce})
    wrong = CloudBucketMount("no-such-bucket", store.url, secret=KEYS, force_path_style=True)
    with pytest.raises(ImageBuildError) as caught:
        with_buckets(base, "touch /ran", {"/data": wrong}).build()
    said = capfd.readouterr().err + str(caught.value)
    assert "the bucket no-such-bucket at" in said
    assert "Is its name right" in said
    assert "Traceback" not in said
    assert "test_buckets.py:" in str(caught.value)
    assert PASSWORD not in said
    right = CloudBucketMount(store.name, store.url, secret=KEYS, force_path_style=True, read_only=True)
    with_buckets(base, "touch /ran", {"/data": right}).build()


def test_an_image_without_python_is_told(
    here: Tools, store: Store, nonce: str, capfd: pytest.CaptureFixture[str]
) -> None:
    bucket = CloudBucketMount(store.name, store.url, secret=KEYS, force_path_style=True)
    with pytest.raises(ImageBuildError) as caught:
        with_buckets(Image.from_registry("busybox:latest"), f"echo {nonce}", {"/data": bucket}).build()
    assert "the image has no Python; buckets need 3.9 or newer" in capfd.readouterr().err + str(caught.value)
