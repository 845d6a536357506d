"""What of a local directory is sent: all but what is ignored, chosen before anything is transferred."""

from __future__ import annotations

import os

from llb.errors import InvalidError, InvalidTypeError, LLBError, LocalFileError
from llb.image import arguments
from llb.image.patterns import (
    AutoDockerignore,
    FilePatternMatcher,
    escape,
    matches,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from llb.graph import State
    from llb.image.build import Build
    from llb.image.patterns import Pattern
    from llb.image.resolver import LocalEntry
    from llb.image.step import Step

    Function = Callable[[Path], bool]
    Ignore = FilePatternMatcher | AutoDockerignore | Function


def checked_ignore(value: object) -> Ignore | None:
    """What `ignore=` was given: a matcher, function or AUTO_DOCKERIGNORE; None if nothing is ignored.

    Raises:
        InvalidTypeError: it is neither patterns nor callable.
    """
    if isinstance(value, FilePatternMatcher | AutoDockerignore):
        return value
    if callable(value) and not isinstance(value, type):
        return value  # pyright: ignore[reportReturnType]
    is_sequence = hasattr(value, "__getitem__") and hasattr(value, "__len__") and not hasattr(value, "keys")
    if isinstance(value, str | bytes) or not is_sequence:
        shown = arguments.shown(value)
        example = f"ignore=[{shown}]" if isinstance(value, str) else 'ignore=["**/*.pyc", "data"]'
        raise InvalidTypeError(
            f"ignore must be a list of patterns or a function, not {arguments.kind(value)}: {shown}",
            hint=f"Write {example}.",
        )
    patterns: Sequence[object] = value  # pyright: ignore[reportAssignmentType]
    given = tuple(patterns)
    for one in given:
        if isinstance(one, str):
            arguments.checked("ignore", one)
    return FilePatternMatcher(*given) if given else None  # pyright: ignore[reportArgumentType]


_CACHES = "**/__pycache__"
_ENOUGH = 5000
"""How many entries are looked at for one that is not ignored."""


class Selected:
    """A directory of a local source, where some of it is ignored.

    Args:
        step: whose directory it is.
        build: the compilation.
        context: the local source.
        path: the directory in it, links not followed.
        given: the directory as the user wrote it.
        ignore: what is left out.
        without_caches: whether `__pycache__` stays out in any case.
    """

    def __init__(
        self,
        step: Step,
        build: Build,
        context: str,
        path: str,
        given: str,
        ignore: Ignore,
        *,
        without_caches: bool = False,
    ) -> None:
        self._step = step
        self._build = build
        self._context = context
        self._path = path
        self._given = given
        self._ignore = ignore
        self._also = FilePatternMatcher(*[_CACHES] * without_caches)
        entry = build.check_local(context, path, given, directory=True)
        self._real = (
            entry.path if entry is not None else path
        )  # what is sent has the names that links lead to
        self._prefix = "" if self._real == "." else self._real

    def source(self) -> tuple[State, str]:
        """The local source, and the path in it."""
        ignore = self._ignore
        if isinstance(ignore, AutoDockerignore):
            return self._by_ignore_file(repr(ignore))
        if isinstance(ignore, FilePatternMatcher):
            exclude = ignore.exclude_patterns(self._prefix, self._build.read_local)
            exclude += self._also.exclude_patterns(self._prefix, self._build.read_local)
            return self._excluding(exclude, repr(ignore))
        return self._by_function(ignore)

    def only_python(self) -> tuple[State, str]:
        """The local source of `.py` files, without dot entries, and the path in it."""
        anchored = FilePatternMatcher("**/.*", _CACHES).exclude_patterns(self._prefix, self._build.read_local)
        include = FilePatternMatcher("**/*.py").exclude_patterns(self._prefix, self._build.read_local)
        self._note_if_nothing_is_left(FilePatternMatcher("**", *[f"!{one}" for one in include], *anchored))
        source = self._build.selected(self._context, self._path, anchored, "python source", include)
        return source, self._real

    def _excluding(self, exclude: tuple[str, ...], key: str) -> tuple[State, str]:
        self._note_if_nothing_is_left(FilePatternMatcher(*exclude))
        return self._build.selected(self._context, self._path, exclude, key), self._path

    def _by_ignore_file(self, key: str) -> tuple[State, str]:
        build, context = self._build, self._context
        file = build.ignore_file(context)
        if file is None:
            return build.selected(context, self._path, (), key), self._path
        # Its patterns are anchored at the context, as everywhere in Docker.
        matcher = FilePatternMatcher.from_file(file)
        patterns = matcher.patterns(lambda name: build.resolver.read(context, name))
        if self._prefix and matches(patterns, self._prefix) and not any(one.excluded for one in patterns):
            raise LocalFileError(
                f"{self._given} is left out by {file}",
                hint=f"Take it out of {file}, or give patterns of its own: ignore=[…].",
            )
        return self._excluding(tuple([str(pattern) for pattern in patterns]), key)

    def _note_if_nothing_is_left(self, excluded: FilePatternMatcher) -> None:
        build = self._build
        if not build.resolver.on_disk:
            return
        inside = f"{self._prefix}/" if self._prefix else ""

        def ignored(path: str) -> bool:
            return excluded(inside + path)

        prune = ignored if excluded.can_prune_directories() else None
        for looked_at, entry in enumerate(build.resolver.walk(self._context, self._real, prune)):
            if looked_at == _ENOUGH:  # a warning is not worth more
                return
            if entry.kind != "dir" and not ignored(entry.path):
                return
        self._note_nothing()

    def _note_nothing(self) -> None:
        step = self._step
        self._build.note(f"{step.location}: {step.method}: nothing of {self._given} is added: all is ignored")

    def _by_function(self, ignore: Function) -> tuple[State, str]:
        build = self._build
        entries = list(build.resolver.walk(self._context, self._real))
        also = self._also.patterns(build.read_local)
        key = f"{self._step.method} {self._given} {ignore.__class__.__name__}"
        chosen = build.resolver.call(lambda: _Chosen(entries, ignore, also))
        if build.resolver.validation != "ignore":
            for entry in chosen.files:
                path = f"{self._prefix}/{entry.path}" if self._prefix else entry.path
                modified = build.resolver.modified(self._context, path)
                build.check_unchanged(entry.replace(modified=modified), path)
        if not chosen.files:
            self._note_nothing()
        # The engine's client holds each path against each pattern: the fewer, the better.
        odd = _odd(chosen.dropped)
        if chosen.kept and (odd or len(chosen.kept) < len(chosen.dropped)) and not _odd(chosen.kept):
            include = tuple([self._escaped(path) for path in chosen.kept])
            return build.selected(self._context, self._path, (), key, include), self._real
        if odd:
            raise InvalidError(
                f"a function cannot choose {os.fsencode(odd)!r} in {self._given}: the name is not UTF-8",
                hint="Rename it, or leave it out by patterns: `?` stands for any character.",
            )
        exclude = tuple([self._escaped(path) for path in chosen.dropped])
        return build.selected(self._context, self._path, exclude, key), self._path

    def _escaped(self, path: str) -> str:
        return escape(f"{self._prefix}/{path}" if self._prefix else path)


class _Chosen:
    """What a function ignores. It is asked about files, links and empty directories.

    `kept` and `dropped` are the fewest paths that stand for all: a directory stands for all that it holds.
    """

    def __init__(self, entries: Iterable[LocalEntry], ignore: Function, also: Sequence[Pattern]) -> None:
        from pathlib import Path

        found = list(entries)
        parents = {entry.path.rpartition("/")[0] for entry in found}
        self.files: list[LocalEntry] = []
        some_kept: set[str] = set()
        some_dropped: set[str] = set()
        for entry in found:
            path = entry.path
            if entry.kind == "dir" and path in parents:
                continue
            ignored = (also and matches(also, path)) or _asked(ignore, Path(path))
            if not ignored and entry.kind != "dir":
                self.files.append(entry)
            marked = some_dropped if ignored else some_kept
            while path and path not in marked:
                marked.add(path)
                path = path.rpartition("/")[0]
        self.kept = _topmost(found, some_kept - some_dropped)
        self.dropped = _topmost(found, some_dropped - some_kept)


def _asked(ignore: Function, path: Path) -> bool:
    try:
        return bool(ignore(path))
    except Exception as error:
        if isinstance(error, LLBError):
            raise
        raise InvalidError(
            f"the ignore function failed for {str(path)!r}: {type(error).__name__}: {error}",
            hint="It gets a path relative to the added directory, and says whether to leave it out.",
        ) from error


def _odd(paths: Sequence[str]) -> str:
    """The first of some paths that is not UTF-8."""
    return next((path for path in paths if not path.isascii() and not _is_text(path)), "")


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _topmost(entries: Sequence[LocalEntry], paths: set[str]) -> list[str]:
    """Those of the paths that are not below others of them, in the order of a walk."""
    return [
        entry.path for entry in entries if entry.path in paths and entry.path.rpartition("/")[0] not in paths
    ]
