"""Docker Engine with the classic image store: its BuildKit has neither merge nor diff. Users see no difference."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.tools import Ran, Tools

IMAGE = """
    from pathlib import Path
    from llb import Image

    image = (
        Image.from_registry("busybox:latest")
        .run_commands("echo {nonce} > /one")
        .env({{"GREETING": "hello", "PATH": "/opt/bin:$PATH"}})
        .workdir("/srv/app")
        .run_commands("echo $GREETING > three", "pwd > /where")
        .add_local_dir("conf", "/etc/app", copy=True)
        .run_commands("cat /etc/app/a.conf > /seen")
        .user("1000:1000")
        .labels({{"x": "y"}})
        .entrypoint(["/bin/echo"])
        .cmd(["hi"])
        .add_local_dir("src", "/srv/app/src", ignore=["*.log", "!keep.log", "**/secret"])
        .add_local_dir("src", "/srv/app/python", ignore=lambda path: path.suffix != ".py")
        .add_local_file("late.txt", "/srv/late.txt")
        .add_local_file("late.txt", "/three/new/directories/")
    )
"""
FILES = {
    "conf/a.conf": "a",
    "src/a.py": "pass",
    "src/b.log": "",
    "src/keep.log": "kept",
    "src/sub/secret/key": "k",
    "src/sub/c.py": "c",
    "late.txt": "late",
}


def build(engine: Tools, context: Path, tag: str, *arguments: str) -> Ran:
    return engine.docker_build(context, f"--tag={tag}", *arguments, progress="rawjson").ok()


def tree(engine: Tools, tag: str) -> dict[str, tuple[object, ...]]:
    """Everything in an image but the times of its files: kind, mode, owner, link target, content."""
    container = engine.run("docker", "create", tag, "true").ok().stdout.decode().strip()
    try:
        data = engine.run("docker", "export", container).ok().stdout
    finally:
        engine.run("docker", "rm", container).ok()
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member) if member.isfile() else None
            content = hashlib.sha256(file.read()).hexdigest() if file else ""
            found[member.name.rstrip("/")] = (
                *(member.type, oct(member.mode), member.uid, member.gid, member.linkname, content),
            )
    return found


def config(engine: Tools, tag: str) -> dict[str, Any]:
    (image,) = json.loads(engine.run("docker", "image", "inspect", tag).ok().stdout)
    return {name: value for name, value in image["Config"].items() if value}


def joined(ran: Ran) -> bool:
    """Whether added files were made beside each other: then one name has several vertices (copy, diff, merge)."""
    names = [vertex.name for vertex in ran.steps().values()]
    return len(names) > len(set(names))


def test_it_builds_the_same_image_as_an_engine_with_merge(
    docker: Tools, classic: Tools, project: Callable[..., Path], nonce: str
) -> None:
    context = project(IMAGE.format(nonce=nonce), **FILES)
    (context / "src/sub/c.py").chmod(0o750)
    (context / "src/empty").mkdir()
    os.symlink("sub/c.py", context / "src/link")
    merging, chaining = (build(engine, context, "test/same") for engine in (docker, classic))
    assert joined(merging), "the Engine of the rig has merge"
    assert not joined(chaining), "the classic one has not"
    assert len(chaining.not_cached()) >= 9
    ours = tree(classic, "test/same")
    assert ours == tree(docker, "test/same")
    assert {name for name in ours if name.startswith(("srv/", "three/"))} == {
        "srv/app",
        "srv/app/python",
        "srv/app/python/a.py",
        "srv/app/python/sub",
        "srv/app/python/sub/c.py",
        "srv/app/src",
        "srv/app/src/a.py",
        "srv/app/src/empty",
        "srv/app/src/keep.log",
        "srv/app/src/link",
        "srv/app/src/sub",
        "srv/app/src/sub/c.py",
        "srv/app/three",
        "srv/late.txt",
        "three/new",
        "three/new/directories",
        "three/new/directories/late.txt",
    }
    assert config(classic, "test/same") == config(docker, "test/same")


def test_a_second_build_is_cached_and_an_edit_runs_no_command(
    classic: Tools, project: Callable[..., Path], nonce: str
) -> None:
    context = project(IMAGE.format(nonce=nonce), **FILES)
    build(classic, context, "test/again")
    assert build(classic, context, "test/again").not_cached() == []
    (context / "late.txt").write_text(nonce)
    edited = build(classic, context, "test/again").not_cached()
    assert edited
    assert all("add_local_file" in name for name in edited), edited
    shown = classic.run("docker", "run", "--rm", "--entrypoint=cat", "test/again", "/srv/late.txt").ok()
    assert shown.stdout.decode() == nonce


MEETINGS = [
    pytest.param("mkdir /there && echo old > /there/file && chmod 600 /there/file", id="a file"),
    pytest.param("mkdir /there && mkdir /there/sub && echo old > /there/sub/mine", id="a directory"),
    pytest.param("mkdir -m 1777 /there", id="a directory of another mode"),
    pytest.param("mkdir /there && chown 5:6 /there", id="a directory of another owner"),
    pytest.param("mkdir /real && ln -s /real /there", id="a link to a directory"),
]


@pytest.mark.parametrize("meeting", MEETINGS)
def test_files_that_meet_what_is_there(
    docker: Tools, classic: Tools, project: Callable[..., Path], meeting: str
) -> None:
    context = project(
        f"""
        from llb import Image
        image = (
            Image.from_registry("busybox:latest")
            .run_commands({meeting!r})
            .add_local_file("one/file", "/there/file")
            .add_local_dir("dir", "/there")
        )
        """,
        **{"one/file": "new", "dir/sub/other": "other"},
    )
    for engine in (docker, classic):
        build(engine, context, "test/meets")
    assert tree(classic, "test/meets") == tree(docker, "test/meets")


def test_mistakes_are_shown_at_the_users_line(classic: Tools, project: Callable[..., Path]) -> None:
    source = textwrap.dedent("""\
        from llb import Image
        image = (
            Image.from_registry("busybox:latest")
            .run_commands("echo before; exit 7")
            .add_local_file("image.py", "/image.py")
        )
    """)
    ran = classic.docker_build(project(source)).failed()
    assert "exit code: 7" in ran.stderr
    assert '>>>     .run_commands("echo before; exit 7")' in ran.stderr
    ran = classic.docker_build(project(source.replace('"image.py"', '"nowhere.txt"'))).failed()
    assert "nowhere.txt does not exist" in ran.stderr
    assert '>>>     .add_local_file("nowhere.txt", "/image.py")' in ran.stderr


def test_several_platforms_need_another_image_store(classic: Tools, project: Callable[..., Path]) -> None:
    context = project("from llb import Image\nimage = Image.from_registry('busybox:latest')\n")
    ran = classic.docker_build(context, "--platform=linux/amd64,linux/arm64").failed()
    assert "multi-platform" in ran.stderr.lower()
    assert "containerd image store" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_plain_dockerfile_is_built_there_too(
    classic: Tools, project: Callable[..., Path], nonce: str
) -> None:
    dockerfile = f"FROM busybox\nRUN echo {nonce} > /a\nCOPY --link Dockerfile /there/\n"
    context = project(Dockerfile=dockerfile)
    classic.docker_build(context, "--tag=test/plain", file="Dockerfile").ok()
    assert "there/Dockerfile" in tree(classic, "test/plain")
