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

    from llb.graph.mounts import Mount
    from llb.image.build import Build

_WINDOWS_SHELL = ("cmd", "/S", "/C")
_SHELL = ("/bin/sh", "-c")


class RunOptions(Value):
    """What every step that runs commands can be given for them."""

    env: tuple[tuple[str, str], ...] = ()
    secrets: tuple[Secret, ...] = ()
    gpu: str = ""
    """`TYPE:COUNT`, or empty."""
    force_build: bool = False


NO_OPTIONS = RunOptions()


def run_options(
    *,
    env: Mapping[str, str | None] | None = None,
    secrets: Collection[Secret] | None = None,
    gpu: str | None = None,
    force_build: bool = False,
) -> RunOptions:
    """The arguments of a step that are about its commands, checked.

    Raises:
        InvalidTypeError: one is of a wrong type.
        InvalidError: a variable's name, or the GPU, is none.
    """
    return RunOptions(
        arguments.environment("env", env, optional=True),
        checked_secrets(secrets),
        parse_gpu(gpu),
        arguments.flag("force_build", force_build),
    )


class RunStep(Step):
    """A step that runs commands."""

    options: RunOptions

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return self.options.secrets


def run(
    step: Step,
    below: Lowered,
    build: Build,
    command: str,
    text: str,
    *,
    mounts: Sequence[Mount] = (),
    options: RunOptions = NO_OPTIONS,
) -> Lowered:
    """One command as one vertex: the one that the Dockerfile frontend makes of `RUN`.

    Args:
        step: whose command it is.
        below: what it runs on.
        build: the compilation.
        command: what the chain's shell is given.
        text: how the progress calls it.
        mounts: what is mounted for it.
        options: variables for it alone (what `ARG` lines before the `RUN` give), secrets, GPU. With
            `force_build`, this command and all that follow ignore cached results.
    """
    below = below.forced(options.force_build)
    state, config, asked, env = below.state, below.config, build.options, options.env
    if state.vertex is None:
        raise InvalidError(
            "there is nothing in the image yet that could run a command",
            hint="Start from a base that has a shell, such as Image.debian_slim(), or add the files first.",
        )
    words = (*(config.shell or (_WINDOWS_SHELL if config.os == "windows" else _SHELL)), command)
    if asked.shm_size > 0 and build.supports("exec.mount.tmpfs.size"):
        mounts = (*mounts, graph.tmpfs("/dev/shm", size=asked.shm_size))  # noqa: S108
    meta = build.meta(step, text, ignore_cache=below.ignore_cache)
    if asked.linux_resources is not None and build.supports("exec.meta.linux.resources"):
        meta = meta.replace(linux_resources=asked.linux_resources)
    done = state.run(
        words,
        mounts=mounts,
        env=env,
        secret_env=build.secret_env(step, options.secrets),
        devices=devices(options.gpu),
        proxy=asked.proxy,
        meta=meta,
    )
    declared = (f"|{len(env)}", *[f"{name}={value}" for name, value in env]) if env else ()
    return below.then(done.root, build.history(f"RUN {' '.join([*declared, *words])} # buildkit"))


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
            force_build: run them even if cached, and all steps that follow.

        Raises:
            InvalidTypeError: a command is not a string.
            InvalidError: a command is empty, a variable's name is, or the GPU is none.

        Example:
            ```python
            image = image.run_commands("git clone https://github.com/owner/repo", env={"GIT_TRACE": "1"})
            ```
        """
        found = arguments.texts("commands", commands, 'run_commands("make", "make install")')
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        return self._then(RunCommands, options, found) if found else self
