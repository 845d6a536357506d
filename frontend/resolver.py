"""The compiler's questions, answered by BuildKit: bases from registries, files from the client."""

from __future__ import annotations

import posixpath

from frontend.loading import CONTEXT, DEFINITION, local_definition
from frontend.report import needs
from llb import _json, graph
from llb.errors import InvalidError, LocalFileError, UnsupportedError
from llb.gateway import RpcError, decode_stats
from llb.gateway.bases import base_error
from llb.gateway.questions import existing, is_missing
from llb.graph import Definition, Platform
from llb.image import LocalEntry, ResolvedBase, ResolvedContext, ResolvedDockerfile, Resolver
from llb.image.patterns import escape
from llb.image.recipes import DEFAULT_PYTHON
from llb.image.resolver import LocalModule, resolve_links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Literal, TypeVar

    from frontend.bases import BaseQuestions
    from frontend.devices import DeviceQuestions
    from frontend.environment import Environment
    from frontend.options import Options
    from frontend.project import Project
    from llb.gateway import Bridge, ImageMeta, Pending, Pong, Result, Stat
    from llb.gateway.dockerfile import AskedDockerfile
    from llb.image import DockerfileRequest

    _T = TypeVar("_T")

_LISTING = "source.local.metadatatransfer"
_LIST = ".fsutil-metadata"
"""The file that a transfer of metadata leaves: each entry with its length before it."""
_PART = 8 << 20


class GatewayResolver(Resolver):
    """Asks the daemon. One for all platforms of a build: what was asked once is known."""

    def __init__(
        self,
        bridge: Bridge,
        environment: Environment,
        options: Options,
        pong: Pong,
        inputs: dict[str, bytes],
        questions: BaseQuestions,
        guard: Callable[[Callable[[], Any]], Any],
        definition: str,
        project: Project,
        filename: str = "",
    ) -> None:
        self.capabilities = pong.llb_caps
        self.has_secret_values = False
        self.default_python = DEFAULT_PYTHON  # our interpreter says nothing of the user's
        self._bridge = bridge
        self._environment = environment
        self._options = options
        self._inputs = inputs
        self._questions = questions
        self._guard = guard
        self._definition = definition
        self._project = project
        self._filename = filename
        self._modules: dict[str, tuple[LocalModule, ...] | None] = {}
        self._listings: dict[tuple[str, str], _Listing] = {}
        self._contents: dict[tuple[str, str], bytes] = {}
        self._dockerfiles: dict[DockerfileRequest, AskedDockerfile] = {}
        self.declared_arguments: frozenset[str] = frozenset()
        """Build arguments that Dockerfiles of this build declare."""
        self._device_questions: DeviceQuestions | None = None

    def project(self) -> bytes | None:
        return None if "context" in self._inputs else self._project.data()

    # -- bases

    def prefetch(self, bases: Sequence[tuple[str, Platform]]) -> None:
        for reference, platform in bases:
            self._asked(reference, platform)

    def _asked(self, reference: str, platform: Platform) -> Pending[ImageMeta]:
        prefix = f"{platform} " if self._options.multi_platform else ""
        return self._questions.ask(reference, platform, prefix=prefix)

    def base(self, reference: str, platform: Platform) -> ResolvedBase:
        try:
            meta = self._asked(reference, platform).result()
        except RpcError as error:
            raise base_error(reference, platform, error) from None
        return ResolvedBase(meta.reference.partition("@")[0], meta.digest, meta.config, platform)

    def exists(self, definition: Definition, paths: Sequence[str]) -> tuple[bool, ...]:
        return existing(self._bridge, definition.to_bytes(), paths)

    # -- named contexts

    def named(self, name: str, source: str, platform: Platform) -> ResolvedContext | None:
        kind, _, rest = source.partition(":")
        if kind == "input":
            return self._input(name, rest)
        if kind == "oci-layout":
            return self._layout(name, rest.removeprefix("//"), platform)
        return None

    def _input(self, name: str, given: str) -> ResolvedContext:
        if given not in self._inputs:
            raise InvalidError(
                f"the named context {name} is the input {given}, which the client did not send"
            )
        config = b""
        metadata = self._environment.options.get(f"input-metadata:{given}")
        if metadata:
            from binascii import a2b_base64

            try:
                config = a2b_base64(_json.loads(metadata)["containerimage.config"])
            except (ValueError, LookupError, TypeError):
                raise InvalidError(f"the metadata of the input {given} cannot be read") from None
        return ResolvedContext(Definition.from_bytes(self._inputs[given]), config)

    def _layout(self, name: str, spec: str, platform: Platform) -> ResolvedContext:
        store, separator, digest = spec.partition("@")
        if not separator:
            raise InvalidError(f"the named context {name}=oci-layout://{spec} has no digest")
        directory, colon, last = store.rpartition("/")
        store = directory + colon + last.partition(":")[0]
        tagged = graph.Reference.parse(name.partition("::")[0])
        reference = f"{tagged.domain}/{tagged.path}@{digest}"
        session = self._environment.session
        try:
            meta = self._bridge.resolve_image(
                reference,
                platform=platform,
                log_name=f"[context {name}] load metadata for {reference}",
                store=(session, store),
            ).result()
        except RpcError as error:
            raise base_error(f"{name} (oci-layout://{spec})", platform, error) from None
        state = graph.oci_layout(
            reference,
            platform,
            session=session,
            store=store,
            meta=graph.Meta(name=f"[context {name}] OCI load from client"),
        )
        return ResolvedContext(graph.marshal(state, platform=platform), meta.config)

    # -- Dockerfiles

    def ask_dockerfile(self, request: DockerfileRequest) -> None:
        self._ask_dockerfile(request)

    def _ask_dockerfile(self, request: DockerfileRequest) -> AskedDockerfile:
        asked = self._dockerfiles.get(request)
        if asked is None:
            from llb.gateway.dockerfile import ask_dockerfile, declared_arguments

            self.declared_arguments |= declared_arguments(request.data)
            asked = self._dockerfiles[request] = ask_dockerfile(
                self._bridge,
                data=request.data,
                filename=request.filename,
                platform=request.platform,
                base=request.base,
                base_config=request.base_config,
                context=request.context,
                ignore_file=request.ignore_file,
                syntax=request.syntax,
                options=dict(request.options),
                build=self._environment.options,
                inputs=self._inputs,
                prefix=bool(request.build.progress_prefix),
            )
        return asked

    def dockerfile(self, request: DockerfileRequest) -> ResolvedDockerfile:
        solved = self._ask_dockerfile(request).result()
        return ResolvedDockerfile(solved.definition, solved.config, solved.base_config)

    # -- devices

    @property
    def device_questions(self) -> DeviceQuestions:
        from frontend.devices import DeviceQuestions  # most builds have none

        if self._device_questions is None:
            source = self._environment.options.get("source", "")
            self._device_questions = DeviceQuestions(self._bridge, source)
        return self._device_questions

    def find_devices(self, names: Sequence[str]) -> frozenset[str] | None:
        return self.device_questions.find(names)

    # -- the user's code

    def call(self, function: Callable[[], _T]) -> _T:
        return self._guard(function)

    # -- local files

    def place(self, path: str) -> tuple[str, str] | None:
        for directory, local in ((DEFINITION, self._definition), (CONTEXT, "context")):
            if local and (path == directory or path.startswith(f"{directory}/")):
                return local, path[len(directory) + 1 :] or "."
        return None

    def look_up(self, paths: Iterable[tuple[str, str]]) -> None:
        """Starts to look at paths of local sources, all at once: names and kinds only, no contents."""
        if not self._can_list:
            return
        wanted: dict[str, set[str]] = {}
        for context, path in paths:
            wanted.setdefault(context, set()).add(path)
        for context, named in wanted.items():
            names = sorted(named)
            listing = self._list(
                context,
                follow=[] if "." in named else [escape(path) for path in names],
                exclude=all_but(names),
                name=f"look up {', '.join(names)}",
            )
            self._listings |= dict.fromkeys([(context, path) for path in named], listing)

    def look_up_modules(self, names: Iterable[str]) -> None:
        """Starts to look for Python modules, all at once."""
        wanted = [name for name in dict.fromkeys(names) if name not in self._modules]
        if not self._can_list or not wanted:
            return
        for context, directory in self._module_roots:
            paths: list[str] = []
            for name in wanted:
                path = posixpath.join(directory, name.replace(".", "/"))
                paths += (path, f"{path}.py", f"{path}/__init__.py")
            self.look_up([(context, path) for path in paths])
        for name in wanted:
            self._modules[name] = None

    @property
    def _module_roots(self) -> list[tuple[str, str]]:
        """Where modules are looked for: beside the image file, then in the build's context."""
        beside = [(self._definition, posixpath.dirname(self._filename))] if self._definition else []
        return [*beside, ("context", "")]

    def module(self, name: str) -> tuple[LocalModule, ...] | None:
        if not self._can_list:
            return None
        self.look_up_modules([name])
        known = self._modules[name]
        if known is None:
            known = self._modules[name] = self._find_module(name)
        return known

    def _find_module(self, name: str) -> tuple[LocalModule, ...]:
        portions: dict[str, LocalModule] = {}
        for context, directory in self._module_roots:
            path = posixpath.join(directory, name.replace(".", "/"))
            shown = path if context == "context" else f"{DEFINITION}/{path}"
            kinds = [
                entry.kind if (entry := self.stat(context, one)) is not None else ""
                for one in (path, f"{path}.py", f"{path}/__init__.py")
            ]
            if kinds[0] == "dir" and kinds[2] == "file" and not portions:
                return (LocalModule(shown, True),)
            if kinds[1] == "file" and not portions:
                return (LocalModule(f"{shown}.py", False),)
            if kinds[0] == "dir":
                # The same path beside an image file at the root of the context is the same directory.
                portions.setdefault(path, LocalModule(shown, True))
        return tuple(portions.values())

    def stat(self, context: str, path: str) -> LocalEntry | None:
        listing = self._listings.get((context, path))
        if listing is None:
            return None
        entries = listing.entries()
        resolved = resolve_links(path, lambda name: _link(entries.get(name)))
        if resolved == ".":
            return LocalEntry(".", "dir")
        entry = listing.entries().get(resolved)
        return LocalEntry(resolved, _kind(entry)) if entry is not None else LocalEntry(path, "missing")

    def walk(
        self,
        context: str,
        path: str,
        prune: Callable[[str], bool] | None = None,  # noqa: ARG002 - one transfer brings it all
    ) -> Iterable[LocalEntry]:
        if not self._can_list:
            raise UnsupportedError(
                f"this BuildKit cannot list local files{needs(_LISTING)}",
                hint='Give patterns instead of a function: ignore=["**/*.pyc", "data/**"].',
            )
        follow = [escape(path)] if path != "." else []
        entries = self._list(context, follow=follow, exclude=[], name=f"list {path}").entries()
        prefix = f"{path}/" if path != "." else ""
        for entry in entries.values():
            if entry.path.startswith(prefix):
                yield LocalEntry(entry.path.removeprefix(prefix), _kind(entry))

    def read(self, context: str, path: str) -> bytes:
        known = self._contents.get((context, path))
        if known is None:
            known = self._contents[context, path] = self._read(context, path)
        return known

    def _read(self, context: str, path: str) -> bytes:
        definition, _ = local_definition(
            context,
            follow=[escape(path)],
            session=self._environment.session_of(context),
            hint=f"{context}-file:{path}",
            differ="none",  # it goes by size and time, and what an ignore file says must not be old
            name=f"[internal] read {path}",
        )
        ref = self._bridge.solve(definition, evaluate=True).result().ref
        try:
            return self._bridge.read_file(ref, path).result() if ref is not None else b""
        except RpcError as error:
            if is_missing(error):
                raise LocalFileError(f"local file {path} does not exist") from None
            raise

    @property
    def _can_list(self) -> bool:
        return _LISTING in (self.capabilities or ())

    def _list(self, context: str, *, follow: Sequence[str], exclude: Sequence[str], name: str) -> _Listing:
        definition, _ = local_definition(
            context,
            follow=follow,
            exclude=exclude,
            session=self._environment.session_of(context),
            hint=f"{context}-names",
            metadata_only=True,
            name=f"[internal] {name}",
        )
        return _Listing(self._bridge, self._bridge.solve(definition, evaluate=True))


class _Listing:
    """Names and attributes of a client's files, without their contents: they come as one file."""

    def __init__(self, bridge: Bridge, solved: Pending[Result]) -> None:
        self._bridge = bridge
        self._solved = solved
        self._entries: dict[str, Stat] | None = None

    def entries(self) -> dict[str, Stat]:
        """By path, in the order of a walk."""
        if self._entries is None:
            ref = self._solved.result().ref
            data = b""
            while ref is not None:
                part = self._bridge.read_file(ref, _LIST, offset=len(data), length=_PART).result()
                data += part
                if len(part) < _PART:
                    break
            self._entries = {entry.path: entry for entry in decode_stats(data)}
        return self._entries


def all_but(paths: Sequence[str]) -> list[str]:
    """Patterns that leave out what is inside the directories among some paths, but none of the paths."""
    excluded = ["*"] if "." in paths else []
    for path in paths:
        parts = path.split("/")
        inside = "." in paths or any("/".join(parts[:depth]) in paths for depth in range(1, len(parts)))
        if path != ".":
            # Later patterns win, and what is said of a directory holds for what it has inside.
            excluded += [f"!{escape(path)}"] if inside else []
            excluded.append(f"{escape(path)}/*")
    return excluded


def _link(entry: Stat | None) -> str | None:
    return entry.linkname if entry is not None and entry.is_symlink else None


def _kind(entry: Stat) -> Literal["dir", "file", "link", "other"]:
    if entry.is_dir:
        return "dir"
    if entry.is_symlink:
        return "link"
    return "file" if entry.is_file else "other"
