"""Steps of Dockerfile lines: of `dockerfile_commands`, of a base, and of a Dockerfile of the project."""

from __future__ import annotations

from llb.errors import DockerfileError, InvalidError, InvalidTypeError, LocalFileError, UnsupportedError
from llb.graph.paths import clean
from llb.image import arguments
from llb.image.build import parse_reference
from llb.image.commands import NO_OPTIONS, RunOptions, RunStep
from llb.image.dockerfile_language import bases_in, foreign_syntax, language_of
from llb.image.dockerfile_lowering import (
    NOTHING_GIVEN,
    Dockerfile,
    Given,
    ask_dockerfile,
    lower_dockerfile,
)
from llb.image.step import Lowered, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


def setup_lines(value: Sequence[str]) -> tuple[str, ...]:
    """The argument `setup_dockerfile_commands`.

    Raises:
        InvalidTypeError: it is not a list of strings.
    """
    if not isinstance(value, list | tuple):
        example = [value] if isinstance(value, str) else ["RUN make"]
        raise InvalidTypeError(
            "setup_dockerfile_commands must be a list of strings, "
            f"not {arguments.kind(value)}: {arguments.shown(value)}",
            hint=f"Write setup_dockerfile_commands={arguments.shown(example)}.",
        )
    lines = checked_lines("setup_dockerfile_commands", tuple(value))
    return lines if any(line.strip() for line in lines) else ()


def checked_lines(name: str, values: tuple[object, ...]) -> tuple[str, ...]:
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


def checked_build_args(value: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    example = 'build_args={"VERSION": "1.2"}'
    pairs: list[tuple[str, str]] = []
    for name, one in arguments.dictionary("build_args", {} if value is None else value, example):
        if not isinstance(one, str):
            raise arguments.wrong_type(f"the build argument {name}", one, example)
        pairs.append(
            (arguments.text("a build argument's name", name, example), arguments.checked("build_args", one))
        )
    return tuple(pairs)
