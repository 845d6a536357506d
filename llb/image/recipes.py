"""Builder versions: what `debian_slim` means, frozen, so that an image stays what it was."""

from __future__ import annotations

from llb._value import Value
from llb.errors import InvalidError, InvalidTypeError


class Recipe(Value):
    """One builder version."""

    version: str
    debian: str
    """The Debian release, by its code name."""
    pythons: tuple[tuple[str, str], ...]
    """Accepted series and the patch release that each stands for."""
    default_python: str
    """The series of a chain that names none."""

    def python(self, version: str | None) -> str:
        """The full version of what was asked for.

        Raises:
            InvalidError: not a version, or one that this recipe does not have.
        """
        if version is None:
            version = self.default_python
        series, patch = _split(version)
        pins = dict(self.pythons)
        if version.endswith("t"):
            raise InvalidError(
                f"Free threaded Python is not supported: {version!r}",
                hint=f'Write "{version.removesuffix("t")}".',
            )
        if series not in pins:
            raise InvalidError(
                f"Unsupported Python version {version!r}: builder {self.version} has {', '.join(pins)}",
                hint=f'Write one of these, or Image.from_registry("python:{version}-slim").',
            )
        return version if patch else pins[series]


RECIPES = {
    "2025.06": Recipe(
        version="2025.06",
        debian="bookworm",
        pythons=(
            ("3.10", "3.10.17"),
            ("3.11", "3.11.12"),
            ("3.12", "3.12.10"),
            ("3.13", "3.13.3"),
            ("3.14", "3.14.2"),
        ),
        default_python="3.12",
    ),
}
DEFAULT_RECIPE = "2025.06"


def check_python_type(version: object) -> str | None:
    """Refuse what is not text: a float has lost the zero of 3.10.

    Raises:
        InvalidTypeError: it is neither text nor None.
    """
    if version is None or isinstance(version, str):
        return version
    hint = (
        f'Write "{version}" with quotes.'
        if isinstance(version, float)
        else 'Write it as text, such as "3.12".'
    )
    raise InvalidTypeError(
        f"python_version must be specified as a string, not {type(version).__name__} {version!r}", hint=hint
    )


def _split(version: str) -> tuple[str, str]:
    """A version's series, and what follows it: `3.12.1` is `3.12` and `.1`."""
    major, dot, rest = version.partition(".")
    digits = 0
    while digits < len(rest) and rest[digits].isdigit():
        digits += 1
    minor, patch = rest[:digits], rest[digits:]
    if major != "3" or not dot or not minor or not version.isascii() or not _is_patch(patch):
        raise InvalidError(
            f"Invalid Python version {version!r}",
            hint='Write it as "3.12", or "3.12.4" for one patch release.',
        )
    return f"3.{minor}", patch


def _is_patch(text: str) -> bool:
    """`[.N][rcN][t]`"""
    text = text.removesuffix("t")
    before, candidate, number = text.partition("rc")
    if candidate and not number.isdigit():
        return False
    return not before or (before.startswith(".") and before[1:].isdigit())
