"""Commands: `run_commands`, and how every other step runs one."""

from __future__ import annotations

from llb import graph
from llb.errors import InvalidError
from llb.image import arguments
from llb.image.chain import Chain, chained
from llb.image.step import Lowered, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from llb.graph.mounts import Mount
    from llb.image.build import Build

_WINDOWS_SHELL = ("cmd", "/S", "/C")
_SHELL = ("/bin/sh", "-c")


def run(
    step: Step,
    below: Lowered,
    build: Build,
    command: str,
    text: str,
    *,
    mounts: Sequence[Mount] = (),
    env: Sequence[tuple[str, str]] = (),
) -> Lowered:
    """One command as one vertex: the one that the Dockerfile frontend makes of `RUN`.

    Args:
        step: whose command it is.
        below: what it runs on.
        build: the compilation.
        command: what the chain's shell is given.
        text: how the progress calls it.
        mounts: what is mounted for it.
        env: variables for it alone (what `ARG` lines before the `RUN` give).
    """
    state, config, options = below.state, below.config, build.options
    if state.vertex is None:
        raise InvalidError(
            "there is nothing in the image yet that could run a command",
            hint="Start from a base that has a shell, such as Image.debian_slim(), or add the files first.",
        )
    words = (*(config.shell or (_WINDOWS_SHELL if config.os == "windows" else _SHELL)), command)
    if options.shm_size > 0 and build.supports("exec.mount.tmpfs.size"):
        mounts = (*mounts, graph.tmpfs("/dev/shm", size=options.shm_size))  # noqa: S108
    meta = build.meta(step, text, ignore_cache=below.ignore_cache)
    if options.linux_resources is not None and build.supports("exec.meta.linux.resources"):
        meta = meta.replace(linux_resources=options.linux_resources)
    done = state.run(words, mounts=mounts, env=env, proxy=options.proxy, meta=meta)
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


class RunCommands(Step):
    """Commands, one vertex each."""

    commands: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    force_build: bool

    method = "run_commands"

    @property
    def vertices(self) -> int:
        return len(self.commands)

    def lower(self, below: Lowered, build: Build) -> Lowered:
        below = below.forced(self.force_build)
        for command in self.commands:
            below = run(self, below, build, command, f"run_commands {summary(command)}", env=self.env)
        return below


class Commands(Chain):
    """The method of `Image` that runs commands."""

    __slots__ = ()

    @chained
    def run_commands(
        self,
        *commands: str | list[str],
        env: Mapping[str, str | None] | None = None,
        force_build: bool = False,
    ) -> Self:
        """Run commands in the image's shell, each in a shell of its own: `cd` and `export` do not carry over.

        Each command is cached by itself: after a change the ones before it are not run again. Without
        commands, the image is returned as it is.

        Args:
            *commands: shell commands, or lists of them.
            env: environment variables of these commands only; those whose value is None are left out. They
                are part of the step: what must not be seen is a secret.
            force_build: run them even if cached, and all steps that follow.

        Raises:
            InvalidTypeError: a command is not a string.
            InvalidError: a command is empty, or a variable's name is.

        Example:
            ```python
            image = image.run_commands("git clone https://github.com/owner/repo", env={"GIT_TRACE": "1"})
            ```
        """
        found = arguments.texts("commands", commands, 'run_commands("make", "make install")')
        variables = arguments.environment("env", env, optional=True)
        force = arguments.flag("force_build", force_build)
        return self._then(RunCommands, found, variables, force) if found else self
