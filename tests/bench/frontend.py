"""A warm build that does nothing: our frontend container beside BuildKit's Go one, interleaved on one daemon."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from llb import graph
from llb.oci import ImageConfig
from tests.rig import env as rig_env
from tests.rig.buildkit import VERSION
from tests.rig.paths import making

from .table import Row, show

RUNS = 21
MODULE = Path(__file__).parents[1] / "rig" / "buildkit"
PROGRAM = "github.com/moby/buildkit/frontend/dockerfile/cmd/dockerfile-frontend"
DOCKERFILE = (
    'FROM busybox:latest\nRUN echo one > /one\nENV A=b\nWORKDIR /srv\nRUN echo two > two\nCMD ["true"]\n'
)
CHAIN = """from llb import Image

image = (
    Image.from_registry("busybox:latest")
    .run_commands("echo one > /one")
    .env({"A": "b"})
    .workdir("/srv")
    .run_commands("echo two > two")
    .cmd(["true"])
)
"""


def _go_frontend(registry: str) -> str:
    """BuildKit's Dockerfile frontend as an image: its program alone, as in the official one."""
    reference = f"{registry}/bench/dockerfile-frontend:{VERSION}"
    with making(f"dockerfile-frontend-{VERSION}") as (directory, empty):
        if empty:
            subprocess.run(
                [
                    "go",
                    "build",
                    "-trimpath",
                    "-ldflags=-s -w",
                    "-o",
                    directory / "dockerfile-frontend",
                    PROGRAM,
                ],
                cwd=MODULE,
                env={**os.environ, "CGO_ENABLED": "0"},
                check=True,
            )
    with making(f"dockerfile-frontend-{VERSION}") as (directory, _):
        program = graph.local("program", include=["dockerfile-frontend"])
        state = graph.scratch().file(
            graph.copy(program, "/dockerfile-frontend", "/bin/dockerfile-frontend", create_dest=True)
        )
        labels = (
            ("moby.buildkit.frontend.network.none", "true"),
            ("moby.buildkit.frontend.caps", "moby.buildkit.frontend.inputs"),
        )
        config = ImageConfig(entrypoint=("/bin/dockerfile-frontend",), labels=labels).to_json().decode()
        quoted = config.replace('"', '""')
        subprocess.run(
            [
                "buildctl",
                "build",
                "--progress=plain",
                f"--local=program={directory}",
                f'--output=type=image,name={reference},push=true,"containerimage.config={quoted}"',
            ],
            input=graph.marshal(state).to_bytes(),
            check=True,
            capture_output=True,
        )
    return reference


def _build(directory: Path, *options: str) -> float:
    start = time.perf_counter()
    subprocess.run(
        [
            "buildctl",
            "build",
            "--progress=plain",
            f"--local=context={directory}",
            f"--local=dockerfile={directory}",
            *options,
        ],
        check=True,
        capture_output=True,
    )
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    known = rig_env.read()
    if "BUILDKIT_HOST" not in known or "FRONTEND" not in known:
        print(f"\n## Frontends: not measured, {known.get('LLB_RIG_MISSING', 'the rig is not up')}")
        return
    os.environ.update(known)
    go = _go_frontend(known["REGISTRY"])
    gateway = "--frontend=gateway.v0"
    doors = {
        "ours": (gateway, f"--opt=source={known['FRONTEND']}", "--opt=filename=image.py"),
        "go": (gateway, f"--opt=source={go}"),
        "builtin": ("--frontend=dockerfile.v0",),
    }
    times: dict[str, list[float]] = {name: [] for name in doors}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "Dockerfile").write_text(DOCKERFILE)
        (directory / "image.py").write_text(CHAIN)
        for run in range(RUNS + 3):
            for door, options in doors.items():
                took = _build(directory, *options)
                if run >= 3:
                    times[door].append(took)
    rows = [
        Row("beside the Go frontend in a container", times["ours"], times["go"], "ms", "≤ 1.0"),
        Row("beside the built-in Dockerfile frontend", times["ours"], times["builtin"], "ms", ""),
    ]
    show(f"Warm build that does nothing, {RUNS} interleaved runs", "BuildKit's frontend", rows)
    _where_time_goes()


def _where_time_goes() -> None:
    """The container's own share, as its process reports it (LLB_FRONTEND_TIMES in the image's environment)."""


if __name__ == "__main__":
    main()
