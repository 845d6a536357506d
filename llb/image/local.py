"""Local files of a compilation: which local source has a path, and what of it is sent."""

from __future__ import annotations

from llb import graph
from llb.errors import ExecutionError, LocalDirectoryError, LocalFileError
from llb.graph import Meta
from llb.graph.definition import sha256
from llb.graph.paths import clean
from llb.image.patterns import escape, find_ignore_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from llb.graph import State
    from llb.image.options import BuildOptions
    from llb.image.resolver import LocalEntry, Resolver
    from llb.image.step import Step

_SLUG = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.-")


class LocalFiles:
    """What the steps of one compilation ask about local files."""

    def __init__(self, resolver: Resolver, options: BuildOptions) -> None:
        self.resolver = resolver
        self.options = options
        self.notes: list[str] = []
        """What the user should know, and what is no error."""
        self._started = resolver.now()
        self._contexts = dict(options.contexts)
        self._followed: dict[str, set[str]] = {}
        self._locals: dict[tuple[object, ...], State] = {}

    def note(self, text: str) -> None:
        """Tell the user something, once."""
        if text not in self.notes:
            self.notes.append(text)

    def locate(self, path: str, *, directory: bool) -> tuple[str, str]:
        """Which local source serves a path, and where in it: `.` is its root.

        Paths are relative to the main context. What lies outside of it comes from the named context that is
        called like one of the directories above it.

        Raises:
            LocalFileError: it is outside, and there is no such context.
        """
        cleaned = clean(path)
        if not cleaned.startswith(("/", "~")) and cleaned != ".." and not cleaned.startswith("../"):
            return self.options.context_name, cleaned
        placed = self.resolver.place(cleaned if cleaned.startswith("/") else path)
        if placed is not None:
            return placed[0], clean(placed[1])
        parts = [part for part in cleaned.split("/") if part not in ("", "..", "~")]
        flag = ""
        for depth in range(len(parts) if directory else len(parts) - 1, 0, -1):
            name = _slug(parts[depth - 1])
            source = self._contexts.get(name, "")
            if source.startswith("local:"):
                return source.removeprefix("local:"), "/".join(parts[depth:]) or "."
            if name and not flag:
                above = (
                    cleaned[: len(cleaned) - len("/".join(["", *parts[depth:]]))]
                    if parts[depth:]
                    else cleaned
                )
                flag = f"--build-context {name}={above}"
        raise LocalFileError(
            f"{path} is outside of the build's context directory",
            hint=f"Build with {flag} to serve it, or move it into the context directory."
            if flag
            else "Move it into the context directory, or build with a directory above it as context.",
        )

    def check_local(self, context: str, path: str, given: str, *, directory: bool) -> LocalEntry | None:
        """What a path is, if the resolver can tell.

        Raises:
            LocalFileError: it is not there, or is a directory where a file was meant.
            LocalDirectoryError: it is not a directory.
        """
        entry = self.resolver.stat(context, path)
        if entry is None:
            return None
        if entry.kind == "missing":
            what = "dir" if directory else "file"
            raise LocalFileError(
                f"local {what} {given} does not exist",
                hint="Paths are relative to the build's context directory.",
            )
        if directory and entry.kind != "dir":
            raise LocalDirectoryError(f"{given} is not a directory", hint="Add it with add_local_file.")
        if not directory and entry.kind == "dir":
            raise LocalFileError(f"{given} is a directory", hint="Add it with add_local_dir.")
        if not directory and entry.kind == "other":
            raise LocalFileError(f"{given} is no file, but a pipe, socket or device", hint="Name a file.")
        if not directory:
            self.check_unchanged(entry, given)
        return entry

    def check_unchanged(self, entry: LocalEntry, shown: str) -> None:
        """Say that a file was modified after the build began, where the resolver wants that to be looked at.

        Raises:
            ExecutionError: it was, and the resolver's policy is `error`.
        """
        policy = self.resolver.validation
        if policy == "ignore" or entry.modified <= self._started:
            return
        if policy == "warn":
            self.note(f"{shown} was modified during the build")
            return
        raise ExecutionError(
            f"{shown} was modified during the build",
            hint="Build again when nothing writes to it. LLB_BUILD_VALIDATION=warn (or ignore) goes on.",
        )

    def is_file(self, context: str, path: str) -> bool:
        """Whether a local context has such a file."""
        entry = self.resolver.stat(context, path)
        if entry is not None:
            return entry.kind == "file"
        try:
            self.resolver.read(context, path)
        except LocalFileError:
            return False
        return True

    def ignore_file(self, context: str, dockerfile: str = "") -> str | None:
        """The ignore file of a local context: of a Dockerfile in it, or of the context itself.

        What to ask for is announced with it: steps that use it call it in `announce` too.
        """
        return find_ignore_file(dockerfile, lambda path: self.is_file(context, path))

    def note_if_empty(self, step: Step, context: str, path: str, given: str) -> None:
        """Tell the user of a directory that holds nothing, where that is known at once."""
        found = self.resolver.stat(context, path) if self.resolver.on_disk else None
        if found is None:
            return
        if not any(entry.kind != "dir" for entry in self.resolver.walk(context, found.path)):
            self.note(f"{step.location}: {step.method}: nothing is added: {given} holds no file")

    def read_local(self, path: str) -> bytes:
        """A file of the build machine, by the path that the user wrote."""
        try:
            context, inside = self.locate(path, directory=False)
        except LocalFileError:
            known = self.resolver.read_outside(path)
            if known is None:
                raise
            return known
        entry = self.resolver.stat(context, inside)
        if entry is not None and entry.kind != "file":
            wrong = {"missing": "does not exist", "dir": "is a directory"}.get(
                entry.kind, "is no regular file"
            )
            raise LocalFileError(f"the file {path} {wrong}")
        return self.resolver.read(context, inside)

    def want_local(self, context: str, path: str) -> None:
        """Announce a path that is to be transferred whole: all of them share one transfer."""
        self._followed.setdefault(context, set()).add(path)

    def local(self, context: str) -> State:
        """The local source that holds all paths that were announced."""
        paths = self._followed.get(context, {"."})
        follow = () if "." in paths else tuple(sorted([escape(path) for path in paths], key=str.encode))
        return self._local(context, follow, (), self._hint(context))

    def selected(
        self, context: str, path: str, exclude: Sequence[str], key: str, include: Sequence[str] = ()
    ) -> State:
        """A local source of its own for a part of a path: without what is excluded, or only what is included.

        `key` stands for the selection as the user wrote it: the engine's copy is kept by it, so that after an
        edit only what changed is sent, and selections do not take turns in one copy.
        """
        digest = sha256(f"{path}\0{key}".encode()).hexdigest()[:16]
        follow = () if path == "." or include else (escape(path),)
        hint = f"{self._hint(context)}:{digest}"
        return self._local(context, follow, tuple(exclude), hint, tuple(include))

    def followed(self, context: str, follow: Sequence[str], exclude: Sequence[str], key: str) -> State:
        """A local source of its own for what some patterns name, or for all; `key` as for `selected`."""
        digest = sha256(key.encode()).hexdigest()[:16]
        hint = f"{self._hint(context)}:{digest}"
        return self._local(context, tuple(sorted(follow, key=str.encode)), tuple(exclude), hint)

    def _hint(self, context: str) -> str:
        return context if context == self.options.context_name else f"context:{context}-"

    def _local(
        self,
        context: str,
        follow: tuple[str, ...],
        exclude: tuple[str, ...],
        hint: str,
        include: tuple[str, ...] = (),
    ) -> State:
        key = (context, follow, exclude, hint, include)
        if key not in self._locals:
            options = self.options
            main = context == options.context_name
            name = "[internal] load build context" if main else f"[context {context}] load from client"
            self._locals[key] = graph.local(
                context,
                include=include,
                follow=follow,
                exclude=exclude,
                shared_key_hint=hint,
                session=dict(options.local_sessions).get(context, options.session),
                unique=options.local_unique,
                meta=Meta(name=name),
            )
        return self._locals[key]


def _slug(name: str) -> str:
    """A directory's name as name of a context: lower case, no characters that such a name cannot have."""
    text = "".join([character if character in _SLUG else "-" for character in name.lower()])
    return text.strip("-._")
