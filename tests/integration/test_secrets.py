"""Secrets through the container doors: the client has the values, the image file the names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.canary import CANARY
from tests.integration.tools import Tools

START = "from llb import Image, Secret\nbusybox = Image.from_registry('busybox:latest')\n"
USE = START + "image = busybox.run_commands('echo {nonce} $TOKEN | sha256sum > /sum', secrets=[{secret}])\n"


def with_env(tools: Tools, **values: str) -> Tools:
    return replace(tools, env={**tools.env, **values})


@pytest.mark.parametrize(
    ("secret", "identifier"),
    [
        ("Secret.from_dict({'TOKEN': 'not this'})", "TOKEN"),
        ("Secret.from_local_environ(['TOKEN'])", "TOKEN"),
        ("Secret.from_name('vault', required_keys=['TOKEN'])", "vault.TOKEN"),
        ("Secret.from_dotenv(required_keys=['TOKEN'], name='file')", "file.TOKEN"),
    ],
    ids=["dict", "environ", "name", "dotenv"],
)
def test_a_step_gets_the_clients_value(
    frontend: Tools, project: Callable[..., Path], nonce: str, secret: str, identifier: str, tmp_path: Path
) -> None:
    import hashlib

    context = project(USE.format(nonce=nonce, secret=secret))
    tools = with_env(frontend, SECRET_OF_TEST=CANARY)
    out = tmp_path / "out"
    tools.gateway(
        context, f"--secret=id={identifier},env=SECRET_OF_TEST", f"--output=type=local,dest={out}"
    ).ok()
    expected = hashlib.sha256(f"{nonce} {CANARY}\n".encode()).hexdigest()
    assert (out / "sum").read_text().split()[0] == expected


def test_docker_build_gives_it_too(docker: Tools, project: Callable[..., Path], nonce: str) -> None:
    context = project(USE.format(nonce=nonce, secret="Secret.from_local_environ(['TOKEN'])"))
    tools = with_env(docker, TOKEN=CANARY)
    seen = tools.docker_build(context, "--secret=id=TOKEN").ok()
    assert CANARY not in seen.text


@pytest.mark.parametrize("door", ["docker", "buildctl"])
def test_a_missing_secret_is_named_with_the_flags_to_type(
    request: pytest.FixtureRequest, frontend: Tools, project: Callable[..., Path], nonce: str, door: str
) -> None:
    secret = "Secret.from_dict({'TOKEN': 'x'}), Secret.from_name('db', required_keys=['PASSWORD'])"
    context = project(USE.format(nonce=nonce, secret=secret))
    if door == "docker":
        docker: Tools = request.getfixturevalue("docker")
        seen = docker.docker_build(context).failed().stderr
    else:
        seen = frontend.gateway(context).failed().stderr
    assert "the build needs the secret" in seen
    assert "Build with --secret id=TOKEN,env=TOKEN --secret id=db.PASSWORD,env=PASSWORD" in seen
    assert any(">>>" in line and "secrets=[" in line for line in seen.splitlines()), seen


def test_the_outline_lists_what_the_image_file_needs(docker: Tools, project: Callable[..., Path]) -> None:
    context = project(USE.format(nonce="", secret="Secret.from_dict({'TOKEN': 'x'})"))
    seen = docker.docker_build(context, "--call=outline").ok().text
    rows = [line.split() for line in seen.splitlines()]
    assert ["SECRET", "REQUIRED"] in rows
    assert ["TOKEN", "true"] in rows


def test_a_failing_step_does_not_show_its_secrets(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    context = project(
        START
        + f"image = busybox.run_commands('echo {nonce}; exit 3', secrets=[Secret.from_dict({{'TOKEN': 'x'}})])\n"
    )
    tools = with_env(frontend, TOKEN=CANARY)
    seen = tools.gateway(context, "--secret=id=TOKEN").failed()
    assert "exit code: 3" in seen.stderr
    assert CANARY not in seen.text


def test_another_value_runs_nothing_again(frontend: Tools, project: Callable[..., Path], nonce: str) -> None:
    context = project(USE.format(nonce=nonce, secret="Secret.from_dict({'TOKEN': 'x'})"))
    for value, ran in (("one", 1), ("two", 0)):
        tools = with_env(frontend, TOKEN=value)
        seen = tools.gateway(context, "--secret=id=TOKEN", progress="rawjson").ok()
        assert len(seen.not_cached()) == ran
