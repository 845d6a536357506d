"""`llb compile`, as a user calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from llb import graph

CHAIN = "from llb import Image, build_arg\nimage = Image.from_registry('busybox:1.36').env({'MODE': build_arg('MODE', 'dev')})\n"
COMMAND = (str(Path(sys.executable).with_name("llb")),)
START = "from llb import Image\nimage = Image.from_registry('busybox:1.36')\n"


@dataclass(frozen=True, slots=True)
class Ran:
    stdout_bytes: bytes
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout_bytes.decode(errors="replace") + self.stderr


def llb(*arguments: str, code: int = 0) -> Ran:
    """The command in a process of its own, with real descriptors."""
    done = subprocess.run((*COMMAND, *arguments), capture_output=True, check=False, timeout=60)
    ran = Ran(done.stdout, done.stderr.decode())
    assert done.returncode == code, ran.output
    assert "Traceback" not in ran.stderr
    return ran


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "image.py"
    path.write_text(CHAIN)
    return path


def test_compile_writes_a_definition_that_buildctl_takes(file: Path) -> None:
    definition = graph.Definition.from_bytes(llb("compile", "image.py").stdout_bytes)
    assert len(definition.ops) == 2
    llb("compile", "image.py", "-o", "image.llb")
    assert Path("image.llb").read_bytes() == definition.to_bytes()


def test_the_config_goes_to_a_file_of_its_own(file: Path) -> None:
    llb("compile", "image.py", "-o", "image.llb", "--config-out", "config.json", "--build-arg", "MODE=prod")
    assert "MODE=prod" in json.loads(Path("config.json").read_text())["config"]["Env"]


def test_bases_give_digest_and_environment(file: Path) -> None:
    digest = "sha256:" + "1" * 64
    config = {"os": "linux", "architecture": "amd64", "config": {"Env": ["PATH=/base", "FROM=base"]}}
    known = {"docker.io/library/busybox:1.36": {"linux/amd64": {"digest": digest, "config": config}}}
    Path("bases.json").write_text(json.dumps(known))
    llb("compile", "image.py", "--bases", "bases.json", "-o", "image.llb", "--config-out", "config.json")
    assert digest.encode() in Path("image.llb").read_bytes()
    assert "FROM=base" in json.loads(Path("config.json").read_text())["config"]["Env"]


@pytest.mark.parametrize("format_", ["text", "json", "dot"])
def test_dumps_to_read(file: Path, format_: str) -> None:
    assert "busybox" in llb("compile", "image.py", "--format", format_).output


def test_modules_beside_the_file_are_found(file: Path) -> None:
    Path("lib_of_recipes.py").write_text("TAG = 'busybox:1.35'\n")
    file.write_text(
        "import lib_of_recipes\nfrom llb import Image\nimage = Image.from_registry(lib_of_recipes.TAG)\n"
    )
    assert "busybox:1.35" in llb("compile", "image.py", "--format", "text").output


def test_a_mistake_is_shown_at_its_line_and_leaves_no_file(file: Path) -> None:
    file.write_text("from llb import Image\nimage = Image.debian_slim(3.12)\n")
    result = llb("compile", "image.py", "-o", "image.llb", code=1)
    assert ">>> image = Image.debian_slim(3.12)" in result.stderr
    assert "Traceback" not in result.output
    assert not Path("image.llb").exists()
    assert sorted(path.name for path in Path().iterdir()) == ["image.py"]


def test_a_missing_file_and_a_wrong_option_are_told_apart(file: Path) -> None:
    assert "nowhere.py" in llb("compile", "nowhere.py", code=1).stderr
    assert "--no-such" in llb("compile", "image.py", "--no-such", code=2).stderr


def test_help_has_examples() -> None:
    assert "llb compile image.py | buildctl build" in llb("compile", "--help").output
    assert "compile" in llb("--help").output


@pytest.mark.parametrize("shadow", ["difflib", "colorsys", "json"])
def test_the_standard_library_wins_over_files_beside_the_image_file(file: Path, shadow: str) -> None:
    """As in the container: one image file, one result."""
    Path(f"{shadow}.py").write_text("raise SystemExit('the wrong one')\n")
    file.write_text(f"import {shadow}\n{CHAIN}")
    llb("compile", "image.py", "-o", "image.llb")
    assert "Did you mean" in llb("compile", "image.py", "--target", "imge", code=1).stderr


def test_the_files_own_directory_is_known_to_it(file: Path) -> None:
    Path("project").mkdir()
    Path("project/data").write_text("x")
    Path("project/image.py").write_text(
        START
        + "from pathlib import Path\nimage = image.add_local_file(Path(__file__).parent / 'data', '/data')\n"
    )
    assert "/project/data" in llb("compile", "project/image.py", "--format", "text").output
    assert "/data" in llb("compile", "project/image.py", "--context", "project", "--format", "text").output


NOISE = {
    "ignore functions": "def ignore(path):\n    print('NOISE')\n    return False\nimage = image.add_local_dir('d', '/d', ignore=ignore)\n",
    "at its end": "import atexit\natexit.register(print, 'NOISE')\n",
    "a thread": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.5), print('NOISE'))).start()\n",
    "a descriptor": "import atexit, os\natexit.register(os.write, 1, b'NOISE')\n",
}


@pytest.mark.parametrize("where", NOISE)
def test_what_the_users_code_prints_never_gets_into_the_definition(file: Path, where: str) -> None:
    Path("d").mkdir()
    Path("d/file").write_text("x")
    file.write_text(START + NOISE[where])
    ran = llb("compile", "image.py")
    graph.Definition.from_bytes(ran.stdout_bytes)
    assert b"NOISE" not in ran.stdout_bytes.partition(b"image.py")[0]
    assert "NOISE" in ran.stderr


def test_an_image_file_has_as_much_time_as_it_is_given(file: Path) -> None:
    file.write_text("while True:\n    pass\n")
    started = time.monotonic()
    refused = llb("compile", "image.py", "--build-arg", "LLB_IMAGE_FILE_TIMEOUT=0.3", "-o", "x", code=1)
    assert "did not end within 0.3 s" in refused.stderr
    assert time.monotonic() - started < 20
    llb("compile", "image.py", "--build-arg", "LLB_IMAGE_FILE_TIMEOUT=soon", "-o", "x", code=2)


def test_an_ignore_function_cannot_end_the_command(file: Path) -> None:
    Path("d").mkdir()
    Path("d/file").write_text("x")
    file.write_text(
        START + "import os\nimage = image.add_local_dir('d', '/d', ignore=lambda path: os._exit(0))\n"
    )
    assert "os._exit" in llb("compile", "image.py", code=1).stderr


def test_a_link_is_followed_and_a_mode_is_kept(file: Path) -> None:
    Path("real.llb").write_bytes(b"old")
    Path("real.llb").chmod(0o640)
    Path("link.llb").symlink_to("real.llb")
    llb("compile", "image.py", "-o", "link.llb")
    assert Path("link.llb").is_symlink()
    assert len(graph.Definition.from_bytes(Path("real.llb").read_bytes()).ops) == 2
    assert Path("real.llb").stat().st_mode & 0o777 == 0o640
    umask = os.umask(0o022)
    os.umask(umask)
    llb("compile", "image.py", "-o", "new.llb")
    assert Path("new.llb").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_pipe_is_written_to_and_stays_one(file: Path) -> None:
    os.mkfifo("pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_bytes()), daemon=True)
    reader.start()
    llb("compile", "image.py", "-o", "pipe")
    reader.join(10)
    assert len(graph.Definition.from_bytes(read[0]).ops) == 2
    assert Path("pipe").is_fifo()


@pytest.mark.skipif(os.geteuid() != 0, reason="a device can be made as root only")
def test_a_device_stays_a_device(file: Path) -> None:
    import stat

    try:
        os.mknod("null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError as error:
        pytest.skip(f"no device can be made here: {error}")
    llb("compile", "image.py", "-o", "null")
    assert Path("null").is_char_device()


def test_output_that_cannot_be_written(file: Path) -> None:
    assert "cannot write" in llb("compile", "image.py", "-o", "nowhere/x.llb", code=1).stderr
    assert "same file" in llb("compile", "image.py", "-o", "x", "--config-out", "./x", code=2).stderr
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            (*COMMAND, "compile", "image.py"), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, b"cannot write standard output" in done.stderr) == (1, True), done.stderr
    closed = subprocess.run(
        ("sh", "-c", '"$0" compile image.py >&-', *COMMAND), stderr=subprocess.PIPE, check=False
    )
    assert (closed.returncode, b"standard output is closed" in closed.stderr) == (1, True), closed.stderr


def test_nobody_reads(file: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        (*COMMAND, "compile", "image.py"), stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_interrupt_ends_it(file: Path) -> None:
    file.write_text("import time\nprint('begun', flush=True)\ntime.sleep(50)\n")
    process = subprocess.Popen((*COMMAND, "compile", "image.py", "-o", "x"), stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert process.stderr.readline() == b"begun\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said.strip()) == (130, b"interrupted")
    assert not Path("x").exists()


def test_an_unused_build_argument_is_told(file: Path) -> None:
    assert (
        "does not use the build argument TYPO"
        in llb("compile", "image.py", "--build-arg", "TYPO=1", "-o", "x").stderr
    )
    llb("compile", "image.py", "--build-arg", "=x", "-o", "x", code=2)


def test_cached_results_are_ignored_by_a_switch(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(START + "image = image.run_commands('true')\n")
    plain = llb("compile", "image.py", "--format", "text")
    assert "ignores the cache" not in plain.output
    by_argument = llb("compile", "image.py", "--format", "text", "--build-arg", "LLB_IGNORE_CACHE=1")
    assert "ignores the cache" in by_argument.output
    assert "does not use" not in by_argument.stderr
    monkeypatch.setenv("MODAL_FORCE_BUILD", "1")
    assert "ignores the cache" in llb("compile", "image.py", "--format", "text").output


def test_an_empty_image_is_refused(file: Path) -> None:
    file.write_text("from llb import Image\nimage = Image.from_scratch()\n")
    assert "nothing to build" in llb("compile", "image.py", code=1).stderr


def test_an_excerpt_counts_lines_as_python_does(file: Path) -> None:
    file.write_text("from llb import Image\n\f\nimage = Image.debian_slim(3.12)\n")
    assert ">>> image = Image.debian_slim(3.12)" in llb("compile", "image.py", code=1).stderr


def test_builder_version_and_python_version(file: Path) -> None:
    file.write_text(
        "from llb import Image, build_arg\nprint(build_arg('LLB_PYTHON_VERSION'))\nimage = Image.debian_slim()\n"
    )
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    ran = llb("compile", "image.py", "--format=text")
    assert f"python:{own}." in ran.output
    assert own in ran.stderr.splitlines()
    ran = llb(
        "compile",
        "image.py",
        "--format=text",
        "--builder-version=2023.12",
        "--build-arg=LLB_PYTHON_VERSION=3.12",
    )
    assert "python:3.12.1-slim-bullseye" in ran.output
    assert "3.12" in ran.stderr.splitlines()
    assert "does not use" not in ran.stderr
    Path("pyproject.toml").write_text('[tool.llb]\nimage-builder-version = "2024.04"\n')
    assert "-slim-bookworm" in llb("compile", "image.py", "--format=text").output
    ran = llb("compile", "image.py", "--format=text", "--builder-version=1", code=1)
    assert "unknown builder version '1': there are 2023.12, 2024.04, 2024.10, 2025.06, 2026.10" in ran.stderr
