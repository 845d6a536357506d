"""Projects of poetry: what of them its command needs."""

from __future__ import annotations

import posixpath

from llb.errors import InvalidError, NotFoundError
from llb.image.projects import members, parse_toml, table, toml_lines
from llb.image.uv_projects import read_optional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from llb.image.build import Build

_PROJECT = ("requires-python", "dependencies", "optional-dependencies", "dynamic")
_POETRY = (
    "dependencies",
    "dev-dependencies",
    "group",
    "extras",
    "source",
    "package-mode",
    "requires-poetry",
    "requires-plugins",
)
"""What poetry reads, where the project itself is not installed: that, and what must be there."""


def read_project(
    build: Build, path: str, lock: str | None, groups: tuple[tuple[str, ...], ...]
) -> tuple[tuple[str, bytes], ...]:
    """The files of a project, by the names that poetry knows.

    Args:
        build: the compilation.
        path: of its `pyproject.toml`.
        lock: the path of its lock; empty: beside it; None: it is left out.
        groups: those to install as well, to leave out, and to install alone.

    Raises:
        LocalFileError: there is no project.
        NotFoundError: there is no lock.
        InvalidError: the project is none of poetry's.
    """
    document = parse_toml(build.read_local(path), path)
    poetry = table(document, path, "tool", "poetry")
    if not poetry and "project" not in document:
        raise InvalidError(
            f"{path} is no project of poetry: it has neither [tool.poetry] nor [project]",
            hint="Name another file: poetry_install_from_file(path).",
        )
    _refuse_paths(document, path, groups)
    files = [("pyproject.toml", _reduced(document, path))]
    if lock is not None:
        lock = lock or posixpath.join(posixpath.dirname(path), "poetry.lock")
        data = read_optional(build, lock)
        if data is None:
            raise NotFoundError(
                f"there is no {lock}",
                hint="Run `poetry lock` in the project's directory, say where it is (poetry_lockfile=…), "
                "or write ignore_lockfile=True.",
            )
        files.append(("poetry.lock", data))
    return tuple(files)


def _reduced(document: dict[str, Any], path: str) -> bytes:
    """What poetry reads of a `pyproject.toml`. Names and versions must be there, whatever they are."""
    kept: dict[str, Any] = {}
    has_dynamic_version = "version" in members(document, path, "project", "dynamic")
    project = table(document, path, "project")
    if project:
        kept["project"] = {key: project[key] for key in _PROJECT if key in project}
        kept["project"]["name"] = project.get("name", "project")
        if not has_dynamic_version:
            kept["project"]["version"] = "0"
    poetry = table(document, path, "tool", "poetry")
    if poetry:
        reduced = {key: poetry[key] for key in _POETRY if key in poetry}
        if not project:
            reduced |= {"name": poetry.get("name", "project"), "description": "", "authors": []}
        if not project or has_dynamic_version:
            reduced["version"] = "0"
        kept["tool"] = {"poetry": reduced}
    if "dependency-groups" in document:
        kept["dependency-groups"] = document["dependency-groups"]
    return "".join(toml_lines(kept)).encode()


def _refuse_paths(document: dict[str, Any], path: str, groups: tuple[tuple[str, ...], ...]) -> None:
    """Refuse dependencies that will not be there."""
    with_groups, without, only = groups
    for group, optional, name, given in _dependencies(document, path):
        taken = group in only if only else group in with_groups or (not optional and group not in without)
        constraints: list[Any] = given if isinstance(given, list) else [given]  # pyright: ignore[reportUnknownVariableType]
        for one in constraints:
            if taken and isinstance(one, dict) and "path" in one:
                raise InvalidError(
                    f"{path} takes {name} from a local path, which is not in the image: {one['path']}",
                    hint="Put it in a group that is left out (without=[…]), and add it with "
                    "add_local_python_source.",
                )


def _dependencies(document: dict[str, Any], path: str) -> Iterator[tuple[str, bool, str, Any]]:
    """The dependencies of poetry's own tables: group, whether it is optional, name, what is said of it."""
    for name, given in table(document, path, "tool", "poetry", "dependencies").items():
        yield "main", False, name, given
    for name, given in table(document, path, "tool", "poetry", "dev-dependencies").items():
        yield "dev", False, name, given
    for group in table(document, path, "tool", "poetry", "group"):
        options = table(document, path, "tool", "poetry", "group", group)
        for name, given in table(document, path, "tool", "poetry", "group", group, "dependencies").items():
            yield group, bool(options.get("optional")), name, given
