"""What a user sees for a mistake, through both doors of the container: the message, and their own line marked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.tools import Ran, Tools

START = "from llb import Image, build_arg\nbusybox = Image.from_registry('busybox:latest')\n"

MISTAKES: dict[str, tuple[str, str, int]] = {
    # name: (what follows START, text that the user must see, the line that must be marked)
    "syntax error": ("image = busybox.run_commands('a'\n", "never closed", 3),
    "exception in the user's code": (
        "def boom():\n    return 1 / 0\nimage = boom()\n",
        "ZeroDivisionError",
        4,
    ),
    "wrong type": ("image = Image.debian_slim(3.12)\n", "debian_slim", 3),
    "empty command": ("image = busybox.run_commands('')\n", "run_commands", 3),
    "relative remote path": ("image = busybox.add_local_file('x', 'x')\n", "absolute", 3),
    "missing local file": (
        "image = busybox.add_local_file('nowhere.txt', '/x', copy=True)\n",
        "nowhere.txt",
        3,
    ),
    "missing module": ("import numpy\nimage = busybox\n", "numpy", 3),
    "sys.exit": ("import sys\nsys.exit(3)\nimage = busybox\n", "exit", 4),
    "foreign base": ("image = Image.from_registry(busybox)\n", "from_registry", 3),
    "unknown base": (
        "image = Image.from_registry('no-such-image-anywhere:1')\n",
        "no-such-image-anywhere",
        3,
    ),
    "failing command": (
        "image = busybox.run_commands('echo before', 'echo loud; exit 7')\n",
        "exit code: 7",
        3,
    ),
    "a step after a lazily added file": (
        "image = (busybox\n  .add_local_file('image.py', '/x')\n  .run_commands('true'))\n",
        "copy=True",
        5,
    ),
    "no target": ("picture = 1\ndel busybox\n", "image", 0),
    "several targets": ("one = busybox\ntwo = busybox.env({'A': 'b'})\n", "--target", 0),
}


def no_traceback_of_ours(seen: str) -> bool:
    return not re.search(
        r"/llb/(llb|frontend)/|site-packages|Traceback \(most recent call last\):\s+File \"/llb", seen
    )


def marked(seen: str, line: int, source: str) -> bool:
    text = source.splitlines()[line - 1].strip()
    return any(">>>" in row and text in row for row in seen.splitlines())


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("door", ["docker", "buildctl"])
def test_a_mistake_shows_the_users_line(
    request: pytest.FixtureRequest, frontend: Tools, project: Callable[..., Path], mistake: str, door: str
) -> None:
    body, text, line = MISTAKES[mistake]
    context = project(START + body)
    ran = _build(request, frontend, context, door).failed()
    assert text in ran.stderr, ran.stderr
    assert no_traceback_of_ours(ran.stderr), ran.stderr
    if line:
        assert marked(ran.stderr, line, START + body), ran.stderr


def _build(request: pytest.FixtureRequest, frontend: Tools, context: Path, door: str) -> Ran:
    if door == "buildctl":
        return frontend.gateway(context)
    docker: Tools = request.getfixturevalue("docker")
    return docker.docker_build(context)


HOSTILE = {
    "writes to stdout": "print('to stdout')\nimport os\nos.write(1, b'raw\\n' * 100)\n",
    "writes to descriptor 1 as a subprocess": "import os\nos.system('echo x')\n",
    "forks": "import os\nif os.fork() == 0:\n    pass\n",
    "prints a hundred megabytes": "for _ in range(1000):\n    print('x' * 100_000)\n",
    "closes its descriptors": "import os\nos.closerange(0, 3)\n",
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_user_code_cannot_disturb_the_protocol(
    frontend: Tools, project: Callable[..., Path], hostile: str
) -> None:
    context = project(START + HOSTILE[hostile] + "image = busybox.run_commands('true')\n")
    frontend.gateway(context).ok()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("raise ValueError('half \\ud800 a pair')\n", "ValueError: half"),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("import os\nos.closerange(0, 10_000)\nraise ValueError('after')\n", "ValueError: after"),
        (f"x = '{'y' * 6_000_000}'\n1 / 0\n", "image.py:4: ZeroDivisionError"),
    ],
    ids=["not text", "interrupt", "closed descriptors", "a file too large to quote"],
)
def test_errors_that_are_hard_to_tell(
    frontend: Tools, project: Callable[..., Path], body: str, text: str
) -> None:
    assert text in frontend.gateway(project(START + body)).failed().stderr


def test_an_ignore_function_that_never_ends_is_stopped(frontend: Tools, project: Callable[..., Path]) -> None:
    body = (
        "def ignore(path):\n    while True: pass\nimage = busybox.add_local_dir('d', '/d', ignore=ignore)\n"
    )
    context = project(START + body, **{"d/file": "x"})
    ran = frontend.gateway(context, "--opt=build-arg:LLB_IMAGE_FILE_TIMEOUT=2").failed()
    assert "did not end within 2 s" in ran.stderr


def test_what_builds_at_once_print_is_shown_to_their_own_users(frontend: Tools, tmp_path: Path) -> None:
    def build(number: int) -> str:
        context = tmp_path / str(number)
        context.mkdir()
        (context / "image.py").write_text(START + f"print('the words of {number};')\nimage = busybox\n")
        return frontend.gateway(context).ok().stderr

    with ThreadPoolExecutor(6) as pool:
        seen = list(pool.map(build, range(6)))
    for number, text in enumerate(seen):
        assert set(re.findall(r"the words of (\d+);", text)) == {str(number)}


def test_user_code_is_nobody_and_has_no_network(frontend: Tools, project: Callable[..., Path]) -> None:
    body = "import os\nprint('ids', os.getuid(), os.getgid(), os.getgroups())\nprint('nets', os.listdir('/sys/class/net'))\n"
    seen = frontend.gateway(project(START + body + "image = busybox\n")).ok().stderr
    assert "ids 65532 65532 []" in seen
    assert "nets ['lo']" in seen


def test_what_user_code_prints_is_shown(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(START + "print('the answer is 42')\nimage = busybox\n")
    assert "the answer is 42" in frontend.gateway(context).ok().stderr


def test_an_image_file_that_never_ends_is_stopped_and_the_next_build_works(
    frontend: Tools, project: Callable[..., Path]
) -> None:
    context = project(START + "while True:\n    pass\n")
    start = time.monotonic()
    ran = frontend.gateway(context, "--opt=build-arg:LLB_IMAGE_FILE_TIMEOUT=2").failed()
    assert time.monotonic() - start < 15
    assert "2 s" in ran.stderr
    assert marked(ran.stderr, 4, "\n\n\n    pass") or marked(ran.stderr, 3, "\n\nwhile True:"), ran.stderr
    frontend.gateway(project(START + "image = busybox\n")).ok()


def test_a_file_that_is_not_utf8(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(**{"image.py": START.encode() + b"name = '\xff\xfe'\nimage = busybox\n"})
    ran = frontend.gateway(context).failed()
    assert "UTF-8" in ran.stderr or "utf-8" in ran.stderr
    assert no_traceback_of_ours(ran.stderr)


def test_a_context_without_the_file(frontend: Tools, tmp_path: Path) -> None:
    ran = frontend.gateway(tmp_path, file="nothing.py").failed()
    assert "nothing.py" in ran.stderr
    assert no_traceback_of_ours(ran.stderr)


def test_an_unknown_target_lists_what_there_is(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(START + "training = busybox\nserving = busybox.env({'A': 'b'})\n")
    ran = frontend.gateway(context, "--opt=target=servin").failed()
    for name in ("training", "serving", "servin"):
        assert name in ran.stderr
