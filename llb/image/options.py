"""What a build was asked for beyond the chain itself: the options that each door fills from its own."""

from __future__ import annotations

from llb._value import Value
from llb.errors import InvalidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from llb.graph import LinuxResources, ProxyEnv


class BuildOptions(Value):
    """The options of a build, as `docker build`, buildctl or a Python caller gives them."""

    no_cache: bool = False
    """Ignore the cached result of every step."""
    builder_version: str = ""
    """The recipes of `debian_slim` and its kin; empty: as the environment or the project says."""
    python_version: str = ""
    """The series of Python of a base that names none; empty: that of the interpreter that compiles."""
    python_build_mirror: str = ""
    """Where the builds of `add_python` are; empty: as the environment or the project says."""
    labels: tuple[tuple[str, str], ...] = ()
    """Labels of the image, after those of the chain."""
    extra_hosts: tuple[tuple[str, str], ...] = ()
    """Host names and their addresses, for every command."""
    network: str = "sandbox"
    """The network of every command: `sandbox`, `host` or `none`."""
    ulimits: tuple[tuple[str, int, int], ...] = ()
    """Limits of every command: name, soft, hard."""
    shm_size: int = 0
    """Size of `/dev/shm` in bytes; 0 is the engine's default."""
    cgroup_parent: str = ""
    hostname: str = ""
    linux_resources: LinuxResources | None = None
    proxy: ProxyEnv | None = None
    image_resolve_mode: str = "default"
    """How base images are looked up: `default`, `pull` or `local`."""
    cache_namespace: str = ""
    """Put before the ids of cache mounts (BUILDKIT_CACHE_MOUNT_NS)."""
    contexts: tuple[tuple[str, str], ...] = ()
    """Named contexts: name (or `name::platform`) and source, such as `docker-image://…` or `local:NAME`."""
    session: str = ""
    """The session that local sources are read from; empty: the build's own."""
    local_sessions: tuple[tuple[str, str], ...] = ()
    """Sessions of single local sources, by name."""
    local_unique: str = ""
    context_name: str = "context"
    """The local source that paths of the chain are relative to."""
    source_date_epoch: int | None = None
    progress_prefix: str = ""
    """Put in the names of vertices, where several images or platforms are built at once."""


FORCE_VARIABLES = ("LLB_FORCE_BUILD", "LLB_IGNORE_CACHE", "MODAL_FORCE_BUILD", "MODAL_IGNORE_CACHE")
"""Switches that ignore the cached result of every step: of the environment, and build arguments.

Both words mean the same: what an engine has built anew it keeps.
"""
_YES = frozenset(("1", "true", "yes", "on"))
_NO = frozenset(("", "0", "false", "no", "off"))


def is_forced(values: Mapping[str, str]) -> bool:
    """Whether one of the switches is on, in the environment or among build arguments.

    Raises:
        InvalidError: one of them says neither yes nor no.
    """
    found = False
    for name in FORCE_VARIABLES:
        value = values.get(name, "")
        if value.lower() not in _YES | _NO:
            raise InvalidError(f"{name}={value}: neither yes nor no", hint=f"Write {name}=1 or {name}=0.")
        found = found or value.lower() in _YES
    return found
