"""Secrets and registry logins: what is served, what is not there, and what must never be shown."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest

from llb.client import Login, LoginService, SecretService
from llb.client.logins import docker_login
from llb.errors import ExecutionError
from llb.pb.auth_pb2 import CredentialsRequest
from llb.pb.secrets_pb2 import GetSecretRequest


class AbortedError(Exception):
    pass


class Context:
    """A call's other end."""

    def __init__(self) -> None:
        self.code: grpc.StatusCode | None = None
        self.said = ""

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        self.code, self.said = code, details
        raise AbortedError(details)


def secret(service: SecretService, identifier: str) -> tuple[bytes, Context]:
    context = Context()
    handler: Any = service.handlers()["GetSecret"].unary_unary
    try:
        return handler(GetSecretRequest(ID=identifier), context).data, context
    except AbortedError:
        return b"", context


def test_a_secret_is_looked_up_when_it_is_asked_for() -> None:
    values = {"A": "one"}
    service = SecretService({"A": lambda: values["A"], "B": b"\xff"})
    values["A"] = "two"
    assert secret(service, "A")[0] == b"two"
    assert secret(service, "B")[0] == b"\xff"


def test_an_id_that_nobody_gave_does_not_exist() -> None:
    _, context = secret(SecretService({"A": "x"}), "B")
    assert context.code == grpc.StatusCode.NOT_FOUND


def test_what_a_failing_provider_says_is_not_passed_on() -> None:
    def provider() -> str:
        raise ValueError("s3cret is wrong")

    service = SecretService({"A": provider})
    _, context = secret(service, "A")
    assert context.said == "the secret A cannot be had: ValueError"
    assert "s3cret" not in repr(service) + repr(service.errors)


def test_a_secret_that_is_too_large_is_refused_by_its_size() -> None:
    service = SecretService({"A": b"x" * 600_000})
    _, context = secret(service, "A")
    assert "has 600000 bytes" in context.said
    assert service.errors[0].hint


def config(folder: Path, **content: object) -> Path:
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_logins_come_from_dockers_config(tmp_path: Path) -> None:
    config(
        tmp_path,
        auths={
            "ghcr.io": {"auth": encoded("me:pass:word")},
            "https://index.docker.io/v1/": {"auth": encoded("hub:token")},
            "https://old.example.com/v1/": {"username": "old", "password": "er"},
            "id.example.com": {"identitytoken": "identity"},
        },
    )
    assert docker_login("ghcr.io", tmp_path) == Login("me", "pass:word")
    assert docker_login("registry-1.docker.io", tmp_path) == Login("hub", "token")
    assert docker_login("old.example.com", tmp_path) == Login("old", "er")
    assert docker_login("id.example.com", tmp_path) == Login("", "identity")
    assert docker_login("other.example.com", tmp_path) is None


def test_a_login_of_the_build_wins(tmp_path: Path) -> None:
    config(tmp_path, auths={"ghcr.io": {"auth": encoded("config:x")}})
    service = LoginService({"ghcr.io": Login("build", "y"), "docker.io": Login("hub", "z")}, tmp_path)
    ask: Any = service.handlers()["Credentials"].unary_unary
    assert ask(CredentialsRequest(Host="ghcr.io"), Context()).Username == "build"
    assert ask(CredentialsRequest(Host="registry-1.docker.io"), Context()).Secret == "z"
    assert ask(CredentialsRequest(Host="quay.io"), Context()).Username == ""


HELPER = """#!/bin/sh
read server
case "$server" in
  https://index.docker.io/v1/) echo '{"Username": "helped", "Secret": "x"}' ;;
  token.example.com) echo '{"Username": "<token>", "Secret": "identity"}' ;;
  none.example.com) echo 'credentials not found in native keychain'; exit 1 ;;
  *) echo 'the keychain is locked'; exit 1 ;;
esac
"""


def test_credential_helpers_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(tmp_path, credsStore="test", credHelpers={"gone.example.com": "gone"})
    program = tmp_path / "docker-credential-test"
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert docker_login("docker.io", tmp_path) == Login("helped", "x")
    assert docker_login("token.example.com", tmp_path) == Login("", "identity")
    assert docker_login("none.example.com", tmp_path) is None
    with pytest.raises(ExecutionError, match="the keychain is locked"):
        docker_login("locked.example.com", tmp_path)
    with pytest.raises(ExecutionError, match="docker-credential-gone is not installed"):
        docker_login("gone.example.com", tmp_path)


def test_a_config_that_cannot_be_read_says_which(tmp_path: Path) -> None:
    assert docker_login("ghcr.io", tmp_path) is None
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ExecutionError, match=r"config\.json cannot be read"):
        docker_login("ghcr.io", tmp_path)
    config(tmp_path, auths={"ghcr.io": {"auth": "%%%"}})
    with pytest.raises(ExecutionError, match=r"login for ghcr\.io") as caught:
        docker_login("ghcr.io", tmp_path)
    assert "docker login ghcr.io" in caught.value.hint


def test_a_password_is_not_in_a_logins_repr() -> None:
    assert "hunter2" not in repr(Login("me", "hunter2"))
