"""Projects of uv: what of them a command needs, with the members of their workspace."""

from __future__ import annotations

import posixpath

from llb._value import Value
from llb.errors import InvalidError, LocalFileError, UnsupportedError
from llb.image.projects import members, normalized, parse_toml, requirement_name, table, toml_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from llb.image.build import Build

_PROJECT = "pyproject.toml"
_LOCK = "uv.lock"
_READ = (
    "name",
    "version",
    "requires-python",
    "dependencies",
    "optional-dependencies",
    "dynamic",
)
"""What uv reads of `[project]`, where the project itself is not installed."""
_WILD = frozenset("*?[")


class UvProject(Value):
    """The files of a project."""

    files: tuple[tuple[str, bytes], ...]
    """By their path in the project."""
    is_locked: bool
    has_index: bool
    """It says itself which index is the default."""


def read_project(build: Build, directory: str, *, frozen: bool, options: str) -> UvProject:
    """A project, its lock, and the members of its workspace.

    Args:
        build: the compilation.
        directory: of the project, as the user wrote it.
        frozen: the lock is used as it is.
        options: what uv is given besides.

    Raises:
        LocalFileError: there is no project.
        InvalidError: a file is wrong, or the lock is another project's.
    """
    path = posixpath.join(directory, _PROJECT)
    try:
        document = parse_toml(build.read_local(path), path)
    except LocalFileError as error:
        raise LocalFileError(
            f"Expected {path} to exist: {error.message}", hint="Say where the project is: uv_sync(directory)."
        ) from None
    _check_sources(document, path, options, is_root=True)
    files = [(_PROJECT, _reduced(document, path))]
    lock = read_optional(build, posixpath.join(directory, _LOCK))
    if lock is not None:
        if frozen:
            _check_lock(lock, document, path, posixpath.join(directory, _LOCK))
        files.append((_LOCK, lock))
    for member in _members(build, directory, document, path):
        name = posixpath.join(member, _PROJECT)
        inside = posixpath.join(directory, name)
        found = parse_toml(build.read_local(inside), inside)
        _check_sources(found, inside, options, is_root=False)
        files.append((name, _reduced(found, inside)))
    uv = table(document, path, "tool", "uv")
    defaults = [
        isinstance(one, dict) and one.get("default") is True  # pyright: ignore[reportUnknownMemberType]
        for one in members(document, path, "tool", "uv", "index")
    ]
    has_index = "index-url" in uv or True in defaults
    return UvProject(tuple(files), lock is not None, has_index)


def read_optional(build: Build, path: str) -> bytes | None:
    """A file of the build machine; None if it is not there."""
    context, inside = build.locate(path, directory=False)
    entry = build.resolver.stat(context, inside)
    if entry is not None and entry.kind == "missing":
        return None
    try:
        return build.read_local(path)
    except LocalFileError:
        if entry is not None:
            raise
        return None


def _reduced(document: dict[str, Any], path: str) -> bytes:
    """What uv reads of a `pyproject.toml`."""
    project = table(document, path, "project")
    kept: dict[str, Any] = {}
    if project:
        kept["project"] = {key: project[key] for key in _READ if key in project}
    for key in ("build-system", "dependency-groups"):
        if key in document:
            kept[key] = document[key]
    uv = table(document, path, "tool", "uv")
    if uv:
        kept["tool"] = {"uv": uv}
    return "".join(toml_lines(kept)).encode()


def _check_sources(document: dict[str, Any], path: str, options: str, *, is_root: bool) -> None:
    """Refuse sources that will not be there."""
    words = options.split()
    has_workspace = "workspace" in table(document, path, "tool", "uv")
    for name, given in table(document, path, "tool", "uv", "sources").items():
        sources: list[Any] = given if isinstance(given, list) else [given]  # pyright: ignore[reportUnknownVariableType]
        for source in sources:
            if not isinstance(source, dict):
                continue
            if source.get("workspace") and is_root and not has_workspace:  # pyright: ignore[reportUnknownMemberType]
                raise InvalidError(
                    f"{path} takes {name} from its workspace, and is not the root of one",
                    hint='Give the directory of the workspace\'s root: uv_sync("..", '
                    f'extra_options="--package={_name(document, path) or "app"}").',
                )
            skipped = "--no-install-local" in words or f"--no-install-package={name}" in words
            skipped = skipped or f"--no-install-package {name}" in " ".join(words)
            if "path" in source and not skipped:
                raise InvalidError(
                    f"{path} takes {name} from a local path, which is not in the image: {source['path']}",
                    hint="Make it a member of the workspace, or leave it out with "
                    f'extra_options="--no-install-package={name}" and add it with add_local_python_source.',
                )


def _name(document: dict[str, Any], path: str) -> str:
    name: object = table(document, path, "project").get("name", "")
    return normalized(name) if isinstance(name, str) else ""


def _check_lock(lock: bytes, document: dict[str, Any], path: str, lock_path: str) -> None:
    """Refuse a lock that would install something else than the project says.

    uv does not look when it is told that the lock is frozen. Locks are long, and parsing one can take longer
    than the rest of a warm build, so it is read as the text that uv writes.
    """
    text = lock.decode(errors="replace").replace("\r\n", "\n")
    first, *packages = text.split("[[package]]\n")
    if "\nversion = " not in f"\n{first}":
        parse_toml(lock, lock_path)
        raise InvalidError(
            f"{lock_path} is not a lock of uv", hint="Run `uv lock` in the project's directory."
        )
    name = _name(document, path)
    if not name:
        return
    roots = [
        one for one in packages if 'source = { virtual = "." }' in one or 'source = { editable = "." }' in one
    ]
    root = next((one for one in roots if one.startswith(f'name = "{name}"\n')), None)
    if root is None:
        other = ", ".join([one.partition('"')[2].partition('"')[0] for one in roots]) or "no project"
        raise InvalidError(
            f"{lock_path} does not belong to {path}: it locks {other}, not {name}",
            hint="Run `uv lock` in the project's directory, or take the lock away.",
        )
    listed = list(members(document, path, "project", "dependencies"))
    for extra in table(document, path, "project", "optional-dependencies"):
        listed += members(document, path, "project", "optional-dependencies", extra)
    for one in listed:
        wanted = requirement_name(one) if isinstance(one, str) else ""
        if wanted and wanted != name and f'{{ name = "{wanted}"' not in root:
            raise InvalidError(
                f"{lock_path} is older than {path}: it does not have {wanted}",
                hint="Run `uv lock` in the project's directory, or write frozen=False.",
            )


# -- workspaces


def _members(build: Build, directory: str, document: dict[str, Any], path: str) -> list[str]:
    """The directories of a workspace's members, in the project."""
    workspace = table(document, path, "tool", "uv", "workspace")
    patterns = _patterns(workspace, "members", path)
    exclude = [pattern.split("/") for pattern in _patterns(workspace, "exclude", path)]
    found: set[str] = set()
    for pattern in patterns:
        parts = pattern.split("/")
        if ".." in parts or pattern.startswith("/"):
            raise InvalidError(
                f"{path}: the workspace's member {pattern} is outside of the project",
                hint="Give the directory above both.",
            )
        wild = next((number for number, part in enumerate(parts) if not _WILD.isdisjoint(part)), len(parts))
        start = "/".join(parts[:wild])
        if wild == len(parts):
            if read_optional(build, posixpath.join(directory, start, _PROJECT)) is None:
                raise InvalidError(
                    f"{path}: the workspace's member {pattern} has no {_PROJECT}",
                    hint="Correct members below [tool.uv.workspace].",
                )
            found.add(start)
            continue
        for below in _with_projects(build, posixpath.join(directory, start)):
            member = posixpath.join(start, below) if start else below
            if member and _matches(member.split("/"), parts):
                found.add(member)
    return sorted([one for one in found if not any(_matches(one.split("/"), parts) for parts in exclude)])


def _patterns(workspace: dict[str, Any], key: str, path: str) -> list[str]:
    value: object = workspace.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):  # pyright: ignore[reportUnknownVariableType]
        raise InvalidError(f"{path}: {key} of [tool.uv.workspace] is not a list of strings")
    patterns: list[str] = value  # pyright: ignore[reportUnknownVariableType]
    return [posixpath.normpath(one) for one in patterns]


def _with_projects(build: Build, directory: str) -> Sequence[str]:
    """The directories below one that have a `pyproject.toml`."""
    context, inside = build.locate(directory, directory=True)
    entry = build.resolver.stat(context, inside)
    if entry is None or entry.kind != "dir":
        return ()
    try:
        return [
            one.path.rpartition("/")[0]
            for one in build.resolver.walk(context, entry.path)
            if one.kind == "file" and one.path.rpartition("/")[2] == _PROJECT
        ]
    except UnsupportedError as error:
        raise UnsupportedError(
            error.message,
            hint="Name the members of the workspace without wildcards, or use a newer BuildKit.",
        ) from None


def _matches(path: list[str], pattern: list[str]) -> bool:
    """Whether a path is what a pattern of a workspace means: `*` within a name, `**` any directories."""
    from fnmatch import fnmatchcase

    if not pattern:
        return not path
    if pattern[0] == "**":
        return _matches(path, pattern[1:]) or (bool(path) and _matches(path[1:], pattern))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _matches(path[1:], pattern[1:])
