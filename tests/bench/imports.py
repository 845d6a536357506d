"""What `import llb` costs over a bare interpreter."""

from __future__ import annotations

import subprocess
import sys
import time

from .table import Row, show


def _times(code: str, runs: int = 25) -> list[float]:
    times: list[float] = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append((time.perf_counter() - start) * 1e3)
    return times


def main() -> None:
    bare = _times("pass")
    rows = [
        Row(f"import {module}", [time - min(bare) for time in _times(f"import {module}")], [], "ms", goal)
        for module, goal in (
            ("llb", "≤ 30"),
            ("llb.graph", ""),
            ("llb.gateway", ""),
            ("dataclasses", ""),
            ("grpc", ""),
        )
    ]
    show(f"Imports, over a bare interpreter of {min(bare):.1f} ms", "", rows)
