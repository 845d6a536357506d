"""`run_function` with a bucket, volumes and a choice of GPUs, through the container and from Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.tools import ROOT, Tools

FILE = """
import os

from llb import CloudBucketMount, Image, NetworkFileSystem, Secret, Volume

keys = Secret.from_name("s3", required_keys=["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])


def work() -> None:
    print("card:", os.environ["LLB_CARDS"])
    print("keys:", [name for name in os.environ if "AWS" in name or "LLB_BUCKET" in name])
    with open("/data/in") as given, open("/data/out", "w") as result:
        result.write(given.read() + " {nonce}")
    for place in ("/volume", "/nfs"):
        with open(place + "/runs", "a") as log:
            log.write("ran\\n")
        with open(place + "/runs") as log:
            print("runs:", len(log.readlines()))
    with open("/kept", "w") as kept:
        kept.write("kept")


image = Image.from_registry("python:3.11-slim-bookworm").run_function(
    work,
    gpu=["H100", "T4"],
    volumes={{
        "/data": CloudBucketMount("{bucket}", "{url}", secret=keys, force_path_style=True),
        "/volume": Volume.from_name("{bucket}"),
    }},
    network_file_systems={{"/nfs": NetworkFileSystem.from_name("{bucket}")}},
    cloud="aws",
    {force}
)
"""

PASSWORD = "canary-77b0/bucket-key"


@pytest.fixture
def store(nonce: str) -> Generator[tuple[str, str, Any]]:
    """A stand-in store's address, a bucket's name, and a client."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    url, name = f"http://127.0.0.1:{port}", f"f-{nonce[-12:]}"
    library: Any = boto3
    client = library.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t"
    )
    client.create_bucket(Bucket=name)
    client.put_object(Bucket=name, Key="in", Body=b"given")
    yield url, name, client
    server.stop()


@pytest.fixture
def card() -> Generator[None]:
    """The engine has a T4."""
    path = ROOT / ".engine/cdi/llb-test.json"
    device = {
        "name": "one",
        "annotations": {"org.mobyproject.buildkit.device.class": "T4"},
        "containerEdits": {"env": ["LLB_CARDS=one"]},
    }
    path.write_text(json.dumps({"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": [device]}))
    yield
    path.unlink()


def test_a_function_has_its_bucket_volumes_and_gpu(
    frontend: Tools, project: Callable[..., Path], nonce: str, store: tuple[str, str, Any], card: None
) -> None:
    url, name, client = store
    tools = Tools({**frontend.env, "KEY": "AKIATEST", "PASSWORD": PASSWORD}, frontend.cwd)
    options = [
        "--allow=device",
        "--secret=id=s3.AWS_ACCESS_KEY_ID,env=KEY",
        "--secret=id=s3.AWS_SECRET_ACCESS_KEY,env=PASSWORD",
    ]
    context = project(FILE.format(nonce=nonce, url=url, bucket=name, force=""))
    said = tools.gateway(context, *options).ok().text
    assert "card: one" in said
    assert "keys: []" in said
    assert said.count("runs: 1") == 2
    assert "choose among builders" in said  # cloud=
    assert client.get_object(Bucket=name, Key="out")["Body"].read().decode() == f"given {nonce}"
    assert PASSWORD not in said
    assert "card:" not in tools.gateway(context, *options).ok().text  # cached

    client.put_object(Bucket=name, Key="in", Body=b"other")
    context = project(FILE.format(nonce=nonce, url=url, bucket=name, force="force_build=True,"))
    said = tools.gateway(context, *options).ok().text
    assert said.count("runs: 2") == 2  # forced, and the volumes are as they were
    assert client.get_object(Bucket=name, Key="out")["Body"].read().decode() == f"other {nonce}"
