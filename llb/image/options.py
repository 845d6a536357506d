"""What a build was asked for beyond the chain itself: the options that each door fills from its own."""

from __future__ import annotations

from llb._value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
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
