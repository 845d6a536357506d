"""Who answers the compiler's questions: what is this base, is that path there, what does this directory hold.

`Resolver` itself knows nothing, and everything compiles with it: documented defaults stand in for a base's
config. A frontend asks its engine, Python asks the disk and a file of known bases.
"""

from __future__ import annotations

import os
import time
from stat import S_ISDIR, S_ISREG

from llb import _json as json
from llb._value import Value, slot_setters
from llb.errors import InvalidError, LocalFileError, UnsupportedError
from llb.graph import Platform
from llb.graph.reference import normalize_reference
from llb.image.options import BuildOptions
from llb.oci import ImageConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Literal, TypeVar

    from llb.graph import Definition
    from llb.image.devices import EngineDevice
    from llb.image.logins import RegistryLogin

    _T = TypeVar("_T")

__all__ = [
    "Bases",
    "DockerfileRequest",
    "LocalDirectory",
    "LocalEntry",
    "LocalModule",
    "ResolvedBase",
    "ResolvedContext",
    "ResolvedDockerfile",
    "Resolver",
]


class ResolvedBase(Value):
    """What is known about a base image for a platform."""

    reference: str
    """As BuildKit names it, without digest: `docker.io/library/python:3.12-slim-bookworm`."""
    digest: str
    """Of its manifest or index; empty if nobody knows it."""
    config: bytes
    """Its image config, JSON."""
    platform: Platform | None = None
    """Filled in by the compiler if the resolver does not."""


class ResolvedContext(Value):
    """A named context that stands for a base image and is not an image of a registry."""

    definition: Definition
    config: bytes = b""


class DockerfileRequest(Value):
    """A Dockerfile for BuildKit's own frontend."""

    data: bytes
    filename: str
    """What errors and lints call it."""
    platform: Platform
    base: Definition | None = None
    """The chain so far: the image that the Dockerfile calls `base`."""
    base_config: bytes = b""
    """Its image config."""
    context: Definition | None = None
    """What COPY and ADD read; None: the build's own context directory, its `.dockerignore` applied."""
    ignore_file: bytes = b""
    """What to apply instead of that `.dockerignore`."""
    syntax: str = ""
    """The image of another Dockerfile frontend; empty: the one that is built in."""
    options: tuple[tuple[str, str], ...] = ()
    """The frontend's options, such as `target` and `build-arg:NAME`, on top of those of the build."""
    build: BuildOptions = BuildOptions()
    """The options of the build."""


class ResolvedDockerfile(Value):
    """What a Dockerfile has become."""

    definition: Definition
    config: bytes
    base_config: bytes = b""


class LocalEntry(Value):
    """A file or directory of a local context.

    `path` is relative to the directory that was walked; from `stat`, to the context, with links resolved.
    """

    path: str
    kind: Literal["file", "dir", "link", "other", "missing"]
    modified: int = 0
    """When its contents changed last, in nanoseconds since 1970; 0 where nobody asks."""

    # By hand, as one is made for each of perhaps many files: a third of the general constructor's time.
    def __init__(
        self, path: str, kind: Literal["file", "dir", "link", "other", "missing"], modified: int = 0
    ) -> None:
        _set_path(self, path)
        _set_kind(self, kind)
        _set_modified(self, modified)


_set_path, _set_kind, _set_modified = slot_setters(LocalEntry)


class LocalModule(Value):
    """Where a Python module lies."""

    path: str
    """As a user writes it: relative to the build's context directory, or absolute."""
    package: bool
    """A directory, of which all Python files belong to it; otherwise a file."""


class Resolver:
    """Answers nothing. Doors derive from it and answer what they can."""

    capabilities: frozenset[str] | None = None
    """What the engine's LLB can do; None is not known: a current BuildKit is assumed."""

    on_disk = False
    """Whether local files are those of this machine, so that looking at them costs next to nothing."""

    validation = "ignore"
    """What is said of files that were modified since the build began: `error`, `warn` or `ignore`."""

    has_secret_values = True
    """Whether the values of secrets may be looked at here: never in the frontend container."""

    default_python = ""
    """The series of Python that a base has which names none; empty: that of the running interpreter."""

    def project(self) -> bytes | None:
        """The `pyproject.toml` of the main context; None if there is none, or it cannot be read."""
        entry = self.stat("context", "pyproject.toml")
        return self.read("context", entry.path) if entry is not None and entry.kind == "file" else None

    def login(self, login: RegistryLogin) -> None:
        """Told, before `base` is asked, of a login that a base needs: for the build's session to serve."""

    def prefetch(self, bases: Sequence[tuple[str, Platform]]) -> None:
        """Told once, before `base` is asked, which bases a compilation needs: to ask for them at once."""

    def base(self, reference: str, platform: Platform) -> ResolvedBase | None:  # noqa: ARG002
        """What a base is for a platform; None if nobody knows.

        Args:
            reference: the full name, `docker.io/library/debian:12` or with `@sha256:…`.
            platform: what the image is for.

        Raises:
            BaseError: it cannot be had.
        """
        return None

    def named(self, name: str, source: str, platform: Platform) -> ResolvedContext | None:  # noqa: ARG002
        """The base that a named context of another kind than an image gives; None if there is none here."""
        return None

    def ask_dockerfile(self, request: DockerfileRequest) -> None:
        """Told that `dockerfile` will be asked, to ask for several at once."""

    def dockerfile(self, request: DockerfileRequest) -> ResolvedDockerfile | None:  # noqa: ARG002
        """What BuildKit's own Dockerfile frontend makes of a Dockerfile; None if there is no engine to ask.

        Raises:
            LLBError: it refuses the Dockerfile.
        """
        return None

    def exists(self, definition: Definition, paths: Sequence[str]) -> tuple[bool, ...] | None:  # noqa: ARG002
        """Which paths a filesystem has, links followed; None if there is no engine to ask.

        The filesystem is built for it. What an image depends on should rather be found out by its steps.
        """
        return None

    def devices(self) -> tuple[EngineDevice, ...] | None:
        """What devices the engine has; None if that cannot be told."""
        return None

    def find_devices(self, names: Sequence[str]) -> frozenset[str] | None:  # noqa: ARG002
        """Which of some devices, by CDI names or classes, there are, where the engine lists none.

        None if nobody knows.
        """
        return None

    def place(self, path: str) -> tuple[str, str] | None:  # noqa: ARG002
        """The local context that holds an absolute path, or one with `~` or `..`, and where; None: none."""
        return None

    def stat(self, context: str, path: str) -> LocalEntry | None:  # noqa: ARG002
        """What a path of a local context is, links followed; None if it cannot be told."""
        return None

    def module(self, name: str) -> tuple[LocalModule, ...] | None:  # noqa: ARG002
        """Where a Python module lies: several directories for a namespace package; empty: there is none.

        None if nobody can tell.

        Raises:
            ModuleNotMountable: it is there, but is no Python source.
        """
        return None

    def now(self) -> int:
        """The time, where `validation` needs it."""
        return 0

    def walk(
        self,
        context: str,
        path: str,
        prune: Callable[[str], bool] | None = None,  # noqa: ARG002
    ) -> Iterable[LocalEntry]:
        """All below a directory: parents before what they hold, names sorted, links not followed.

        Directories for which `prune` is true may be left out, with all that they hold.
        """
        raise UnsupportedError(
            f"the directory {path!r} of the context {context!r} cannot be listed here",
            hint='Give patterns instead of a function: ignore=["**/*.pyc", "data/**"].',
        )

    def call(self, function: Callable[[], _T]) -> _T:
        """Runs code of the user's, such as an ignore function; one who guards against it does so here."""
        return function()

    def modified(self, context: str, path: str) -> int:  # noqa: ARG002
        """When the contents of a file changed last, where `validation` needs it; links are not followed."""
        return 0

    def read_outside(self, path: str) -> bytes | None:  # noqa: ARG002
        """The bytes of a file that a build only reads, wherever it is; None if it must be in a context."""
        return None

    def read(self, context: str, path: str) -> bytes:
        """The bytes of a file of a local context."""
        raise UnsupportedError(f"the file {path!r} of the context {context!r} cannot be read here")


class Bases(Resolver):
    """Known bases: what a `--bases` file holds.

    ```json
    {"docker.io/library/debian:12": {"linux/amd64": {"digest": "sha256:…", "config": {"config": {…}}}}}
    ```
    """

    def __init__(self, known: Iterable[ResolvedBase] = ()) -> None:
        self._known: dict[tuple[str, str], ResolvedBase] = {}
        for base in known:
            if base.platform is None:
                raise InvalidError(f"the known base {base.reference} lacks its platform")
            platform = str(base.platform.normalized())
            self._known[normalize_reference(base.reference), platform] = base

    @staticmethod
    def from_json(data: bytes | str) -> Bases:
        """Read a `--bases` file.

        Raises:
            InvalidError: it is not such a file.
        """
        try:
            document: object = json.loads(data)
        except ValueError as error:
            raise _no_bases(str(error)) from None
        found: list[ResolvedBase] = []
        for reference, platforms in _members(document, "the file").items():
            for platform, known in _members(platforms, reference).items():
                where = f"{reference} {platform}"
                described = _members(known, where)
                digest = described.get("digest", "")
                if not isinstance(digest, str) or (digest and not _is_digest(digest)):
                    raise _no_bases(f"{where} has a digest that is none: {digest!r}")
                config = _dump(_members(described.get("config"), f"the config of {where}")).encode()
                ImageConfig.from_json(config)
                found.append(ResolvedBase(reference, digest, config, Platform.parse(platform)))
        return Bases(found)

    def to_json(self) -> bytes:
        """The `--bases` file of these, sorted."""
        platforms: dict[str, list[str]] = {}
        for (reference, platform), base in sorted(self._known.items()):
            known = {"digest": base.digest, "config": json.loads(base.config)}
            platforms.setdefault(reference, []).append(f"{_dump(platform)}: {_dump(known)}")
        lines = [
            _dump(reference) + ": {\n  " + ",\n  ".join(known) + "}" for reference, known in platforms.items()
        ]
        return ("{\n " + ",\n ".join(lines) + "}\n").encode()

    def including(self, *bases: ResolvedBase) -> Bases:
        """With more of them; the later ones win."""
        return Bases([*self._known.values(), *bases])

    def base(self, reference: str, platform: Platform) -> ResolvedBase | None:
        return self._known.get((reference, str(platform.normalized())))

    def __iter__(self) -> Iterator[ResolvedBase]:
        return iter(self._known.values())


def _members(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _no_bases(f"{what} is not an object")
    return value  # pyright: ignore[reportUnknownVariableType]


def _is_digest(text: str) -> bool:
    algorithm, _, value = text.partition(":")
    return algorithm == "sha256" and len(value) == 64 and set(value) <= set("0123456789abcdef")


def _no_bases(why: str) -> InvalidError:
    return InvalidError(
        f"this is no file of known bases: {why}",
        hint='Such as {"docker.io/library/debian:12": {"linux/amd64": {"digest": "", "config": …}}}.',
    )


class LocalDirectory(Resolver):
    """The disk: paths are relative to a directory of this machine.

    Args:
        root: the build's context directory.
        bases: what is known about base images.
        contexts: directories of named contexts, by the name of their local source.
        capabilities: what the engine can do, if that is known.
        search: directories in which Python modules are looked for before `sys.path`.
    """

    on_disk = True

    def __init__(
        self,
        root: str | os.PathLike[str] = ".",
        bases: Resolver | None = None,
        contexts: Mapping[str, str | os.PathLike[str]] | None = None,
        capabilities: frozenset[str] | None = None,
        search: Sequence[str | os.PathLike[str]] = (),
    ) -> None:
        from llb.image import disk  # it needs this module

        self._roots = {"context": os.path.abspath(root)}
        self._roots |= {name: os.path.abspath(directory) for name, directory in (contexts or {}).items()}
        self._bases = bases or Resolver()
        self._search = [os.path.abspath(directory) for directory in search]
        self.validation = disk.validation_policy()
        self.capabilities = capabilities

    def prefetch(self, bases: Sequence[tuple[str, Platform]]) -> None:
        self._bases.prefetch(bases)

    def base(self, reference: str, platform: Platform) -> ResolvedBase | None:
        return self._bases.base(reference, platform)

    def named(self, name: str, source: str, platform: Platform) -> ResolvedContext | None:
        return self._bases.named(name, source, platform)

    def place(self, path: str) -> tuple[str, str] | None:
        root = self._roots["context"]
        wanted = os.path.join(root, os.path.expanduser(path))
        for directory, full in (
            (root, os.path.abspath(wanted)),
            (os.path.realpath(root), os.path.realpath(wanted)),
        ):
            if os.path.commonpath([directory, full]) == directory:
                return "context", os.path.relpath(full, directory).replace(os.sep, "/")
        return None

    def _path(self, context: str, path: str) -> str | None:
        root = self._roots.get(context)
        return None if root is None else os.path.join(root, path)

    def stat(self, context: str, path: str) -> LocalEntry | None:
        full = self._path(context, path)
        if full is None:
            return None
        root = self._roots[context]
        resolved = resolve_links(path, lambda name: _link(os.path.join(root, name)))
        real = os.path.join(root, resolved)
        try:
            about = os.stat(real)
        except (OSError, ValueError):
            return LocalEntry(path, "missing")
        if S_ISDIR(about.st_mode):
            return LocalEntry(resolved, "dir")
        return LocalEntry(resolved, "file" if S_ISREG(about.st_mode) else "other", about.st_mtime_ns)

    def module(self, name: str) -> tuple[LocalModule, ...]:
        from llb.image import disk

        return disk.find_module(name, self._search, self._roots["context"])

    def now(self) -> int:
        return time.time_ns()

    def walk(
        self, context: str, path: str, prune: Callable[[str], bool] | None = None
    ) -> Iterable[LocalEntry]:
        full = self._path(context, path)
        if full is None:
            return super().walk(context, path)
        from llb.image import disk

        return disk.walk(full, prune)

    def read(self, context: str, path: str) -> bytes:
        full = self._path(context, path)
        if full is None:
            return super().read(context, path)
        from llb.image import disk

        return disk.read(full, path, validate=self.validation == "error")

    def modified(self, context: str, path: str) -> int:
        try:
            return os.lstat(os.path.join(self._roots[context], path)).st_mtime_ns
        except OSError:  # it is not there any more, which the transfer tells of
            return 0

    def read_outside(self, path: str) -> bytes | None:
        from llb.image import disk

        full = os.path.join(self._roots["context"], os.path.expanduser(path))
        return disk.read(full, path, validate=self.validation == "error")


def resolve_links(path: str, link: Callable[[str], str | None]) -> str:
    """Where a path leads, links followed as in a root of their own: what is sent has no other names.

    Args:
        path: from the root; `.` is the root itself.
        link: what a path without links names, if it is a link.

    Raises:
        LocalFileError: the links lead in a circle.
    """
    todo = path.split("/")
    done: list[str] = []
    for _ in range(len(todo) + 40 * 8):
        if not todo:
            break
        part = todo.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            done = done[:-1]
            continue
        target = link("/".join([*done, part]))
        if target is None:
            done.append(part)
            continue
        done = [] if target.startswith("/") else done
        todo = target.split("/") + todo
    if todo:
        raise LocalFileError(f"the links of {path} lead in a circle", hint="Where should it lead?")
    return "/".join(done) or "."


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except (OSError, ValueError):
        return None


def _dump(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
