"""The Dockerfile language: `dockerfile_commands`, `from_dockerfile`, and the lines that follow a base."""

from __future__ import annotations

from llb.errors import DockerfileError, InvalidError, InvalidTypeError, LocalFileError, UnsupportedError
from llb.graph.paths import clean
from llb.image import arguments
from llb.image.build import parse_reference
from llb.image.chain import Chain, chained, started
from llb.image.commands import NO_OPTIONS, RunOptions, RunStep, run_options
from llb.image.dockerfile_context import context_options
from llb.image.dockerfile_language import bases_in, foreign_syntax, language_of
from llb.image.dockerfile_lowering import (
    NOTHING_GIVEN,
    Dockerfile,
    Given,
    ask_dockerfile,
    lower_dockerfile,
)
from llb.image.patterns import AUTO_DOCKERIGNORE
from llb.image.step import Lowered, Step
from llb.location import last_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from llb.image.build import Build
    from llb.image.logins import RegistryLogin
    from llb.image.secrets import Secret


def _of_lines(
    step: Step,
    build: Build,
    filename: str,
    lines: tuple[str, ...],
    last: int,
    given: Given = NOTHING_GIVEN,
    options: RunOptions = NO_OPTIONS,
) -> Dockerfile:
    """The Dockerfile of lines that follow a chain: from `base`, unless they say something else."""
    text = "\n".join(lines)
    language = language_of(text)
    rows = text.split("\n")
    if not language.restarts:
        rows.insert(language.directives, "FROM base")

    def quoted(line: int) -> int:
        return _python_lines(step, build, rows, last).get(line, 0)

    data = "\n".join([*rows, ""]).encode()
    return Dockerfile(data, filename, foreign_syntax(language), quoted, given, options)


def _python_lines(step: Step, build: Build, rows: Sequence[str], last: int) -> dict[int, int]:
    """Which line of the user's call holds which line of a Dockerfile, as far as its text is found there."""
    places = build.locations(step.location)
    if not places:
        return {}
    code = places[0].file.data.decode("utf-8", "replace").split("\n")
    found: dict[int, int] = {}
    at = step.location.line
    for number, row in enumerate(rows, 1):
        text = row.strip().rstrip("\\").rstrip()
        for line in range(at, min(last, len(code)) + 1) if text else ():
            if text in code[line - 1]:
                found[number] = at = line
                break
    return found


class DockerfileCommands(RunStep):
    """Lines of a Dockerfile."""

    lines: tuple[str, ...]
    last_line: int
    given: Given

    method = "dockerfile_commands"

    def announce(self, build: Build) -> None:
        self.given.context.announce(build)

    def ask(self, below: Lowered, build: Build) -> bool:
        ask_dockerfile(self, below, build, self._dockerfile(build))
        return True

    def lower(self, below: Lowered, build: Build) -> Lowered:
        return lower_dockerfile(self, below, build, self._dockerfile(build))

    def _dockerfile(self, build: Build) -> Dockerfile:
        return _of_lines(self, build, self.method, self.lines, self.last_line, self.given, self.options)


class SetupCommands(DockerfileCommands):
    """The lines that come with a base."""

    method = "setup_dockerfile_commands"


class FromDockerfile(RunStep):
    """A Dockerfile of the project."""

    path: str
    given: Given
    add_python: str = ""
    secret: Secret | None = None
    """What the login to the registry of its bases is made of."""
    login: str = ""
    """The kind of login; empty: the secret's keys are not known yet."""

    method = "from_dockerfile"
    is_local = True

    @property
    def vertices(self) -> int:
        return 3 if self.add_python else 0

    def announce(self, build: Build) -> None:
        try:
            build.is_file(*build.locate(self.path, directory=False))
        except (LocalFileError, UnsupportedError):
            return  # reading it tells of it
        self.given.context.announce(build, self.path)

    def ask(self, below: Lowered, build: Build) -> bool:
        dockerfile = self._dockerfile(build)
        if self.secret is not None:
            build.want_login(self._registry_login(build, dockerfile.data, self.secret))
        ask_dockerfile(self, below, build, dockerfile)
        return True

    def lower(self, below: Lowered, build: Build) -> Lowered:
        dockerfile = self._dockerfile(build)
        try:
            lowered = lower_dockerfile(self, below, build, dockerfile)
        except DockerfileError as error:
            denied = "authoriz" in error.message or "denied" in error.message
            if denied and self.secret is not None and not build.resolver.has_secret_values:
                login = self._registry_login(build, dockerfile.data, self.secret)
                error.hint = (
                    "Only a build from Python can log in with registry_secret. "
                    f"Log in where this build is started: {login.command}"
                )
            raise
        if self.add_python:
            from llb.image.added_python import add_python

            del build.documents[self]
            lowered = add_python(self, lowered, build, self.add_python)
        return lowered

    def _registry_login(self, build: Build, data: bytes, secret: Secret) -> RegistryLogin:
        """The login for where the bases are.

        Raises:
            InvalidError: they are in several registries, or the secret is for none of them.
        """
        from llb.image.logins import RegistryLogin, check_host, login_kind

        kind = self.login
        if not kind and build.resolver.has_secret_values:
            kind = login_kind(secret.values())
        names = bases_in(data.decode("utf-8-sig", "replace"), dict(self.given.build_args))
        hosts = sorted({parse_reference(name).domain for name in names})
        if len(hosts) != 1:
            raise InvalidError(
                f"registry_secret is a login to one registry, and the bases of {self.path} are in "
                f"{', '.join(hosts) or 'none'}",
                hint="Log in with docker where the build is started instead.",
            )
        check_host(hosts[0], kind)
        return RegistryLogin(hosts[0], kind, secret)

    def _dockerfile(self, build: Build) -> Dockerfile:
        data = build.read_local(self.path)
        syntax = foreign_syntax(language_of(data.decode("utf-8-sig", "replace")))
        try:
            name = build.locate(self.path, directory=False)[1]
        except LocalFileError:  # it was read all the same, from elsewhere on this machine
            name = clean(self.path).rpartition("/")[2]
        return Dockerfile(data, name, syntax, lambda _: 0, self.given, self.options, self.path)


class Dockerfiles(Chain):
    """The methods of `Image` that speak the Dockerfile language."""

    __slots__ = ()

    @chained
    def dockerfile_commands(
        self,
        *dockerfile_commands: str | list[str],
        context_files: Mapping[str, str | os.PathLike[str]] | None = None,
        secrets: Collection[Secret] | None = None,
        env: Mapping[str, str | None] | None = None,
        gpu: str | None = None,
        context_dir: str | os.PathLike[str] | None = None,
        force_build: bool = False,
        ignore: Sequence[str] | Callable[[Path], bool] = AUTO_DOCKERIGNORE,
        build_args: Mapping[str, str] | None = None,
    ) -> Self:
        """Lines of a Dockerfile, in the whole language of the engine's BuildKit, on top of the chain.

        The chain is the image `base`: `FROM base` stands before the lines, unless they begin with a FROM of
        their own. What a later FROM starts is what the chain continues with. Without lines, the image is
        returned as it is.

        Args:
            *dockerfile_commands: lines, or lists of lines; a string may hold several.
            context_files: files for COPY and ADD besides those of the context directory: the name by which a
                line copies it, and the local path.
            secrets: given to each RUN of these lines, as environment variables; later ones win.
            env: environment variables of each RUN of these lines; those whose value is None are left out.
            gpu: a GPU of the builder for each RUN: `"any"`, or a type such as `"A100"`.
            context_dir: what COPY and ADD are relative to; default: the build's context directory. Only what
                they name is transferred.
            force_build: use no cached result of these lines, and of all steps that follow.
            ignore: what they shall not copy, as for `add_local_dir`. Default: what the `.dockerignore` of the
                context directory names.
            build_args: values of ARG.

        Raises:
            InvalidTypeError: a line is not a string.
            InvalidError: a variable's name, or the GPU, is none. What BuildKit refuses in the lines is found
                when the image is compiled.

        Example:
            ```python
            image = image.dockerfile_commands(
                "COPY --from=ghcr.io/astral-sh/uv:0.8 /uv /bin/uv",
                "RUN --mount=type=cache,target=/root/.cache uv pip install --system numpy",
            )
            ```
        """
        lines = _lines("dockerfile_commands", dockerfile_commands)
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        context = context_options(context_dir, context_files, ignore)
        given = Given(_build_args(build_args), "", context)
        if not any(line.strip() for line in lines):
            return self
        return self._then(DockerfileCommands, options, lines, last_line(), given)

    @classmethod
    @started
    def from_dockerfile(
        cls,
        path: str | os.PathLike[str],
        *,
        force_build: bool = False,
        context_dir: str | os.PathLike[str] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
        add_python: str | None = None,
        ignore: Sequence[str] | Callable[[Path], bool] = AUTO_DOCKERIGNORE,
        build_args: Mapping[str, str] | None = None,
        env: Mapping[str, str | None] | None = None,
        registry_secret: Secret | None = None,
        target: str = "",
    ) -> Self:
        """What a Dockerfile builds.

        Args:
            path: the Dockerfile, relative to the build's context directory; read when the image is compiled.
            force_build: use no cached result of it, and of all steps that follow.
            context_dir: what COPY and ADD are relative to; default: the build's context directory. Only what
                they name is transferred.
            secrets: given to each of its RUNs, as environment variables; later ones win.
            gpu: a GPU of the builder for each RUN: `"any"`, or a type such as `"A100"`.
            add_python: puts a standalone CPython of this series on top, as in `from_registry`.
            ignore: what they shall not copy, as for `add_local_dir`. Default: what the first of these files
                names: `NAME.dockerignore` beside the Dockerfile, `.dockerignore` beside it, or that of the
                context directory.
            build_args: values of ARG.
            env: environment variables of each RUN; those whose value is None are left out.
            registry_secret: a login to the registry of its bases, as `secret` of `from_registry`.
            target: the stage to build; empty: the last one.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: `path` is empty, or a variable's name or the GPU is none. That the file is missing,
                or what BuildKit refuses in it, is found when the image is compiled.

        Example:
            ```python
            image = Image.from_dockerfile("docker/Dockerfile", target="build").run_commands("make test")
            ```
        """
        example = 'Image.from_dockerfile("Dockerfile")'
        found = arguments.path("path", path, example)
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        if target:
            target = arguments.text("target", target, f'{example[:-1]}, target="build")')
        given = Given(_build_args(build_args), target, context_options(context_dir, None, ignore))
        version, login = "", ""
        if add_python is not None:
            from llb.image.added_python import checked_series

            version = checked_series(add_python)
        if registry_secret is not None:
            from llb.image.logins import checked_login

            login = checked_login(registry_secret)
        return cls._start(FromDockerfile, options, found, given, version, registry_secret, login)


def setup_lines(value: Sequence[str]) -> tuple[str, ...]:
    """The argument `setup_dockerfile_commands`.

    Raises:
        InvalidTypeError: it is not a list of strings.
    """
    if isinstance(value, str):
        raise InvalidTypeError(
            f"setup_dockerfile_commands must be a list of strings, not str: {arguments.shown(value)}",
            hint=f"Write setup_dockerfile_commands=[{arguments.shown(value)}].",
        )
    lines = _lines("setup_dockerfile_commands", tuple(value))
    return lines if any(line.strip() for line in lines) else ()


def _lines(name: str, values: tuple[object, ...]) -> tuple[str, ...]:
    """Dockerfile lines: strings, or flat lists of them; empty ones are lines too."""
    lines: list[str] = []
    for value in values:
        members: list[object] = value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
        for one in members:
            if not isinstance(one, str):
                raise InvalidTypeError(
                    f"{name} must only contain strings, not {arguments.kind(one)}: {arguments.shown(one)}",
                    hint=f'Write {name}("RUN make", "USER app"); a sequence is given with a star: *lines.',
                )
            lines.append(arguments.checked(name, one))
    return tuple(lines)


def _build_args(value: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    example = 'build_args={"VERSION": "1.2"}'
    pairs: list[tuple[str, str]] = []
    for name, one in arguments.dictionary("build_args", {} if value is None else value, example):
        if not isinstance(one, str):
            raise arguments.wrong_type(f"the build argument {name}", one, example)
        pairs.append(
            (arguments.text("a build argument's name", name, example), arguments.checked("build_args", one))
        )
    return tuple(pairs)
