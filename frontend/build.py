"""A build, from the image file to the result."""

from __future__ import annotations

from frontend import clock, report
from frontend import options as build_options
from frontend.loading import DEFINITION
from frontend.project import Project
from frontend.resolver import GatewayResolver
from llb import _json, graph, imagefile
from llb.errors import LLBError, LocalFileError, UnsupportedError
from llb.gateway import Ref, Result, RpcError, encode_status, subrequest_detail
from llb.gateway.results import platforms_metadata
from llb.gateway.transport import UNIMPLEMENTED
from llb.graph import SourceFile
from llb.image import bases_of, compile_to_llb
from llb.image.build import Build
from llb.image.chain import step_of
from llb.image.recipes import DEFAULT_PYTHON, PYTHON_ARGUMENT
from llb.image.resolver import Resolver
from llb.image.secrets import read_environment
from llb.image.step import steps_of
from llb.location import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from frontend.bases import BaseQuestions
    from frontend.environment import Environment
    from frontend.loading import Loaded
    from frontend.modules import GatewayModules
    from frontend.options import Options
    from llb.gateway import Bridge, Pending, Pong
    from llb.graph import Platform
    from llb.image import BuildOptions, Image, ImageDefinition, LocalEntry, ResolvedBase
    from llb.imagefile import ImageFile, UserCodeError

_BASES = "frontend.llb.bases"
"""The result's metadata with what was resolved: a `--bases` file. The daemon passes on keys that begin so."""


class ImageBuild:
    """One build of an image file.

    `files` are the user's files by the name that locations use, as far as they are known yet.
    """

    def __init__(
        self,
        bridge: Bridge,
        environment: Environment,
        loaded: Loaded,
        inputs: dict[str, bytes],
        pong: Pong,
        questions: BaseQuestions,
        modules: GatewayModules,
    ) -> None:
        self._bridge = bridge
        self._environment = environment
        self._loaded = loaded
        self._inputs = inputs
        self._pong = pong
        self._questions = questions
        self._modules = modules
        self._printed: list[str] = []
        self._notices: list[str] = []

    @property
    def files(self) -> dict[str, bytes]:
        return {self._loaded.filename: self._loaded.data} | self._modules.sources

    def run(self, on_stuck: Callable[[UserCodeError], object]) -> Result:
        """Does what was asked: builds, or answers a question.

        Raises:
            LLBError: whatever the user got wrong, or the daemon refused.
        """
        options = build_options.parse(self._environment)
        request = self._environment.options.get("requestid", "")
        if request:
            return self._answer(request, options, on_stuck)
        project = Project(self._bridge, self._environment)
        if not options.build.builder_version and "context" not in self._inputs:
            project.guess(self._loaded.data)
        file = self._execute(options, project, on_stuck)
        clock.tick("image file executed")
        name, image = imagefile.pick(file, options.target)
        return self._solve(options, file, name, image, project, on_stuck)

    def _answer(self, request: str, options: Options, on_stuck: Callable[[UserCodeError], object]) -> Result:
        """The answer to a question that was asked instead of a build."""
        from frontend import subrequests

        if request == subrequests.DESCRIBE:
            return subrequests.describe()
        if request not in subrequests.KNOWN:
            message = f"unsupported request {request}"
            raise RpcError(
                UNIMPLEMENTED, message, encode_status(UNIMPLEMENTED, message, [subrequest_detail(request)])
            )
        file = self._execute(options, Project(self._bridge, self._environment), on_stuck)
        if request == subrequests.TARGETS:
            return subrequests.targets(file, self._loaded)
        return subrequests.outline(file, self._loaded, options)

    def show_notices(self) -> None:
        """Shows what the image file printed, and what we have to say."""
        notices = report.lines_of(self._loaded.filename, "".join(self._printed)) + self._notices
        self._printed.clear()
        self._notices = []
        if notices:
            report.show(self._bridge, notices, self._environment.session)

    def _execute(
        self, options: Options, project: Project, on_stuck: Callable[[UserCodeError], object]
    ) -> ImageFile:
        self._modules.resolver = lambda: self._resolver(options, project, on_stuck)
        read_environment(False)  # it is the container's, not the user's
        try:
            return imagefile.execute(
                self._loaded.data,
                self._loaded.filename,
                build_args={PYTHON_ARGUMENT: DEFAULT_PYTHON, **options.build_args},
                timeout=options.timeout,
                modules=self._modules,
                output=self._printed.append,
                on_stuck=on_stuck,
                directory=DEFINITION,
                compat=options.compat,
            )
        finally:
            read_environment(True)

    def _note_unused(self, options: Options, file: ImageFile, declared: frozenset[str]) -> None:
        unused = options.unused_build_args(declared.union([argument.name for argument in file.build_args]))
        if unused:
            names = ", ".join(unused)
            self._notices.append(
                f"{file.name} does not use the build arguments {names}: llb.build_arg(NAME) reads one"
            )

    # -- compiling and solving

    def _solve(
        self,
        options: Options,
        file: ImageFile,
        name: str,
        image: Image,
        project: Project,
        on_stuck: Callable[[UserCodeError], object],
    ) -> Result:
        resolver = self._resolver(options, project, on_stuck)
        jobs = [(platform, options.for_target(name, platform)) for platform in options.platforms]
        # All questions of all platforms are on their way before the first answer is needed.
        for platform, asked in jobs:
            resolver.prefetch(bases_of(image, platform=platform, options=asked, resolver=resolver))
        paths, modules = _local_paths(image, resolver, *jobs[0])
        if "context" in self._inputs and (modules or any(context == "context" for context, _ in paths)):
            raise UnsupportedError(
                "a build context that is the result of another build cannot be used with an image file",
                hint="Build with a directory as context.",
            )
        resolver.look_up(paths)
        resolver.look_up_modules(modules)
        solved: list[tuple[ImageDefinition, Pending[Result]]] = []
        try:
            for platform, asked in jobs:
                definition = compile_to_llb(
                    image, platform=platform, resolver=resolver, options=asked, source_files=self._source_file
                )
                _check(definition, self._pong)
                self._notices += [note for note in definition.notes if note not in self._notices]
                pending = self._bridge.solve(
                    definition.to_bytes(),
                    cache_imports=options.cache_imports,
                    # A secret that the client does not send is told of with all that it has to send, a device
                    # that the engine has not with those that it has.
                    evaluate=bool(definition.secrets or definition.devices),
                )
                solved.append((definition, pending))
                clock.tick(f"compiled for {platform}")
        finally:
            self._note_unused(options, file, resolver.declared_arguments)
        return self._result(options, solved, resolver)

    def _resolver(
        self, options: Options, project: Project, on_stuck: Callable[[UserCodeError], object]
    ) -> GatewayResolver:
        return GatewayResolver(
            self._bridge,
            self._environment,
            options,
            self._pong,
            self._inputs,
            self._questions,
            lambda function: imagefile.call(function, timeout=options.timeout, on_stuck=on_stuck),
            self._loaded.local,
            project,
            self._loaded.filename,
        )

    def _source_file(self, filename: str) -> SourceFile | None:
        data = self.files.get(filename)
        return SourceFile(filename, data) if data is not None else None

    @staticmethod
    def _result(
        options: Options, solved: list[tuple[ImageDefinition, Pending[Result]]], resolver: GatewayResolver
    ) -> Result:
        refs: list[tuple[str, Ref]] = []
        metadata: dict[str, bytes] = {}
        for definition, pending in solved:
            identifier = str(definition.platform)
            suffix = f"/{identifier}" if options.multi_platform else ""
            refs.append((identifier, _solved(definition, pending, resolver).ref or Ref()))
            metadata[f"containerimage.config{suffix}"] = definition.image_config
            if definition.base_config:
                metadata[f"containerimage.base.config{suffix}"] = definition.base_config
            if options.epoch is not None:
                metadata[f"source.date.epoch{suffix}"] = str(options.epoch).encode()
        metadata["refs.platforms"] = platforms_metadata([definition.platform for definition, _ in solved])
        metadata[_BASES] = _bases([base for definition, _ in solved for base in definition.bases])
        if options.multi_platform:
            return Result(refs=tuple(refs), metadata=tuple(metadata.items()))
        return Result(refs[0][1], metadata=tuple(metadata.items()))


def _solved(definition: ImageDefinition, pending: Pending[Result], resolver: GatewayResolver) -> Result:
    try:
        return pending.result()
    except RpcError as error:
        if definition.devices:
            from frontend.devices import refused

            told = refused(error, definition, resolver.device_questions)
            if told is not error:
                raise told from None
        if definition.secrets:
            raise report.with_secrets(error, definition.secrets) from None
        raise


class _Paths(Resolver):
    """Notes which paths of local sources a chain will ask for."""

    def __init__(self, resolver: Resolver) -> None:
        self.asked: list[tuple[str, str]] = []
        self.modules: list[str] = []
        self.place = resolver.place
        self.project = resolver.project
        self.default_python = resolver.default_python

    def stat(self, context: str, path: str) -> LocalEntry | None:
        self.asked.append((context, path))
        return None

    def read(self, context: str, path: str) -> bytes:
        raise LocalFileError(f"{context}:{path} is not looked at yet")

    def module(self, name: str) -> None:
        self.modules.append(name)


def _local_paths(
    image: Image, resolver: Resolver, platform: Platform, options: BuildOptions
) -> tuple[list[tuple[str, str]], list[str]]:
    paths = _Paths(resolver)
    build = Build(platform, paths, options, lambda _: None)
    for step in steps_of(step_of(image)):
        try:
            step.announce(build)
        except LLBError:  # compiling tells of it, with all that it needs to know
            break
    return paths.asked, paths.modules


def _bases(bases: list[ResolvedBase]) -> bytes:
    """A `--bases` file of what was resolved; the configs go in as they are."""
    known: dict[str, dict[str, str]] = {}
    for base in bases:
        config = base.config.decode("utf-8", "replace")
        entry = f'{{"digest":{_json.dumps(base.digest)},"config":{config}}}'
        known.setdefault(base.reference, {})[str(base.platform)] = entry
    references: list[str] = []
    for reference, platforms in sorted(known.items()):
        entries = ",".join(
            [f"{_json.dumps(platform)}:{entry}" for platform, entry in sorted(platforms.items())]
        )
        references.append(f"{_json.dumps(reference)}:{{{entries}}}")
    return f"{{{','.join(references)}}}".encode()


def _check(definition: ImageDefinition, pong: Pong) -> None:
    """Refuses what the daemon cannot do, before it says so in its own words.

    Raises:
        UnsupportedError: naming the feature and the version that brought it.
    """
    missing = graph.missing_capabilities(definition, pong.llb_caps)
    if not missing:
        return
    error = UnsupportedError(
        f"this BuildKit cannot do {missing[0]}{report.needs(missing[0])}",
        hint="Build with a newer one: `docker buildx create --use` starts a current BuildKit.",
    )
    for digest, described in definition.metadata.items():
        if missing[0] in described.capabilities and definition.locations.get(digest):
            place = definition.locations[digest][0]
            error.at(Location(place.file.filename, place.start_line))
            break
    raise error
