"""The Dockerfile language: `dockerfile_commands`, `from_dockerfile`, and the lines that follow a base.

BuildKit's own Dockerfile frontend does all of it (`Resolver.dockerfile`). It gets the chain so far as the
image `base`, and what it makes of the lines is carried on from.
"""

from __future__ import annotations

from llb import graph
from llb._value import Value
from llb.errors import DockerfileError, InvalidTypeError, LocalFileError, UnsupportedError
from llb.graph.paths import clean
from llb.image import arguments
from llb.image.bases import read_config, started_on
from llb.image.build import of_platform
from llb.image.chain import Chain, chained, started
from llb.image.commands import NO_OPTIONS, RunOptions, RunStep, run_options
from llb.image.dockerfile_context import BUILDKITS_OWN, ContextOptions, context_options, placeholder
from llb.image.dockerfile_language import foreign_syntax, language_of
from llb.image.gpu import devices
from llb.image.patterns import AUTO_DOCKERIGNORE
from llb.image.resolver import DockerfileRequest
from llb.image.step import Lowered, Step
from llb.location import Location, last_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from llb.graph import Definition, SourceRange
    from llb.image.build import Build
    from llb.image.resolver import ResolvedDockerfile
    from llb.image.secrets import Secret
    from llb.oci import History

_CHECK = "build-arg:BUILDKIT_DOCKERFILE_CHECK"


class Given(Value):
    """What a step with Dockerfile lines is given besides them."""

    build_args: tuple[tuple[str, str], ...] = ()
    target: str = ""
    context: ContextOptions = BUILDKITS_OWN


NOTHING_GIVEN = Given()


class Dockerfile(Value):
    """A Dockerfile of a step, ready to be asked about."""

    data: bytes
    filename: str
    syntax: str
    quoted: Callable[[int], int]
    """The line of the user's Python file that holds one of its lines; 0: that of the call."""
    given: Given = NOTHING_GIVEN
    options: RunOptions = NO_OPTIONS
    path: str = ""
    """Where it is, as the user wrote it; empty for lines of the image file."""


def lower_dockerfile(step: Step, below: Lowered, build: Build, dockerfile: Dockerfile) -> Lowered:
    """What a chain becomes with the lines of a Dockerfile; with nothing below, what the Dockerfile gives.

    Raises:
        DockerfileError: BuildKit refuses it.
        UnsupportedError: there is no engine to ask.
    """
    below = _forced(step, below, build, dockerfile)
    request = _request(step, below, build, dockerfile)
    resolved = _answer(step, build, dockerfile, request)
    if request.context is not None:
        request = _with_context(step, build, dockerfile, request, resolved)
        resolved = _answer(step, build, dockerfile, request)
    build.base_config = resolved.base_config if step.parent is None else build.base_config
    return _continued(step, below, build, dockerfile, request, resolved)


def _forced(step: Step, below: Lowered, build: Build, dockerfile: Dockerfile) -> Lowered:
    starts = step.parent is None and build.options.no_cache
    return below.forced(dockerfile.options.force_build or starts)


def _answer(
    step: Step, build: Build, dockerfile: Dockerfile, request: DockerfileRequest
) -> ResolvedDockerfile:
    try:
        resolved = build.resolver.dockerfile(request)
    except DockerfileError as error:
        line = dockerfile.quoted(error.line) if error.line else 0
        raise error.at(Location(step.location.filename, line or step.location.line), step.method) from None
    if resolved is None:
        raise UnsupportedError(
            f"{step.method} needs BuildKit's Dockerfile frontend, and there is no engine to ask here",
            hint="Build with `docker build` or `buildctl`, or give one: with connect() as client, "
            "client.resolver() as engine: compile_to_llb(image, resolver=engine).",
        )
    return resolved


def _with_context(
    step: Step,
    build: Build,
    dockerfile: Dockerfile,
    request: DockerfileRequest,
    found: ResolvedDockerfile,
) -> DockerfileRequest:
    """The question again, with those files that the first answer reads."""
    from llb.graph.rewriting import read_paths

    context = request.context
    assert context is not None
    paths = read_paths(found.definition, context.head)
    if paths != ():
        state = dockerfile.given.context.state(step, build, dockerfile.path, paths)
        context = graph.marshal(state, platform=build.platform, caps=build.resolver.capabilities)
    options = tuple([(name, value) for name, value in request.options if name != _CHECK])
    return request.replace(context=context, options=options)


def ask_dockerfile(step: Step, below: Lowered, build: Build, dockerfile: Dockerfile) -> None:
    """Put the question that `lower_dockerfile` will wait for the answer of."""
    below = _forced(step, below, build, dockerfile)
    build.resolver.ask_dockerfile(_request(step, below, build, dockerfile))


def _request(step: Step, below: Lowered, build: Build, dockerfile: Dockerfile) -> DockerfileRequest:
    known = build.questions.get(step)
    if known is not None and known[0] is below.state:
        return known[1]
    options = {f"build-arg:{name}": value for name, value in dockerfile.given.build_args}
    if dockerfile.given.target:
        options["target"] = dockerfile.given.target
    if below.ignore_cache:
        options["no-cache"] = ""
    context, ignore_file = None, b""
    if not dockerfile.given.context.is_plain(build):
        context = placeholder()
        options[_CHECK] = "skip=all"  # lints are shown once
    elif dockerfile.path:
        ignore_file = _own_ignore_file(build, dockerfile)
    base, config = None, b""
    if step.parent is not None:
        base = _base(below, build)
        config = of_platform(below.finished_config(), build.platform).to_json()
    request = DockerfileRequest(
        dockerfile.data,
        dockerfile.filename,
        build.platform,
        base,
        config,
        context,
        ignore_file,
        dockerfile.syntax,
        tuple(options.items()),
        build.options,
    )
    build.questions[step] = (below.state, request)
    return request


def _own_ignore_file(build: Build, dockerfile: Dockerfile) -> bytes:
    """The ignore file beside a Dockerfile; that of the context is found by BuildKit."""
    file = dockerfile.given.context.ignore_file(build, dockerfile.path)
    return b"" if file is None or file[1] == ".dockerignore" else build.resolver.read(*file)


def _base(below: Lowered, build: Build) -> Definition:
    state = below.state
    if state.vertex is None:  # what is nothing at all cannot be an input
        state = state.file(graph.mkdir("/", parents=True), meta=graph.Meta(name="[internal] empty image"))
    return graph.marshal(state, platform=build.platform, caps=build.resolver.capabilities)


def _continued(
    step: Step,
    below: Lowered,
    build: Build,
    dockerfile: Dockerfile,
    request: DockerfileRequest,
    resolved: ResolvedDockerfile,
) -> Lowered:
    """The chain on top of what a Dockerfile has become."""
    from llb.graph.rewriting import Extras, with_extras, with_locations

    options = dockerfile.options
    old: set[str] = set()
    for known in (request.base, request.context):
        old.update(known.digests() if known is not None else ())
    extras = Extras(options.env, tuple(build.secret_env(step, options.secrets)), devices(options.gpu))
    definition = with_extras(resolved.definition, extras, old)

    def python_lines(place: SourceRange) -> Sequence[SourceRange]:
        if place.file.filename != dockerfile.filename or place.file.data != dockerfile.data:
            return ()
        line = dockerfile.quoted(place.start_line) or step.location.line
        return build.locations(Location(step.location.filename, line))

    definition = with_locations(definition, python_lines)
    config = read_config(resolved.config, dockerfile.filename)
    build.documents[step] = resolved.config
    given = below.finished_config().history if step.parent is not None else ()
    histories = None
    if _starts_with(config.history, given):
        histories = below.histories
        for entry in config.history[len(given) :]:
            histories = (histories, entry)
        config = config.replace(history=below.config.history)
    state = started_on(definition.state(), config, build.platform, build)
    kept = config.cmd == below.config.cmd
    ignore_cache = below.ignore_cache or (step.parent is None and build.options.no_cache)
    return Lowered(state, config, histories, ignore_cache, below.cmd_set if kept else config.cmd is not None)


def _starts_with(history: Sequence[History], given: Sequence[History]) -> bool:
    return [(one.created_by, one.empty_layer) for one in history[: len(given)]] == [
        (one.created_by, one.empty_layer) for one in given
    ]


def setup_commands(step: Step, below: Lowered, build: Build, lines: tuple[str, ...], last: int) -> Lowered:
    """The lines that `setup_dockerfile_commands` gives, on top of a base.

    Args:
        step: whose lines they are.
        below: the base.
        build: the compilation.
        lines: the Dockerfile lines; without any, the base stays as it is.
        last: the line of the user's file in which the call ends (`last_line`).
    """
    if not lines:
        return below
    return lower_dockerfile(
        step, below, build, _of_lines(step, build, "setup_dockerfile_commands", lines, last)
    )


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


class FromDockerfile(RunStep):
    """A Dockerfile of the project."""

    path: str
    given: Given

    method = "from_dockerfile"
    is_local = True

    def announce(self, build: Build) -> None:
        try:
            build.is_file(*build.locate(self.path, directory=False))
        except (LocalFileError, UnsupportedError):
            return  # reading it tells of it
        self.given.context.announce(build, self.path)

    def ask(self, below: Lowered, build: Build) -> bool:
        ask_dockerfile(self, below, build, self._dockerfile(build))
        return True

    def lower(self, below: Lowered, build: Build) -> Lowered:
        return lower_dockerfile(self, below, build, self._dockerfile(build))

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
        ignore: Sequence[str] | Callable[[Path], bool] = AUTO_DOCKERIGNORE,
        build_args: Mapping[str, str] | None = None,
        env: Mapping[str, str | None] | None = None,
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
            ignore: what they shall not copy, as for `add_local_dir`. Default: what the first of these files
                names: `NAME.dockerignore` beside the Dockerfile, `.dockerignore` beside it, or that of the
                context directory.
            build_args: values of ARG.
            env: environment variables of each RUN; those whose value is None are left out.
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
        return cls._start(FromDockerfile, options, found, given)


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
