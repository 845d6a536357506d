"""A warm build that does nothing: our frontend container beside BuildKit's Go one, interleaved on one daemon."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from llb import graph
from llb.oci import ImageConfig
from tests.rig import env as rig_env
from tests.rig.buildkit import VERSION
from tests.rig.paths import ROOT, making

from .table import Row, show

RUNS = 21
MODULE = ROOT / "tests/rig/buildkit"
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
        copied = graph.copy(program, "/dockerfile-frontend", "/bin/dockerfile-frontend", create_dest=True)
        labels = (
            ("moby.buildkit.frontend.network.none", "true"),
            ("moby.buildkit.frontend.caps", "moby.buildkit.frontend.inputs"),
        )
        config = ImageConfig(entrypoint=("/bin/dockerfile-frontend",), labels=labels)
        _push(reference, graph.scratch().file(copied), config, f"--local=program={directory}")
    return reference


def _push(reference: str, state: graph.State, config: ImageConfig, *options: str) -> None:
    quoted = config.to_json().decode().replace('"', '""')
    output = f'--output=type=image,name={reference},push=true,"containerimage.config={quoted}"'
    subprocess.run(
        ["buildctl", "build", "--progress=plain", output, *options],
        input=graph.marshal(state).to_bytes(),
        check=True,
        capture_output=True,
    )


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
        inside = _where_time_goes(known, directory)
    rows = [
        Row("beside the Go frontend in a container", times["ours"], times["go"], "ms", "≤ 1.0"),
        Row("beside the built-in Dockerfile frontend", times["ours"], times["builtin"], "ms", ""),
    ]
    show(f"Warm build that does nothing, {RUNS} interleaved runs", "BuildKit's frontend", rows)
    print(f"\nInside the container, one of these builds:\n{inside}")


def _where_time_goes(known: dict[str, str], directory: Path) -> str:
    """The container's own share, as its process reports it to the daemon's log."""
    reference = f"{known['REGISTRY']}/bench/frontend-times:latest"
    docker = str(ROOT / "docker")
    sys.path.insert(0, docker)
    config = import_module("frontend_image").config(graph.LINUX_AMD64)
    sys.path.remove(docker)
    timed = ImageConfig.from_json(config).replace(env=("LLB_FRONTEND_TIMES=1",))
    _push(reference, graph.image(known["FRONTEND"], platform=graph.LINUX_AMD64), timed)
    log = ROOT / ".engine/log/buildkitd.log"
    if not log.exists():
        return "not known: the daemon's log is not at hand"
    said = ""
    for _ in range(3):
        known_size = log.stat().st_size
        _build(directory, "--frontend=gateway.v0", f"--opt=source={reference}", "--opt=filename=image.py")
        said = log.read_bytes()[known_size:].decode(errors="replace").partition("llb frontend times")[2]
    return "\n".join(line for line in said.splitlines() if " ms " in line or line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
