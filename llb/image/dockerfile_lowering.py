"""What a chain becomes with the lines of a Dockerfile: BuildKit's own Dockerfile frontend is asked.

It gets the chain so far as the image `base`, with its config. The chain goes on from what it makes of the
lines, as it came: nothing of it is encoded anew, so a Dockerfile and a chain share one cache.
"""

from __future__ import annotations

from llb import graph
from llb._value import Value
from llb.errors import DockerfileError, UnsupportedError
from llb.image.bases import read_config, started_on
from llb.image.build import of_platform
from llb.image.commands import NO_OPTIONS, RunOptions
from llb.image.dockerfile_context import BUILDKITS_OWN, ContextOptions, placeholder
from llb.image.gpu import devices
from llb.image.resolver import DockerfileRequest
from llb.image.step import Lowered
from llb.location import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llb.graph import Definition, SourceRange
    from llb.image.build import Build
    from llb.image.resolver import ResolvedDockerfile
    from llb.image.step import Step
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

    @property
    def starts(self) -> bool:
        """Whether the chain starts with it, so that there is no `base`."""
        return bool(self.path)


def lower_dockerfile(step: Step, below: Lowered, build: Build, dockerfile: Dockerfile) -> Lowered:
    """What a chain becomes with the lines of a Dockerfile; with nothing below, what the Dockerfile gives.

    Raises:
        DockerfileError: BuildKit refuses it.
        UnsupportedError: there is no engine to ask.
    """
    below = _forced(below, build, dockerfile)
    request = _request(step, below, build, dockerfile)
    resolved = _answer(step, build, dockerfile, request)
    if request.context is not None:
        request = _with_context(step, build, dockerfile, request, resolved)
        resolved = _answer(step, build, dockerfile, request)
    if dockerfile.starts:
        build.base_config = resolved.base_config
    return _continued(step, below, build, dockerfile, request, resolved)


def _forced(below: Lowered, build: Build, dockerfile: Dockerfile) -> Lowered:
    starts = dockerfile.starts and build.options.no_cache
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
    below = _forced(below, build, dockerfile)
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
    if not dockerfile.starts:
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
    extras = Extras(
        options.env, tuple(build.secret_env(step, options.secrets)), devices(options.gpu, step, build)
    )
    definition = with_extras(resolved.definition, extras, old)

    def python_lines(place: SourceRange) -> Sequence[SourceRange]:
        if place.file.filename != dockerfile.filename or place.file.data != dockerfile.data:
            return ()
        line = dockerfile.quoted(place.start_line) or step.location.line
        return build.locations(Location(step.location.filename, line))

    definition = with_locations(definition, python_lines)
    config = read_config(resolved.config, dockerfile.filename)
    build.documents[step] = resolved.config
    given = () if dockerfile.starts else below.finished_config().history
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


def run_triggers(step: Step, below: Lowered, build: Build) -> Lowered:
    """A base after the ONBUILD instructions that it has; where there is no engine to ask, as it is."""
    lines = Dockerfile(b"FROM base\n", "ONBUILD", "", lambda _: 0)
    try:
        return lower_dockerfile(step, below, build, lines)
    except UnsupportedError:
        build.note(f"{step.location}: {step.method}: the ONBUILD instructions of the base are not run here")
        return below
