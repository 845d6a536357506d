"""States: an output of a vertex, and the values for the commands that run on it."""

from __future__ import annotations

from llb._value import Value, slot_setters
from llb.errors import InvalidError, InvalidTypeError
from llb.graph.execution import ExecOp, Extras, root_mount, sort_mounts
from llb.graph.files import FileOp
from llb.graph.metadata import NO_META
from llb.graph.mounts import Device, DirectoryMount, SecretEnv
from llb.graph.platform import Platform, as_platform
from llb.graph.values import (
    NETWORKS,
    NO_VALUES,
    SECURITIES,
    checked_args,
    checked_hosts,
    checked_mode,
    checked_ulimits,
    dict_items,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Literal

    from llb.graph.files import Action
    from llb.graph.metadata import Meta
    from llb.graph.mounts import Mount, ProxyEnv
    from llb.graph.values import Ulimit, Values
    from llb.graph.vertex import Vertex

    Network = Literal["sandbox", "host", "none"]
    Security = Literal["sandbox", "insecure"]


class State(Value):
    """A filesystem to be built, and the environment of commands on it. Immutable: each method gives a new
    state.

    `vertex` is None for an empty filesystem. Commands and file actions keep the values of the state they
    start from; a command's own options hold for that command only.
    """

    vertex: Vertex | None
    index: int
    values: Values

    # By hand, as two are made for each command: a third of the general constructor's time.
    def __init__(self, vertex: Vertex | None = None, index: int = 0, values: Values = NO_VALUES) -> None:
        _set_vertex(self, vertex)
        _set_index(self, index)
        _set_values(self, values)

    def __repr__(self) -> str:
        return f"State({self.vertex!r}, {self.index})" if self.vertex is not None else "State(scratch)"

    # -- values ----------------------------------------------------------------------------------------------

    @property
    def env(self) -> tuple[tuple[str, str], ...]:
        """The environment, in the order in which commands get it."""
        return tuple(self.values.env.items())

    @property
    def dir(self) -> str:
        """The working directory; relative paths of file actions start there too."""
        return self.values.dir

    @property
    def user(self) -> str:
        return self.values.user

    @property
    def args(self) -> tuple[str, ...]:
        """The command of a `run` that gives none."""
        return self.values.args

    @property
    def hostname(self) -> str:
        return self.values.hostname

    @property
    def extra_hosts(self) -> tuple[tuple[str, str], ...]:
        return self.values.extra_hosts

    @property
    def ulimits(self) -> tuple[Ulimit, ...]:
        return self.values.ulimits

    @property
    def cgroup_parent(self) -> str:
        return self.values.cgroup_parent

    @property
    def valid_exit_codes(self) -> tuple[int, ...]:
        return self.values.valid_exit_codes

    @property
    def platform(self) -> Platform | None:
        """The platform of commands; None is the one that is marshalled for."""
        return self.values.platform

    @property
    def network(self) -> str:
        return self.values.network

    @property
    def security(self) -> str:
        return self.values.security

    def with_env(self, key: str, value: str) -> State:
        """With an environment variable. One that was set already moves to the end."""
        return State(self.vertex, self.index, self.values.with_env([(key, value)]))

    def with_envs(self, env: Mapping[str, str] | Iterable[tuple[str, str]]) -> State:
        """With several, in the order given."""
        return State(self.vertex, self.index, self.values.with_env(dict_items(env)))

    def with_dir(self, path: str) -> State:
        """With another working directory; a relative one starts at the present one."""
        return State(self.vertex, self.index, self.values.with_dir(path))

    def with_user(self, user: str) -> State:
        return self._with(user=user)

    def with_args(self, args: Sequence[str]) -> State:
        """With a command for a `run` that gives none."""
        return self._with(args=checked_args(args))

    def with_hostname(self, hostname: str) -> State:
        return self._with(hostname=hostname)

    def with_extra_hosts(self, hosts: Mapping[str, str] | Iterable[tuple[str, str]]) -> State:
        """With more host names and their addresses."""
        return self._with(extra_hosts=self.extra_hosts + checked_hosts(hosts))

    def with_ulimits(self, *ulimits: Ulimit | tuple[str, int, int]) -> State:
        """With more limits: `(name, soft, hard)`."""
        return self._with(ulimits=self.ulimits + checked_ulimits(ulimits))

    def with_cgroup_parent(self, path: str) -> State:
        return self._with(cgroup_parent=path)

    def with_valid_exit_codes(self, *codes: int) -> State:
        """With the exit codes that count as success; none given: 0 only."""
        return self._with(valid_exit_codes=codes)

    def with_platform(self, platform: Platform | str) -> State:
        """With another platform, in its normal form."""
        return self._with(platform=as_platform(platform).normalized())

    def with_network(self, network: Network) -> State:
        return self._with(network=checked_mode("network", network, NETWORKS))

    def with_security(self, security: Security) -> State:
        return self._with(security=checked_mode("security", security, SECURITIES))

    def with_image_config(self, config: bytes | Mapping[str, Any]) -> State:
        """With environment, working directory and platform of an OCI image config (not its user)."""
        if isinstance(config, bytes):
            import json

            try:
                config = json.loads(config)
            except ValueError:
                config = ()  # pyright: ignore[reportAssignmentType]
        if not isinstance(config, dict):
            raise InvalidError("an image config is a JSON object")
        runtime: dict[str, Any] = config.get("config") or {}  # pyright: ignore[reportUnknownMemberType]
        pairs = [str(entry).partition("=") for entry in runtime.get("Env") or ()]
        state = self.with_envs([(key, value) for key, _, value in pairs if key])
        state = state.with_dir(runtime.get("WorkingDir") or "")
        if config.get("architecture") and config.get("os"):
            features = tuple(config.get("os.features") or ())
            platform = Platform(
                config["os"],
                config["architecture"],
                config.get("variant", ""),
                config.get("os.version", ""),
                features,
            )
            state = state.with_platform(platform)
        return state

    def with_output_of(self, other: State) -> State:
        """These values on another filesystem; its platform too, if its vertex names one."""
        platform = other.vertex.output_platform if other.vertex is not None else None
        values = self.values
        if platform is not None:
            normalized = platform.normalized()
            if values.platform != normalized:
                values = values.replace(platform=normalized)
        return State(other.vertex, other.index, values)

    def _with(self, **changes: object) -> State:
        return State(self.vertex, self.index, self.values.replace(**changes))

    # -- operations ------------------------------------------------------------------------------------------

    def run(
        self,
        args: Sequence[str] = (),
        *,
        mounts: Sequence[Mount] = (),
        env: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        secret_env: Sequence[SecretEnv] = (),
        cwd: str | None = None,
        user: str | None = None,
        network: Network | None = None,
        security: Security | None = None,
        devices: Sequence[Device | str] = (),
        extra_hosts: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        ulimits: Iterable[Ulimit | tuple[str, int, int]] = (),
        hostname: str | None = None,
        cgroup_parent: str | None = None,
        valid_exit_codes: Sequence[int] = (),
        proxy: ProxyEnv | None = None,
        readonly_root: bool = False,
        platform: Platform | str | None = None,
        filters: Sequence[str] = (),
        meta: Meta = NO_META,
    ) -> Exec:
        """A command on this filesystem.

        Args:
            args: its words; default: the state's `args`.
            mounts: `bind`, `cache`, `tmpfs`, `secret`, `ssh`.
            env: variables on top of the state's.
            secret_env: `secret_env(name)`: secrets as variables.
            cwd: the working directory; a relative one starts at the state's.
            user: `name`, `uid`, `name:group`…
            network: `sandbox`, `host` or `none`.
            security: `sandbox` or `insecure`.
            devices: CDI devices, by name if they are needed.
            extra_hosts: names and addresses on top of the state's.
            ulimits: limits on top of the state's.
            hostname: of the container.
            cgroup_parent: the cgroup that the container's is made in.
            valid_exit_codes: what counts as success; default: the state's, else 0.
            proxy: proxies that it sees; not among `env`.
            readonly_root: the root filesystem cannot be written; the result's root is this state's.
            platform: instead of the state's.
            filters: of the workers that may run it.
            meta: name, source lines and so on.
        """
        values = self.values
        changes: dict[str, Any] = {}
        if args or not values.args:
            words = checked_args(args)
            if not words:
                raise InvalidError(
                    "a command needs arguments",
                    hint='Write run(["program", "argument"]), or with_args before it.',
                )
        else:
            words = values.args
        if env:
            values = values.with_env(dict_items(env))
        if cwd is not None:
            values = values.with_dir(cwd)
        if user is not None:
            changes["user"] = user
        if network is not None:
            changes["network"] = checked_mode("network", network, NETWORKS)
        if security is not None:
            changes["security"] = checked_mode("security", security, SECURITIES)
        if extra_hosts:
            changes["extra_hosts"] = values.extra_hosts + checked_hosts(extra_hosts)
        if ulimits:
            changes["ulimits"] = values.ulimits + checked_ulimits(ulimits)
        if hostname is not None:
            changes["hostname"] = hostname
        if cgroup_parent is not None:
            changes["cgroup_parent"] = cgroup_parent
        if valid_exit_codes:
            changes["valid_exit_codes"] = tuple(valid_exit_codes)
        if changes:
            values = values.replace(**changes)
        extras = None
        inputs = (self,) if self.vertex is not None else ()
        if mounts or secret_env or devices or proxy is not None or readonly_root or platform is not None:
            directories, secrets, agents = sort_mounts(
                root_mount(self if inputs else None, readonly=readonly_root), tuple(mounts)
            )
            extras = Extras(
                directories,
                secrets,
                (*[one for one in mounts if isinstance(one, SecretEnv)], *secret_env),
                agents,
                tuple([Device(one) if isinstance(one, str) else one for one in devices]),
                proxy,
                as_platform(platform) if platform is not None else None,
            )
            if len(directories) > 1:
                sources = [mount.source for mount in directories]
                inputs = tuple([one for one in sources if one is not None and one.vertex is not None])
        return Exec(ExecOp(inputs, meta, tuple(filters) if filters else (), words, values, extras), self)

    def file(self, *actions: Action, filters: Sequence[str] = (), meta: Meta = NO_META) -> State:
        """File actions on this filesystem, one after the other, as one vertex."""
        return State(FileOp.on(self, actions, tuple(filters), meta), 0, self.values)


_set_vertex, _set_index, _set_values = slot_setters(State)


class Exec(Value):
    """A command, and what comes out of it."""

    vertex: ExecOp
    base: State

    def __init__(self, vertex: ExecOp, base: State) -> None:
        _set_exec_vertex(self, vertex)
        _set_exec_base(self, base)

    @property
    def root(self) -> State:
        """The root filesystem after the command, with the values of the state it ran on."""
        vertex, base = self.vertex, self.base
        extras = vertex.extras
        if extras is None:
            return State(vertex, 0, base.values)
        return base.with_output_of(self._output("/", extras))

    def mounted(self, target: str) -> State:
        """What is mounted at a target after the command; a read-only mount gives what was mounted.

        The values are fresh. `source.with_output_of(exec.mounted(target))` keeps those of the mounted state.
        """
        extras = self.vertex.extras
        if extras is None:
            extras = Extras((root_mount(self.base if self.base.vertex is not None else None),))
        return SCRATCH.with_output_of(self._output(target, extras))

    def _output(self, target: str, extras: Extras) -> State:
        outputs = 0
        for mount in extras.directories:
            if mount.target == target:
                if mount.has_output:
                    return State(self.vertex, outputs)
                return _unwritten(mount)
            outputs += mount.has_output
        targets = [mount.target for mount in extras.directories]
        raise InvalidError(f"nothing is mounted at {target!r}", hint=f"There are {', '.join(targets)}.")


_set_exec_vertex, _set_exec_base = slot_setters(Exec)


def _unwritten(mount: DirectoryMount) -> State:
    """The output of a mount that the command cannot add to."""
    if mount.readonly:
        return mount.source if mount.source is not None else SCRATCH
    kind = "cache" if mount.cache_id else "tmpfs" if mount.tmpfs else "no-output"
    raise InvalidError(
        f"the {kind} mount at {mount.target} cannot be built on",
        hint="Let the command copy what is needed elsewhere.",
    )


SCRATCH = State()


def scratch() -> State:
    """An empty filesystem."""
    return SCRATCH


def checked_state(value: State, what: str) -> State:
    """A state given to an operation."""
    if isinstance(value, State):  # pyright: ignore[reportUnnecessaryIsInstance]
        return value
    hint = "Take its .root, or .mounted(target)." if isinstance(value, Exec) else ""
    raise InvalidTypeError(f"{what} is a State, not {type(value).__name__}", hint=hint)
