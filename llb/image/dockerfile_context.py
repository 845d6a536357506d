"""What COPY and ADD of a step's Dockerfile lines read, where that is not left to BuildKit.

BuildKit takes from the build's own context directory what COPY and ADD name, without what `.dockerignore`
names. Another directory, other patterns or single files are an input of its Dockerfile frontend instead: a
local source with what it asked for when it was first given nothing but a name.
"""

from __future__ import annotations

import posixpath

from llb import graph
from llb._value import Value
from llb.graph.paths import clean
from llb.image import arguments
from llb.image.patterns import (
    AUTO_DOCKERIGNORE,
    AutoDockerignore,
    FilePatternMatcher,
    escape,
    find_ignore_file,
    read_ignore_file,
)
from llb.image.selection import Selected, checked_ignore

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from llb.graph import Definition, State
    from llb.image.build import Build
    from llb.image.selection import Ignore
    from llb.image.step import Step


class ContextOptions(Value):
    """What a step says of the files that its lines may copy."""

    directory: str = ""
    """Empty: the build's context directory."""
    files: tuple[tuple[str, str], ...] = ()
    """Names in the context, and local paths."""
    ignore: Ignore | None = AUTO_DOCKERIGNORE

    def announce(self, build: Build, dockerfile: str = "") -> None:
        """Tell a build what will be asked for; `dockerfile` is the Dockerfile's path, if there is one."""
        for _, path in self.files:
            context, inside = build.locate(path, directory=False)
            build.check_local(context, inside, path, directory=False)
            build.want_local(context, inside)
        if self.directory:
            context, inside = build.locate(self.directory, directory=True)
            build.check_local(context, inside, self.directory, directory=True)
        if isinstance(self.ignore, AutoDockerignore) and (dockerfile or not self.is_plain(build)):
            self.ignore_file(build, dockerfile)

    def is_plain(self, build: Build) -> bool:
        """Whether BuildKit finds by itself what is meant."""
        return (
            not self.files
            and isinstance(self.ignore, AutoDockerignore)
            and self._place(build) == (build.options.context_name, ".")
            # While an image is compiled outside of a build, nobody serves BuildKit any files.
            and (not build.resolver.on_disk or bool(build.options.session))
        )

    def _place(self, build: Build) -> tuple[str, str]:
        return build.locate(self.directory or ".", directory=True)

    def ignore_file(self, build: Build, dockerfile: str) -> tuple[str, str] | None:
        """The ignore file that applies: its local source and path."""
        context, root = self._place(build)
        beside = ""
        if dockerfile:
            place, path = build.locate(dockerfile, directory=False)
            inside = posixpath.relpath(path, root)
            beside = inside if place == context and not inside.startswith("../") else ""
        found = find_ignore_file(beside, lambda path: build.is_file(context, _below(root, path)))
        return None if found is None else (context, _below(root, found))

    def state(self, step: Step, build: Build, dockerfile: str, paths: Sequence[str] | None) -> State:
        """The context.

        Args:
            step: whose it is.
            build: the compilation.
            dockerfile: the path of the Dockerfile; empty if there is none.
            paths: what is read of it, as COPY has it; None: all.
        """
        given = {name for name, _ in self.files}
        wanted = None if paths is None else [one for one in map(_name, paths) if one not in given]
        if wanted is not None and "." in wanted:
            wanted = None
        state = graph.scratch()
        if wanted is None or wanted:
            state = self._directory(step, build, dockerfile, wanted)
        copies = [
            graph.copy(
                build.local(context),
                f"/{path}",
                f"/{name}",
                follow_symlinks=True,
                create_dest=True,
            )
            for name, (context, path) in [
                (name, build.locate(path, directory=False)) for name, path in self.files
            ]
        ]
        return state.file(*copies, meta=_meta(step)) if copies else state

    def _directory(self, step: Step, build: Build, dockerfile: str, wanted: Sequence[str] | None) -> State:
        context, root = self._place(build)
        ignore, exclude = self.ignore, ()
        prefix = "" if root == "." else root
        if isinstance(ignore, AutoDockerignore):
            file = self.ignore_file(build, dockerfile)
            if file is not None:
                matcher = FilePatternMatcher(*read_ignore_file(build.resolver.read(*file)))
                exclude = matcher.exclude_patterns(prefix, build.read_local)
        elif isinstance(ignore, FilePatternMatcher):
            exclude = ignore.exclude_patterns(prefix, build.read_local)
        elif ignore is not None:
            state, path = Selected(step, build, context, root, self.directory or ".", ignore).source()
            return _only(state, path, step)
        follow = [root] if wanted is None else [_below(escape(root) if prefix else "", one) for one in wanted]
        key = f"{step.method} {root}\0{ignore!r}"
        return _only(build.followed(context, [] if follow == ["."] else follow, exclude, key), root, step)


BUILDKITS_OWN = ContextOptions()


def context_options(
    context_dir: str | os.PathLike[str] | None,
    context_files: Mapping[str, str | os.PathLike[str]] | None,
    ignore: object,
) -> ContextOptions:
    """The arguments of a step that are about its context, checked.

    Raises:
        InvalidTypeError: one is of a wrong type.
        InvalidError: a path is empty.
    """
    example = 'context_files={"requirements.txt": "app/requirements.txt"}'
    files: list[tuple[str, str]] = []
    for name, path in arguments.dictionary(
        "context_files", {} if context_files is None else context_files, example
    ):
        inside = _name(arguments.text("a name in context_files", name, example))
        files.append((inside, arguments.path(f"context_files[{arguments.shown(name)}]", path, example)))
    directory = "" if context_dir is None else arguments.path("context_dir", context_dir, 'context_dir="app"')
    return ContextOptions(directory, tuple(files), checked_ignore(ignore))


def placeholder() -> Definition:
    """A context by name only: the answer says what would be read of it."""
    meta = graph.Meta(name="[internal] what is copied")
    return graph.marshal(graph.local("llb-context", unique="llb", meta=meta))


def _name(path: str) -> str:
    """A path in a context: `.` is its root."""
    return clean(f"/{path}").lstrip("/") or "."


def _below(root: str, path: str) -> str:
    return path if root in ("", ".") else root if path == "." else f"{root}/{path}"


def _only(state: State, path: str, step: Step) -> State:
    """What a directory of a local source holds, at the root."""
    if path == ".":
        return state
    wild = path == escape(path)  # what is not there is missed by the line that copies it
    action = graph.copy(
        state,
        f"/{path}",
        "/",
        follow_symlinks=True,
        contents_only=True,
        create_dest=True,
        wildcard=wild,
        empty_wildcard=wild,
    )
    return graph.scratch().file(action, meta=_meta(step))


def _meta(step: Step) -> graph.Meta:
    return graph.Meta(name=f"[internal] build context of {step.method}")
