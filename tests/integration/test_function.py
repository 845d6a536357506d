"""`run_function` on real engines, through each door: what is built, what runs again, what is printed when it fails."""

from __future__ import annotations

import io
import json
import re
import tarfile
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.canary import CANARY
from tests.integration.tools import Ran, Tools

STORY = '''
import functools
from pathlib import Path
from llb import Image, Secret, Volume
import tools.words as words
from tools.words import shout

NONCE = "{nonce}"
PLACE = Path("/out")
WEIGHTS = {"b", "a"}
UNREAD = 1


def counted(function):
    calls = 0

    @functools.wraps(function)
    def inner(*args, **kwargs):
        nonlocal calls
        calls += 1
        return function(*args, **kwargs) + f" {calls}"

    return inner


class Settings:
    depth = 3

    def double(self):
        return self.depth * 2


@counted
def describe(name, mark="!"):
    return shout(name) + mark


def prepare(name, *, times=1):
    """Prepares."""
    import os

    PLACE.mkdir()
    lines = [describe(name) for _ in range(times)]
    lines += [str(Settings().double()), *sorted(WEIGHTS), words.END, NONCE]
    lines += [str(len(os.environ["TOKEN"])), os.environ["MODE"]]
    (PLACE / "story").write_text("\\n".join(lines))
    with open("/volume/seen", "a") as file:
        file.write("x")


image = Image.from_registry("python:3.11-slim-bookworm").run_function(
    prepare,
    args=("you",),
    kwargs={"times": 2},
    env={"MODE": "fast"},
    secrets=[Secret.from_local_environ(["TOKEN"])],
    volumes={"/volume": Volume.from_name("{nonce}"[-40:])},
)
result = Image.from_registry("busybox:latest").copy_from(image, "/out", "/out")
'''
WORDS = """
END = "end"


def shout(text):
    return text.upper() + tail()


def tail():
    return "?"


def unread():
    return 1
"""


def written(project: Callable[..., Path], nonce: str, source: str = STORY, words: str = WORDS) -> Path:
    return project(**{"image.py": source.replace("{nonce}", nonce), "tools/words.py": words})


def with_token(tools: Tools) -> Tools:
    return replace(tools, env={**tools.env, "TOKEN": CANARY})


SECRET = "--secret=id=TOKEN,env=TOKEN"


def build(
    tools: Tools,
    context: Path,
    door: str,
    *arguments: str,
    target: str = "image",
    options: tuple[str, ...] = (),
) -> Ran:
    """A build through a door, its progress as JSON. What the container knew of bases is kept for `llb compile`."""
    bases = context / "bases.json"
    if door == "gateway":
        metadata = context / "metadata.json"
        given = [f"--opt=build-arg:{one}" for one in options]
        ran = tools.gateway(
            context,
            SECRET,
            f"--opt=target={target}",
            f"--metadata-file={metadata}",
            *given,
            *arguments,
            progress="rawjson",
        )
        if ran.status == 0:
            known = json.loads(metadata.read_text())["frontend.llb.bases"]
            bases.write_text(known if isinstance(known, str) else json.dumps(known))
        return ran
    about = ("--bases", str(bases)) if bases.exists() else ()
    given = [f"--build-arg={one}" for one in options]
    compiled = tools.llb("compile", "image.py", "--target", target, *about, *given, cwd=context).ok()
    return tools.buildctl(SECRET, *arguments, stdin=compiled.stdout, progress="rawjson")


def own(ran: Ran) -> dict[str, str]:
    """The vertices about the function, by name: their digests."""
    return {
        re.sub(r"^\[\s*\d+/\d+\] ", "", vertex.name): digest
        for digest, vertex in ran.vertices().items()
        if "function" in vertex.name and "resolve" not in vertex.name
    }


def ran_again(ran: Ran) -> bool:
    return any("run_function" in name for name in ran.ok().not_cached())


def test_a_story_has_the_same_vertices_through_every_door(
    docker: Tools,
    builder: str,
    project: Callable[..., Path],
    nonce: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    tools = with_token(docker)
    context = written(project, nonce)
    out = tmp_path_factory.mktemp("out")
    first = build(tools, context, "gateway", f"--output=type=local,dest={out}", target="result").ok()
    assert (out / "out/story").read_text().split("\n") == [
        "YOU?! 1", "YOU?! 2", "6", "a", "b", "end", nonce, str(len(CANARY)), "fast",
    ]  # fmt: skip
    assert ran_again(first)
    again = build(tools, context, "gateway", target="result").ok()
    assert not ran_again(again)
    piped = build(tools, context, "pipe", target="result").ok()
    assert not ran_again(piped)
    by_docker = tools.docker_build(
        context, SECRET, "--target=image", progress="rawjson", builder=builder
    ).ok()
    assert not ran_again(by_docker)
    names = ["[internal] what runs functions", "run_function prepare"]
    for ran in (again, piped, by_docker):
        assert [own(ran)[name] for name in names] == [own(first)[name] for name in names]


EDITS: dict[str, tuple[str, str, str, bool]] = {
    # edit: (file, what, by what, whether the function runs again)
    "a comment, blank lines, the position": ("image.py", "def prepare", "# new\n\n\n\ndef prepare", False),
    "formatting": ("image.py", "    lines = [describe(name) for _ in range(times)]", "    lines = [\n        describe(name)\n        for _ in range(times)  # all\n    ]", False),
    "a global that is not read": ("image.py", "UNREAD = 1", "UNREAD = 2", False),
    "another function beside a helper": ("tools/words.py", "return 1", "return 2", False),
    "the timeout": ("image.py", 'kwargs={"times": 2},', 'kwargs={"times": 2}, timeout=50,', False),
    "the function": ("image.py", "*sorted(WEIGHTS)", "*sorted(WEIGHTS, reverse=True)", True),
    "a helper of a helper": ("tools/words.py", 'return "?"', 'return "."', True),
    "a decorator": ("image.py", 'f" {calls}"', 'f"-{calls}"', True),
    "a default": ("image.py", 'mark="!"', 'mark="?"', True),
    "a global": ("image.py", '{"b", "a"}', '{"b", "c"}', True),
    "a class variable": ("image.py", "depth = 3", "depth = 4", True),
    "an argument": ("image.py", 'args=("you",)', 'args=("me",)', True),
}  # fmt: skip


def test_twelve_edits(frontend: Tools, project: Callable[..., Path], nonce: str) -> None:
    tools = with_token(frontend)
    build(tools, written(project, nonce), "pipe").ok()
    table: dict[str, bool] = {}
    for edit, (file, what, by, _) in EDITS.items():
        texts = {"image.py": STORY, "tools/words.py": WORDS}
        assert texts[file].count(what) >= 1, edit
        texts[file] = texts[file].replace(what, by, 1)
        context = written(project, nonce, texts["image.py"], texts["tools/words.py"])
        table[edit] = ran_again(build(tools, context, "pipe"))
    assert table == {edit: again for edit, (_, _, _, again) in EDITS.items()}


OTHERS = """
from llb import Image, build_arg
import io
import json

class Box:
    def __init__(self, *items): self.items = items
    def __iter__(self): return iter(self.items)

def say(box, /, *, width: "int" = 3):
    import sys, pathlib
    text = f"{', '.join([f'{x!r:>{width}}' for x in box])} {json.dumps({'a': None})}"
    pathlib.Path("/said").write_text(text + " " + ".".join(map(str, sys.version_info[:2])) + " NONCE")

image = Image.from_registry(f"python:{build_arg('V')}-slim-bookworm").run_function(say, args=(Box(1, "b"),))
result = Image.from_registry("busybox:latest").copy_from(image, "/said", "/said")
"""


@pytest.mark.parametrize("version", ["3.11", "3.13", "3.14"])
def test_an_image_file_runs_functions_in_other_pythons_than_its_own(
    frontend: Tools, project: Callable[..., Path], nonce: str, tmp_path: Path, version: str
) -> None:
    """The container evaluates it by 3.13, `llb compile` by the Python it is installed for: the vertices are the same."""
    context = project(OTHERS.replace("NONCE", nonce))
    out = tmp_path / "out"
    tools = with_token(frontend)
    asked = (f"V={version}",)
    ran = build(
        tools, context, "gateway", f"--output=type=local,dest={out}", target="result", options=asked
    ).ok()
    assert (out / "said").read_text() == f"  1, 'b' {{\"a\": null}} {version} {nonce}"
    piped = build(tools, context, "pipe", target="result", options=asked).ok()
    assert own(piped) == own(ran)
    assert not ran_again(piped)


FAILURES: dict[str, tuple[str, list[str], int]] = {
    # what: (the function, what is printed, the exit status)
    "raises": (
        "def helper(n):\n    return 1 / n\n\ndef f():\n    print('before')\n    helper(0)\n",
        ["before", 'File "image.py", line 6, in helper', "return 1 / n", "ZeroDivisionError: division by zero"],
        1,
    ),
    "exits": ("def f():\n    import sys\n    sys.exit(42)\n", [], 42),
    "takes too long": (
        "def f():\n    import subprocess\n    subprocess.run(['sleep', '100'])\n",
        ["f did not end within 1 s (timeout=): it and all that it started were killed", "It was at image.py:7, in f"],
        124,
    ),
    "is killed": (
        "def f():\n    import os\n    os.kill(os.getpid(), 9)\n",
        ["f was killed by signal 9 (SIGKILL): out of memory?"],
        137,
    ),
    "lacks a package": (
        "def f():\n    import requests\n",
        ["ModuleNotFoundError: No module named 'requests'", 'File "image.py", line 6, in f', '.pip_install("requests")'],
        1,
    ),
    "has too little memory": (
        "def f():\n    bytearray(1 << 30)\n",
        [],
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
def test_failures_as_docker_build_prints_them(
    docker: Tools, project: Callable[..., Path], nonce: str, failure: str
) -> None:
    body, said, status = FAILURES[failure]
    source = (
        f"from llb import Image\nNONCE = '{nonce}'\nbase = Image.from_registry('python:3.11-slim-bookworm')\n\n"
        f"{body}\nimage = base.run_function(f, timeout={1 if 'long' in failure else 30}, memory={64 if 'memory' in failure else 512})\n"
    )
    ran = docker.docker_build(project(source)).failed()
    for text in said:
        assert text in ran.stderr, ran.stderr
    if "memory" in failure:
        assert re.search(r"MemoryError|SIGKILL", ran.stderr), ran.stderr
    else:
        assert f"did not complete successfully: exit code: {status}" in ran.stderr, ran.stderr
    assert re.search(r">>> image = base\.run_function", ran.stderr), ran.stderr
    assert "llb_function" not in ran.stderr


HOSTILE: dict[str, str] = {
    "deletes /usr": "import shutil; shutil.rmtree('/usr'); print(open('/etc/hostname').read())",
    "forks children that outlive it": "import os\n    for _ in range(20): os.fork() or __import__('time').sleep(1000)",
    "starts what goes on": "import subprocess; subprocess.Popen(['sleep', '1000'], start_new_session=True)",
    "prints binary": "import os; os.write(1, bytes(range(256)) * 100)",
    "prints two hundred megabytes": "import os\n    for _ in range(200): os.write(1, b'x' * 1_000_000)",
    "reads its input": "import sys; assert sys.stdin.read() == ''",
    "closes everything": "import os; os.closerange(0, 1000)",
}
FATAL: dict[str, tuple[str, str]] = {
    "fills the disk": ("open('/dev/shm/x', 'wb').write(b'x' * (1 << 30))", "OSError: [Errno 28] No space left on device"),
    "recurses": ("f()", "RecursionError"),
    "recurses in C": ("exec('[' * 90 + ']' * 90); import sys; sys.setrecursionlimit(10**6); g = lambda n: sorted([1], key=lambda _: g(n + 1)); g(0)", ""),
    "kills its parent": ("import os; os.kill(1, 9); os.kill(-1, 9)", ""),
    "aborts": ("import os; os.abort()", "f was killed by signal 6 (SIGABRT)"),
}  # fmt: skip


def hostile(body: str, nonce: str) -> str:
    return (
        f"from llb import Image\nN = '{nonce}'\ndef f():\n    N\n    {body}\n"
        "image = Image.from_registry('python:3.11-slim-bookworm').run_function(f)\n"
    )


@pytest.mark.parametrize("case", HOSTILE)
def test_odd_functions_end(frontend: Tools, project: Callable[..., Path], nonce: str, case: str) -> None:
    start = time.monotonic()
    frontend.gateway(project(hostile(HOSTILE[case], nonce))).ok()
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("case", FATAL)
def test_fatal_functions_end_clearly(
    frontend: Tools, project: Callable[..., Path], nonce: str, case: str
) -> None:
    body, said = FATAL[case]
    ran = frontend.gateway(project(hostile(body, nonce))).failed()
    assert said in ran.stderr, ran.stderr
    assert "did not complete successfully: exit code" in ran.stderr


def test_nothing_of_ours_stays_in_the_layer(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    reference = f"{frontend.registry}/function:{nonce[-12:]}"
    source = hostile("open('/made', 'w').write(N)", nonce)
    frontend.gateway(
        project(source), f"--output=type=image,name={reference},push=true,registry.insecure=true"
    ).ok()
    layer = frontend.layers(reference)[-1]
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        assert archive.getnames() == ["made"]
    history = frontend.image_config(reference)["history"][-1]["created_by"]
    assert history == "run_function f"


@pytest.mark.parametrize("base", ["busybox:latest", "debian:bookworm-slim"])
def test_a_base_without_python_is_told_what_it_needs(
    frontend: Tools, project: Callable[..., Path], nonce: str, base: str
) -> None:
    source = hostile("pass", nonce).replace("python:3.11-slim-bookworm", base)
    ran = frontend.gateway(project(source)).failed()
    assert "run_function: the image has no Python; functions need 3.8 or newer." in ran.stderr
    assert "add_python=" in ran.stderr


def test_a_progress_bar_does_not_flood_the_log(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    body = textwrap.dedent("""
        import sys, time
            for i in range(2001):
                sys.stderr.write(f"\\r{i / 20:.0f}% of it")
                if i % 500 == 0: time.sleep(0.1)
            sys.stderr.write("\\n")
    """).strip()
    ran = frontend.gateway(project(hostile(body, nonce))).ok()
    lines = [line for line in ran.stderr.splitlines() if "% of it" in line]
    assert 1 <= len(lines) <= 3
    assert "100% of it" in lines[-1]


def test_notes_name_what_is_not_taken_along(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    source = hostile("str(lock)", nonce).replace("def f", "import threading\nlock = threading.Lock()\ndef f")
    ran = frontend.gateway(project(source)).failed()
    assert "f reads lock (image.py), which is not taken along: it is a _thread.lock" in ran.stderr
    assert "lock was not taken along: it is a _thread.lock. Make it inside the function." in ran.stderr


def test_a_missing_source_is_refused_at_the_users_line(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    source = "from llb import Image\nexec('def f(): pass')\nimage = Image.from_registry('python:3.11-slim-bookworm').run_function(f)\n"
    ran = frontend.gateway(project(source)).failed()
    assert "f cannot be run elsewhere" in ran.stderr
    assert ">>> image" in ran.stderr


@pytest.mark.parametrize("wrong", ["lambda: None", "print", "str", "'f'.upper"])
def test_what_is_no_function_is_refused_at_the_users_line(
    frontend: Tools, project: Callable[..., Path], wrong: str
) -> None:
    source = f"from llb import Image\nimage = Image.from_registry('python:3.11-slim-bookworm').run_function({wrong})\n"
    ran = frontend.gateway(project(source)).failed()
    assert "run_function" in ran.stderr
    assert ">>> image" in ran.stderr
    assert json.dumps(ran.stderr).isascii()


EXTRAS = """
from llb import Image, NetworkFileSystem

N = "{nonce}"

def write():
    with open("/shared/seen", "a") as file:
        file.write("x")
    print(N, "seen", len(open("/shared/seen").read()))

def reach():
    import beside

shared = {{"/shared": NetworkFileSystem.from_name("{volume}")}}
base = Image.from_registry("python:3.11-slim-bookworm")
image = base.run_function(
    write, network_file_systems=shared, cpu=1.5, cloud="aws", region=["eu", "us"], force_build={force}
)
alone = base.run_function(reach, include_source=False)
together = base.run_function(reach, include_source=True)
print(image.why())
"""


def test_a_forced_function_runs_again_and_finds_its_file_system(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    def written(force: str) -> Path:
        return project(EXTRAS.format(nonce=nonce, volume=nonce[-40:], force=force))

    first = frontend.gateway(written("False")).ok()
    assert f"{nonce} seen 1" in first.stderr
    assert "image.py:   function write: image.py" in first.stderr
    assert "cloud= and region= choose among builders" in first.stderr
    assert f"{nonce} seen" not in frontend.gateway(written("False")).ok().stderr
    assert f"{nonce} seen 2" in frontend.gateway(written("True")).ok().stderr


def test_modules_beside_come_along_unless_they_are_not_to(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    source = EXTRAS.format(nonce=nonce, volume=nonce[-40:], force="False")
    context = project(source, **{"beside.py": f"print('here is {nonce}')\n"})
    assert f"here is {nonce}" in frontend.gateway(context, "--opt=target=together").ok().stderr
    alone = frontend.gateway(context, "--opt=target=alone").failed()
    assert "beside lies beside the image file: include_source=True takes it along" in alone.stderr
