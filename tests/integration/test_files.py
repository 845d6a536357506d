"""Local files in an image: what arrives, with which names, modes and kinds, and what is never sent."""

from __future__ import annotations

import io
import json
import os
import socket
import tarfile
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.integration.tools import Tools

SCRATCH = "from llb import FilePatternMatcher, Image\n"


def tree(engine: Tools, context: Path, *arguments: str) -> dict[str, tarfile.TarInfo]:
    """The file tree that an image ends with."""
    ran = engine.gateway(context, "--output=type=tar,dest=-", *arguments).ok()
    with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as archive:
        return {member.name.rstrip("/"): member for member in archive.getmembers()}


def test_a_directory_arrives_whole(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        SCRATCH + "image = Image.from_scratch().add_local_dir('src', '/app', copy=True)\n",
        **{"src/run.sh": "#!/bin/sh\n", "src/sub/data": "data", "src/odd name ö.txt": "x"},
    )
    (context / "src/run.sh").chmod(0o750)
    (context / "src/empty").mkdir()
    os.symlink("sub/data", context / "src/link")
    found = tree(frontend, context)
    assert found["app/run.sh"].mode & 0o777 == 0o750
    assert found["app/sub/data"].isfile()
    assert found["app/odd name ö.txt"].isfile()
    assert found["app/empty"].isdir()
    assert found["app/link"].issym()
    assert found["app/link"].linkname == "sub/data"
    assert (found["app/run.sh"].uid, found["app/run.sh"].gid) == (0, 0)


def test_a_file_is_named_by_its_remote_path(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        SCRATCH
        + "image = (Image.from_scratch().add_local_file('a.txt', '/etc/b.conf', copy=True)"
        + ".add_local_file('a.txt', '/data/').add_local_dir('d', '/d'))\n",
        **{"a.txt": "a", "d/x": "x"},
    )
    found = tree(frontend, context)
    assert {name for name, member in found.items() if member.isfile()} == {"etc/b.conf", "data/a.txt", "d/x"}


IGNORES = {
    "patterns": "ignore=['*.log', '**/secret', '!keep.log']",
    "a matcher": "ignore=FilePatternMatcher('*.log', '**/secret', '!keep.log')",
    "a file": "ignore=FilePatternMatcher.from_file('ignored')",
    "a callable": "ignore=lambda path: (path.suffix == '.log' and path.name != 'keep.log') or 'secret' in path.parts",
}


def test_ignored_files_stay_behind(frontend: Tools, project: Callable[..., Path]) -> None:
    for ignore in IGNORES.values():
        for copy in (True, False):
            context = project(
                SCRATCH
                + f"image = Image.from_scratch().add_local_dir('src', '/app', copy={copy}, {ignore})\n",
                **{
                    "src/a.py": "",
                    "src/b.log": "",
                    "src/keep.log": "",
                    "src/sub/secret/key": "",
                    "src/sub/c.log": "",
                    "src/sub/d.py": "",
                    "ignored": "# a comment\n*.log\n**/secret\n!keep.log\n",
                },
            )
            found = {name for name, member in tree(frontend, context).items() if member.isfile()}
            wanted = {"app/a.py", "app/keep.log", "app/sub/d.py"}
            assert (
                found == wanted if ignore == IGNORES["a callable"] else found == wanted | {"app/sub/c.log"}
            ), ignore


def test_an_inverted_matcher_keeps_only_what_it_names(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        SCRATCH
        + "image = Image.from_scratch().add_local_dir('src', '/app', ignore=~FilePatternMatcher('**/*.py'))\n",
        **{"src/a.py": "", "src/b.txt": "", "src/sub/c.py": "", "src/sub/d.txt": ""},
    )
    found = {name for name, member in tree(frontend, context).items() if member.isfile()}
    assert found == {"app/a.py", "app/sub/c.py"}


def test_an_edit_of_a_lazily_added_file_reruns_nothing_else(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    chain = (
        "from llb import Image\n"
        f"image = (Image.from_registry('busybox:latest').run_commands('echo {nonce} > /a')"
        ".add_local_file('one.txt', '/one.txt').add_local_file('two.txt', '/two.txt'))\n"
    )
    context = project(chain, **{"one.txt": nonce, "two.txt": nonce})
    reference = f"{frontend.registry}/test/lazy:latest"
    output = f"--output=type=image,name={reference},push=true"
    frontend.gateway(context, output).ok()
    before = [layer["digest"] for layer in frontend.manifest(reference)["layers"]]
    (context / "one.txt").write_text(f"{nonce} edited")
    second = frontend.gateway(context, output, progress="rawjson").ok()
    after = [layer["digest"] for layer in frontend.manifest(reference)["layers"]]
    assert all(vertex.cached for vertex in second.steps().values() if "run_commands" in vertex.name)
    assert len(before) == len(after)
    assert [old == new for old, new in zip(before, after, strict=True)].count(False) == 1


def test_only_what_is_selected_is_sent(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        SCRATCH + "image = Image.from_scratch().add_local_dir('src', '/app', ignore=['big/**'])\n",
        **{"src/a": "a", "src/big/file": os.urandom(8_000_000), "beside": os.urandom(8_000_000)},
    )
    ran = frontend.gateway(context, progress="rawjson").ok()
    assert 0 < sent(ran.stderr) < 100_000


def test_builds_at_once_never_mix_their_contexts(frontend: Tools, tmp_path: Path) -> None:
    """Same names, same image file, other contents: what local sources carry their session for."""

    def build(number: int) -> bytes:
        context = tmp_path / str(number)
        (context / "src").mkdir(parents=True)
        (context / "src/data").write_text(f"of {number}")
        (context / "image.py").write_text(
            SCRATCH + "image = Image.from_scratch().add_local_dir('src', '/app', copy=True)\n"
        )
        ran = frontend.gateway(context, "--output=type=tar,dest=-").ok()
        with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as archive:
            data = archive.extractfile("app/data")
            assert data is not None
            return data.read()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(build, range(8)))
    assert found == [f"of {number}".encode() for number in range(8)]


def test_a_file_and_the_directory_that_holds_it(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        SCRATCH
        + "image = (Image.from_scratch().add_local_file('app/requirements.txt', '/r.txt', copy=True)"
        + ".add_local_dir('app', '/app').add_local_dir('app/sub', '/sub'))\n",
        **{"app/requirements.txt": "x", "app/main.py": "", "app/sub/deep/data": ""},
    )
    files = {name for name, member in tree(frontend, context).items() if member.isfile()}
    assert files == {
        "r.txt",
        "app/requirements.txt",
        "app/main.py",
        "app/sub/deep/data",
        "sub/deep/data",
    }


def test_the_image_files_own_directory_is_the_same_through_every_door(
    docker: Tools, builder: str, project: Callable[..., Path]
) -> None:
    """`docker build -f proj/image.py .`: paths from `__file__` lead beside the image file, not into the context."""
    chain = (
        "from pathlib import Path\nfrom llb import Image\nimage = (Image.from_registry('busybox:latest')"
        ".add_local_file(Path(__file__).parent / 'f.txt', '/f.txt', copy=True).run_commands('cat /f.txt'))\n"
    )
    context = project(**{"proj/image.py": chain, "proj/f.txt": "of the project", "f.txt": "of the root"})
    seen = docker.docker_build(context, "--no-cache", file="proj/image.py", builder=builder).ok().stderr
    assert "of the project" in seen
    bytes_ = docker.llb("compile", "proj/image.py", cwd=context).ok().stdout
    ran = docker.buildctl("--no-cache", f"--local=context={context}", stdin=bytes_).ok()
    assert "of the project" in ran.stderr


def test_a_link_with_an_absolute_target_leads_to_the_context_in_every_door(
    frontend: Tools, project: Callable[..., Path]
) -> None:
    context = project(
        SCRATCH + "image = Image.from_scratch().add_local_dir('link', '/app', copy=True)\n", **{"real/x": "x"}
    )
    (context / "link").symlink_to("/real")  # as BuildKit reads it: from the root of the context
    assert "app/x" in tree(frontend, context)
    bytes_ = frontend.llb("compile", "image.py", cwd=context).ok().stdout
    frontend.buildctl(f"--local=context={context}", stdin=bytes_).ok()
    (context / "link").unlink()
    (context / "link").symlink_to(context / "real")
    assert "does not exist" in frontend.gateway(context).failed().stderr
    assert "does not exist" in frontend.llb("compile", "image.py", cwd=context).failed().stderr


ODD = (
    "a b",
    "[x]",
    "*",
    "q?",
    "back\\slash",
    "new\nline",
    "tab\t",
    "ünïcode",
    "!bang",
    "#hash",
    "^caret",
    " x ",
)


def test_odd_names_survive_every_door(frontend: Tools, project: Callable[..., Path]) -> None:
    """Spaces, brackets, newlines, bytes that are no UTF-8; links in circles and pipes: as they are."""
    context = project(**{f"src/{name}": name for name in ODD}, **{f"src/in/{name}/f": name for name in ODD})
    (context / "src/bad\udcff").write_text("bad")
    (context / "src/loop").symlink_to("loop")
    (context / "src/in/up").symlink_to("..")
    (context / "src/dangling").symlink_to("nowhere")
    os.mkfifo(context / "src/pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(context / "src/socket"))
    whole = {*ODD, "bad\udcff", "loop", "dangling", "pipe", "in"}
    for ignore, expected in (
        ("[]", whole),
        ("lambda path: False", whole),
        ("lambda path: path.name not in ('*', 'new\\nline')", {"*", "new\nline"}),
        ("lambda path: path.name in ('*', 'new\\nline')", whole - {"*", "new\nline"}),
        ("['\\\\[x]', 'new?line', 'bad?', 'in']", whole - {"[x]", "new\nline", "bad\udcff", "in"}),
    ):
        (context / "image.py").write_text(
            SCRATCH + f"image = Image.from_scratch().add_local_dir('src', '/s', copy=True, ignore={ignore})\n"
        )
        for found in (tree(frontend, context), compiled_tree(frontend, context)):
            top = {name.split("/")[1] for name in found if name.count("/") == 1} - {"socket"}
            assert top == expected, ignore
    for name in ODD:
        (context / "image.py").write_text(
            SCRATCH + f"image = Image.from_scratch().add_local_file({f'src/{name}'!r}, '/s/', copy=True)\n"
        )
        assert set(tree(frontend, context)) == {"s", f"s/{name}"}


def compiled_tree(engine: Tools, context: Path) -> dict[str, tarfile.TarInfo]:
    """The same through `llb compile`."""
    definition = engine.llb("compile", "image.py", cwd=context).ok().stdout
    ran = engine.buildctl(f"--local=context={context}", "--output=type=tar,dest=-", stdin=definition).ok()
    with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as archive:
        return {member.name.rstrip("/"): member for member in archive.getmembers()}


def test_what_a_function_leaves_out_is_not_sent(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        SCRATCH
        + "image = Image.from_scratch().add_local_dir('src', '/app', ignore=lambda path: path.suffix == '.big')\n",
        **{"src/a": "a", "src/sub/file.big": os.urandom(8_000_000), "src/sub/b": "b"},
    )
    ran = frontend.gateway(context, progress="rawjson").ok()
    assert 0 < sent(ran.stderr) < 100_000


def sent(progress: str) -> int:
    """The most bytes that a transfer of the build sent."""
    return max(
        status["current"]
        for line in progress.splitlines()
        if line.startswith("{")
        for status in json.loads(line).get("statuses", [])
        if "transferring" in status["id"]
    )


def test_the_ignore_file_of_the_context(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        "from llb import Image\nfrom llb.image import AUTO_DOCKERIGNORE\n"
        "image = Image.from_scratch().add_local_dir('src', '/app', ignore=AUTO_DOCKERIGNORE)\n",
        **{".dockerignore": "# comment\n*.md\nsrc/*.log\n!/src/keep.log\n**/cache\n"},
        **{f"src/{name}": "" for name in ("a.md", "b.log", "keep.log", "cache/x", "sub/cache/x", "sub/c")},
    )
    for found in (tree(frontend, context), compiled_tree(frontend, context)):
        files = {name for name, member in found.items() if member.isfile()}
        assert files == {"app/a.md", "app/keep.log", "app/sub/c"}
    (context / ".dockerignore").write_text("src\n")
    assert "src is left out by .dockerignore" in frontend.gateway(context).failed().stderr
    assert (
        "src is left out by .dockerignore" in frontend.llb("compile", "image.py", cwd=context).failed().stderr
    )


def test_python_modules_are_found_in_every_door(
    docker: Tools, builder: str, project: Callable[..., Path]
) -> None:
    """Beside the image file, wherever it is, and in the context; they can be imported in the container."""
    image = """
        from llb import Image

        base = Image.from_registry("python:3.11-slim-bookworm")
        image = base.add_local_python_source("app", "single", "app.deep", "spaces", copy=True).run_commands(
            "cd /root && find . -type f | sort && python -c 'import app, single, spaces.part; print(app.NAME, single.NAME)'"
        )
        everything = Image.from_scratch().add_local_python_source("app", ignore=["*.log"])
        nowhere = base.add_local_python_source("single", "nowhere")
        library = base.add_local_python_source("json")
    """
    context = project(
        **{
            "proj/image.py": textwrap.dedent(image),
            "proj/app/__init__.py": "NAME = 'beside'\n",
            "proj/app/deep.py": "",
            "proj/app/data.json": "",
            "proj/app/x.log": "",
            "proj/app/.hidden/m.py": "",
            "proj/app/__pycache__/m.py": "",
            "app/__init__.py": "NAME = 'of the context'\n",
            "single.py": "NAME = 'of the context'\n",
            "proj/spaces/part.py": "",
        }
    )
    expected = [
        "./app/__init__.py",
        "./app/deep.py",
        "./single.py",
        "./spaces/part.py",
        "beside of the context",
    ]
    seen = docker.docker_build(context, "--no-cache", file="proj/image.py", builder=builder).ok().stderr
    definition = docker.llb("compile", "proj/image.py", cwd=context).ok().stdout
    compiled = docker.buildctl("--no-cache", f"--local=context={context}", stdin=definition).ok().stderr
    for text in (seen, compiled):
        places = [text.find(line) for line in expected]
        assert -1 not in places, text
        assert places == sorted(places)
        for line in ("data.json", ".hidden", "__pycache__"):
            assert line not in text

    options = ("--target=everything", "--output=type=tar,dest=-")
    ran = docker.docker_build(context, *options, file="proj/image.py", builder=builder).ok()
    with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as archive:
        files = {name.removeprefix("root/app/") for name in archive.getnames()}
    assert {"data.json", ".hidden/m.py", "__init__.py"} <= files
    assert not {"x.log", "__pycache__"} & files

    for target, message in (
        ("nowhere", "there is no module nowhere"),
        ("library", "json belongs to the standard library"),
    ):
        failed = docker.docker_build(
            context, f"--target={target}", file="proj/image.py", builder=builder
        ).failed()
        assert message in failed.stderr
        assert (
            message in docker.llb("compile", "proj/image.py", "--target", target, cwd=context).failed().stderr
        )


def test_a_function_that_leaves_nothing_is_told_of(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        SCRATCH + "image = Image.from_scratch().add_local_dir('src', '/app', ignore=lambda path: True)\n",
        **{"src/a": "a"},
    )
    assert "nothing of src is added: all is ignored" in frontend.gateway(context).ok().stderr
    assert "nothing of src is added" in frontend.llb("compile", "image.py", cwd=context).ok().stderr
