"""Weights of a model: the real client of the Hugging Face hub in a function, a token by secret, a cache in a volume."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.integration.canary import CANARY
from tests.integration.hub import Hub
from tests.integration.tools import Tools

SOURCE = """
from llb import Image, Secret, Volume

MODEL = "owner/model"


def download():
    from huggingface_hub import snapshot_download

    snapshot_download(MODEL, local_dir="/models", cache_dir="/cache")


image = (
    Image.from_registry("python:3.11-slim-bookworm")
    .pip_install("huggingface_hub==0.34.4")
    .run_function(
        download,
        secrets=[Secret.from_local_environ(["HF_TOKEN"])],
        env={"HF_ENDPOINT": "ADDRESS", "HF_HUB_DISABLE_XET": "1"},
        volumes={"/models": Volume.from_name("NONCE")},
    )
    .run_commands("cp -r /models/. /kept", volumes={"/models": Volume.from_name("NONCE")})
)
result = Image.from_registry("busybox:latest").copy_from(image, "/kept", "/kept")
"""


def test_weights_are_downloaded_with_a_token_and_go_on_where_a_failed_build_ended(
    frontend: Tools, project: Callable[..., Path], nonce: str, tmp_path: Path
) -> None:
    weights = os.urandom(24 << 20)
    out = tmp_path / "out"
    with Hub({"config.json": b"{}", "model.bin": weights}, token=CANARY, break_after=12 << 20) as hub:
        tools = replace(frontend, env={**frontend.env, "HF_TOKEN": CANARY})
        source = SOURCE.replace("ADDRESS", hub.address).replace("NONCE", nonce[-40:])
        context = project(source)
        refused = tools.gateway(context, "--secret=id=HF_TOKEN,env=HOME").failed()
        assert 'File "image.py", line 9, in download' in refused.stderr
        broken = tools.gateway(context, "--secret=id=HF_TOKEN,env=HF_TOKEN").failed()
        assert "in download" in broken.stderr
        assert hub.sent["model.bin"] == 12 << 20
        ran = tools.gateway(
            context,
            "--secret=id=HF_TOKEN,env=HF_TOKEN",
            "--opt=target=result",
            f"--output=type=local,dest={out}",
        ).ok()
        assert (out / "kept/model.bin").read_bytes() == weights
        assert len([line for line in ran.stderr.splitlines() if "%|" in line]) < 20
        assert hub.ranges == [f"bytes={10 << 20}-"]  # the client writes 10 MiB at a time
        sent = hub.sent["model.bin"]
        assert sent == (12 + 24 - 10) << 20
        # Edited, it runs again, and finds what is there already.
        context = project(source.replace("cache_dir=", "max_workers=2, cache_dir="))
        tools.gateway(context, "--secret=id=HF_TOKEN,env=HF_TOKEN").ok()
        assert hub.sent["model.bin"] == sent
