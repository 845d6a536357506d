"""Logins to registries: which kind a secret is for, and what the build's session answers a registry with.

A registry's question goes to the client of a build, never to its frontend: a login here is data, which a
client that is written in Python serves. Whoever else builds logs in with docker, by the command that an error
or a note names.
"""

from __future__ import annotations

from llb._value import Value
from llb.errors import ExecutionError, InvalidError, InvalidTypeError, RemoteError
from llb.image import arguments
from llb.image.secrets import Secret  # a field's type; values are never among what is shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_KINDS: dict[str, tuple[frozenset[str], ...]] = {
    "static": (frozenset(("REGISTRY_USERNAME", "REGISTRY_PASSWORD")),),
    "gcp": (frozenset(("SERVICE_ACCOUNT_JSON",)),),
    "aws": (
        frozenset(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")),
        frozenset(("AWS_ROLE_ARN", "AWS_REGION")),
    ),
}
"""Each kind of login, and the keys that a secret for it has."""

_NEEDED = {
    "static": "REGISTRY_USERNAME and REGISTRY_PASSWORD",
    "gcp": "SERVICE_ACCOUNT_JSON (the key's text)",
    "aws": "AWS_REGION with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or with AWS_ROLE_ARN",
}

_HOSTS = {
    "gcp": ("pkg.dev", "gcr.io"),
    "aws": ("amazonaws.com", "amazonaws.com.cn"),
}
"""Where keys of a cloud may be sent: these domains and those below."""

_COMMANDS = {
    "static": 'printf %s "$REGISTRY_PASSWORD" | '
    'docker login {host}--username "$REGISTRY_USERNAME" --password-stdin',
    "gcp": 'printf %s "$SERVICE_ACCOUNT_JSON" | docker login {host}--username _json_key --password-stdin',
    "aws": 'aws ecr get-login-password --region "$AWS_REGION" | '
    "docker login {host}--username AWS --password-stdin",
    "": "docker login {host}",
}

_DOCKER_HUB = ("docker.io", "registry-1.docker.io", "index.docker.io", "https://index.docker.io/v1/")


class RegistryLogin(Value):
    """A login that a build's base needs: served by the client of the build, when the registry asks."""

    host: str
    """The registry, as references name it: `docker.io`, `ghcr.io`, `127.0.0.1:5000`."""
    kind: str
    """`static`, `gcp`, `aws`; empty: not known here."""
    secret: Secret

    def serves(self, host: str) -> bool:
        """Whether it is for a host, under any of the names that BuildKit calls it."""
        return host == self.host or (self.host in _DOCKER_HUB and host in _DOCKER_HUB)

    @property
    def command(self) -> str:
        """What logs in where a build is started; the values are those of the secret, as variables."""
        host = "" if self.host == "docker.io" else f"{self.host} "
        return _COMMANDS[self.kind].format(host=host).rstrip()

    def credentials(self) -> tuple[str, str]:
        """User name and password, for the build's session alone.

        Raises:
            LLBError: the secret lacks a value, or the cloud gives no token for it.
        """
        kind = self.kind or login_kind(self.secret.values())
        if kind == "static":
            return self.secret.value("REGISTRY_USERNAME"), self.secret.value("REGISTRY_PASSWORD")
        if kind == "gcp":
            text = self.secret.value("SERVICE_ACCOUNT_JSON")
            if not text.lstrip().startswith("{"):
                raise InvalidError(
                    "SERVICE_ACCOUNT_JSON is not the JSON text of a service account's key",
                    hint='Give the text of the file, not its path: Path("key.json").read_text().',
                )
            return "_json_key", text
        return "AWS", self._aws_token()

    def _aws_token(self) -> str:
        """A password for ECR, good for some hours."""
        from importlib import import_module

        try:
            boto: Any = import_module("boto3")
            errors: Any = import_module("botocore.exceptions")
        except ImportError:
            raise ExecutionError(
                "a login to AWS needs the package boto3", hint='Install it: pip install "llb[aws]".'
            ) from None
        values = self.secret.values()
        region = self.secret.value("AWS_REGION")
        keys: dict[str, Any] = {}
        if "AWS_ACCESS_KEY_ID" in values:
            keys["aws_access_key_id"] = self.secret.value("AWS_ACCESS_KEY_ID")
            keys["aws_secret_access_key"] = self.secret.value("AWS_SECRET_ACCESS_KEY")
            keys["aws_session_token"] = values.get("AWS_SESSION_TOKEN") or None
        client: Callable[..., Any] = boto.client
        try:
            if "AWS_ROLE_ARN" in values:
                keys = _assume_role(client, values["AWS_ROLE_ARN"], region, keys)
            answer = client("ecr", region_name=region, **keys).get_authorization_token()
        except (errors.BotoCoreError, errors.ClientError) as error:
            raise RemoteError(
                f"AWS gives no login for {self.host}: {error}",
                hint="May these keys, or this role, read from ECR?",
            ) from None
        from binascii import a2b_base64

        token = a2b_base64(answer["authorizationData"][0]["authorizationToken"]).decode()
        return token.partition(":")[2]


def _assume_role(client: Callable[..., Any], role: str, region: str, keys: dict[str, Any]) -> dict[str, Any]:
    """The keys of a role: by the machine's identity token, where it has one, else by the keys at hand."""
    import os

    sts = client("sts", region_name=region, **keys)
    token_file = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
    if token_file:
        with open(token_file, encoding="utf-8") as file:
            token = file.read().strip()
        answer = sts.assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="llb", WebIdentityToken=token
        )
    else:
        answer = sts.assume_role(RoleArn=role, RoleSessionName="llb")
    found = answer["Credentials"]
    return {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }


def login_kind(keys: Iterable[str], wanted: str = "") -> str:
    """The kind of login that a secret with these keys is for.

    Raises:
        InvalidError: none, several, or another one than is wanted.
    """
    names = frozenset(keys)
    found = [kind for kind, sets in _KINDS.items() if any(needed <= names for needed in sets)]
    if wanted in found:
        return wanted
    if wanted:
        raise InvalidError(
            f"the secret has the keys {', '.join(sorted(names)) or '(none)'}, and lacks some",
            hint=f"It needs {_NEEDED[wanted]}.",
        )
    if not found:
        raise InvalidError(
            f"the secret is no login to a registry: its keys are {', '.join(sorted(names)) or '(none)'}",
            hint=f"It needs {'; or '.join(_NEEDED.values())}.",
        )
    if len(found) > 1:
        raise InvalidError(
            f"the secret could be several kinds of login: {', '.join(found)}",
            hint=f"Give it the keys of one of them only: {'; or '.join([_NEEDED[kind] for kind in found])}.",
        )
    return found[0]


def checked_login(secret: object, wanted: str = "") -> str:
    """The kind of login of a base's `secret`; empty: its keys are not known yet.

    Raises:
        InvalidTypeError: it is no secret.
        InvalidError: its keys are those of no kind, or of several.
    """
    if not isinstance(secret, Secret):
        raise InvalidTypeError(
            f"secret must be one Secret, not {arguments.kind(secret)}",
            hint='Write secret=Secret.from_local_environ(["REGISTRY_USERNAME", "REGISTRY_PASSWORD"]).',
        )
    keys = secret.known_keys
    return wanted if keys is None else login_kind(keys, wanted)


def check_host(host: str, kind: str) -> None:
    """Refuse to send the keys of a cloud to somebody else.

    Raises:
        InvalidError: the host is none of its cloud's.
    """
    domains = _HOSTS.get(kind, ())
    name = host.partition(":")[0]
    if domains and not any(name == domain or name.endswith(f".{domain}") for domain in domains):
        raise InvalidError(
            f"{host} is no registry of {'Google' if kind == 'gcp' else 'AWS'}, whose keys it would get",
            hint="Log in with REGISTRY_USERNAME and REGISTRY_PASSWORD.",
        )
