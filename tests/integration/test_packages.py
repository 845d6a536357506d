"""Packages by the real tools: pip from PyPI, apt from Debian; then what is inside the image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.integration.tools import Tools

SLIM = "from llb import Image\nslim = Image.from_registry('python:3.11-slim-bookworm')\n"


def names_in_top_layer(engine: Tools, reference: str) -> set[str]:
    import gzip
    import io
    import tarfile

    layer = engine.layers(reference)[-1]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as archive:
        return set(archive.getnames())


def test_pip_installs_a_package_and_leaves_no_cache(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        SLIM
        + "image = slim.pip_install('six==1.16.0', 'idna>=3').run_commands('python -c \"import six, idna; print(six.__version__)\"')\n"
    )
    assert "1.16.0" in frontend.gateway(context, "--no-cache").ok().stderr
    context = project(SLIM + "image = slim.pip_install('six==1.16.0', 'idna>=3')\n")
    reference = f"{frontend.registry}/test/pip:latest"
    frontend.gateway(context, f"--output=type=image,name={reference},push=true").ok()
    names = names_in_top_layer(frontend, reference)
    assert any(name.endswith("/six.py") for name in names)
    assert not any(name.startswith("root/.cache/pip/") for name in names)


def test_the_order_of_packages_is_no_change(frontend: Tools, project: Callable[..., Path]) -> None:
    frontend.gateway(project(SLIM + "image = slim.pip_install('six==1.16.0', 'idna>=3')\n")).ok()
    again = frontend.gateway(
        project(SLIM + "image = slim.pip_install(['idna>=3'], 'six==1.16.0')\n"), progress="rawjson"
    ).ok()
    assert again.not_cached() == []


def test_apt_installs_a_package_and_leaves_no_lists(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        "from llb import Image\nimage = Image.from_registry('debian:bookworm-slim').apt_install('hello', 'sl')\n"
    )
    reference = f"{frontend.registry}/test/apt:latest"
    frontend.gateway(context, f"--output=type=image,name={reference},push=true").ok()
    names = names_in_top_layer(frontend, reference)
    assert "usr/bin/hello" in names
    assert "usr/games/sl" in names
    assert not any(name.startswith("var/lib/apt/lists/") and name.endswith("Packages") for name in names)
    assert not any(name.endswith(".deb") for name in names)
    context = project(
        "from llb import Image\nimage = Image.from_registry('debian:bookworm-slim').apt_install('hello', 'sl').run_commands('hello')\n"
    )
    assert "Hello, world!" in frontend.gateway(context, "--no-cache").ok().stderr


def test_force_build_reruns_a_step_and_all_after_it(frontend: Tools, project: Callable[..., Path]) -> None:
    chain = (
        SLIM
        + "image = slim.run_commands('date +%N > /a').run_commands('date +%N > /b'{}).env({{'A': 'b'}}).run_commands('date +%N > /c')\n"
    )
    frontend.gateway(project(chain.format(""))).ok()
    forced = frontend.gateway(project(chain.format(", force_build=True")), progress="rawjson").ok().steps()
    ran = {vertex.name: vertex.cached for vertex in forced.values() if "run_commands" in vertex.name}
    assert [hit for _, hit in sorted(ran.items())] == [True, False, False], ran


def test_the_hello_example_runs(docker: Tools) -> None:
    hello = Path("examples/hello")
    docker.docker_build(hello, "--tag=llb-test-hello", "--network=host").ok()
    ran = docker.run("docker", "run", "--rm", "--network=none", "llb-test-hello").ok()
    assert "Hello from Python 3.11" in ran.text
