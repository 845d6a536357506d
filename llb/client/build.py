"""An image, built: compiled with an engine to ask, solved, exported; and what failed, in the user's words."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from llb.client.client import Client, Worker, connect
from llb.client.events import Event, VertexEvent
from llb.client.gateway import Export, Gateway
from llb.client.logins import Login, LoginService
from llb.client.progress import PlainProgress, Record, Watch
from llb.client.receiving import ExportService, ToFile, ToFolder
from llb.client.resolver import EngineResolver
from llb.client.secrets import SecretService
from llb.client.sending import FileService
from llb.client.session import Service
from llb.client.store import Store, directory_of
from llb.client.validation import Validation
from llb.errors import ImageBuildError, InvalidError, LLBError, UnsupportedError
from llb.gateway import ConnectionLostError, Ref, Result, RpcError, decode_detail, decode_status
from llb.gateway.results import platforms_metadata
from llb.graph import SINCE, Definition, Platform, missing_capabilities
from llb.image import BuildOptions, Image, ImageDefinition, compile_to_llb
from llb.image.devices import ALLOW, explained, uses_devices
from llb.location import Location

_LOG_LINES = 20
_SNAPSHOTTER = "org.mobyproject.buildkit.worker.snapshotter"


@dataclass(frozen=True, slots=True)
class Output:
    """Where a result goes besides a registry."""

    type: str
    """`local`: the files in a folder; `tar`: the files in a tar file; `oci`, `docker`: the image as one."""
    path: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """What is going to be built."""

    definitions: tuple[ImageDefinition, ...]
    """One for each platform; their local sources belong to the build's session."""
    directories: Mapping[str, str]
    """Where the local sources are, by name."""
    extra: tuple[ImageDefinition, ...] = ()
    """What else was compiled, with the same answers of the engine."""


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What is to be built, and what becomes of it."""

    platforms: tuple[Platform, ...] = ()
    """Empty: the engine's own."""
    context: str = "."
    contexts: Mapping[str, str] = field(default_factory=dict[str, str])
    tags: tuple[str, ...] = ()
    push: bool = False
    outputs: tuple[Output, ...] = ()
    options: BuildOptions = field(default_factory=BuildOptions)
    logins: Mapping[str, Login] = field(default_factory=dict[str, Login])
    progress: str = "auto"
    """`auto`, `plain`: lines on standard error; `quiet`: nothing."""
    listeners: tuple[Callable[[Event], object], ...] = ()
    compiled: Callable[[Compiled], object] | None = None
    """Is told what was compiled, before it is built."""


@dataclass(frozen=True, slots=True)
class Built:
    """What was built."""

    compiled: Compiled
    response: Mapping[str, str]
    """What the exporters say, such as `containerimage.digest`."""
    record: Record
    """What the engine said."""


def build_image(
    image: Image, request: BuildRequest, *, engine: str | Client | None = None, also: Image | None = None
) -> Built:
    """Builds an image on an engine, and exports it.

    Args:
        image: what to build.
        request: how, for what, and what becomes of it.
        engine: address or client; default: as `connect` finds one.
        also: an image that is compiled too, but not built.

    Raises:
        ImageBuildError: a step failed.
        LLBError: the image cannot be compiled, no engine is there, or the result cannot be exported.
    """
    with ExitStack() as stack:
        client = connect(engine)
        if client is not engine:
            stack.callback(client.close)
        worker = client.workers()[0]
        platforms = request.platforms or worker.platforms[:1]
        check_worker(client, worker, request)
        return _Build(client, image, request, platforms, also).run(stack)


class _Build:
    def __init__(
        self,
        client: Client,
        image: Image,
        request: BuildRequest,
        platforms: Sequence[Platform],
        also: Image | None,
    ) -> None:
        self._client = client
        self._image = image
        self._also = also
        self._request = request
        self._platforms = platforms
        root = os.path.abspath(request.context)
        self._directories = {"context": root} | {
            name: os.path.abspath(path) for name, path in request.contexts.items()
        }
        self._secrets: dict[str, Callable[[], str | bytes]] = {}
        self._definitions: list[ImageDefinition] = []

    def run(self, stack: ExitStack) -> Built:
        request = self._request
        exports, targets = _exports(request, self._client.image_exporter)
        validation = Validation(sources=self._directories)
        files = FileService(self._directory, validation)
        logins = LoginService(request.logins)
        secrets = SecretService(self._secrets)
        services: list[Service] = [files, logins, secrets]
        if targets:
            services.append(ExportService(targets))
        session = stack.enter_context(
            self._client.session(*services, shared_key=_shared_key(self._directories["context"]))
        )
        gateway = self._client.gateway(session=session.id, exports=exports, entitlements=self._entitlements())
        watch: Watch | None = None
        try:
            with gateway as bridge:
                watch = Watch(self._client.events(gateway.ref), _listeners(request), secrets.hidden)
                resolver = EngineResolver(
                    bridge,
                    self._directories["context"],
                    {name: path for name, path in self._directories.items() if name != "context"},
                    logins=logins,
                    devices=self._client.devices,
                )
                options = request.options.replace(session=session.id)
                self._compile(resolver, options)
                extra = self._compile_also(resolver, options)
                compiled = Compiled(tuple(self._definitions), self._directories, extra)
                if request.compiled is not None:
                    request.compiled(compiled)
                self._tell_notes()
                response = self._solve(gateway)
                self._tell(validation.notes)
        except RpcError as error:
            record = watch.finish() if watch is not None else Record()
            if session.errors:
                raise session.errors[0] from None
            requests = [one for definition in self._definitions for one in definition.devices]
            told = explained(error.message, requests, ()) if requests else None
            raise told or build_error(error, record, self._definitions) from None
        except BaseException:
            if watch is not None:
                watch.finish(timeout=0.2)
            raise
        return Built(compiled, response, watch.finish())

    def _entitlements(self) -> tuple[str, ...]:
        """What the build must be allowed. Engines that grant no devices may have some that need no grant."""
        wanted = any(uses_devices(one) for one in (self._image, self._also) if one is not None)
        return (ALLOW,) if wanted and not all(one.allowed for one in self._client.devices()) else ()

    def _directory(self, name: str) -> str:
        if name in self._directories:
            return self._directories[name]
        return directory_of(name, Store())

    def _compile(self, resolver: EngineResolver, options: BuildOptions) -> None:
        for platform in self._platforms:
            prefix = str(platform) if len(self._platforms) > 1 else ""
            definition = compile_to_llb(
                self._image,
                platform=platform,
                resolver=resolver,
                options=options.replace(progress_prefix=prefix),
            )
            check_capabilities(definition, resolver.capabilities)
            self._secrets.update(
                {one.id: lambda one=one: one.secret.value(one.key) for one in definition.secrets}
            )
            self._definitions.append(definition)

    def _tell_notes(self) -> None:
        self._tell([note for one in self._definitions for note in one.notes])

    def _tell(self, notes: Sequence[str]) -> None:
        if self._request.progress != "quiet":
            for note in dict.fromkeys(notes):
                sys.stderr.write(f"note: {note}\n")

    def _compile_also(self, resolver: EngineResolver, options: BuildOptions) -> tuple[ImageDefinition, ...]:
        if self._also is None:
            return ()
        return tuple(
            [
                compile_to_llb(self._also, platform=platform, resolver=resolver, options=options)
                for platform in self._platforms
            ]
        )

    def _solve(self, gateway: Gateway) -> dict[str, str]:
        pending = [gateway.bridge.solve(definition.to_bytes()) for definition in self._definitions]
        refs = [one.result().ref or Ref() for one in pending]
        return gateway.finish(result_of(self._definitions, refs))


def check_worker(client: Client, worker: Worker, request: BuildRequest) -> None:
    """Refuses what a Docker Engine with the classic image store does not do, or only seems to.

    Raises:
        UnsupportedError: naming it.
    """
    if client.image_exporter == "image" or _SNAPSHOTTER in worker.labels:
        return
    archives = [output.type for output in request.outputs if output.type in ("oci", "docker")]
    for wanted, what, hint in (
        (request.push, "push an image", f"Push it afterwards: docker push {''.join(request.tags[:1])}."),
        (len(request.platforms) > 1, "build for several platforms", "Build for one after the other."),
        (archives, "write an image archive", "Write one afterwards: docker save."),
    ):
        if wanted:
            raise UnsupportedError(
                f"a Docker Engine with the classic image store cannot {what}",
                hint=f"{hint} Or let it use the containerd image store.",
            )


def result_of(definitions: Sequence[ImageDefinition], refs: Sequence[Ref]) -> Result:
    """The result of a build: one image, or one for each platform."""
    several = len(definitions) > 1
    metadata: dict[str, bytes] = {}
    for definition in definitions:
        name = str(definition.platform)
        suffix = f"/{name}" if several else ""
        metadata[f"containerimage.config{suffix}"] = definition.image_config
        if definition.base_config:
            metadata[f"containerimage.base.config{suffix}"] = definition.base_config
    metadata["refs.platforms"] = platforms_metadata([definition.platform for definition in definitions])
    entries = tuple(metadata.items())
    if several:
        names = [str(definition.platform) for definition in definitions]
        return Result(refs=tuple(zip(names, refs, strict=True)), metadata=entries)
    return Result(refs[0], metadata=entries)


def check_capabilities(definition: Definition, capabilities: frozenset[str] | None) -> None:
    """Refuses what the engine cannot do, before it says so in its own words.

    Raises:
        UnsupportedError: naming the feature, and the version that brought it.
    """
    missing = missing_capabilities(definition, capabilities) if capabilities is not None else ()
    if not missing:
        return
    since = f": it needs BuildKit {SINCE[missing[0]]}" if missing[0] in SINCE else ""
    error = UnsupportedError(f"this BuildKit cannot do {missing[0]}{since}", hint="Build with a newer one.")
    for digest, described in definition.metadata.items():
        if missing[0] in described.capabilities and definition.locations.get(digest):
            place = definition.locations[digest][0]
            error.at(Location(place.file.filename, place.start_line))
            break
    raise error


def build_error(error: RpcError, record: Record, definitions: Sequence[Definition]) -> LLBError:
    """The engine's error in the user's words: which line, which step, what it wrote, how it ended.

    Args:
        error: what the engine answered.
        record: what it said before.
        definitions: what was built.
    """
    if isinstance(error, ConnectionLostError) and not error.status:
        return ImageBuildError(
            f"the connection to the engine was lost: {error.message}", hint="Is it still running?"
        )
    details = [found for one in decode_status(error.status)[2] if (found := decode_detail(one))]
    digest = next((value.get("digest", "") for kind, value in details if kind == "errdefs.Vertex"), "")
    failed = record.vertices.get(digest) or record.failed()
    exit_code = next((value.get("Code") for kind, value in details if kind == "gatewayapi.ExitMessage"), None)
    digest = failed.digest if failed is not None else digest
    places = _places(digest, details, definitions)
    # A line of a Dockerfile stands before the user's line that brought it in.
    location = error.location or (places[-1] if places else None)
    inner = places[0] if places and places[0] != location else None
    return ImageBuildError(
        _message(error.message, failed, exit_code, inner),
        step=failed.name.partition("] ")[2].partition(" ")[0] if failed is not None else error.step,
        location=location,
        exit_code=exit_code if exit_code is None or exit_code < 1 << 31 else exit_code - (1 << 32),
        log=tuple(_last_lines(record.log(digest))) if digest else (),
    )


def _message(said: str, failed: VertexEvent | None, exit_code: int | None, inner: Location | None) -> str:
    # Each layer of the engine puts its own words before the cause.
    cause = said.removeprefix("failed to solve: ")
    where = f" ({inner})" if inner is not None else ""
    if failed is None:
        return f"{cause}{where}"
    name = failed.name.partition("] ")[2] or failed.name
    if exit_code is not None:
        return f"{name}{where}: exit code {exit_code}"
    return f"{name}{where}: {cause}"


def _places(
    digest: str, details: Sequence[tuple[str, dict[str, Any]]], definitions: Sequence[Definition]
) -> list[Location]:
    """The lines that a vertex comes from, else those that the engine names."""
    for definition in definitions:
        places = definition.locations.get(digest)
        if places:
            return [Location(place.file.filename, place.start_line) for place in places]
    found: list[Location] = []
    for kind, value in details:
        if kind == "errdefs.Source":
            ranges: list[dict[str, Any]] = value.get("ranges") or []
            info: dict[str, Any] = value.get("info") or {}
            if ranges and info.get("filename"):
                start: dict[str, Any] = ranges[0].get("start") or {}
                found.append(Location(info["filename"], int(start.get("line", 1))))
    return found


def _last_lines(text: str) -> list[str]:
    lines = [line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").split("\n")]
    return [line.rstrip() for line in lines if line.strip()][-_LOG_LINES:]


def _listeners(request: BuildRequest) -> list[Callable[[Event], object]]:
    shown: list[Callable[[Event], object]] = [] if request.progress == "quiet" else [PlainProgress()]
    return [*shown, *request.listeners]


def _shared_key(root: str) -> str:
    """The same for each build of one directory on one machine."""
    return sha256(f"{socket.gethostname()}\0{root}".encode("utf-8", "surrogateescape")).hexdigest()


def _exports(request: BuildRequest, image_exporter: str) -> tuple[list[Export], dict[int, ToFile | ToFolder]]:
    exports: list[Export] = []
    targets: dict[int, ToFile | ToFolder] = {}
    if request.push and not request.tags:
        raise InvalidError("push=True has nowhere to push to", hint='Name it: tags="registry/name:tag".')
    if request.tags:
        attrs = {"name": ",".join(request.tags)}
        if request.push:
            attrs["push"] = "true"
        exports.append(Export(image_exporter, attrs))
    for output in request.outputs:
        attrs: dict[str, str] = {}
        if output.type in ("oci", "docker") and request.tags:
            attrs["name"] = ",".join(request.tags)
        is_folder = output.type == "local"
        targets[len(exports)] = ToFolder(output.path) if is_folder else ToFile(output.path)
        exports.append(Export(output.type, attrs))
    return exports, targets
