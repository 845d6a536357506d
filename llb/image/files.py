"""Local files in the image: `add_local_file`, `add_local_dir`."""

from __future__ import annotations

from llb import graph
from llb.image import arguments
from llb.image.chain import Chain, chained
from llb.image.patterns import AutoDockerignore
from llb.image.selection import Selected, checked_ignore
from llb.image.step import Lowered, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Self

    from llb.graph import State
    from llb.image.build import Build
    from llb.image.selection import Ignore

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
        build.check_local(context, path, self.local_path, directory=True)
        if self.ignore is None:
            build.want_local(context, path)
        elif isinstance(self.ignore, AutoDockerignore):
            build.ignore_file(context)

    def lower(self, below: Lowered, build: Build) -> Lowered:
        context, path = build.locate(self.local_path, directory=True)
        if self.ignore is None:
            source = build.local(context)
            build.note_if_empty(self, context, path, self.local_path)
        else:
            source, path = Selected(self, build, context, path, self.local_path, self.ignore).source()
        return copy_in(self, below, build, source, path, self.remote_path, copy=self.copy)


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
                `.dockerignore` is read only if asked for: `FilePatternMatcher.from_file(".dockerignore")` has
                its patterns relative to the directory, `AUTO_DOCKERIGNORE` is the one at the root of the
                build's context, with its patterns relative to that, as in Docker.

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
