"""`micromamba` and `micromamba_install`, built for real.

Neither the image nor a channel can be had on a closed network: the image is a stand-in (`tests/integration/conda`) with the
real one's interface, and a real solver and installer of conda packages; the channels are made here, of a real CPython.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.canary import CANARY
from tests.integration.conda import Channel, script
from tests.integration.pythons import Mirror, pip_files, python_files, serving
from tests.integration.test_examples import EXAMPLES
from tests.integration.tools import ROOT, Tools

IMAGE = "mambaorg/micromamba:2.1.1-debian12-slim"


@pytest.fixture(scope="module")
def channels(engine: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """`conda-forge` with Python and pip, `local` with two tools."""
    if platform.machine() != "x86_64" or shutil.which("go") is None:
        pytest.skip("the Python of the channel here is one for x86-64, of a Go module")
    folder = tmp_path_factory.mktemp("python")
    with serving(tmp_path_factory.mktemp("channels")) as mirror:
        forge = Channel(mirror, "conda-forge")
        forge.add("python", "3.11.11", python_files(folder))
        forge.add("pip", "25.0", pip_files(folder), ["python"])
        forge.publish()
        local = Channel(mirror, "local")
        for name in ("hello", "goodbye"):
            text = f"#!/usr/bin/env python\nimport sys\nprint({name!r}, sys.prefix)\n"
            local.add(f"llb-{name}", "1.0", [script(f"bin/llb-{name}", text)], ["python >=3.11"])
        local.publish()
        bioconda = Channel(mirror, "bioconda")
        bioconda.add("samtools", "1.21", [script("bin/samtools", "#!/bin/sh\necho samtools 1.21\n")])
        bioconda.publish()
        yield mirror


@pytest.fixture(scope="module")
def stand_in(frontend: Tools, channels: Mirror) -> str:
    """The named context that gives the stand-in for the image of micromamba."""
    folder = ROOT / "tests/integration/conda"
    # Docker Engine takes a tag that it has already, and the address of the channels is in this one.
    reference = f"{frontend.registry}/test/micromamba-stand-in:{channels.url.rpartition(':')[2]}"
    frontend.buildctl(
        "--frontend=dockerfile.v0",
        f"--local=dockerfile={folder}",
        f"--local=context={folder}",
        f"--opt=build-arg:CONDA_CHANNEL_ALIAS={channels.url}",
        f"--output=type=image,name={reference},push=true",
    ).ok()
    return f"--opt=context:{IMAGE}=docker-image://{reference}"


CHAIN = """
from llb import Image
image = (
    Image.micromamba("3.11")
    .micromamba_install("llb-hello", channels=["local", "conda-forge"])
    .micromamba_install(spec_file="environment.yml")
    .pip_install("six")
    .run_commands("llb-hello && llb-goodbye && python --version && id -un && command -v python")
    .run_commands("python -c 'import six; print(six.__file__)'; ls /opt/conda /.llb /var/cache/llb || true")
)
"""
ENVIRONMENT = "channels:\n  - local\n  - conda-forge\ndependencies:\n  - llb-goodbye  # the second\n"


def test_a_conda_environment(
    frontend: Tools, channels: Mirror, stand_in: str, project: Callable[..., Path]
) -> None:
    context = project(CHAIN, **{"environment.yml": ENVIRONMENT})
    reference = f"{frontend.registry}/test/conda:latest"
    output = f"--output=type=image,name={reference},push=true"
    said = frontend.gateway(context, stand_in, output).ok().stderr
    for text in (
        "linked python 3.11.11",
        "linked llb-hello 1.0",
        "linked llb-goodbye 1.0",
        "hello /opt/conda",
        "goodbye /opt/conda",
        "Python 3.11.11",
        "mambauser",
        "/opt/conda/bin/python",
        "/opt/conda/lib/python3.11/site-packages/six.py",
        "'/.llb'",
        "'/var/cache/llb'",
    ):
        assert text in said, text
    assert "pkgs" not in said
    config = frontend.image_config(reference)["config"]
    assert config["Cmd"] == ["sleep", "172800"]
    assert config["Entrypoint"] == ["/usr/local/bin/_entrypoint.sh"]
    assert config["Shell"] == ["/usr/local/bin/_dockerfile_shell.sh"]
    assert "MAMBA_DOCKERFILE_ACTIVATE=1" in config["Env"]
    # What was downloaded once is not downloaded again: it is kept on the builder, and is in no layer.
    channels.asked.clear()
    again = CHAIN.replace('("3.11")', '("3.11").env({"AGAIN": "1"})')
    said = frontend.gateway(project(again), stand_in).ok().stderr
    assert "linked llb-hello 1.0" in said
    assert [path for path in channels.asked if path.endswith(".tar.bz2")] == []


def test_a_comment_of_the_spec_file_is_no_change(
    frontend: Tools, stand_in: str, project: Callable[..., Path]
) -> None:
    frontend.gateway(project(CHAIN, **{"environment.yml": ENVIRONMENT}), stand_in).ok()
    context = project(CHAIN, **{"environment.yml": f"# for the tests\n{ENVIRONMENT}"})
    ran = frontend.gateway(context, stand_in, progress="rawjson").ok().not_cached()
    assert [name for name in ran if "[context " not in name] == []
    context = project(CHAIN, **{"environment.yml": ENVIRONMENT.replace("goodbye", "hello")})
    failed = frontend.gateway(context, stand_in).failed().stderr  # the command that is not there any more
    assert "llb-goodbye: command not found" in failed


def test_a_package_that_no_channel_has(frontend: Tools, stand_in: str, project: Callable[..., Path]) -> None:
    context = project(
        "from llb import Image\nimage = Image.micromamba('3.11').micromamba_install('nothing-here', channels=['local'])\n"
    )
    failed = frontend.gateway(context, stand_in).failed().stderr
    assert "nothing-here" in failed
    assert "2 | >>> image = Image.micromamba('3.11').micromamba_install(" in failed


def test_the_conda_example(docker: Tools, builder: str, stand_in: str, tmp_path: Path) -> None:
    """By `docker buildx` and buildctl, both on the standalone daemon: the Engine's steps do not see this machine's loopback."""
    context = Path(shutil.copytree(EXAMPLES / "conda", tmp_path / "conda"))
    tag = f"{docker.registry}/test/example-conda"
    given = stand_in.removeprefix("--opt=context:")
    output = f"--output=type=image,name={tag}"
    docker.docker_build(
        context, f"--build-context={given}", f"{output}:buildx,push=true", builder=builder
    ).ok()
    docker.gateway(context, stand_in, f"{output}:buildctl,push=true").ok()
    for image in (f"{tag}:buildx", f"{tag}:buildctl"):
        docker.run("docker", "pull", "--quiet", image).ok()
        seen = docker.run("docker", "run", "--rm", "--network=none", image).ok().text
        assert "/opt/conda/bin/samtools  1.21" in seen


GIVEN = """
from llb import Image, Secret
token = Secret.from_local_environ(["TOKEN"])
image = (
    Image.micromamba("3.11", force_build=True)
    .micromamba_install("llb-hello", channels=["local", "conda-forge"], env={"CONDA_CHANNEL_ALIAS": "{url}"}, secrets=[token], force_build=True)
    .run_commands("llb-hello")
)
"""


def test_a_forced_install_with_variables_and_secrets(
    frontend: Tools, channels: Mirror, stand_in: str, project: Callable[..., Path]
) -> None:
    context = project(GIVEN.replace("{url}", channels.url))
    tools = replace(frontend, env={**frontend.env, "TOKEN": CANARY})
    for _ in range(2):
        ran = tools.gateway(context, stand_in, "--secret=id=TOKEN", progress="rawjson").ok()
        assert len([name for name in ran.not_cached() if "micromamba" in name]) == 2
        assert CANARY not in ran.text
