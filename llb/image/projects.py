"""Projects: what a `pyproject.toml` says of dependencies, and its parts that installers read."""

from __future__ import annotations

from llb.errors import InvalidError, without_credentials
from llb.image.arguments import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from llb.image.build import Build


def read_toml(build: Build, path: str) -> dict[str, Any]:
    """A TOML file of the build machine.

    Raises:
        LocalFileError: it is missing or cannot be read.
        InvalidError: it is not TOML.
    """
    return parse_toml(build.read_local(path), path)


def parse_toml(data: bytes, path: str) -> dict[str, Any]:
    """TOML, a mark of its byte order before it or not.

    Raises:
        InvalidError: it is none; the message says where.
    """
    import tomllib

    try:
        return tomllib.loads(data.removeprefix(b"\xef\xbb\xbf").decode())
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise InvalidError(
            f"{path}, line {line}, column {column}: this is not UTF-8", hint="Save it as UTF-8."
        ) from None
    except tomllib.TOMLDecodeError as error:
        why, _, place = str(error).rpartition(" (at ")
        where = place.removesuffix(")")
        if where == "end of document":
            text = data.decode(errors="replace").rstrip("\n")
            where = f"line {text.count(chr(10)) + 1}, column {len(text) - text.rfind(chr(10))}"
        raise InvalidError(
            f"{path}, {where}: this is not TOML: {why}" if why else f"{path}: this is not TOML: {error}"
        ) from None


def table(document: dict[str, Any], path: str, *keys: str) -> dict[str, Any]:
    """A table of a document; empty if it is not there.

    Raises:
        InvalidError: something else is there.
    """
    found: Any = document
    for number, key in enumerate(keys, 1):
        found = found.get(key, {})  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if not isinstance(found, dict):
            raise InvalidError(f"{path}: [{'.'.join(keys[:number])}] is not a table")
    return found  # pyright: ignore[reportUnknownVariableType]


def members(document: dict[str, Any], path: str, *keys: str) -> list[Any]:
    """A list of a document; empty if it is not there.

    Raises:
        InvalidError: something else is there.
    """
    found: object = table(document, path, *keys[:-1]).get(keys[-1], [])
    if not isinstance(found, list):
        raise InvalidError(f"{path}: {'.'.join(keys)} is not a list")
    return found  # pyright: ignore[reportUnknownVariableType]


def normalized(name: str) -> str:
    """A project's name, or that of its extras, as they are compared."""
    parts = name.lower().replace("_", "-").replace(".", "-").split("-")
    return "-".join([part for part in parts if part])


def dependencies(document: dict[str, Any], groups: Sequence[str], path: str) -> list[str]:
    """A project's dependencies, with those of some of its extras.

    Raises:
        InvalidError: it lists none, or has no such extra.
    """
    project = table(document, path, "project")
    if "dependencies" not in project:
        if "dependencies" in members(document, path, "project", "dynamic"):
            raise InvalidError(
                f"{path}: the dependencies are dynamic: only the project's build finds them out",
                hint="Write dependencies = […] below [project], or use pip_install_from_requirements.",
            )
        if "poetry" in table(document, path, "tool"):
            hint = "It is a project of poetry: use poetry_install_from_file."
        else:
            hint = 'Write dependencies = ["numpy"] below [project].'
        raise InvalidError(f"{path} has no [project] with dependencies", hint=hint)
    found = _strings(project["dependencies"], path, "project.dependencies")
    extras = {
        normalized(name): _strings(listed, path, f"project.optional-dependencies.{name}")
        for name, listed in table(document, path, "project", "optional-dependencies").items()
    }
    own = normalized(str(project.get("name", "")))
    wanted = [normalized(group) for group in groups]
    taken: set[str] = set()
    while wanted:
        group = wanted.pop(0)
        if group in taken:
            continue
        taken.add(group)
        if group not in extras:
            raise _unknown_group(document, group, extras, path)
        found += extras[group]
    # An extra that names extras of the project itself: an index would give another project of that name.
    done: list[str] = []
    while found:
        one = found.pop(0)
        name, marker, inner = _parts(one)
        if not own or normalized(name) != own:
            done.append(one)
            continue
        if marker:
            raise InvalidError(
                f"{path}: {shown(one)} asks for the project itself under a condition",
                hint="Write the dependencies themselves.",
            )
        for group in inner:
            if group not in extras:
                raise _unknown_group(document, group, extras, path)
            if group not in taken:
                taken.add(group)
                found += extras[group]
    return done


def _parts(requirement: str) -> tuple[str, str, list[str]]:
    """The name, the marker and the extras of a requirement."""
    subject, _, marker = requirement.partition(";")
    end = 0
    while end < len(subject) and (subject[end].isalnum() or subject[end] in "-_."):
        end += 1
    rest = subject[end:].strip()
    inner = rest[1:].partition("]")[0].split(",") if rest.startswith("[") else []
    return subject[:end], marker.strip(), [normalized(one.strip()) for one in inner if one.strip()]


def requirement_name(requirement: str) -> str:
    """The name of what a requirement asks for, as names are compared."""
    return normalized(_parts(requirement.strip())[0])


def _unknown_group(
    document: dict[str, Any], group: str, extras: dict[str, list[str]], path: str
) -> InvalidError:
    if group in [normalized(name) for name in table(document, path, "dependency-groups")]:
        hint = f'It is one of its dependency groups: uv_sync(groups=["{group}"]) installs those.'
    else:
        hint = f"There are {', '.join(sorted(extras))}." if extras else "It has none at all."
    return InvalidError(f"{path} has no optional dependencies called {group}", hint=hint)


def _strings(value: object, path: str, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):  # pyright: ignore[reportUnknownVariableType]
        raise InvalidError(f"{path}: {where} is not a list of strings", hint=f'Write {where} = ["numpy"].')
    found: list[str] = list(value)  # pyright: ignore[reportUnknownArgumentType]
    for one in found:
        if one.lstrip().startswith("-"):
            raise InvalidError(
                f"{path}: {where} cannot hold options: {shown(without_credentials(one))}",
                hint="Give options as extra_options=….",
            )
    return found


def toml_lines(document: dict[str, Any]) -> Iterator[str]:
    """A document written again, its own way whatever it was read from."""
    for key in sorted(document):
        yield f"{_toml(key)} = {_toml(document[key])}\n"


def _toml(value: Any) -> str:
    from llb import _json as json

    if isinstance(value, str):
        # JSON's escapes are among TOML's, but for the one character that JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        members: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return "[" + ", ".join([_toml(one) for one in members]) + "]"
    if isinstance(value, dict):
        pairs: list[tuple[str, Any]] = sorted(value.items())  # pyright: ignore[reportUnknownArgumentType]
        return "{" + ", ".join([f"{_toml(key)} = {_toml(one)}" for key, one in pairs]) + "}"
    # Dates and times write themselves as TOML has them; so do numbers.
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
