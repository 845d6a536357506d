"""The frozen recipes: what each builder version makes of some chains, vertex by vertex.

A changed digest is a rebuilt image for every user of that version. `make freeze` writes the table anew: only for a new
version or a new chain.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from llb.errors import LLBError
from llb.graph import Platform
from llb.image import BuildOptions, Image, ResolvedBase, Resolver, compile_to_llb
from llb.image.recipes import RECIPES

TABLE = Path(__file__).parent / "recipes.json"

CONFIG = b'{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/local/bin:/usr/bin:/bin"],"Cmd":["python3"]},"rootfs":{"type":"layers","diff_ids":["sha256:1"]}}'


class Frozen(Resolver):
    """The same answer for every base."""

    def base(self, reference: str, platform: Platform) -> ResolvedBase:
        return ResolvedBase(reference, "sha256:" + "12" * 32, CONFIG)


SERIES = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15", "3.14t")

CHAINS: dict[str, Callable[[], Image]] = {
    **{f"debian_slim {series}": lambda series=series: Image.debian_slim(series) for series in SERIES},
    "debian_slim 3.11.7": lambda: Image.debian_slim("3.11.7"),
    "debian_slim without a version": lambda: Image.debian_slim(),
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
                    chain(), resolver=Frozen(), options=options, source_files=lambda _: None
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
