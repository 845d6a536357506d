"""A secret's value is in nothing that a build leaves. Runs last: it searches what the whole run has left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration import canary, conftest
from tests.integration.canary import CANARY
from tests.integration.tools import Tools

CHAIN = """
    from llb import Image, Secret

    token = Secret.from_local_environ(["TOKEN"])
    image = (
        Image.from_registry("python:3.11-slim-bookworm")
        .run_commands("echo {nonce}; test -n \\"$TOKEN\\"", secrets=[token])
        .pip_install("six==1.16.0", env={{"NONCE": "{nonce}"}}, secrets=[token])
        .env({{"PUBLIC": "yes"}})
    )
    failing = image.run_commands("echo {nonce} fails; exit 9", secrets=[token])
"""


@pytest.fixture
def secretive(frontend: Tools) -> Tools:
    return replace(frontend, env={**frontend.env, "TOKEN": CANARY})


def test_images_built_with_it_do_not_hold_it(
    secretive: Tools, project: Callable[..., Path], nonce: str
) -> None:
    context = project(CHAIN.format(nonce=nonce))
    reference = f"{secretive.registry}/test/canary:latest"
    secretive.gateway(
        context,
        "--opt=target=image",
        "--secret=id=TOKEN",
        "--opt=attest:provenance=mode=max",
        f"--output=type=image,name={reference},push=true",
    ).ok()
    index = secretive.index(reference)
    assert len(index["manifests"]) == 2, "the image and its provenance, which the last test searches"
    assert not canary.hits(str(secretive.image_config(reference)).encode())
    assert not [layer for layer in secretive.layers(reference) if canary.hits_in_blob(layer)]


def test_an_error_does_not_show_it(secretive: Tools, project: Callable[..., Path], nonce: str) -> None:
    context = project(CHAIN.format(nonce=nonce))
    seen = secretive.gateway(context, "--opt=target=failing", "--secret=id=TOKEN").failed()
    assert "exit code: 9" in seen.stderr
    assert CANARY not in seen.text


def test_a_definition_does_not_hold_it(secretive: Tools, project: Callable[..., Path], nonce: str) -> None:
    context = project(CHAIN.format(nonce=nonce))
    done = secretive.llb("compile", "image.py", "--target", "image", cwd=context).ok()
    assert b"TOKEN" in done.stdout
    assert not canary.hits(done.stdout)


def test_the_search_would_find_it(tmp_path: Path) -> None:
    import base64
    import gzip

    for data in (
        CANARY.encode(),
        b"x" + CANARY.encode(),
        base64.b64encode(b"Basic user:" + CANARY.encode()),
        gzip.compress(b"in a layer " + CANARY.encode()),
    ):
        assert canary.hits_in_blob(data)
    (tmp_path / "file").write_text(CANARY)
    assert list(canary.files_below(tmp_path, 0)) == [tmp_path / "file"]
    assert not canary.hits_in_blob(b"another value")


def test_nothing_that_the_run_left_holds_it(engine: Tools) -> None:
    """Registries' blobs, the daemons' stores, snapshots, histories and logs, and what every command printed."""
    root = Path(engine.env["DOCKER_CONFIG"]).parent
    places = [root / name for name in ("registry", "buildkit", "docker", "docker-classic", "log")]
    searched = 0
    found: list[str] = []
    for place in places:
        for path in canary.files_below(place, conftest.START):
            searched += 1
            if canary.hits_in_blob(path.read_bytes()):
                found.append(str(path))
    if canary.TRANSCRIPT.exists():
        searched += 1
        if canary.hits(canary.TRANSCRIPT.read_bytes()):
            found.append(str(canary.TRANSCRIPT))
    assert searched > 1, "nothing was searched"
    assert found == []
