"""What the image says of itself: environment, directory, user, shell, entrypoint, command, labels."""

from __future__ import annotations

from llb import _json as json
from llb import graph
from llb.graph.paths import join
from llb.image import arguments
from llb.image.chain import Chain, chained
from llb.image.commands import summary
from llb.image.step import Lowered, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Self

    from llb.image.build import Build


class Env(Step):
    """Environment variables."""

    variables: tuple[tuple[str, str], ...]

    method = "env"

    def lower(self, below: Lowered, build: Build) -> Lowered:
        state, config = below.state, below.config
        texts: list[str] = []
        for name, given in self.variables:
            value = expand(given, dict(config.environment)) if "$" in given else given
            state = state.with_env(name, value)
            config = config.with_env(name, value)
            texts.append(f"{name}={value}")
        return below.configured(config, build.history(f"ENV {' '.join(texts)}", empty_layer=True), state)


def expand(value: str, variables: Mapping[str, str]) -> str:
    """A value with `$NAME` and `${NAME}` replaced where NAME is a variable; any other `$` stays.

    So does one behind a backslash, and with it: `\\u@\\h\\$` is a prompt, whatever variables there are.
    """
    before, *parts = value.split("$")
    done = before
    for part in parts:
        name, rest = _name(part)
        if before.endswith("\\") or name not in variables:
            done += "$" + part
        else:
            done += variables[name] + rest
        before = part
    return done


def _name(text: str) -> tuple[str, str]:
    """The variable's name behind a `$`, and what follows it; no name if there is none."""
    if text.startswith("{"):
        name, brace, rest = text[1:].partition("}")
        return (name, rest) if brace else ("", text)
    length = 0
    while length < len(text) and text[length] in _NAME:
        length += 1
    return text[:length], text[length:]


_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


class Workdir(Step):
    """The working directory. It is made, if it is not there."""

    path: str

    method = "workdir"

    @property
    def vertices(self) -> int:
        return 1

    def lower(self, below: Lowered, build: Build) -> Lowered:
        config = below.config
        path = resolved(config.workdir, self.path)
        state = below.state.with_dir(path)
        meta = build.meta(self, f"workdir {self.path}", ignore_cache=below.ignore_cache)
        if path != "/":
            owner = config.user or None
            made = graph.mkdir(path, 0o755, parents=True, owner=owner, created_time=build.created_time)
            state = state.file(made, meta=meta)
        history = build.history(f"WORKDIR {path}", empty_layer=path == "/")
        return below.configured(config.replace(workdir=path), history, state)


def resolved(workdir: str, path: str) -> str:
    """A working directory seen from another one. An absolute one stays as written, as in Dockerfiles."""
    return path if path.startswith("/") else join("/", workdir, path)


class User(Step):
    """The user of what follows."""

    name: str

    method = "user"

    def lower(self, below: Lowered, build: Build) -> Lowered:
        config = below.config.replace(user=self.name)
        history = build.history(f"USER {self.name}", empty_layer=True)
        return below.configured(config, history, below.state.with_user(self.name))


class Shell(Step):
    """The shell of the commands that follow."""

    words: tuple[str, ...]

    method = "shell"

    def lower(self, below: Lowered, build: Build) -> Lowered:
        history = build.history(f"SHELL [{' '.join(self.words)}]", empty_layer=True)
        return below.configured(below.config.replace(shell=self.words), history)


class Entrypoint(Step):
    """What a container runs."""

    words: tuple[str, ...]

    method = "entrypoint"

    def lower(self, below: Lowered, build: Build) -> Lowered:
        # The arguments of a base's own entrypoint mean nothing to another one.
        cmd = below.config.cmd if below.cmd_set else None
        config = below.config.replace(entrypoint=self.words or None, cmd=cmd)
        return below.configured(
            config, build.history(f"ENTRYPOINT {words_text(self.words)}", empty_layer=True)
        )


class Cmd(Step):
    """What a container runs by default, or the entrypoint's default arguments."""

    words: tuple[str, ...]

    method = "cmd"

    def lower(self, below: Lowered, build: Build) -> Lowered:
        config = below.config.replace(cmd=self.words or None)
        lowered = below.configured(config, build.history(f"CMD {words_text(self.words)}", empty_layer=True))
        return lowered.replace(cmd_set=True)


class Labels(Step):
    """Labels of the image."""

    labels: tuple[tuple[str, str], ...]

    method = "labels"

    def lower(self, below: Lowered, build: Build) -> Lowered:
        text = " ".join([f"{name}={value}" for name, value in self.labels])
        history = build.history(f"LABEL {summary(text)}", empty_layer=True)
        return below.configured(below.config.with_labels(self.labels), history)


def words_text(words: tuple[str, ...]) -> str:
    """Words as a history entry shows them: `["a" "b"]`."""
    return f"[{' '.join([json.dumps(word, ensure_ascii=False) for word in words])}]"


class Config(Chain):
    """The methods of `Image` that set its config."""

    __slots__ = ()

    @chained
    def env(self, vars: Mapping[str, str]) -> Self:  # noqa: A002 (the interface's name)
        """Set environment variables, for the steps that follow and for containers.

        Args:
            vars: names and values, in order. `$NAME` and `${NAME}` are replaced where the image has such a
                variable at that point, so that PATH can be extended; any other `$` stays as it is,
                and so does `\\$`, with its backslash.

        Raises:
            InvalidTypeError: a name or value is not a string.
            InvalidError: a name is empty or holds `=`.

        Example:
            ```python
            image = image.env({"HF_HOME": "/models", "PATH": "/opt/tool/bin:$PATH"})
            ```
        """
        found = arguments.environment("vars", vars, optional=False)
        return self._then(Env, found) if found else self

    @chained
    def workdir(self, path: str | os.PathLike[str]) -> Self:
        """Set the working directory, for the steps that follow and for containers. It is made if missing.

        Args:
            path: a directory of the image; a relative one starts at the present working directory.

        Raises:
            InvalidTypeError: `path` is not a path.
            InvalidError: `path` is empty.

        Example:
            ```python
            image = image.workdir("/app")
            ```
        """
        return self._then(Workdir, arguments.path("path", path, 'workdir("/app")'))

    @chained
    def user(self, name: str) -> Self:
        """Set the user, for the steps that follow and for containers.

        Args:
            name: `name`, `uid`, `name:group` or `uid:gid`, as a string.

        Raises:
            InvalidTypeError: `name` is not a string.
            InvalidError: `name` is empty.

        Example:
            ```python
            image = image.run_commands("useradd --create-home app").user("app")
            ```
        """
        return self._then(User, arguments.text("name", name, 'user("app") or user("1000:1000")'))

    @chained
    def shell(self, shell_commands: list[str]) -> Self:
        """Set the shell of the commands that follow (also of those run by other steps).

        Args:
            shell_commands: the program and its options; a command is added as last word. Empty: the default,
                `["/bin/sh", "-c"]`.

        Raises:
            InvalidTypeError: it is not a list of strings.

        Example:
            ```python
            image = image.shell(["/bin/bash", "-euo", "pipefail", "-c"]).run_commands("curl $URL | tar -x")
            ```
        """
        example = 'shell(["/bin/bash", "-c"])'
        return self._then(Shell, arguments.words("shell_commands", shell_commands, example))

    @chained
    def entrypoint(self, entrypoint_commands: list[str]) -> Self:
        """Set what a container runs. The base's default command is dropped, as it belongs to its entrypoint.

        Args:
            entrypoint_commands: the program and its arguments; empty: none, a container runs its command.

        Raises:
            InvalidTypeError: it is not a list of strings.

        Example:
            ```python
            image = image.entrypoint(["/usr/bin/tini", "--"])
            ```
        """
        example = 'entrypoint(["python", "-m", "app"])'
        return self._then(Entrypoint, arguments.words("entrypoint_commands", entrypoint_commands, example))

    @chained
    def cmd(self, cmd: list[str]) -> Self:
        """Set what a container runs by default, or, with an entrypoint, its default arguments.

        Args:
            cmd: the program and its arguments; empty: none.

        Raises:
            InvalidTypeError: it is not a list of strings.

        Example:
            ```python
            image = image.cmd(["python", "-m", "app"])
            ```
        """
        return self._then(Cmd, arguments.words("cmd", cmd, 'cmd(["python", "-m", "app"])'))

    @chained
    def labels(self, labels: Mapping[str, str]) -> Self:
        """Set labels of the image.

        Args:
            labels: names and values; those that the image has already are replaced.

        Raises:
            InvalidTypeError: a name or value is not a string.
            InvalidError: a name is empty.

        Example:
            ```python
            image = image.labels({"org.opencontainers.image.source": "https://github.com/owner/repo"})
            ```
        """
        example = 'labels({"name": "value"})'
        found: list[tuple[str, str]] = []
        for name, value in arguments.dictionary("labels", labels, example):
            if not isinstance(value, str):
                raise arguments.wrong_type(f"the label {name}", value, example)
            found.append(
                (arguments.text("a label's name", name, example), arguments.checked("labels", value))
            )
        return self._then(Labels, tuple(found)) if found else self
