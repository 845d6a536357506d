"""From states to bytes: llb.graph beside BuildKit's Go client, the same graphs in the same run."""

from __future__ import annotations

import gc
import subprocess
import tempfile
import time
import tracemalloc
from pathlib import Path

from llb import graph

from .table import Row, show

GO = Path(__file__).parents[1] / "golden"


def _base() -> graph.State:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return graph.image("docker.io/library/busybox:latest", platform=graph.LINUX_AMD64).with_env("PATH", path)


def chain(steps: int) -> graph.State:
    """Every exec on top of the one before."""
    state = _base()
    for number in range(steps):
        state = state.run(["/bin/sh", "-c", f"echo {number}"]).root
    return state


def wide(branches: int) -> graph.State:
    """Every exec on the same base, all joined by one merge."""
    base = _base()
    return graph.merge([base.run(["/bin/sh", "-c", f"echo {number}"]).root for number in range(branches)])


def _ours(shape: str, steps: int, runs: int) -> list[float]:
    make = {"chain": chain, "wide": wide}[shape]
    times: list[float] = []
    for _ in range(runs):
        gc.collect()
        start = time.perf_counter()
        graph.marshal(make(steps)).to_bytes()
        times.append((time.perf_counter() - start) * 1e6 / steps)
    return times


def _go(program: Path, shape: str, steps: int, runs: int) -> list[float]:
    done = subprocess.run([program, shape, str(steps), str(runs)], check=True, capture_output=True, text=True)
    return [int(line) / 1e3 / steps for line in done.stdout.split()]


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory) / "chains"
        subprocess.run(["go", "build", "-o", program, "./chains"], cwd=GO, check=True)
        same = subprocess.run([program, "chain", "3", "1"], check=True, capture_output=True)
        assert same.returncode == 0
        rows = [
            Row(
                f"{shape} of {steps:,}, per step",
                _ours(shape, steps, runs),
                _go(program, shape, steps, go_runs),
                "µs",
                goal,
            )
            for shape, steps, runs, go_runs, goal in (
                ("chain", 1_000, 10, 10, "≤ 0.5"),
                ("chain", 10_000, 3, 2, "≤ 0.1"),
                ("wide", 1_000, 10, 10, "≤ 1.2"),
            )
        ]
    show("From states to bytes", "Go client/llb", rows)

    growth = [
        Row(f"chain of {steps:,}, per step", _ours("chain", steps, 1), [], "µs")
        for steps in (1_000, 10_000, 100_000)
    ]
    for steps in (10_000, 100_000):
        tracemalloc.start()
        graph.marshal(chain(steps)).to_bytes()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        growth.append(Row(f"chain of {steps:,}, peak memory per step", [peak / steps], [], "bytes"))
    show("Growth", "", growth)
