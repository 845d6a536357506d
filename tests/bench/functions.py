"""`run_function`: making a payload, what an empty function costs, and a build of many that are cached."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from llb import Image, compile_to_llb
from llb.function import payload_of
from tests.rig import env as rig_env

from .table import Row, show

RUNS = 9
BASE = "python:3.11-slim-bookworm"


def nothing(number: int = 0) -> None:
    del number


def _modules(directory: Path) -> None:
    """50 functions in 20 modules, each of which calls the next one."""
    for module in range(20):
        lines = [] if module == 19 else [f"from bench_{module + 1} import f0 as onward"]
        for number in range(3 if module % 2 else 2):
            called = (
                f"f{number + 1}(x)"
                if number < (2 if module % 2 else 1)
                else "onward(x)"
                if module < 19
                else "x"
            )
            lines.append(
                f"LIMIT_{number} = {number}\n\ndef f{number}(x, *, scale=2):\n    '''Adds up.'''\n    total = 0\n"
                f"    for i in range(LIMIT_{number}):\n        total += i * scale\n"
                f"    if total > 100:\n        raise ValueError(f'{{total}} is too much')\n    return total + {called}\n"
            )
        (directory / f"bench_{module}.py").write_text("\n".join(lines))


def _payload(directory: Path) -> list[float]:
    """Each time in a process of its own, as nothing is known there yet; imports do not count."""
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\nimport bench_0\nfrom llb.function import payload_of\n"
        "start = time.process_time(); payload_of(bench_0.f0, (1,)); print((time.process_time() - start) * 1e3)"
    )
    return [
        float(subprocess.run([sys.executable, "-c", code, directory], capture_output=True, check=True).stdout)
        for _ in range(RUNS)
    ]


def _build(image: Image) -> float:
    definition = compile_to_llb(image).to_bytes()
    start = time.perf_counter()
    subprocess.run(
        ["buildctl", "build", "--progress=plain"], input=definition, check=True, capture_output=True
    )
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        _modules(Path(name))
        payload = _payload(Path(name))
    small: list[float] = []
    for _ in range(RUNS):
        start = time.perf_counter()
        payload_of(nothing)
        small.append((time.perf_counter() - start) * 1e3)
    rows = [
        Row("payload of a function with 50 helpers in 20 modules", payload, [], "ms", "≤ 50 ms"),
        Row("payload of an empty function, its module known", small, [], "ms", ""),
    ]
    show("Payloads", "", rows)
    known = rig_env.read()
    if "BUILDKIT_HOST" not in known:
        print(f"\n## Functions: not measured, {known.get('LLB_RIG_MISSING', 'the rig is not up')}")
        return
    os.environ.update(known)
    base = Image.from_registry(BASE)
    many = base
    lines = base
    for number in range(100):
        many = many.run_function(nothing, args=(number,))
        lines = lines.run_commands(f"true {number}")
    _build(many)
    _build(lines)
    times: dict[str, list[float]] = {
        name: [] for name in ("function", "command", "python", "functions", "commands")
    }
    for _ in range(RUNS):
        run = uuid.uuid4().hex
        times["function"].append(_build(base.run_function(nothing, env={"RUN": run})))
        times["command"].append(_build(base.run_commands("true", env={"RUN": run})))
        times["python"].append(_build(base.run_commands("exec python3 -c pass", env={"RUN": run})))
        times["functions"].append(_build(many))
        times["commands"].append(_build(lines))
    rows = [
        Row("an empty function", times["function"], times["command"], "ms", "≤ 1.3"),
        Row("an empty function, beside `python3 -c pass`", times["function"], times["python"], "ms", ""),
        Row("100 unchanged steps", times["functions"], times["commands"], "ms", "≤ 1.2"),
    ]
    show(f"run_function beside run_commands, {RUNS} interleaved runs", "run_commands", rows)
