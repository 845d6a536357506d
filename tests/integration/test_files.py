"""Local files in an image: what arrives, with which names, modes and kinds, and what is never sent."""

from __future__ import annotations

import io
import os
import tarfile
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
    import json

    sent = [
        status["current"]
        for line in ran.stderr.splitlines()
        if line.startswith("{")
        for status in json.loads(line).get("statuses", [])
        if "transferring" in status["id"]
    ]
    assert sent
    assert max(sent) < 100_000


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
