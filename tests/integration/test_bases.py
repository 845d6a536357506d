"""Bases, built for real: what is inside."""

from __future__ import annotations

import csv
import io
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llb import Image, compile_to_llb, imagefile
from llb.client import connect
from llb.image import BuildOptions
from llb.image.python_builds import BUILDS
from tests.integration.pythons import Mirror, python_archive, serving
from tests.integration.test_examples import EXAMPLES
from tests.integration.tools import Tools

SLIM = """
from llb import Image, build_arg
image = Image.debian_slim(build_arg("LLB_PYTHON_VERSION")).run_commands("gcc --version && gfortran --version && make --version && python -m wheel version")
"""


def test_debian_slim_has_compilers_and_current_tools(docker: Tools, project: Callable[..., Path]) -> None:
    # The base of examples/hello on the same engine: compilers are installed once for both.
    context = project(SLIM)
    built = docker.docker_build(
        context, "--tag=llb-test-slim", "--network=host", "--build-arg=LLB_PYTHON_VERSION=3.11"
    ).ok()
    assert "is taken" not in built.stderr
    probe = "python --version; uv --version; pip --version; debconf-show debconf; find / -xdev -name '*.deb'; ls /var/lib/apt/lists /root/.cache"
    ran = docker.run("docker", "run", "--rm", "--network=none", "llb-test-slim", "sh", "-c", probe).text
    assert "Python 3.11" in ran
    assert "uv " in ran
    assert "debconf/frontend: Noninteractive" in ran
    assert ".deb" not in ran
    assert "Packages" not in ran
    config = docker.run("docker", "inspect", "--format={{json .Config.Cmd}}", "llb-test-slim").ok()
    assert config.stdout.decode().strip() == '["sleep","172800"]'


def test_the_container_names_its_default_python_and_reads_the_project(
    frontend: Tools, project: Callable[..., Path]
) -> None:
    # Its bases are not in the closed network's registry: which ones are asked for is what is looked at.
    image = "from llb import Image\nimage = Image.debian_slim()\n"
    missing = frontend.gateway(project(image)).failed().stderr
    assert "python:3.12.10-slim-bookworm" in missing
    pinned = '[tool.llb]\nimage-builder-version = "2024.04"\n'
    missing = frontend.gateway(project(image, **{"pyproject.toml": pinned})).failed().stderr
    assert "python:3.12.2-slim-bookworm" in missing
    unknown = frontend.gateway(tmp := project(image), "--opt=build-arg:LLB_IMAGE_BUILDER_VERSION=1").failed()
    assert "unknown builder version '1'" in unknown.stderr
    assert "2023.12, 2024.04, 2024.10, 2025.06, 2026.10" in unknown.stderr
    compiled = frontend.llb(
        "compile", "image.py", "--format=text", "--build-arg=LLB_PYTHON_VERSION=3.11", cwd=tmp
    )
    assert "python:3.11.8-slim-bookworm" in compiled.ok().text


def test_a_client_that_serves_no_context_has_no_project(
    frontend: Tools, project: Callable[..., Path]
) -> None:
    context = project("from llb import Image\nimage = Image.debian_slim('3.12').run_commands('true')\n")
    ran = frontend.buildctl(
        "--frontend=gateway.v0",
        f"--opt=source={frontend.frontend}",
        "--opt=filename=image.py",
        f"--local=dockerfile={context}",
    ).failed()
    assert "python:3.12.10-slim-bookworm was not found" in ran.stderr


# -- add_python


PIN = "3.11.5+20230826"
FILE = f"cpython-{PIN}-x86_64-unknown-linux-gnu-install_only.tar.gz"
GLIBC = "/lib/x86_64-linux-gnu"


@pytest.fixture(scope="module")
def mirror(engine: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """Serves a real CPython under the name of the one that the recipe pins, with a checksum of its own."""
    if platform.machine() != "x86_64":
        pytest.skip("the archive here is one for x86-64")
    if shutil.which("go") is None:
        pytest.skip("no go: the module with a relocatable CPython cannot be fetched")
    folder = tmp_path_factory.mktemp("mirror")
    with serving(folder) as mirror:
        digest = mirror.add(f"20230826/{FILE}", python_archive(tmp_path_factory.mktemp("archive")))
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(BUILDS[PIN], "x86_64-unknown-linux-gnu", ("install_only.tar.gz", digest))
            patch.setenv("LLB_PYTHON_BUILD_MIRROR", mirror.url)
            yield mirror


@pytest.fixture(scope="module")
def busybox_with_glibc(engine: Tools, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base with a shell and glibc, and nothing else: no package manager, no Python."""
    return pushed(
        engine,
        tmp_path_factory.mktemp("glibc"),
        "busybox-glibc",
        f"COPY --from=debian:bookworm-slim {GLIBC}/ld-* {GLIBC}/lib[cmdpru]*.so* {GLIBC}/\n"
        "COPY --from=debian:bookworm-slim /lib64/ /lib64/\n",
    )


def pushed(engine: Tools, folder: Path, name: str, lines: str) -> str:
    """A base in the rig's registry, made by a Dockerfile that starts from busybox."""
    (folder / "Dockerfile").write_text(f"FROM busybox\n{lines}")
    reference = f"{engine.registry}/test/{name}:latest"
    engine.buildctl(
        "--frontend=dockerfile.v0",
        f"--local=dockerfile={folder}",
        f"--local=context={folder}",
        f"--output=type=image,name={reference},push=true",
    ).ok()
    return reference


def inside(engine: Tools, image: Image, folder: Path) -> str:
    """What the image's commands wrote to `/out`."""
    Image.from_scratch().copy_from(image, "/out", "/out").build(
        engine=engine.env["BUILDKIT_HOST"], output=folder, progress="quiet"
    )
    return (folder / "out").read_text()


PROBE = """python - > /out <<'END'
import ctypes, hashlib, json, os, sqlite3, ssl, sys, zlib
print(sys.version.split()[0], sys.prefix, os.path.islink("/usr/local/bin/python"), os.environ["TERMINFO_DIRS"])
print(sqlite3.connect(":memory:").execute("select 1").fetchone(), hashlib.sha256(b"").hexdigest()[:8])
END"""


@pytest.mark.parametrize("base", ["debian", "busybox"])
def test_an_added_python_runs(
    engine: Tools, mirror: Mirror, busybox_with_glibc: str, base: str, tmp_path: Path
) -> None:
    tag = {"debian": "debian:bookworm-slim", "busybox": busybox_with_glibc}[base]
    image = Image.from_registry(tag, add_python="3.11").run_commands(PROBE)
    if base == "debian":  # whose certificates pip may need
        image = image.pip_install("six").run_commands("python -c 'import six; print(six.__file__)' >> /out")
    said = inside(engine, image, tmp_path)
    assert "3.11.11 /usr/local True /etc/terminfo:" in said
    assert "(1,) e3b0c442" in said
    if base == "debian":
        assert "/usr/local/lib/python3.11/site-packages/six.py" in said
    assert {path.partition("?")[0] for path in mirror.asked} == {f"/20230826/{FILE.replace('+', '%2B')}"}


def test_a_free_threaded_python_comes_out_of_a_whole_archive(
    engine: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The layout of such an archive; there is no free-threaded CPython here to put into it.
    if shutil.which("zstd") is None:
        pytest.skip("no zstd")
    pin, triple = "3.14.2t+20251209", "x86_64-unknown-linux-gnu"
    flavor, _ = BUILDS[pin][triple]
    tree = tmp_path / "tree/python/install/bin"
    tree.mkdir(parents=True)
    (tree / "python3.14t").write_text("#!/bin/sh\necho free\n")
    (tree / "python3.14t").chmod(0o755)
    os.symlink("python3.14t", tree / "python3")
    (tmp_path / "tree/python/build").mkdir()
    packed = subprocess.run(
        ["tar", "-c", "--zstd", "-C", tmp_path / "tree", "python"], capture_output=True, check=True
    )
    with serving(tmp_path / "served") as mirror:
        digest = mirror.add(f"20251209/cpython-3.14.2+20251209-{triple}-{flavor}", packed.stdout)
        monkeypatch.setitem(BUILDS[pin], triple, (flavor, digest))
        monkeypatch.setenv("LLB_PYTHON_BUILD_MIRROR", mirror.url)
        image = Image.from_registry("debian:bookworm-slim", add_python="3.14t")
        said = inside(engine, image.run_commands("(python3; ls /usr/local) > /out"), tmp_path / "out")
    assert said.splitlines()[0] == "free"
    assert "build" not in said.split()


def test_what_a_mirror_serves_must_have_the_pinned_checksum(
    frontend: Tools, mirror: Mirror, project: Callable[..., Path]
) -> None:
    # The container has the table as it is: the file here is not the one that it pins.
    context = project(
        "from llb import Image\nimage = Image.from_registry('debian:bookworm-slim', add_python='3.11')\n"
    )
    ran = frontend.gateway(context, f"--opt=build-arg:LLB_PYTHON_BUILD_MIRROR={mirror.url}").failed()
    assert "digest mismatch" in ran.stderr
    assert "add_python: fetch" in ran.stderr


def test_the_c_library_is_looked_up_in_the_base(
    frontend: Tools, mirror: Mirror, tmp_path: Path, project: Callable[..., Path]
) -> None:
    musl = pushed(frontend, tmp_path, "busybox-musl", "RUN mkdir -p /lib && touch /lib/ld-musl-x86_64.so.1\n")
    text = "from llb import Image\nimage = Image.from_registry({!r}, add_python='3.12')\n"
    argument = f"--opt=build-arg:LLB_PYTHON_BUILD_MIRROR={mirror.url}"
    ran = frontend.gateway(project(text.format(musl)), argument).failed()
    assert "add_python: fetch cpython-3.12.12+20251209-x86_64-unknown-linux-musl" in ran.stderr
    ran = frontend.gateway(project(text.format("busybox")), argument).failed()
    assert "the base has no C library" in ran.stderr
    assert ">>> image = Image.from_registry('busybox', add_python='3.12')" in ran.stderr


def test_a_dockerfile_gets_a_python_and_only_what_is_not_ignored(
    engine: Tools, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Given").write_text("FROM debian:bookworm-slim\nCOPY . /all\n")
    (tmp_path / "kept").touch()
    (tmp_path / "left").touch()
    image = Image.from_dockerfile("Given", add_python="3.11", ignore=["left"]).run_commands(
        "(python --version; ls /all) > /out"
    )
    said = inside(engine, image, tmp_path / "found")
    assert "Python 3.11.11" in said
    assert "kept" in said
    assert "left" not in said


NVCC = """#!/bin/sh
# Stands for CUDA's compiler: checks how it is called, and writes what it was asked for.
while [ $# -gt 1 ]; do case $1 in -o) out=$2; shift 2;; *) shift;; esac; done
grep -q __global__ "$1" && cp "$1" "$out"
"""


def test_the_cuda_example(
    docker: Tools, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the two doors in which the stand-in of its Python has a checksum: `build`, and a definition for buildctl."""
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "nvcc").write_text(NVCC)
    lines = 'COPY --chmod=755 nvcc /usr/local/bin/\nENTRYPOINT ["/bin/false"]\n'
    (folder / "Dockerfile").write_text(f"FROM debian:bookworm-slim\n{lines}")
    stand_in = f"{docker.registry}/test/cuda-stand-in:latest"
    docker.buildctl(
        "--frontend=dockerfile.v0",
        f"--local=dockerfile={folder}",
        f"--local=context={folder}",
        f"--output=type=image,name={stand_in},push=true",
    ).ok()
    name, source = "nvidia/cuda:12.4.1-devel-ubuntu22.04", f"docker-image://{stand_in}"
    example = EXAMPLES / "cuda"
    monkeypatch.chdir(example)
    _, image = imagefile.pick(imagefile.execute((example / "image.py").read_bytes(), "image.py"))
    tag = f"{docker.registry}/test/cuda"
    host = docker.env["BUILDKIT_HOST"]
    image.build(engine=host, contexts={name: source}, tags=f"{tag}:built", push=True, progress="quiet")
    with connect(host) as client, client.resolver(example) as engine:
        definition = compile_to_llb(image, resolver=engine, options=BuildOptions(contexts=((name, source),)))
    config = definition.image_config.decode()
    output = csv_line("type=image", f"name={tag}:piped", "push=true", f"containerimage.config={config}")
    docker.buildctl(f"--local=context={example}", f"--output={output}", stdin=definition.to_bytes()).ok()
    for built in (f"{tag}:built", f"{tag}:piped"):
        docker.run("docker", "pull", "--quiet", built).ok()
        seen = docker.run("docker", "run", "--rm", "--network=none", built).ok().text
        assert seen.strip() == "(1,) scale"


def csv_line(*fields: str) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
