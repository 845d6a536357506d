"""Local files: choosing 100 of 100,000, beside only walking them; and 10,000 files sent, beside `buildctl`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from llb import Image, compile_to_llb
from llb.client.selecting import select
from llb.image import LocalDirectory

from .table import Row, show

_DIRECTORIES = 1000
_IN_EACH = 100
_RUNS = 3


def tree(root: Path, directories: int, in_each: int, *, content: bytes = b"") -> None:
    """`kept/` with 100 files, and `big/` with all others."""
    (root / "kept").mkdir(parents=True)
    for number in range(100):
        (root / "kept" / f"{number}.py").write_bytes(content)
    for directory in range(directories):
        place = root / "big" / f"{directory:04}"
        place.mkdir(parents=True)
        for number in range(in_each):
            (place / f"{number:03}.bin").write_bytes(content)


def walked(root: Path) -> int:
    """The reference: every entry seen once, nothing else."""
    count = 0
    pending = [str(root)]
    while pending:
        for entry in os.scandir(pending.pop()):
            count += 1
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
    return count


def _timed(action: Callable[[], object], runs: int = _RUNS) -> list[float]:
    times: list[float] = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        times.append((time.perf_counter() - start) * 1000)
    return times


def _compiled(root: Path, ignore: object) -> Callable[[], object]:
    image = Image.from_scratch().add_local_dir(".", "/x", ignore=ignore)  # pyright: ignore[reportArgumentType]
    return lambda: compile_to_llb(image, resolver=LocalDirectory(root), source_files=lambda _: None)


def _consumed(entries: Iterable[object]) -> int:
    return sum(1 for _ in entries)


def _ignored(path: Path) -> bool:
    return path.parts[0] == "big"


def selection() -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        tree(root, _DIRECTORIES, _IN_EACH)
        walk = _timed(lambda: walked(root))
        rows = [
            Row("compiled, a directory ignored", _timed(_compiled(root, ["big"])), walk, goal="1.0"),
            Row("compiled, each file ignored", _timed(_compiled(root, ["**/*.bin"])), walk),
            Row("compiled, by a function", _timed(_compiled(root, _ignored)), walk),
            Row(
                "sent from Python, a directory ignored",
                _timed(lambda: _consumed(select(str(root), exclude=["big"]))),
                walk,
                goal="1.0",
            ),
            Row(
                "sent from Python, each file ignored",
                _timed(lambda: _consumed(select(str(root), exclude=["**/*.bin"]))),
                walk,
            ),
            Row(
                "sent from Python, as a function said",
                _timed(lambda: _consumed(select(str(root), include=["kept"]))),
                walk,
                goal="1.0",
            ),
        ]
        show("100 of 100,000 files", "only walking", rows)


def transfer() -> None:
    """Cold: each run has files that the engine has never seen."""
    if not os.environ.get("BUILDKIT_HOST") or shutil.which("buildctl") is None:
        print("\n(no engine: the transfer of 10,000 files is left out)")
        return
    ours: list[float] = []
    theirs: list[float] = []
    for run in range(_RUNS):
        for times, build in ((ours, _from_python), (theirs, _by_buildctl)):
            with tempfile.TemporaryDirectory() as directory:
                root = Path(directory) / "context"
                content = f"{run} {build.__name__} {time.time_ns()} ".encode() * 50
                tree(root, 99, 100, content=content)
                times += _timed(lambda root=root, build=build: build(root), runs=1)
    show(
        "10,000 files read, sent and copied",
        "buildctl, dockerfile.v0",
        [Row("image.build()", ours, theirs, goal="1.5")],
    )


def _from_python(root: Path) -> None:
    Image.from_scratch().add_local_dir(".", "/x", copy=True).build(context=root, progress="quiet")


def _by_buildctl(root: Path) -> None:
    (root.parent / "Dockerfile").write_text("FROM scratch\nCOPY . /x\n")
    command = ["buildctl", "build", "--progress=quiet", "--frontend=dockerfile.v0"]
    locals_ = [f"--local=context={root}", f"--local=dockerfile={root.parent}"]
    subprocess.run([*command, *locals_], check=True, capture_output=True)


def main() -> None:
    selection()
    with suppress(KeyboardInterrupt):
        transfer()
