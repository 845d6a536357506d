"""Local files in the image: `add_local_file`, `add_local_dir`."""

from __future__ import annotations

from llb import graph
from llb.errors import InvalidError, InvalidTypeError, LLBError
from llb.image import arguments
from llb.image.chain import Chain, chained
from llb.image.patterns import FilePatternMatcher, escape
from llb.image.step import Lowered, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Self

    from llb.graph import State
    from llb.image.build import Build
    from llb.image.resolver import LocalEntry

    Ignore = FilePatternMatcher | Callable[[Path], bool]

_SPECIAL = frozenset("*?[\\")


def copy_in(
    step: Step, below: Lowered, build: Build, source: State, path: str, target: str, *, copy: bool
) -> Lowered:
    """A path of a local source as a layer, as the Dockerfile frontend copies it.

    Without `copy`, all such layers are made beside each other, on what is below the first of them, and
    joined: an edit of one makes no other anew. Not as `COPY --link` has it, on an empty filesystem: that
    would replace links (`/lib`), modes (`/tmp`) and owners of directories that the image has already.
    """
    wild = _SPECIAL.isdisjoint(path)  # literal, where it would be taken for a pattern
    action = graph.copy(
        source,
        "/" if path == "." else f"/{path}",
        target,
        follow_symlinks=True,
        contents_only=True,
        create_dest=True,
        wildcard=wild,
        empty_wildcard=wild,
    )
    text = f"{step.method} {path} {target}"
    history = build.history(f"COPY {path} {target} # buildkit")
    beside = bool(below.adds) and build.supports("mergeop") and build.supports("diffop")
    start = below.adds[0] if beside else below.state
    meta, joined = build.joined_meta(step, text, ignore_cache=below.ignore_cache)
    state = start.file(action, meta=joined if beside else meta)
    if copy:
        return below.then(state, history)
    if not beside:
        return below.then(state, history, (below.state, state))
    adds = (*below.adds, graph.diff(start, state, meta=joined))
    merged = graph.merge(adds[1:], meta=meta)
    return below.then(below.state.with_output_of(merged), history, adds)


class AddLocalFile(Step):
    """A local file."""

    local_path: str
    remote_path: str
    copy: bool

    method = "add_local_file"

    @property
    def vertices(self) -> int:
        return 1

    @property
    def closes(self) -> bool:
        return not self.copy

    @property
    def goes_on_top(self) -> bool:
        return not self.copy

    def announce(self, build: Build) -> None:
        context, path = build.locate(self.local_path, directory=False)
        build.check_local(context, path, self.local_path, directory=False)
        build.want_local(context, path)

    def lower(self, below: Lowered, build: Build) -> Lowered:
        context, path = build.locate(self.local_path, directory=False)
        return copy_in(self, below, build, build.local(context), path, self.remote_path, copy=self.copy)


class AddLocalDir(Step):
    """What a local directory holds."""

    local_path: str
    remote_path: str
    copy: bool
    ignore: Ignore | None

    method = "add_local_dir"

    @property
    def vertices(self) -> int:
        return 1

    @property
    def closes(self) -> bool:
        return not self.copy

    @property
    def goes_on_top(self) -> bool:
        return not self.copy

    def announce(self, build: Build) -> None:
        context, path = build.locate(self.local_path, directory=True)
        if self.ignore is None:
            build.check_local(context, path, self.local_path, directory=True)
            build.want_local(context, path)

    def lower(self, below: Lowered, build: Build) -> Lowered:
        context, path = build.locate(self.local_path, directory=True)
        source = (
            build.local(context) if self.ignore is None else self._selected(build, context, path, self.ignore)
        )
        return copy_in(self, below, build, source, path, self.remote_path, copy=self.copy)

    def _selected(self, build: Build, context: str, path: str, ignore: Ignore) -> State:
        """The directory without what is ignored: it is not even sent."""
        entry = build.check_local(context, path, self.local_path, directory=True)
        real = entry.path if entry is not None else path  # what is sent has the names that links point to
        prefix = "" if real == "." else real
        if isinstance(ignore, FilePatternMatcher):
            exclude = ignore.exclude_patterns(prefix, build.read_local)
            key = repr(ignore)
        else:
            entries = list(build.resolver.walk(context, real))
            exclude = build.resolver.call(lambda: _excluded(prefix, entries, ignore))
            key = f"{self.method} {self.remote_path}"
        return build.selected(context, path, exclude, key)


def _excluded(prefix: str, found: list[LocalEntry], ignore: Callable[[Path], bool]) -> tuple[str, ...]:
    """Patterns for what a function ignores. It is asked about files, links and empty directories."""
    from pathlib import Path

    parents = {entry.path.rpartition("/")[0] for entry in found}
    kept: set[str] = {""}
    dropped: list[str] = []
    for entry in found:
        if entry.kind == "dir" and entry.path in parents:
            dropped.append(entry.path)  # unless something in it is kept
            continue
        try:
            ignored = ignore(Path(entry.path))
        except Exception as error:
            if isinstance(error, LLBError):
                raise
            raise InvalidError(
                f"the ignore function failed for {entry.path!r}: {type(error).__name__}: {error}",
                hint="It gets a path relative to the added directory, and says whether to leave it out.",
            ) from error
        if ignored:
            dropped.append(entry.path)
            continue
        above = entry.path
        while above not in kept:
            kept.add(above)
            above = above.rpartition("/")[0]
    # A directory that goes as a whole needs one pattern.
    gone = [path for path in dropped if path not in kept]
    whole = set(gone)
    return tuple(
        [
            escape(f"{prefix}/{path}" if prefix else path)
            for path in gone
            if path.rpartition("/")[0] not in whole
        ]
    )


def checked_ignore(value: object) -> Ignore | None:
    """What `ignore=` was given: a matcher or function; None if nothing is ignored.

    Raises:
        InvalidTypeError: it is neither patterns nor callable.
    """
    if isinstance(value, FilePatternMatcher):
        return value
    if callable(value) and not isinstance(value, type):
        return value  # pyright: ignore[reportReturnType]
    is_sequence = hasattr(value, "__getitem__") and hasattr(value, "__len__") and not hasattr(value, "keys")
    if isinstance(value, str | bytes) or not is_sequence:
        example = f"ignore=[{value!r}]" if isinstance(value, str) else 'ignore=["**/*.pyc", "data"]'
        raise InvalidTypeError(
            f"ignore must be a list of patterns or a function, not {arguments.kind(value)}: {value!r}",
            hint=f"Write {example}.",
        )
    patterns: Sequence[object] = value  # pyright: ignore[reportAssignmentType]
    for one in patterns:
        if isinstance(one, str):
            arguments.checked("ignore", one)
    matcher = FilePatternMatcher(*patterns)  # pyright: ignore[reportArgumentType]
    return matcher if len(patterns) else None


class Files(Chain):
    """The methods of `Image` that add local files."""

    __slots__ = ()

    @chained
    def add_local_file(
        self, local_path: str | os.PathLike[str], remote_path: str | os.PathLike[str], *, copy: bool = False
    ) -> Self:
        """Add a local file.

        Args:
            local_path: the file, relative to the build's context directory. A file outside of it comes from a
                named context (`--build-context`).
            remote_path: where it goes in the image, absolute. With a final `/` it keeps its name there.
            copy: False: a layer of its own on top, independent of the steps before; only other such adds may
                follow. True: a step like any other, on which further steps can build.

        Raises:
            InvalidTypeError: a path is not a path.
            InvalidError: `remote_path` is not absolute. That the file is missing is found when the image is
                compiled or built.

        Example:
            ```python
            image = image.add_local_file("config.toml", "/etc/app/config.toml")
            ```
        """
        example = 'add_local_file("config.toml", "/etc/app/config.toml")'
        return self._then(
            AddLocalFile,
            arguments.path("local_path", local_path, example),
            arguments.remote_path("remote_path", remote_path, example),
            arguments.flag("copy", copy),
        )

    @chained
    def add_local_dir(
        self,
        local_path: str | os.PathLike[str],
        remote_path: str | os.PathLike[str],
        *,
        copy: bool = False,
        ignore: Sequence[str] | Callable[[Path], bool] = (),
    ) -> Self:
        """Add what a local directory holds; links, empty directories and modes are kept.

        Args:
            local_path: the directory, relative to the build's context directory. One outside of it comes from
                a named context (`--build-context`).
            remote_path: the directory of the image that gets the contents, absolute.
            copy: False: a layer of its own on top, independent of the steps before; only other such adds may
                follow. True: a step like any other, on which further steps can build.
            ignore: what stays out, and is not even sent: patterns as in a `.dockerignore` file, a
                `FilePatternMatcher`, or a function that gets a path relative to the directory and says
                whether to leave it out (it is asked about files, links and empty directories). A
                `.dockerignore` is read only for `FilePatternMatcher.from_file(".dockerignore")`.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: `remote_path` is not absolute, or a pattern is malformed. That the directory is
                missing is found when the image is compiled or built.

        Example:
            ```python
            image = image.add_local_dir("src", "/app/src", ignore=["**/__pycache__", "*.md"])
            ```
        """
        example = 'add_local_dir("src", "/app/src")'
        return self._then(
            AddLocalDir,
            arguments.path("local_path", local_path, example),
            arguments.remote_path("remote_path", remote_path, example),
            arguments.flag("copy", copy),
            checked_ignore(ignore),
        )
