"""Local files from Python: selecting, hashing and sending them, beside what buildctl takes for the same context."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from llb import Image, compile_to_llb
from llb.client.selecting import select
from llb.client.store import digest_of_files
from llb.image import LocalDirectory
from tests.bench.table import Row, show
from tests.rig import env as rig_env

FILES = 10_000
LARGE = 300_000_000
RUNS = 3


def main() -> None:
    env = {**os.environ, **rig_env.read()}
    if not env.get("BUILDKIT_HOST"):
        print("\n## Local files: skipped, there is no engine: run `make engine`")
        return
    os.environ.update({name: env[name] for name in ("BUILDKIT_HOST", "DOCKER_CONFIG") if name in env})
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LLB_DATA_DIR"] = f"{folder}/data"
        many = Path(folder, "many")
        _write_many(many)
        buildctl = _buildctl(env)
        cold: list[float] = []
        theirs_cold: list[float] = []
        warm: list[float] = []
        theirs_warm: list[float] = []
        large: list[float] = []
        theirs_large: list[float] = []
        for number in range(RUNS):
            for build, first, again in ((_build, cold, warm), (buildctl, theirs_cold, theirs_warm)):
                context = Path(folder, f"{number}-{len(cold)}-{len(theirs_cold)}")
                shutil.copytree(many, context)
                first.append(_took(partial(build, context)))
                again.append(_took(partial(build, context)))
        rows.append(Row(f"{FILES} small files, first time", cold, theirs_cold, goal="≤ 1.5"))
        rows.append(Row(f"{FILES} small files, unchanged", warm, theirs_warm, goal="≤ 1.2"))
        selected = [_took(lambda: list(select(str(many / "src")))) for _ in range(RUNS)]
        hashed = [_took(lambda: digest_of_files(str(many / "src"), {})) for _ in range(RUNS)]
        rows.append(Row("selecting them, beside the unchanged transfer", selected, theirs_warm))
        rows.append(Row("selecting and hashing them, beside the same", hashed, theirs_warm))
        for number in range(RUNS):
            for build, times in ((_build, large), (buildctl, theirs_large)):
                context = Path(folder, f"large-{number}-{len(large)}-{len(theirs_large)}")
                (context / "src").mkdir(parents=True)
                (context / "src/data").write_bytes(os.urandom(LARGE))
                times.append(_took(partial(build, context)))
                shutil.rmtree(context)
        rows.append(Row(f"one file of {LARGE // 1_000_000} MB", large, theirs_large, goal="≤ 1.2"))
    show("Local files from Python (in one process)", "buildctl (a process)", rows)


def _image() -> Image:
    return Image.from_scratch().add_local_dir("src", "/app", copy=True)


def _build(context: Path) -> None:
    _image().build(context=context, progress="quiet")


def _buildctl(env: dict[str, str]) -> Callable[[Path], None]:
    def build(context: Path) -> None:
        definition = compile_to_llb(_image(), resolver=LocalDirectory(context)).to_bytes()
        command = ["buildctl", "build", "--progress=plain", f"--local=context={context}"]
        subprocess.run(command, input=definition, env=env, check=True, capture_output=True)

    return build


def _write_many(folder: Path) -> None:
    for number in range(FILES):
        path = folder / f"src/{number % 100}/{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n" * 20)


def _took(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return (time.perf_counter() - begun) * 1000
