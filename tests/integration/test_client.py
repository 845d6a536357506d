"""The Python client on a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from llb import Image, compile_to_llb
from llb.client import Client, connect
from llb.errors import BaseError
from tests.integration.tools import Tools


@pytest.fixture(scope="module")
def client(engine: Tools) -> Iterator[Client]:
    with connect(engine.env["BUILDKIT_HOST"]) as client:
        yield client


def test_a_resolver_asks_the_engine_for_bases_and_the_disk_for_files(client: Client, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("data")
    image = Image.from_registry("busybox").run_commands("true").add_local_file("data", "/data")
    with client.resolver(tmp_path) as resolver:
        definition = compile_to_llb(image, resolver=resolver)
        assert resolver.capabilities is not None
        assert "mergeop" in resolver.capabilities
    assert definition.bases[0].digest.startswith("sha256:")
    assert b'"Cmd":["sh"]' in definition.image_config


def test_a_base_that_is_not_there_is_told_by_its_name(client: Client) -> None:
    with pytest.raises(BaseError, match=r"no/such:thing") as caught, client.resolver() as resolver:
        compile_to_llb(Image.from_registry("no/such:thing"), resolver=resolver)
    assert caught.value.hint
    assert caught.value.location is not None


def test_a_client_knows_its_workers(client: Client) -> None:
    assert "linux/amd64" in {str(platform) for worker in client.workers() for platform in worker.platforms}


def test_a_gateway_that_returns_nothing_ends(client: Client) -> None:
    with client.gateway(internal=True) as bridge:
        assert "gateway.exec" in bridge.ping().result().frontend_caps
