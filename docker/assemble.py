"""Makes the root file system of the frontend image: an interpreter, what it needs, and llb.

Runs inside the build. It reads a Python image mounted at --target and never runs anything of it, so any
platform's image is assembled on any builder. Left out: whatever only a shell, pip, tests, GUIs or the network
need, and extension modules whose libraries nothing else needs (ssl, sqlite, readline…).
"""

# pyelftools is there inside the build only, and untyped.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import argparse
import compileall
import os
import py_compile
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

PREFIX = Path("usr/local")
LEFT_OUT = {
    "__phello__", "__pycache__", "config", "curses", "dbm", "dist-packages", "ensurepip", "idlelib",
    "lib2to3", "pip", "pydoc_data", "site-packages", "sitecustomize.py", "sqlite3", "test", "tkinter",
    "turtle.py", "turtledemo", "venv",
}  # fmt: skip
LIBRARIES = re.compile(
    r"(ld-linux|ld-musl|libc|libm|libdl|libpthread|librt|libutil|libz|libexpat|libpython3)\b"
)
"""What extension modules may need: the C library, and what the interpreter itself is linked to."""


class Root:
    """A root file system that is not ours: links are followed inside it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def resolve(self, name: str) -> Path | None:
        """Where an absolute name leads in this root, or None."""
        todo = [part for part in name.split("/") if part]
        at = self.path
        hops = 0
        while todo:
            part = todo.pop(0)
            if part in (".", ".."):
                at = at if part == "." or at == self.path else at.parent
                continue
            at = at / part
            if at.is_symlink():
                hops += 1
                if hops > 40:
                    return None
                link = os.readlink(at)
                at = self.path if link.startswith("/") else at.parent
                todo = [*(piece for piece in link.split("/") if piece), *todo]
        return at if at.exists() else None

    def interpreter(self) -> Path:
        for name in ("/usr/local/bin/python3", "/usr/bin/python3"):
            found = self.resolve(name)
            if found is not None:
                return found
        raise SystemExit(f"assemble: no python3 in {self.path}")

    def library(self, name: str, directories: list[str]) -> Path:
        for directory in directories:
            found = self.resolve(f"{directory}/{name}")
            if found is not None:
                return found
        raise SystemExit(f"assemble: {name} is in none of {directories}")


def needed(binary: Path) -> tuple[str | None, list[str]]:
    """The program interpreter of an ELF file, and the libraries it names."""
    with binary.open("rb") as stream:
        elf = ELFFile(stream)
        interpreter = None
        libraries: list[str] = []
        for segment in elf.iter_segments():
            if segment["p_type"] == "PT_INTERP":
                interpreter = segment.get_interp_name()
        for section in elf.iter_sections():
            if isinstance(section, DynamicSection):
                libraries += [tag.needed for tag in section.iter_tags() if tag.entry.d_tag == "DT_NEEDED"]
    return interpreter, libraries


def copy(source: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, destination)
    destination.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def library_directories(root: Root) -> list[str]:
    found = ["/usr/local/lib", "/lib64", "/lib", "/usr/lib64", "/usr/lib"]
    for parent in ("/lib", "/usr/lib"):
        directory = root.resolve(parent)
        if directory is not None:
            found += [
                f"{parent}/{entry.name}" for entry in sorted(directory.glob("*-linux-*")) if entry.is_dir()
            ]
    return found


def standard_library(source: Path) -> Iterator[Path]:
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if any(
            part in LEFT_OUT or part.startswith(("config-", "_test", "_ctypes_test", "xxlimited"))
            for part in relative.parts
        ):
            continue
        if path.suffix == ".so" and not all(LIBRARIES.match(name) for name in needed(path)[1]):
            continue
        if path.is_file() and path.suffix in (".py", ".so"):
            yield relative


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--target", type=Path, required=True, help="root of a Python image of the wanted platform"
    )
    parser.add_argument(
        "--packages", type=Path, required=True, action="append", help="directories of what /llb holds"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    root = Root(options.target)
    interpreter = root.interpreter()
    version = interpreter.name.removeprefix("python")
    if version != f"{sys.version_info.major}.{sys.version_info.minor}":
        raise SystemExit(f"assemble: bytecode of {sys.version.split()[0]} is not that of {interpreter.name}")
    copy(interpreter, options.out / PREFIX / "bin" / "python3")
    (options.out / PREFIX / "bin" / "python3").chmod(0o755)

    source = interpreter.parent.parent / "lib" / f"python{version}"
    library = options.out / PREFIX / "lib" / f"python{version}"
    modules = list(standard_library(source))
    for module in modules:
        copy(source / module, library / module)

    loader, names = needed(interpreter)
    directories = library_directories(root)
    done: set[str] = set()
    for extension in [module for module in modules if module.suffix == ".so"]:
        names += needed(source / extension)[1]
    while names:
        name = names.pop()
        if name in done or name.startswith("ld-"):  # the loader has its own place, below
            continue
        done.add(name)
        found = root.library(name, directories)
        copy(found, options.out / "usr/lib" / name)
        names += needed(found)[1]
    if loader:
        found = root.resolve(loader)
        if found is None:
            raise SystemExit(f"assemble: {loader} is not in the target")
        copy(found, options.out / loader.lstrip("/"))
        (options.out / loader.lstrip("/")).chmod(0o755)

    for packages in options.packages:
        for path in sorted(packages.rglob("*.py")):
            if "__pycache__" not in path.parts:
                copy(path, options.out / "llb" / path.relative_to(packages))

    # Unchecked hashes: the interpreter neither stats nor hashes sources at start, and the bytes repeat.
    for tree, shown in ((library, f"/{PREFIX}/lib/python{version}"), (options.out / "llb", "/llb")):
        compileall.compile_dir(
            tree,
            quiet=1,
            ddir=shown,
            force=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    # What the user's code, which is nobody, may write to: the latter two by the names that it knows.
    for name in ("tmp", "llb/definition", "llb/context"):
        (options.out / name).mkdir()
        (options.out / name).chmod(0o1777)


if __name__ == "__main__":
    main()
