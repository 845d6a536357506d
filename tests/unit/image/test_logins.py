"""Logins to registries: the kind is inferred from the secret's keys; the values are for the build's session alone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llb import Image, Secret
from llb.errors import BaseError, ExecutionError, InvalidError, InvalidTypeError, NotFoundError, RemoteError
from llb.graph import Platform
from llb.image import ResolvedBase
from tests.unit.image.vertices import Answers, compiled

CANARY = "hunter2-canary"
STATIC = {"REGISTRY_USERNAME": "me", "REGISTRY_PASSWORD": CANARY}
GCP = {"SERVICE_ACCOUNT_JSON": f'{{"private_key": "{CANARY}"}}'}
AWS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": CANARY, "AWS_REGION": "us-east-1"}
ROLE = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/puller", "AWS_REGION": "us-east-1"}
ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
GAR = "us-east1-docker.pkg.dev"


def secret(values: dict[str, str]) -> Secret:
    return Secret.from_dict(dict(values))


@pytest.mark.parametrize(
    ("chain", "host", "kind"),
    [
        (lambda: Image.from_registry("team/base", secret(STATIC)), "docker.io", "static"),
        (lambda: Image.from_registry("ghcr.io/o/n", secret=secret(STATIC)), "ghcr.io", "static"),
        (lambda: Image.from_registry(f"{GAR}/p/r/n:1", secret(GCP)), GAR, "gcp"),
        (lambda: Image.from_registry("eu.gcr.io/p/n", secret(GCP)), "eu.gcr.io", "gcp"),
        (lambda: Image.from_registry(f"{ECR}/n:1", secret(AWS)), ECR, "aws"),
        (lambda: Image.from_registry(f"{ECR}/n:1", secret(ROLE)), ECR, "aws"),
        (lambda: Image.from_gcp_artifact_registry(f"{GAR}/p/r/n:1", secret(GCP)), GAR, "gcp"),
        (lambda: Image.from_aws_ecr(f"{ECR}/n:1", secret(AWS)), ECR, "aws"),
        # The method says which of two kinds it is.
        (lambda: Image.from_aws_ecr(f"{ECR}/n:1", secret(AWS | STATIC)), ECR, "aws"),
    ],
)
def test_the_kind_comes_from_the_keys(chain: Callable[[], Image], host: str, kind: str) -> None:
    resolver = Answers()
    definition = compiled(chain(), resolver).definition
    [login] = definition.logins
    assert (login.host, login.kind) == (host, kind)
    assert resolver.logins == [login]


def test_a_base_without_a_secret_needs_no_login() -> None:
    for chain in (
        Image.from_registry("ghcr.io/o/n"),
        Image.from_gcp_artifact_registry(f"{GAR}/p/r/n"),
        Image.from_aws_ecr(f"{ECR}/n"),
    ):
        assert compiled(chain).definition.logins == ()


def test_the_values_are_nowhere_in_what_is_compiled() -> None:
    definition = compiled(Image.from_registry("ghcr.io/o/n", secret(STATIC)).run_commands("x")).definition
    assert CANARY.encode() not in definition.to_bytes() + definition.image_config
    assert CANARY not in repr(definition.logins)
    assert definition.secrets == ()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"TOKEN": "x"},
            ["no login to a registry", "TOKEN", "REGISTRY_USERNAME and REGISTRY_PASSWORD", "AWS_ROLE_ARN"],
        ),
        ({}, ["no login to a registry", "(none)"]),
        ({"REGISTRY_USERNAME": "x"}, ["no login to a registry", "REGISTRY_PASSWORD"]),
        ({"AWS_REGION": "x", "AWS_ACCESS_KEY_ID": "y"}, ["no login to a registry"]),
        (STATIC | GCP, ["several kinds of login: static, gcp", "one of them only"]),
        (STATIC | AWS, ["several kinds of login: static, aws"]),
        (STATIC | GCP | ROLE, ["several kinds of login: static, gcp, aws"]),
    ],
)
def test_no_kind_or_several_is_refused_in_the_call(keys: dict[str, str], words: list[str]) -> None:
    with pytest.raises(InvalidError) as caught:
        Image.from_registry("ghcr.io/o/n", secret=secret(keys))
    assert caught.value.hint
    for word in words:
        assert word in str(caught.value)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "tag", "needed"),
    [
        ("from_gcp_artifact_registry", f"{GAR}/p/r/n", "SERVICE_ACCOUNT_JSON"),
        ("from_aws_ecr", f"{ECR}/n", "AWS_REGION with AWS_ACCESS_KEY_ID"),
    ],
)
def test_a_method_of_one_cloud_wants_its_keys(method: str, tag: str, needed: str) -> None:
    with pytest.raises(InvalidError, match="lacks some") as caught:
        getattr(Image, method)(tag, secret(STATIC))
    assert needed in caught.value.hint
    with pytest.raises(InvalidTypeError, match="unexpected keyword argument 'secrets'"):
        getattr(Image, method)(tag, secrets=[secret(GCP)])
    with pytest.raises(InvalidTypeError, match="tag must be a string"):
        getattr(Image, method)(1)


@pytest.mark.parametrize("value", [[secret(STATIC)], STATIC, "name"])
def test_what_is_no_secret(value: Any) -> None:
    with pytest.raises(InvalidTypeError, match="secret must be one Secret") as caught:
        Image.from_registry("ghcr.io/o/n", secret=value)
    assert "Secret.from_local_environ" in caught.value.hint
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("tag", "keys", "owner"),
    [
        ("ghcr.io/o/n", GCP, "Google"),
        ("ghcr.io/o/n", AWS, "AWS"),
        ("gcr.io.evil.com/n", GCP, "Google"),
        ("xamazonaws.com/n", AWS, "AWS"),
        (f"{ECR}/n", GCP, "Google"),
    ],
)
def test_the_keys_of_a_cloud_go_to_that_cloud_only(tag: str, keys: dict[str, str], owner: str) -> None:
    with pytest.raises(InvalidError, match=f"is no registry of {owner}") as caught:
        compiled(Image.from_registry(tag, secret(keys)))
    assert "REGISTRY_USERNAME" in caught.value.hint


def test_a_secret_whose_keys_are_not_known_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REGISTRY_USERNAME=me\nREGISTRY_PASSWORD=p\n")
    chain = Image.from_registry("ghcr.io/o/n", secret=Secret.from_dotenv(tmp_path))
    [login] = compiled(chain).definition.logins
    assert (login.kind, login.credentials()) == ("static", ("me", "p"))
    # The container cannot look: whoever starts the build logs in.
    resolver = Answers()
    resolver.has_secret_values = False
    [login] = compiled(chain, resolver).definition.logins
    assert (login.kind, login.command) == ("", "docker login ghcr.io")
    (tmp_path / ".env").write_text("TOKEN=x\n")
    with pytest.raises(InvalidError, match="no login to a registry"):
        compiled(Image.from_registry("ghcr.io/o/n", secret=Secret.from_dotenv(tmp_path)))


class Refusing(Answers):
    def base(self, reference: str, platform: Platform) -> ResolvedBase | None:
        raise BaseError(f"{reference} cannot be had: 401 Unauthorized", hint="Log in.")


@pytest.mark.parametrize(
    ("tag", "keys", "command"),
    [
        (
            "ghcr.io/o/n",
            STATIC,
            'printf %s "$REGISTRY_PASSWORD" | docker login ghcr.io --username "$REGISTRY_USERNAME" --password-stdin',
        ),
        (
            "team/base",
            STATIC,
            'printf %s "$REGISTRY_PASSWORD" | docker login --username "$REGISTRY_USERNAME" --password-stdin',
        ),
        (
            f"{GAR}/p/r/n",
            GCP,
            f'printf %s "$SERVICE_ACCOUNT_JSON" | docker login {GAR} --username _json_key --password-stdin',
        ),
        (
            f"{ECR}/n",
            AWS,
            f'aws ecr get-login-password --region "$AWS_REGION" | docker login {ECR} --username AWS --password-stdin',
        ),
    ],
)
def test_what_the_container_cannot_do_it_names_the_command_for(
    tag: str, keys: dict[str, str], command: str
) -> None:
    resolver = Refusing()
    resolver.has_secret_values = False
    with pytest.raises(BaseError, match="401") as caught:
        compiled(Image.from_registry(tag, secret(keys)), resolver)
    assert caught.value.hint.endswith(command)
    assert "Only a build from Python" in caught.value.hint
    with pytest.raises(BaseError) as caught:
        compiled(Image.from_registry(tag, secret(keys)), Refusing())
    assert caught.value.hint == "Log in."


class TestCredentials:
    def test_static(self) -> None:
        assert self.of("ghcr.io/o/n", STATIC) == ("me", CANARY)

    def test_google(self) -> None:
        assert self.of(f"{GAR}/p/r/n", GCP) == ("_json_key", GCP["SERVICE_ACCOUNT_JSON"])

    def test_googles_key_as_a_path(self) -> None:
        with pytest.raises(InvalidError, match="not the JSON text") as caught:
            self.of(f"{GAR}/p/r/n", {"SERVICE_ACCOUNT_JSON": "/home/me/key.json"})
        assert "read_text()" in caught.value.hint

    def test_a_value_that_nobody_has(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("REGISTRY_PASSWORD", raising=False)
        monkeypatch.setenv("REGISTRY_USERNAME", "me")
        keys = Secret.from_name("reg", required_keys=["REGISTRY_USERNAME", "REGISTRY_PASSWORD"])
        [login] = compiled(Image.from_registry("ghcr.io/o/n", keys)).definition.logins
        with pytest.raises(NotFoundError, match="REGISTRY_PASSWORD"):
            login.credentials()

    @staticmethod
    def of(tag: str, keys: dict[str, str]) -> tuple[str, str]:
        [login] = compiled(Image.from_registry(tag, secret(keys))).definition.logins
        return login.credentials()


def test_the_names_of_docker_hub_are_one_registry() -> None:
    [login] = compiled(Image.from_registry("team/base", secret(STATIC))).definition.logins
    assert login.serves("registry-1.docker.io")
    assert login.serves("docker.io")
    assert not login.serves("ghcr.io")
    [login] = compiled(Image.from_registry("ghcr.io/o/n", secret(STATIC))).definition.logins
    assert login.serves("ghcr.io")
    assert not login.serves("docker.io")


class TestAws:
    @pytest.fixture(autouse=True)
    def cloud(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
        from moto import mock_aws

        for name in ("AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        with mock_aws():
            yield

    @staticmethod
    def login(keys: dict[str, str]) -> tuple[str, str]:
        [login] = compiled(Image.from_aws_ecr(f"{ECR}/n", secret(keys))).definition.logins
        return login.credentials()

    def test_keys_give_a_token(self) -> None:
        user, password = self.login(AWS)
        assert user == "AWS"
        assert password.endswith("-auth-token")

    def test_a_role_with_the_keys_at_hand(self) -> None:
        assert self.login(ROLE)[0] == "AWS"

    def test_a_role_with_an_identity_token(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        token = tmp_path / "token"
        claims = base64.urlsafe_b64encode(b'{"sub": "me"}').decode().rstrip("=")
        token.write_text(f"e30.{claims}.sig")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
        assert self.login(ROLE)[0] == "AWS"

    def test_what_aws_refuses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import boto3
        from botocore.exceptions import ClientError

        class Denying:
            def get_authorization_token(self) -> None:
                raise ClientError(
                    {"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetAuthorizationToken"
                )

        def client(*_: object, **__: object) -> Denying:
            return Denying()

        monkeypatch.setattr(boto3, "client", client)
        with pytest.raises(RemoteError, match=f"AWS gives no login for {ECR}.*AccessDenied") as caught:
            self.login(AWS)
        assert "ECR" in caught.value.hint
        assert CANARY not in str(caught.value)

    def test_without_the_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        monkeypatch.setitem(sys.modules, "boto3", None)
        with pytest.raises(ExecutionError, match="needs the package boto3") as caught:
            self.login(AWS)
        assert "llb[aws]" in caught.value.hint


def test_one_registry_has_one_login() -> None:
    resolver = Answers()
    from llb.image.build import Build
    from llb.image.logins import RegistryLogin
    from llb.image.options import BuildOptions

    build = Build(Platform("linux", "amd64"), resolver, BuildOptions(), lambda _: None)
    build.want_login(RegistryLogin("ghcr.io", "static", secret(STATIC)))
    build.want_login(RegistryLogin("ghcr.io", "static", secret(STATIC)))
    with pytest.raises(
        InvalidError, match=r"two different secrets of this build log in to ghcr\.io"
    ) as caught:
        build.want_login(RegistryLogin("ghcr.io", "static", secret({**STATIC, "REGISTRY_USERNAME": "other"})))
    assert "one secret" in caught.value.hint
