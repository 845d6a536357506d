"""Python packages from private git repositories: `pip_install_private_repos`."""

from __future__ import annotations

from llb import graph
from llb.errors import InvalidError, without_credentials
from llb.image import arguments
from llb.image.build import require_linux
from llb.image.chain import Chain, chained
from llb.image.commands import RunStep, run, run_options
from llb.image.packages import (
    ROOM,
    apt_command,
    apt_mounts,
    as_root,
    files_state,
    joined,
    pip_install,
    pip_options,
    quote,
)
from llb.image.step import Lowered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Self

    from llb.image.build import Build
    from llb.image.secrets import Secret

_TOKENS = {"github.com": "GITHUB_TOKEN", "gitlab.com": "GITLAB_TOKEN"}
_TOKEN = "GIT_TOKEN"  # noqa: S105 (a variable's name)
_ASK = f"{ROOM}/git"
_EXAMPLE = (
    'pip_install_private_repos("github.com/owner/repo@v1", git_user="owner", '
    "secrets=[Secret.from_name(…, required_keys=[…])])"
)
_HOST = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-:[]")


def token_of(host: str) -> str:
    """The variable that holds the token for a host."""
    return _TOKENS.get(host.lower(), _TOKEN)


class PrivateRepos(RunStep):
    """Python packages of git repositories, by one command each."""

    repositories: tuple[str, ...]
    git_user: str
    flags: str

    method = "pip_install_private_repos"

    @property
    def vertices(self) -> int:
        return 1 + len(self.repositories)

    def lower(self, below: Lowered, build: Build) -> Lowered:
        require_linux(build, self.method)
        hosts = list(dict.fromkeys([_host(one) for one in self.repositories]))
        self._check_tokens(below, [token_of(host) for host in hosts])
        command = f"command -v git >/dev/null || {{ {apt_command(['git'])}; }}"
        text = f"{self.method}: git, if it is missing"
        options = self.options.replace(gpu="", secrets=())  # it needs no token
        done = run(self, as_root(below), build, command, text, mounts=apt_mounts(build), options=options)
        below = done.on(below.state.with_output_of(done.state))
        # git asks this program for what it needs to sign in with, so that no command line, no address that
        # pip notes and no git config ever holds the token.
        script = files_state([("ask", _ask_script(hosts, self.git_user))], "how git signs in", 0o755)
        ask = graph.bind(_ASK, script, readonly=True)
        for one in self.repositories:
            start, mounts = pip_install(below, build)
            token = token_of(_host(one))
            given = ", ".join([repr(secret) for secret in self.secrets])
            message = f"{token} is not set: {self.method} needs it for {_host(one)}. It was given {given}"
            command = joined(
                f'[ -n "${token}" ] || {{ echo {quote(message)} >&2; exit 1; }};',
                f"GIT_ASKPASS={_ASK}/ask GIT_TERMINAL_PROMPT=0",
                start,
                quote(f"git+https://{one}"),
                self.flags,
            )
            text = f"{self.method} {one}"
            below = run(self, below, build, command, text, mounts=(ask, *mounts), options=self.options)
        return below

    def _check_tokens(self, below: Lowered, tokens: list[str]) -> None:
        """Refuse what the build would find out later: that no secret has a token."""
        known = {name for name, _ in self.options.env} | set(dict(below.config.environment))
        for secret in self.secrets:
            if secret.known_keys is None:
                return
            known |= set(secret.known_keys)
        for token in tokens:
            if token not in known:
                given = ", ".join([repr(secret) for secret in self.secrets])
                raise InvalidError(
                    f"no secret has the variable {token}, which a repository needs; there are {given}",
                    hint=f'Give one that has it: Secret.from_local_environ(["{token}"]).',
                )


def _host(repository: str) -> str:
    return repository.partition("/")[0]


def _ask_script(hosts: list[str], user: str) -> bytes:
    """The program that git asks for the user and the password of a host. It answers for these hosts only."""
    lines = ["#!/bin/sh", 'case "$1" in']
    for host in hosts:
        lines.append(f"""  "Username for 'https://{host}'"*) printf '%s\\n' {quote(user)} ;;""")
        lines.append(f"""  "Password for 'https://"*"@{host}'"*) printf '%s\\n' "${token_of(host)}" ;;""")
    return "\n".join([*lines, "  *) exit 1 ;;", "esac", ""]).encode()


def _checked(repositories: tuple[object, ...]) -> tuple[str, ...]:
    """Repositories as pip takes them behind `git+https://`.

    Raises:
        InvalidTypeError: one is not a string.
        InvalidError: one names no host, or more than a repository.
    """
    found = arguments.texts("repositories", repositories, _EXAMPLE)
    wrong = [(one, why) for one in found if (why := _why_not(one))]
    if wrong:
        shown = "; ".join([f"{without_credentials(one)!r} {why}" for one, why in wrong])
        raise InvalidError(
            f"{len(wrong)} out of {len(found)} repositories cannot be used: {shown}",
            hint='Write "github.com/owner/repo", perhaps with @ref and #subdirectory=….',
        )
    return found


def _why_not(repository: str) -> str:
    host, slash, rest = repository.partition("/")
    if "://" in repository.partition("#")[0]:
        return "has a scheme"
    if "@" in host:
        return "has a user before its host"
    is_host = "." in host or ":" in host or host == "localhost"
    if not slash or not is_host or not _HOST.issuperset(host):
        return "names no host"
    if not rest.partition("@")[0].partition("#")[0].strip("/"):
        return "names no repository"
    return ""


class Private(Chain):
    """The method of `Image` that installs from private repositories."""

    __slots__ = ()

    @chained
    def pip_install_private_repos(
        self,
        *repositories: str,
        git_user: str,
        find_links: str | None = None,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
        env: Mapping[str, str | None] | None = None,
        secrets: Collection[Secret] = (),
        gpu: str | None = None,
        force_build: bool = False,
    ) -> Self:
        """Install Python packages from private git repositories, with pip, over https.

        The token comes from a secret: `GITHUB_TOKEN` for github.com, `GITLAB_TOKEN` for gitlab.com, otherwise
        `GIT_TOKEN`. git asks for it when it signs in; no command line, layer, or note of pip's or git's holds
        it. Dependencies in other private repositories of the same hosts are signed in for as well. git is
        installed with apt, if it is missing. Each repository is cached by itself; a ref that moves is not
        looked at again.

        Args:
            *repositories: `host/owner/repo`, perhaps with `@ref` (a tag, branch or commit) and
                `#subdirectory=path`, without `https://`.
            git_user: the name to sign in with.
            find_links: pip's `--find-links`: where else archives are.
            index_url: pip's `--index-url`: the index instead of PyPI. It is quoted: no variable is replaced.
            extra_index_url: pip's `--extra-index-url`: an index beside it.
            pre: pip's `--pre`: also take pre-releases.
            extra_options: further options, put in the command as they are.
            env: environment variables of this step only; those whose value is None are left out.
            secrets: given to this step only, as environment variables; at least one, with the token.
            gpu: a GPU of the builder for this step: `"any"`, or a type such as `"A100"` or `"A100:1"`.
            force_build: install even if cached, and run all steps that follow.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: there is no secret, or what should be repositories are none. That no secret has the
                token is found when the image is compiled or built.

        Example:
            ```python
            token = Secret.from_local_environ(["GITHUB_TOKEN"])
            image = Image.debian_slim().pip_install_private_repos(
                "github.com/owner/repo@v1.2", git_user="owner", secrets=[token]
            )
            ```
        """
        found = _checked(repositories)
        user = arguments.text("git_user", git_user, _EXAMPLE)
        if "\n" in user or "\r" in user:
            raise InvalidError("git_user has a line break", hint=f"Write {_EXAMPLE}.")
        flags = pip_options(find_links, index_url, extra_index_url, pre, extra_options)
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        if not options.secrets:
            raise InvalidError(
                "secrets is empty: a private repository needs a token",
                hint='Write secrets=[Secret.from_local_environ(["GITHUB_TOKEN"])], or pip_install if the '
                "repository is public.",
            )
        return self._then(PrivateRepos, options, found, user, flags) if found else self
