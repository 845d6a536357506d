"""Mounts of a command, and what else it is given from outside: secrets, ssh agents, devices, proxies."""

from __future__ import annotations

from llb._value import Value
from llb.errors import InvalidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from llb.graph.state import State

    Sharing = Literal["shared", "private", "locked"]
    ContentCache = Literal["default", "on", "off"]

_SHARINGS = {"shared": 0, "private": 1, "locked": 2}
_CONTENT_CACHES = {"default": 0, "on": 1, "off": 2}


class DirectoryMount(Value):
    """A mount of a filesystem: `bind`, `cache` or `tmpfs` makes one."""

    target: str
    source: State | None = None
    selector: str = ""
    readonly: bool = False
    no_output: bool = False
    content_cache: int = 0
    cache_id: str = ""
    cache_sharing: int = 0
    tmpfs: bool = False
    tmpfs_size: int = 0

    @property
    def has_output(self) -> bool:
        """Whether what the command wrote there can be used further."""
        return not (self.readonly or self.no_output or self.tmpfs or self.cache_id)


class SecretMount(Value):
    """A secret as a file: `secret` makes one."""

    target: str
    id: str
    uid: int = 0
    gid: int = 0
    mode: int = 0o400
    optional: bool = False


class SecretEnv(Value):
    """A secret as an environment variable: `secret_env` makes one."""

    name: str
    id: str
    optional: bool = False


class SSHMount(Value):
    """The socket of an ssh agent: `ssh` makes one."""

    target: str
    id: str
    uid: int = 0
    gid: int = 0
    mode: int = 0o600
    optional: bool = False


class Device(Value):
    """A device of the engine's machine by its CDI name, such as `nvidia.com/gpu=all`."""

    name: str
    optional: bool = False


class ProxyEnv(Value):
    """Proxies that a command sees in its environment without their being part of its digest's environment."""

    http_proxy: str = ""
    https_proxy: str = ""
    ftp_proxy: str = ""
    no_proxy: str = ""
    all_proxy: str = ""


if TYPE_CHECKING:
    Mount = DirectoryMount | SecretMount | SecretEnv | SSHMount


def bind(
    target: str,
    state: State,
    *,
    source: str = "",
    readonly: bool = False,
    no_output: bool = False,
    content_cache: ContentCache = "default",
) -> DirectoryMount:
    """Another state's filesystem, or its directory or file `source`.

    Writable by default, and what is written is an output of the command (`Exec.mounted`) that the next
    command does not see; with `no_output` it is dropped. `content_cache` says whether the content of the
    mount, rather than where it came from, decides if a cached result fits.
    """
    return DirectoryMount(
        _absolute(target),
        _checked(state),
        source,
        readonly,
        no_output,
        _one_of("content_cache", content_cache, _CONTENT_CACHES),
    )


def cache(
    target: str,
    *,
    id: str = "",  # noqa: A002 (BuildKit's word)
    sharing: Sharing = "shared",
    source: State | None = None,
    selector: str = "",
    readonly: bool = False,
) -> DirectoryMount:
    """A directory that stays on the engine between builds. `id` names it (default: the target).

    Commands use a `shared` one at once, get each their own if `private`, wait for each other if `locked`.
    `source` (its sub-directory `selector`) is what a new cache starts with.
    """
    return DirectoryMount(
        _absolute(target),
        _checked(source) if source is not None else None,
        selector,
        readonly,
        cache_id=id or target,
        cache_sharing=_one_of("sharing", sharing, _SHARINGS),
    )


def tmpfs(target: str, *, size: int = 0) -> DirectoryMount:
    """An empty directory in memory that ends with the command. `size` in bytes limits it."""
    if size < 0:
        raise InvalidError(f"a tmpfs cannot have {size} bytes")
    return DirectoryMount(_absolute(target), tmpfs=True, tmpfs_size=size)


def secret(
    target: str,
    *,
    id: str = "",  # noqa: A002
    uid: int = 0,
    gid: int = 0,
    mode: int = 0o400,
    optional: bool = False,
) -> SecretMount:
    """A secret as a file. `id` (default: the target) asks the client for it; the graph holds no value."""
    return SecretMount(_absolute(target), id or target, uid, gid, mode, optional)


def secret_env(name: str, *, id: str = "", optional: bool = False) -> SecretEnv:  # noqa: A002
    """A secret as an environment variable. `id` defaults to the name."""
    if not name or "=" in name:
        raise InvalidError(f"{name!r} cannot name an environment variable")
    return SecretEnv(name, id or name, optional)


def ssh(
    target: str = "",
    *,
    id: str = "",  # noqa: A002
    uid: int = 0,
    gid: int = 0,
    mode: int = 0o600,
    optional: bool = False,
) -> SSHMount:
    """The user's ssh agent as a socket, by default `/run/buildkit/ssh_agent.N`.

    The first one sets SSH_AUTH_SOCK, unless that is set. An empty `id` is the client's `default`.
    """
    return SSHMount(_absolute(target) if target else "", id, uid, gid, mode, optional)


def _checked(state: State) -> State:
    from llb.graph.state import checked_state  # it needs this module

    return checked_state(state, "what is mounted")


def _absolute(target: str) -> str:
    drive = target[1:3] in (":/", ":\\") and target[0].isalpha()
    if not target.startswith("/") and not drive:
        raise InvalidError(
            f"a mount needs an absolute path, not {target!r}",
            hint=f"Write {'/' + target.removeprefix('./')!r}.",
        )
    return target


def _one_of(name: str, value: str, known: dict[str, int]) -> int:
    if value not in known:
        raise InvalidError(f"{value!r} is not a value of {name}", hint=f"There are {', '.join(known)}.")
    return known[value]
