"""Secrets and registry logins: what is served, what is not there, and what must never be shown."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from google.protobuf.message import Message

from llb.client import Login, LoginService, SecretService, Service
from llb.client.http2 import NOT_FOUND, Call, CallError
from llb.client.logins import docker_login
from llb.errors import ExecutionError
from llb.pb.auth_pb2 import CredentialsRequest, CredentialsResponse
from llb.pb.secrets_pb2 import GetSecretRequest, GetSecretResponse


def asked(service: Service, method: str, request: Message) -> bytes:
    """The answer to a call.

    Raises:
        CallError: it is none.
    """
    call = Call(1, method, (), lambda _: None)
    data = request.SerializeToString()
    call.received(b"\0" + len(data).to_bytes(4, "big") + data, True)
    [[answer]] = service.handlers()[method](call)
    return answer


def secret(service: SecretService, identifier: str) -> bytes:
    return GetSecretResponse.FromString(asked(service, "GetSecret", GetSecretRequest(ID=identifier))).data


def login(service: LoginService, host: str) -> CredentialsResponse:
    return CredentialsResponse.FromString(asked(service, "Credentials", CredentialsRequest(Host=host)))


def test_a_secret_is_looked_up_when_it_is_asked_for() -> None:
    values = {"A": "one"}
    service = SecretService({"A": lambda: values["A"], "B": b"\xff"})
    values["A"] = "two"
    assert secret(service, "A") == b"two"
    assert secret(service, "B") == b"\xff"


def test_a_value_that_a_step_prints_is_hidden_once_it_was_served() -> None:
    service = SecretService({"A": "first-line\nsecond-line\n", "B": "no"})
    assert service.hidden(b"first-line") == b"first-line"  # nobody has it yet
    secret(service, "A")
    secret(service, "B")
    assert service.hidden(b"bad first-line: no") == b"bad ***: no"
    assert service.hidden(b"<first-line\nsecond-line>") == b"<***>"


def test_an_id_that_nobody_gave_does_not_exist() -> None:
    with pytest.raises(CallError) as caught:
        secret(SecretService({"A": "x"}), "B")
    assert caught.value.code == NOT_FOUND


def test_what_a_failing_provider_says_is_not_passed_on() -> None:
    def provider() -> str:
        raise ValueError("s3cret is wrong")

    service = SecretService({"A": provider})
    with pytest.raises(CallError) as caught:
        secret(service, "A")
    assert caught.value.message == "the secret A cannot be had: ValueError"
    assert "s3cret" not in repr(service) + repr(service.errors)


def test_a_secret_that_is_too_large_is_refused_by_its_size() -> None:
    service = SecretService({"A": b"x" * 600_000})
    with pytest.raises(CallError, match="has 600000 bytes"):
        secret(service, "A")
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
    assert login(service, "ghcr.io").Username == "build"
    assert login(service, "registry-1.docker.io").Secret == "z"
    assert login(service, "quay.io").Username == ""


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
