"""The settings of a project: the table `[tool.llb]` of the pyproject.toml in the build's context."""

from __future__ import annotations

from llb.errors import InvalidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FILE = "pyproject.toml"
_KNOWN = ("image-builder-version", "python-build-mirror")


def read_settings(data: bytes | None) -> Mapping[str, str]:
    """The settings in the text of a pyproject.toml; None, no file: none.

    Raises:
        InvalidError: it is not TOML, has an unknown setting, or one that is not text.
    """
    if not data or b"llb" not in data:  # parsing it has its import cost
        return {}
    import tomllib

    try:
        document: dict[str, Any] = tomllib.loads(data.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidError(f"{FILE} cannot be read: {error}", hint="Is it TOML, in UTF-8?") from None
    tool: Any = document.get("tool")
    table: object = tool.get("llb", {}) if isinstance(tool, dict) else {}  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(table, dict):
        raise InvalidError(f"{FILE}: [tool.llb] is no table", hint=f'Write [tool.llb] and {_KNOWN[0]} = "…".')
    settings: dict[str, Any] = table  # pyright: ignore[reportUnknownVariableType]
    for name, value in settings.items():
        if name not in _KNOWN:
            raise InvalidError(
                f"{FILE}: [tool.llb] has no setting {name!r}", hint=f"There are {', '.join(_KNOWN)}."
            )
        if not isinstance(value, str):
            raise InvalidError(
                f"{FILE}: {name} must be a string, not {type(value).__name__} {value!r}",
                hint=f'Write {name} = "{value}" with quotes.',
            )
    return settings
