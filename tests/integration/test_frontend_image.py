"""The frontend image: small, minimal, for two platforms from one recipe."""

from __future__ import annotations

import gzip
import io
import sys
import tarfile

import pytest

from tests.integration.tools import ROOT, Tools

MACHINES = {"linux/amd64": 62, "linux/arm64": 183}
"""e_machine of the interpreter, by platform (ELF specification)."""


def contents(engine: Tools, reference: str, platform: str = "") -> tarfile.TarFile:
    (layer,) = engine.layers(reference, platform)
    return tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer)))


@pytest.fixture(scope="module")
def both(docker: Tools) -> str:
    reference = f"{docker.registry}/test/frontend:both"
    platforms = ",".join(MACHINES)
    docker.run(
        sys.executable, str(ROOT / "docker/frontend_image.py"), "--push", reference, "--platform", platforms
    ).ok()
    return reference


def test_it_is_small(frontend: Tools) -> None:
    assert sum(layer["size"] for layer in frontend.manifest(frontend.frontend)["layers"]) < 25_000_000


def test_it_holds_an_interpreter_and_llb_and_no_shell_nor_pip(frontend: Tools) -> None:
    names = set(contents(frontend, frontend.frontend).getnames())
    assert {"usr/local/bin/python3", "llb/llb/image/image.py", "llb/frontend/__main__.py"} <= names
    programs = {name for name in names if "/bin/" in f"/{name}" or "/sbin/" in f"/{name}"}
    assert programs == {"usr/local/bin/python3"}
    assert not [name for name in names if "/pip/" in name or "/llb/pb/" in name or "/llb/cli/" in name]


def test_it_needs_no_network_and_no_root(frontend: Tools) -> None:
    config = frontend.image_config(frontend.frontend)["config"]
    assert config["Labels"]["moby.buildkit.frontend.network.none"] == "true"
    assert "moby.buildkit.frontend.inputs" in config["Labels"]["moby.buildkit.frontend.caps"]
    assert config["User"] == "65532:65532"


def test_every_module_is_compiled_ahead(frontend: Tools) -> None:
    names = set(contents(frontend, frontend.frontend).getnames())
    compiled = {name for name in names if name.endswith(".pyc")}
    sources = {name for name in names if name.endswith(".py")}
    assert len(compiled) >= 0.99 * len(sources)


@pytest.mark.parametrize("platform", MACHINES)
def test_one_recipe_makes_both_platforms(docker: Tools, both: str, platform: str) -> None:
    interpreter = contents(docker, both, platform).extractfile("usr/local/bin/python3")
    assert interpreter is not None
    header = interpreter.read(20)
    assert header[:4] == b"\x7fELF"
    assert int.from_bytes(header[18:20], "little") == MACHINES[platform]
    assert docker.image_config(both, platform)["architecture"] == platform.partition("/")[2]
