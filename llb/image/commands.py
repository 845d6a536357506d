"""Commands: `run_commands`, and how every other step runs one."""

from __future__ import annotations

from llb import graph
from llb._value import Value
from llb.errors import InvalidError
from llb.image import arguments
from llb.image.chain import Chain, chained
from llb.image.gpu import devices, parse_gpu
from llb.image.secrets import Secret, checked_secrets
from llb.image.step import Lowered, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Self

    from llb.graph import LinuxResources, ProxyEnv, SecretEnv
    from llb.graph.mounts import Mount
    from llb.image.buckets import CloudBucketMount
    from llb.image.build import Build
    from llb.image.volumes import NetworkFileSystem, Volume, VolumeAt

_WINDOWS_SHELL = ("cmd", "/S", "/C")
_SHELL = ("/bin/sh", "-c")


class RunOptions(Value):
    """What every step that runs commands can be given for them."""

    env: tuple[tuple[str, str], ...] = ()
    secrets: tuple[Secret, ...] = ()
    gpu: tuple[str, ...] = ()
    """Choices in order of preference, each `TYPE:COUNT`."""
    force_build: bool = False
    volumes: tuple[VolumeAt, ...] = ()
    """By path."""
    placement: tuple[str, ...] = ()
    """Clouds and regions: which of several builders is wanted."""


NO_OPTIONS = RunOptions()


def run_options(
    *,
    env: Mapping[str, str | None] | None = None,
    secrets: Collection[Secret] | None = None,
    gpu: str | list[str] | None = None,
    force_build: bool = False,
    volumes: Mapping[str, Volume | CloudBucketMount] | None = None,
    network_file_systems: Mapping[str, NetworkFileSystem] | None = None,
    cloud: str | None = None,
    region: str | Sequence[str] | None = None,
    of_function: bool = False,
) -> RunOptions:
    """The arguments of a step that are about its commands, checked.

    `of_function`: whether it takes what only `run_function` takes, buckets and lists of GPUs.

    Raises:
        InvalidTypeError: one is of a wrong type.
        InvalidError: a variable's name, the GPU, or a path of a volume is none.
    """
    mounted: tuple[VolumeAt, ...] = ()
    if volumes is not None or network_file_systems is not None:
        from llb.image.volumes import checked_volumes  # most image files have none

        mounted = checked_volumes(volumes, network_file_systems, buckets=of_function)
    placement: tuple[str, ...] = ()
    if cloud is not None or region is not None:
        from llb.image.placement import checked_placement

        placement = checked_placement(cloud, region)
    return RunOptions(
        arguments.environment("env", env, optional=True),
        checked_secrets(secrets),
        parse_gpu(gpu, lists=of_function),
        arguments.flag("force_build", force_build),
        mounted,
        placement,
    )


class RunStep(Step):
    """A step that runs commands."""

    options: RunOptions

    @property
    def secrets(self) -> tuple[Secret, ...]:
        if not self.options.volumes:
            return self.options.secrets
        from llb.image.volumes import bucket_secrets

        return self.options.secrets + bucket_secrets(self.options.volumes)

    def announce(self, build: Build) -> None:
        if self.options.volumes:
            from llb.image.bucket_mounts import want_library

            want_library(self.options.volumes, build)

    @property
    def gpu(self) -> tuple[str, ...]:
        return self.options.gpu


def run(
    step: Step,
    below: Lowered,
    build: Build,
    command: str,
    text: str,
    *,
    mounts: Sequence[Mount] = (),
    options: RunOptions = NO_OPTIONS,
    words: Sequence[str] = (),
    proxy: ProxyEnv | None = None,
    resources: LinuxResources | None = None,
    history: str = "",
    private: Sequence[tuple[str, str]] = (),
) -> Lowered:
    """One command as one vertex: the one that the Dockerfile frontend makes of `RUN`.

    Args:
        step: whose command it is.
        below: what it runs on.
        build: the compilation.
        command: what the chain's shell is given.
        text: how the progress calls it.
        mounts: what is mounted for it.
        options: variables for it alone (what `ARG` lines before the `RUN` give), secrets, volumes, GPU. With
            `force_build`, this command and all that follow ignore cached results.
        words: what is run instead of the chain's shell; `command` still stands for what it does.
        proxy: proxies instead of the build's.
        resources: limits instead of the build's.
        history: what the image's history says instead of the command.
        private: variables of ours, which the history does not tell.
    """
    below = below.forced(options.force_build)
    state, config, asked, env = below.state, below.config, build.options, options.env
    if state.vertex is None:
        raise InvalidError(
            "there is nothing in the image yet that could run a command",
            hint="Start from a base that has a shell, such as Image.debian_slim(), or add the files first.",
        )
    words = words or (*(config.shell or (_WINDOWS_SHELL if config.os == "windows" else _SHELL)), command)
    if asked.shm_size > 0 and build.supports("exec.mount.tmpfs.size"):
        mounts = (*mounts, graph.tmpfs("/dev/shm", size=asked.shm_size))  # noqa: S108
    meta = build.meta(step, text, ignore_cache=below.ignore_cache)
    if options.placement:
        from llb.image.placement import NOTE

        build.note(NOTE)
    keys: tuple[SecretEnv, ...] = ()
    if options.volumes:
        from llb.image.bucket_mounts import mount_buckets
        from llb.image.volumes import mount_volumes

        volumes, meta = mount_volumes(options.volumes, below, build, meta, command)
        buckets = mount_buckets(options.volumes, step, build)
        mounts = (*mounts, *volumes, *buckets.mounts)
        words, keys = (*buckets.words, *words), buckets.secret_env
    resources = resources or asked.linux_resources
    if resources is not None and build.supports("exec.meta.linux.resources"):
        meta = meta.replace(linux_resources=resources)
    done = state.run(
        words,
        mounts=mounts,
        env=(*env, *private),
        secret_env=[*build.secret_env(step, options.secrets), *keys],
        devices=devices(options.gpu, step, build),
        proxy=proxy or asked.proxy,
        meta=meta,
    )
    declared = (f"|{len(env)}", *[f"{name}={value}" for name, value in env]) if env else ()
    created_by = (
        " ".join([*declared, history]) if history else f"RUN {' '.join([*declared, *words])} # buildkit"
    )
    return below.then(done.root, build.history(created_by))


def cache_mount(build: Build, target: str, sharing: str = "shared") -> Mount:
    """A cache mount with the id that `RUN --mount=type=cache,target=…` gives it: both use one cache."""
    name = f"{build.options.cache_namespace}/{target}"
    return graph.cache(target, id=name, sharing=sharing)  # pyright: ignore[reportArgumentType]


def summary(text: str) -> str:
    """The first line of a command."""
    first, newline, _ = text.strip().partition("\n")
    return first + "..." if newline else first


class RunCommands(RunStep):
    """Commands, one vertex each."""

    commands: tuple[str, ...]

    method = "run_commands"

    @property
    def vertices(self) -> int:
        return len(self.commands)

    def lower(self, below: Lowered, build: Build) -> Lowered:
        for command in self.commands:
            text = f"run_commands {summary(command)}"
            below = run(self, below, build, command, text, options=self.options)
        return below


class Commands(Chain):
    """The method of `Image` that runs commands."""

    __slots__ = ()

    @chained
    def run_commands(
        self,
        *commands: str | list[str],
        env: Mapping[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
        volumes: Mapping[str, Volume] | None = None,
        force_build: bool = False,
    ) -> Self:
        """Run commands in the image's shell, each in a shell of its own: `cd` and `export` do not carry over.

        Each command is cached by itself: after a change the ones before it are not run again. Without
        commands, the image is returned as it is.

        Args:
            *commands: shell commands, or lists of them.
            env: environment variables of these commands only; those whose value is None are left out. They
                are part of the step: what must not be seen is a secret.
            secrets: given to these commands only, as environment variables; later ones win.
            gpu: a GPU of the builder for these commands: `"any"`, or a type such as `"A100"` or `"A100:1"`.
            volumes: directories that these commands see and that stay on the engine, by path: they are in no
                layer, and keep what is in them when a step is forced to run.
            force_build: run them even if cached, and all steps that follow.

        Raises:
            InvalidTypeError: a command is not a string, or something else than a volume is among `volumes`.
            InvalidError: a command is empty, a variable's name is, the GPU is none, or a volume has a path
                that it cannot have.

        Example:
            ```python
            image = image.run_commands("git clone https://github.com/owner/repo", env={"GIT_TRACE": "1"})
            ```
        """
        found = arguments.texts("commands", commands, 'run_commands("make", "make install")')
        options = run_options(
            env=env,
            secrets=secrets,
            gpu=gpu,
            force_build=force_build,
            volumes=volumes,
        )
        return self._then(RunCommands, options, found) if found else self
