"""Local files of this machine, as the compiler looks at them."""

from __future__ import annotations

import os
import sys

from llb.errors import ExecutionError, InvalidError, LocalFileError, ModuleNotMountable
from llb.image.resolver import LocalEntry, LocalModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec

POLICIES = ("error", "warn", "ignore")
_POLICY = "LLB_BUILD_VALIDATION"
_POLICY_ELSEWHERE = "MODAL_BUILD_VALIDATION"


def validation_policy() -> str:
    """What is done about files that change during a build: `error`, `warn` or `ignore`, by the environment.

    Raises:
        InvalidError: LLB_BUILD_VALIDATION has another value.
    """
    name = _POLICY if os.environ.get(_POLICY) else _POLICY_ELSEWHERE
    policy = os.environ.get(name) or POLICIES[0]
    if policy not in POLICIES:
        raise InvalidError(
            f"{name}={policy}: there is no such policy", hint=f"It is one of {', '.join(POLICIES)}."
        )
    return policy


def walk(root: str, prune: Callable[[str], bool] | None) -> Iterator[LocalEntry]:
    """All below a directory: parents before what they hold, names sorted by bytes, links not followed.

    Args:
        root: the directory.
        prune: directories for which it is true are not looked into.

    Raises:
        LocalFileError: a directory cannot be read.
    """
    pending = [""]
    while pending:
        directory = pending.pop()
        inside: list[str] = []
        try:
            found = sorted(os.scandir(os.path.join(root, directory)), key=_bytes_of)
        except OSError as error:
            raise LocalFileError(
                f"the directory {directory or root} cannot be read: {error.strerror}",
                hint="Patterns leave it out: a function is asked about what is in it.",
            ) from None
        prefix = f"{directory}/" if directory else ""
        for entry in found:
            path = prefix + entry.name
            if entry.is_symlink():
                yield LocalEntry(path, "link")
            elif entry.is_dir(follow_symlinks=False):
                yield LocalEntry(path, "dir")
                if prune is None or not prune(path):
                    inside.append(path)
            else:
                yield LocalEntry(path, "file" if entry.is_file(follow_symlinks=False) else "other")
        pending.extend(reversed(inside))


def _bytes_of(entry: os.DirEntry[str]) -> bytes:
    return os.fsencode(entry.name)


def read(path: str, shown: str, *, validate: bool) -> bytes:
    """A file's bytes, all of one moment.

    Args:
        path: the file.
        shown: what messages call it.
        validate: refuse a file that is written to meanwhile.

    Raises:
        LocalFileError: it cannot be read.
        ExecutionError: it was written to while it was read.
    """
    try:
        with open(path, "rb") as file:
            before = os.fstat(file.fileno())
            data = file.read()
            after = os.fstat(file.fileno())
    except OSError as error:
        raise LocalFileError(f"the file {shown} cannot be read: {error.strerror}") from None
    changed = (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size) or len(
        data
    ) != after.st_size
    if validate and changed and after.st_size:
        raise ExecutionError(
            f"{shown} was modified while it was read", hint="Build again when nothing writes to it."
        )
    return data


_COMPILED = (".so", ".pyd", ".dylib", ".s", ".asm")


def find_module(name: str, search: Sequence[str], root: str) -> tuple[LocalModule, ...]:
    """Where a module lies, as this interpreter would import it; no code of it or of its parents is run.

    Args:
        name: the module, dotted.
        search: directories that come before `sys.path`.
        root: the build's context directory, which comes last.

    Returns:
        Its file, or its directories: several for a namespace package. Nothing if there is no such module.

    Raises:
        ModuleNotMountable: there is one, but it is not, or not all, Python source.
    """
    from importlib import invalidate_caches

    invalidate_caches()
    path: list[str] | None = None
    spec = None
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        if depth > 1 and path is None:
            return ()
        spec = _find_spec(".".join(parts[:depth]), path, search, root)
        if spec is None:
            return ()
        locations = spec.submodule_search_locations
        path = list(locations) if locations is not None else None
    _refuse_compiled(name)
    if path is not None:
        found = tuple([LocalModule(one, True) for one in dict.fromkeys(path) if os.path.isdir(one)])
    else:
        origin = (spec.origin if spec is not None else None) or ""
        if origin.endswith(_COMPILED):
            raise ModuleNotMountable(
                f"the module {name} is compiled: {os.path.basename(origin)}",
                hint="Install the package that it belongs to in the image, such as with pip_install.",
            )
        found = (LocalModule(origin, False),) if origin.endswith(".py") and os.path.isfile(origin) else ()
    if not found:
        raise ModuleNotMountable(f"the module {name} has no source file", hint=_install(name))
    return found


def _find_spec(name: str, path: list[str] | None, search: Sequence[str], root: str) -> ModuleSpec | None:
    from importlib.machinery import PathFinder

    for finder in sys.meta_path:
        try:
            if finder is PathFinder:
                # By its last name alone: parts of namespaces look their parents up among imported modules.
                places = path if path is not None else [*search, *sys.path, root]
                spec = PathFinder.find_spec(name.rpartition(".")[2], places)
            else:
                spec = finder.find_spec(name, path)
        except Exception as error:  # noqa: BLE001 - of somebody else's finder
            raise ModuleNotMountable(
                f"the module {name} cannot be found: {type(error).__name__}: {error}"
            ) from None
        if spec is not None:
            return spec
    return None


def _refuse_compiled(name: str) -> None:
    """Refuses a module whose distribution of the same name has compiled parts."""
    from importlib import metadata

    try:
        files = metadata.files(name) or ()
    except (metadata.PackageNotFoundError, ValueError):
        return
    for file in files:
        if file.suffix.lower() in _COMPILED:
            raise ModuleNotMountable(
                f"the package {name} has compiled parts, such as {file}",
                hint=f"Install it in the image: pip_install({name!r}).",
            )


def _install(name: str) -> str:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return f"{top} belongs to the standard library, which the image's Python has."
    return f"Install what it belongs to in the image, such as pip_install({top!r})."
