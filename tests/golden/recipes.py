"""The frozen recipes: what each builder version makes of some chains, vertex by vertex.

A changed digest is a rebuilt image for every user of that version. `make freeze` writes the table anew: only for a new
version or a new chain.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from llb.errors import LLBError
from llb.graph import Definition, Platform
from llb.image import BuildOptions, Image, ResolvedBase, Resolver, compile_to_llb
from llb.image.recipes import RECIPES

TABLE = Path(__file__).parent / "recipes.json"

CONFIG = b'{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/local/bin:/usr/bin:/bin"],"Cmd":["python3"]},"rootfs":{"type":"layers","diff_ids":["sha256:1"]}}'


class Frozen(Resolver):
    """The same answer for every base; all have one C library."""

    def __init__(self, libc: str) -> None:
        self.libc = libc

    def exists(self, definition: Definition, paths: Sequence[str]) -> tuple[bool, ...]:
        return tuple([f"/ld-{self.libc}" in path for path in paths])

    def base(self, reference: str, platform: Platform) -> ResolvedBase:
        return ResolvedBase(reference, "sha256:" + "12" * 32, CONFIG)


SERIES = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15", "3.14t", "3.15t")

LIBCS = ("linux", "musl")
"""In the names of the loaders."""


def with_python(series: str) -> Image:
    return Image.from_registry("debian:12", add_python=series)


CHAINS: dict[str, Callable[[], Image]] = {
    **{f"debian_slim {series}": lambda series=series: Image.debian_slim(series) for series in SERIES},
    "debian_slim 3.11.7": lambda: Image.debian_slim("3.11.7"),
    "debian_slim without a version": lambda: Image.debian_slim(),
    **{f"micromamba {series}": lambda series=series: Image.micromamba(series) for series in SERIES},
    "micromamba_install": lambda: Image.micromamba("3.12").micromamba_install("a", channels=["conda-forge"]),
    **{
        f"add_python {series} on {libc}": lambda series=series: with_python(series)
        for series in SERIES
        for libc in LIBCS
    },
    "installers": lambda: Image.debian_slim("3.12").apt_install("git").pip_install("numpy", "httpx~=0.27"),
}


def frozen_now() -> dict[str, dict[str, list[str]]]:
    """Digests and command, by version and chain; what a version refuses is its message."""
    table: dict[str, dict[str, list[str]]] = {}
    for version in RECIPES:
        options = BuildOptions(builder_version=version, python_version="3.12")
        for name, chain in CHAINS.items():
            try:
                definition = compile_to_llb(
                    chain(),
                    resolver=Frozen(name.rpartition(" ")[2]),
                    options=options,
                    source_files=lambda _: None,
                )
            except LLBError as error:
                row = [error.message]
            else:
                cmd = json.loads(definition.image_config)["config"].get("Cmd", [])
                row = [*definition.digests(), " ".join(["CMD", *cmd])]
            table.setdefault(version, {})[name] = row
    return table


if __name__ == "__main__":
    if sys.argv[1:] != ["--freeze"]:
        sys.exit("python -m tests.golden.recipes --freeze writes the table anew")
    TABLE.write_text(json.dumps(frozen_now(), indent=1) + "\n")
