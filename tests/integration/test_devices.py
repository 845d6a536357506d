"""GPUs on real engines, by CDI specifications of made-up devices."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import pytest

from llb.client import connect
from llb.errors import UnsupportedError
from llb.image import compile_to_llb
from llb.imagefile import execute, pick
from tests.integration.test_three_doors import bases
from tests.integration.tools import ROOT, Ran, Tools

FILE = """
from llb import Image

image = (
    Image.from_registry("busybox:latest")
    .run_commands("echo seen: {nonce} $LLB_CARDS; ls /dev | grep nvidia || true", gpu="{gpu}")
)
"""

CLASS = "org.mobyproject.buildkit.device.class"
AUTO_ALLOW = "org.mobyproject.buildkit.device.autoallow"
"""Docker Engine can grant devices from 29 on; before, only such ones can be used."""

Devices = Callable[..., None]


@pytest.fixture
def cards() -> Generator[Devices]:
    """Gives the engines devices: `cards(card="T4", pair="T4:2")` by name and class; each tells the step of it."""
    path = ROOT / ".engine/cdi/llb-test.json"

    def write(auto_allow: bool = True, **devices: str) -> None:
        listed = [entry(*one) for one in devices.items()]
        annotations = {AUTO_ALLOW: "true"} if auto_allow else {}
        spec = {
            "cdiVersion": "0.6.0",
            "kind": "nvidia.com/gpu",
            "annotations": annotations,
            "devices": listed,
        }
        path.write_text(json.dumps(spec))

    def entry(name: str, device_class: str) -> Mapping[str, object]:
        node = {"path": f"/dev/nvidia-{name}", "hostPath": "/dev/null"}
        edits = {"env": [f"LLB_CARDS={name}"], "deviceNodes": [node]}
        about = {"annotations": {CLASS: device_class}} if device_class else {}
        return {"name": name, "containerEdits": edits, **about}

    path.unlink(missing_ok=True)
    yield write
    path.unlink(missing_ok=True)


def doors(docker: Tools, builder: str, where: Path) -> Mapping[str, Callable[..., Ran]]:
    known = bases(docker, where)

    def compiled(*options: str) -> Ran:
        definition = docker.llb("compile", "image.py", f"--bases={known}", cwd=where).ok()
        assert "note: build it with --allow device" in definition.stderr
        return docker.buildctl(*options, stdin=definition.stdout, cwd=where, progress="rawjson")

    return {
        "llb compile": compiled,
        "buildctl": lambda *options: docker.gateway(where, *options, progress="rawjson"),
        "docker build on buildkitd": lambda *options: docker.docker_build(
            where, *options, builder=builder, progress="rawjson"
        ),
        "docker build": lambda *options: docker.docker_build(where, *options, progress="rawjson"),
    }


GRANT = {
    "llb compile": ["--allow=device"],
    "buildctl": ["--allow=device"],
    "docker build on buildkitd": ["--allow=device"],
    "docker build": [],
}


def logs(ran: Ran) -> str:
    import base64

    data = b""
    for line in ran.ok().stderr.splitlines():
        if line.startswith("{"):
            for log in json.loads(line).get("logs", []):
                data += base64.b64decode(log["data"])
    return data.decode()


def test_a_step_has_its_gpu_by_every_door_and_engine_and_is_the_same_step(
    docker: Tools, builder: str, project: Callable[..., Path], nonce: str, cards: Devices
) -> None:
    """The class is in the step's key, not the card."""
    cards(first="T4", second="L4", both="T4:2")
    for gpu, card in (("t4", "first"), ("T4:2", "both")):
        where = project(FILE.format(nonce=f"{nonce}{card}", gpu=gpu))
        steps: dict[str, set[str]] = {}
        seen: dict[str, str] = {}
        for door, build in doors(docker, builder, where).items():
            ran = build(*GRANT[door], *(["--no-cache"] if "docker" in door else []))
            text = logs(ran)
            seen[door] = text
            steps[door] = {digest for digest, one in ran.steps().items() if "run_commands" in one.name}
        assert "nvidia-" + card in seen["llb compile"]
        assert f"{card}\n" in seen["llb compile"]
        assert seen["buildctl"] == ""  # cached
        for door in ("docker build on buildkitd", "docker build"):
            assert f"{nonce}{card} {card}" in seen[door]
        del steps["docker build"]  # an engine that grants no devices names the card in what it shows
        assert len({frozenset(one) for one in steps.values()}) == 1, steps


def test_a_card_is_named_at_the_grant(
    frontend: Tools, project: Callable[..., Path], nonce: str, cards: Devices
) -> None:
    cards(mine="")
    where = project(FILE.format(nonce=nonce, gpu="A100:2"))
    ran = frontend.gateway(where, "--allow=device=nvidia.com/gpu=mine,alias=A100:2", progress="rawjson")
    assert f"{nonce} mine" in logs(ran)


def test_of_several_types_the_first_that_the_engine_has_is_taken(
    docker: Tools, builder: str, project: Callable[..., Path], nonce: str, cards: Devices
) -> None:
    """A container is not told what there is: it looks."""
    cards(old="T4", new="B300")
    where = project(FILE.format(nonce=nonce, gpu="B200+"))
    assert "nvidia-new" in logs(docker.gateway(where, "--allow=device", progress="rawjson"))
    assert "nvidia-new" in logs(docker.docker_build(where, progress="rawjson"))
    cards(old="B300", new="B200")
    assert "nvidia-new" in logs(docker.gateway(where, "--allow=device", progress="rawjson"))


REFUSALS: Mapping[str, tuple[Mapping[str, str], str, str]] = {
    "no device": ({}, "A100", "the step asks for the GPU A100, and the engine has no device"),
    "wrong kind": (
        {"one": "T4"},
        "A100",
        r"the step asks for the GPU A100, which the engine has not: it has .*T4",
    ),
    "too few": (
        {"one": "A100", "two": "A100:2"},
        "A100:4",
        r"the step asks for the GPU A100:4, and the engine has fewer of them: it has .*A100:2",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_says_what_there_is_and_what_to_do(
    docker: Tools, project: Callable[..., Path], nonce: str, cards: Devices, refusal: str
) -> None:
    devices, gpu, said = REFUSALS[refusal]
    if devices:
        cards(True, **devices)
    where = project(FILE.format(nonce=nonce, gpu=gpu))
    for ran in (docker.gateway(where, "--allow=device"), docker.docker_build(where)):
        text = ran.failed().stderr
        assert re.search(said, text), text
        assert "nvidia-ctk cdi generate" in text
        assert "cdi-spec-dirs" in text
        assert re.search(r">>>.*gpu=", text), text


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_client_refuses_before_anything_runs(engine: Tools, cards: Devices, refusal: str) -> None:
    devices, gpu, said = REFUSALS[refusal]
    if devices:
        cards(True, **devices)
    _, image = pick(execute(FILE.format(nonce="", gpu=gpu).encode(), "image.py"))
    with (
        connect(engine.env["BUILDKIT_HOST"]) as client,
        client.resolver() as resolver,
        pytest.raises(UnsupportedError, match=said) as caught,
    ):
        compile_to_llb(image, resolver=resolver)
    assert "nvidia-ctk cdi generate" in str(caught.value)


def test_a_build_that_may_not_use_devices_is_told_the_flag(
    docker: Tools, project: Callable[..., Path], nonce: str, cards: Devices
) -> None:
    cards(auto_allow=False, one="T4")
    where = project(FILE.format(nonce=nonce, gpu="T4"))
    for ran in (docker.gateway(where), docker.docker_build(where)):
        text = ran.failed().stderr
        assert "this build is not allowed to use nvidia.com/gpu=one" in text
        assert "Build with --allow device" in text
        assert "insecure-entitlements" in text
        assert re.search(r">>>.*gpu=", text), text


def test_a_client_asks_for_the_grant_by_itself(
    engine: Tools,
    nonce: str,
    cards: Devices,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LLB_DATA_DIR", str(tmp_path))
    cards(auto_allow=False, one="T4")
    listed = engine.llb("gpu", "ls", f"--engine={engine.env['BUILDKIT_HOST']}").ok().stdout.decode()
    assert listed == "nvidia.com/gpu=one\tT4\tneeds --allow device\n"
    _, image = pick(execute(FILE.format(nonce=nonce, gpu="T4").encode(), "image.py"))
    image.build(engine=engine.env["BUILDKIT_HOST"])
    assert f"{nonce} one" in capsys.readouterr().err


LINES = """
from llb import Image

image = (
    Image.from_dockerfile("Given", gpu="T4")
    .dockerfile_commands("RUN echo line {nonce} $LLB_CARDS", gpu="T4")
)
"""


def test_dockerfile_lines_have_a_gpu_too(
    frontend: Tools, project: Callable[..., Path], nonce: str, cards: Devices
) -> None:
    cards(card="T4")
    where = project(LINES.format(nonce=nonce), Given=f"FROM busybox\nRUN echo file {nonce} $LLB_CARDS\n")
    said = logs(frontend.gateway(where, "--allow=device", progress="rawjson"))
    assert f"file {nonce} card" in said
    assert f"line {nonce} card" in said
