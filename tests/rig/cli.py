"""up, down, status, env."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import cast

from . import report
from .errors import RigError
from .paths import Clone
from .rig import PARTS, Rig

_EXAMPLES = """
examples:
  python3 -m tests.rig up                         start everything; when all runs already, at once
  python3 -m tests.rig up --only registry,buildkit
  . .engine/env && buildctl debug workers         use the engines from a shell
  python3 -m tests.rig status --json
  python3 -m tests.rig down                       stop what this clone started; data and cache stay
  python3 -m tests.rig down --data                and remove .engine/ (images, build cache, logs)

variables:
  LLB_CACHE_DIR   what takes minutes to make, shared by all clones (default ~/.cache/llb)
  LLB_RIG         native: programs of this host; containers: run by a Docker at hand; auto (default) finds out

What this machine cannot have is in LLB_RIG_MISSING of .engine/env; tests that need it skip with that reason.
"""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.rig",
        description="Real engines for the tests: BuildKit, a registry, Docker Engine, base images.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="up|down|status|env")
    up = commands.add_parser("up", help="start what does not run")
    down = commands.add_parser("down", help="stop everything")
    status = commands.add_parser("status", help="say what runs")
    commands.add_parser("env", help="print .engine/env (what `. .engine/env` sets)")
    for command in (up, down):
        command.add_argument(
            "--only", type=_parts, default=PARTS, metavar="PART,...", help=f"some of {', '.join(PARTS)}"
        )
    down.add_argument("--data", action="store_true", help="also remove .engine/")
    status.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args(argv)
    # A terminal's Ctrl-C and a supervisor's SIGTERM mean the same: clean up, then end.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        rig = Rig(Clone())
        match options.command:
            case "up":
                return _up(rig, options.only)
            case "down":
                rig.down(options.only, data=options.data)
            case "status":
                return _status(rig, as_json=options.json)
            case _:
                return _env()
    except KeyboardInterrupt:
        print("interrupted; what this run started is stopped", file=sys.stderr)
        return 130
    except RigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parts(text: str) -> tuple[str, ...]:
    wanted = tuple(part.strip() for part in text.split(",") if part.strip())
    for part in wanted:
        if part not in PARTS:
            raise argparse.ArgumentTypeError(f"{part!r} is none of {', '.join(PARTS)}")
    return wanted


def _up(rig: Rig, parts: tuple[str, ...]) -> int:
    start = time.monotonic()
    failed = rig.up(parts)
    where = os.path.relpath(rig.clone.dir / "env")
    report.say("rig", f"up in {time.monotonic() - start:.1f} s; now: . {where}")
    return 1 if failed else 0


def _status(rig: Rig, *, as_json: bool) -> int:
    found = rig.status()
    if as_json:
        print(json.dumps(found, indent=1))
        return 0
    for part, facts in found.items():
        details = "  ".join(f"{name}={_short(value)}" for name, value in facts.items() if name != "state")
        print(f"{part:<16} {facts['state']:<8} {details}")
    return 0


def _short(value: object) -> str:
    return " ".join(map(str, cast("list[object]", value))) or "-" if isinstance(value, list) else str(value)


def _env() -> int:
    path = Path(Clone().dir / "env")
    if not path.exists():
        print("error: nothing is up; run: python3 -m tests.rig up", file=sys.stderr)
        return 1
    print(path.read_text(), end="")
    return 0
