"""Registry logins for the engine: those of the build, then those that `docker login` left on this machine."""

from __future__ import annotations

import base64
import binascii
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llb.client.http2 import Handler
from llb.client.session import Service, unary
from llb.errors import ExecutionError, LLBError
from llb.image.logins import RegistryLogin
from llb.pb.auth_pb2 import CredentialsRequest, CredentialsResponse
from llb.pb.services import Auth

_HUB = "https://index.docker.io/v1/"
_HUB_HOSTS = ("registry-1.docker.io", "docker.io", "index.docker.io")
_HELPER_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in to a registry. An identity token has no username."""

    username: str
    password: str = field(repr=False)


class LoginService(Service):
    """Serves registry logins.

    The engine is not offered to sign its requests for tokens (the token authority), so it takes names and
    passwords and gets its tokens itself.

    Args:
        logins: by registry host (`ghcr.io`, `localhost:5000`); these win.
        config: folder of Docker's `config.json`; default: `DOCKER_CONFIG`, else `~/.docker`.
    """

    name = Auth.NAME

    def __init__(
        self, logins: Mapping[str, Login] | None = None, config: str | os.PathLike[str] | None = None
    ) -> None:
        super().__init__()
        self._logins = dict(logins or {})
        self._config = config
        self._known: dict[str, Login | None] = {}
        self._offered: list[RegistryLogin] = []

    def offer(self, login: RegistryLogin) -> None:
        """Adds a login that a base of the build needs; its values are looked up when a registry asks."""
        if login not in self._offered:
            self._offered.append(login)

    def handlers(self) -> Mapping[str, Handler]:
        return {"Credentials": unary(Auth.Credentials, self._credentials)}

    def _credentials(self, request: CredentialsRequest) -> CredentialsResponse:
        try:
            login = self.login(request.Host)
        except LLBError as error:
            self.failed(error)
        if login is None:
            return CredentialsResponse()
        return CredentialsResponse(Username=login.username, Secret=login.password)

    def login(self, host: str) -> Login | None:
        """The login for a registry, asked for once; None: there is none."""
        hosts = _HUB_HOSTS if host in _HUB_HOSTS else (host,)
        for one in hosts:
            if one in self._logins:
                return self._logins[one]
        if host not in self._known:
            for offered in self._offered:
                if offered.serves(host):
                    self._known[host] = Login(*offered.credentials())
                    return self._known[host]
            self._known[host] = docker_login(host, self._config)
        return self._known[host]


def docker_login(host: str, folder: str | os.PathLike[str] | None = None) -> Login | None:
    """What `docker login` left for a registry, in its config or in a credential helper.

    Raises:
        ExecutionError: the config cannot be read, or the helper fails.
    """
    directory = Path(folder or os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    path = directory / "config.json"
    try:
        config: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ExecutionError(
            f"the registry logins in {path} cannot be read: {error}", hint="Is it the JSON of `docker login`?"
        ) from None
    if not isinstance(config, dict):
        return None
    known: dict[str, Any] = config  # pyright: ignore[reportUnknownVariableType]
    server = _HUB if host in _HUB_HOSTS else host
    helpers: dict[str, str] = known.get("credHelpers") or {}
    helper = helpers.get(server) or helpers.get(host) or known.get("credsStore") or ""
    if helper:
        return _from_helper(helper, server)
    entries: dict[str, Any] = known.get("auths") or {}
    entry = entries.get(server) or next(
        (value for key, value in entries.items() if _bare(key) in (server, host)), None
    )
    return _from_entry(entry, host, path) if entry else None


def _bare(server: str) -> str:
    """A server's host: older entries are addresses."""
    return server.partition("://")[2].partition("/")[0] if "://" in server else server.partition("/")[0]


def _from_entry(entry: dict[str, Any], host: str, path: Path) -> Login | None:
    if entry.get("identitytoken"):
        return Login("", str(entry["identitytoken"]))
    if entry.get("username"):
        return Login(str(entry["username"]), str(entry.get("password", "")))
    try:
        text = base64.b64decode(entry.get("auth", ""), validate=True).decode()
        name, separator, password = text.partition(":")
    except (binascii.Error, UnicodeDecodeError, TypeError):
        raise ExecutionError(
            f"the login for {host} in {path} cannot be read", hint=f"Log in again: docker login {host}."
        ) from None
    return Login(name, password.rstrip("\0")) if separator and name else None


def _from_helper(helper: str, server: str) -> Login | None:
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"], input=server.encode(), capture_output=True, check=False, timeout=_HELPER_TIMEOUT
        )
    except FileNotFoundError:
        raise ExecutionError(
            f"the credential helper {program} is not installed",
            hint="Install it, or take it out of Docker's config.json.",
        ) from None
    except subprocess.TimeoutExpired:
        raise ExecutionError(f"the credential helper {program} does not answer") from None
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip() or done.stderr.decode(errors="replace").strip()
        if "credentials not found" in said or "no credentials" in said:
            return None
        raise ExecutionError(f"the credential helper {program} failed for {server}: {said[:200]}")
    try:
        answer: dict[str, str] = json.loads(done.stdout)
        name, password = answer["Username"], answer["Secret"]
    except (ValueError, LookupError, TypeError):
        raise ExecutionError(f"the credential helper {program} gives no login for {server}") from None
    return Login("" if name == "<token>" else name, password) if password else None
