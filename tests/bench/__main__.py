"""`make bench`: every benchmark, side by side in one run. `python -m tests.bench graphs` runs one."""

from __future__ import annotations

import platform
import sys
from importlib import import_module

NAMES = ("imports", "graphs", "files", "functions", "installers", "frontend", "client")


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise SystemExit(f"unknown benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}")
    print(
        f"Python {platform.python_version()}, {platform.machine()}. Ratios of one run, not seconds, are what to read."
    )
    for name in names or NAMES:
        import_module(f"tests.bench.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
