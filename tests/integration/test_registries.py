"""Registries that ask for a password, do not answer, or lack a platform: what a user sees, where, and how fast."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from llb import Image, Secret
from llb.errors import BaseError, LLBError
from tests.integration.tools import Ran, Tools

Build = Callable[..., Ran]

# A registry on this machine answers or refuses at once; engines may ask a few times.
SOON = 30.0


@pytest.fixture(params=["docker", "classic", "buildctl"])
def build(request: pytest.FixtureRequest) -> Build:
    """Builds an image file through one door, with a time limit; `env` is added to the user's environment."""
    tools: Tools = request.getfixturevalue("frontend" if request.param == "buildctl" else request.param)

    def run(context: Path, *, platform: str = "", env: Mapping[str, str] | None = None) -> Ran:
        user = replace(tools, env={**tools.env, **(env or {})})
        start = time.monotonic()
        if request.param == "buildctl":
            ran = user.gateway(context, *([f"--opt=platform={platform}"] if platform else []))
        else:
            ran = user.docker_build(context, *([f"--platform={platform}"] if platform else []))
        assert time.monotonic() - start < SOON, ran.text
        return ran

    return run


@pytest.fixture(scope="session")
def copied(docker: Tools, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image of two platforms in the rig's open registry, without the registry's name."""
    context = tmp_path_factory.mktemp("copied")
    (context / "image.py").write_text(chain("busybox:latest", ""))
    name = "test/copied:latest"
    output = f"--output=type=image,name={docker.registry}/{name},push=true"
    docker.gateway(context, output, "--opt=platform=linux/amd64,linux/arm64").ok()
    return name


@pytest.fixture(scope="session")
def private(docker: Tools, copied: str) -> str:
    """The same image, in a registry that asks for a password."""
    host = docker.env.get("REGISTRY_PRIVATE")
    if not host:
        pytest.skip(f"no registry-private: {docker.env.get('LLB_RIG_MISSING') or 'run `make engine`'}")
    return f"{host}/{copied}"


@pytest.fixture
def logged_in(docker: Tools, private: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has logged in."""
    config = tmp_path / "docker-config"
    config.mkdir()
    os.symlink(Path(docker.env["DOCKER_CONFIG"]) / "cli-plugins", config / "cli-plugins")
    env = {"DOCKER_CONFIG": str(config)}
    user, password = docker.env["REGISTRY_PRIVATE_USER"], docker.env["REGISTRY_PRIVATE_PASSWORD"]
    host = private.partition("/")[0]
    login = ("docker", "login", "--username", user, "--password-stdin", host)
    replace(docker, env={**docker.env, **env}).run(*login, stdin=password.encode()).ok()
    return env


def chain(base: str, command: str = "true") -> str:
    step = f"    .run_commands({command!r})\n" if command else ""
    return f'from llb import Image\nimage = (\n    Image.from_registry("{base}")\n{step}    .env({{"A": "b"}})\n)\n'


def refused(ran: Ran, base: str, *texts: str) -> None:
    """The build failed with these texts, the user's line is marked, and nothing is shown of our own code."""
    ran.failed()
    for text in texts:
        assert text in ran.stderr, ran.stderr
    assert f'3 | >>>     Image.from_registry("{base}")' in ran.stderr, ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr
    assert not re.search(r"/llb/(llb|frontend)/", ran.stderr), ran.stderr


def test_a_private_base_needs_a_login(
    build: Build, project: Callable[..., Path], private: str, logged_in: dict[str, str], nonce: str
) -> None:
    context = project(chain(private, f"echo {nonce}"))
    refused(build(context), private, "401 Unauthorized", "docker login")
    assert nonce in build(context, env=logged_in).ok().stderr
    # What one user was let have is not for the next one, and a refusal leaves nothing behind.
    refused(build(context), private, "401 Unauthorized", "docker login")
    build(context, env=logged_in).ok()
    build(project(chain("busybox:latest"))).ok()


def test_a_wrong_password(
    build: Build, project: Callable[..., Path], private: str, logged_in: dict[str, str]
) -> None:
    config = Path(logged_in["DOCKER_CONFIG"]) / "config.json"
    wrong = "cmlnOndyb25n"  # rig:wrong
    config.write_text(f'{{"auths": {{"{private.partition("/")[0]}": {{"auth": "{wrong}"}}}}}}')
    refused(build(project(chain(private)), env=logged_in), private, "401 Unauthorized", "docker login")


KEYS = ("REGISTRY_USERNAME", "REGISTRY_PASSWORD")


def secret_base(private: str) -> str:
    secret = f"Secret.from_name('registry', required_keys={list(KEYS)})"
    return f"from llb import Image, Secret\n\nimage = Image.from_registry({private!r}, {secret}).run_commands('true')\n"


def test_the_secret_of_a_base_logs_in_from_python(
    docker: Tools, private: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nonce: str
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))  # where nobody has logged in
    user, password = docker.env["REGISTRY_PRIVATE_USER"], docker.env["REGISTRY_PRIVATE_PASSWORD"]

    def build(password: str) -> None:
        login = Secret.from_dict({"REGISTRY_USERNAME": user, "REGISTRY_PASSWORD": password})
        image = Image.from_registry(private, secret=login).run_commands(f"echo {nonce}")
        image.build(engine=docker.env["BUILDKIT_HOST"], progress="quiet")

    with pytest.raises(BaseError, match="401 Unauthorized") as caught:
        build("wrong-password")
    assert "wrong-password" not in str(caught.value)
    build(password)
    with pytest.raises(BaseError, match="401 Unauthorized"):
        Image.from_registry(private).build(engine=docker.env["BUILDKIT_HOST"], progress="quiet")


def test_the_secret_of_a_dockerfiles_bases_logs_in_from_python(
    docker: Tools, private: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nonce: str
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))  # where nobody has logged in
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Given").write_text(f"FROM {private}\nRUN echo {nonce}\n")
    user, password = docker.env["REGISTRY_PRIVATE_USER"], docker.env["REGISTRY_PRIVATE_PASSWORD"]
    login = Secret.from_dict({"REGISTRY_USERNAME": user, "REGISTRY_PASSWORD": password})
    engine = docker.env["BUILDKIT_HOST"]
    Image.from_dockerfile("Given", registry_secret=login).build(engine=engine, progress="quiet")
    with pytest.raises(LLBError, match="401 Unauthorized"):
        Image.from_dockerfile("Given").build(engine=engine, progress="quiet")


def test_the_container_names_the_command_that_logs_in(
    docker: Tools, project: Callable[..., Path], private: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = tmp_path_factory.mktemp("docker-config")
    os.symlink(Path(docker.env["DOCKER_CONFIG"]) / "cli-plugins", config / "cli-plugins")
    user = {KEYS[0]: docker.env["REGISTRY_PRIVATE_USER"], KEYS[1]: docker.env["REGISTRY_PRIVATE_PASSWORD"]}
    tools = replace(docker, env={**docker.env, "DOCKER_CONFIG": str(config)} | user)
    context = project(secret_base(private))
    ran = tools.gateway(context).failed()
    assert "Only a build from Python can log in with the secret of a base." in ran.stderr
    [command] = set(re.findall(r"printf .* docker login .*", ran.stderr))
    noted = tools.llb("compile", "image.py", "-o", os.devnull, cwd=context).ok().stderr
    assert f"before building: {command}\n" in noted
    tools.run("sh", "-c", command).ok()
    tools.gateway(context).ok()


UNREACHABLE = {
    "a closed port": ("127.0.0.1:1/team/base:1", "connection refused"),
    "an unknown host": ("registry.invalid/team/base:1", "registry.invalid"),
}


@pytest.mark.parametrize("how", UNREACHABLE)
def test_a_registry_that_is_not_there(build: Build, project: Callable[..., Path], how: str) -> None:
    base, reason = UNREACHABLE[how]
    refused(build(project(chain(base))), base, f"{base} cannot be had", reason)
    build(project(chain("busybox:latest"))).ok()


@pytest.mark.parametrize("missing", ["tag", "repository", "digest"])
def test_a_base_that_is_not_there(
    build: Build, project: Callable[..., Path], docker: Tools, copied: str, missing: str
) -> None:
    repository = f"{docker.registry}/{copied.partition(':')[0]}"
    base = {
        "tag": f"{repository}:nothing",
        "repository": f"{docker.registry}/no/such/repository:latest",
        "digest": f"{repository}@sha256:{'0' * 64}",
    }[missing]
    refused(build(project(chain(base))), base, f"{base} was not found", "Are name and tag right?")


def test_a_platform_that_the_base_lacks(
    build: Build, project: Callable[..., Path], docker: Tools, copied: str
) -> None:
    base = f"{docker.registry}/{copied}"
    ran = build(project(chain(base)), platform="linux/s390x")
    refused(ran, base, f"{base} has no image for linux/s390x", "another --platform")
