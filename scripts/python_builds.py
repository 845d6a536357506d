"""Writes llb/image/python_builds.py: where the Pythons of `add_python` are, with their checksums.

    python3 scripts/python_builds.py

The builds are python-build-standalone's. Their checksums come from two packages that keep tables of them,
in versions as old as the pins: the crate `uv-python` (MIT or Apache-2.0; both C libraries) and, for releases
that it has dropped, `pbs-installer` of PyPI (MIT; glibc). Needs `cargo` and `pip`, and is run by hand, when a
recipe gets a new pin.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from llb.image.recipes import RECIPES

CRATES = ("0.0.6", "0.0.8", "0.0.90")
WHEELS = ("2024.10.8", "2026.10.25")
TARGET = Path(__file__).parents[1] / "llb/image/python_builds.py"
ARCHITECTURES = ("x86_64", "aarch64")
NAME = re.compile(
    r"/download/(?P<release>\d{8})/cpython-(?P<version>[^%]+)%2B\d{8}-(?P<triple>(?:x86_64|aarch64)-unknown-linux-(?:gnu|musl))-(?P<flavor>[^/]+)$"
)
HEADER = '''"""Builds of python-build-standalone that recipes name, and their checksums.

Written by scripts/python_builds.py.
"""

from __future__ import annotations

BUILDS: dict[str, dict[str, tuple[str, str]]] = {
'''


def tables() -> dict[tuple[str, str], tuple[str, str]]:
    """Flavor and checksum, by pin (`3.12.1+20240107`) and triple; of several flavors the smallest."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for url, digest in [*from_crates(), *from_wheels()]:
        match = NAME.search(url)
        if match is None or not digest:
            continue
        flavor = match["flavor"].replace("%2B", "+")
        free = "t" if "freethreaded" in flavor else ""
        if "debug" in flavor or "noopt" in flavor:
            continue
        key = (f"{match['version']}{free}+{match['release']}", match["triple"])
        known = found.get(key)
        if known is None or rank(flavor) < rank(known[0]):
            found[key] = (flavor, digest)
        elif known[0] == flavor and known[1] != digest:
            sys.exit(f"two checksums of {url}")
    return found


def rank(flavor: str) -> int:
    return next(n for n, part in enumerate(("stripped", "install_only", "full")) if part in flavor)


def from_crates() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for version in CRATES:
        subprocess.run(
            ["cargo", "info", "--quiet", f"uv-python@{version}"], check=True, stdout=subprocess.DEVNULL
        )
        [path] = Path.home().glob(f".cargo/registry/src/*/uv-python-{version}/download-metadata.json")
        found += [
            (build["url"], build["sha256"] or "")
            for build in json.loads(path.read_text()).values()
            if build["name"] == "cpython" and build["arch"].get("variant") is None
        ]
    return found


def from_wheels() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for version in WHEELS:
        with tempfile.TemporaryDirectory() as folder:
            command = [
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--dest",
                folder,
                f"pbs-installer=={version}",
            ]
            subprocess.run([sys.executable, "-m", *command], check=True)
            [wheel] = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    text = archive.read(name).decode() if name.startswith("pbs_installer/_ver") else ""
                    found += re.findall(r'"(https://[^"]+)",\s*"([0-9a-f]{64})"', text)
                    if name.endswith("/versions.json"):
                        entries = json.loads(archive.read(name))
                        files = [file for entry in entries for file in entry["files"]]
                        found += [(file["url"], file["sha256"] or "") for file in files]
    return found


def main() -> None:
    known = tables()
    used = {
        (pin, libc)
        for recipe in RECIPES.values()
        for _, *both in recipe.added
        for pin, libc in zip(both, ("gnu", "musl"), strict=True)
        if pin
    }
    lines: list[str] = []
    for pin in sorted({pin for pin, _ in used}):
        lines.append(f'    "{pin}": {{\n')
        for triple in sorted({triple for one, triple in known if one == pin}):
            if (pin, triple.rpartition("-")[2]) not in used:
                continue
            flavor, digest = known[pin, triple]
            lines.append(
                f'        "{triple}": (\n            "{flavor}",\n            "{digest}",\n        ),\n'
            )
        if lines[-1].endswith("{\n"):
            sys.exit(f"nobody knows {pin}")
        lines.append("    },\n")
    TARGET.write_text(HEADER + "".join(lines) + "}\n")


if __name__ == "__main__":
    main()
