"""Builder versions: what `debian_slim` and its kin mean, frozen, so that an image stays what it was.

They are data: a step reads its recipe, and never asks which version that is.
"""

from __future__ import annotations

from llb._value import Value
from llb.errors import InvalidError, InvalidTypeError, VersionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from llb.image.build import Build


class Recipe(Value):
    """One builder version."""

    version: str
    debian: str
    """The Debian release, by its code name."""
    pythons: tuple[tuple[str, str], ...]
    """Accepted series and the patch release that each stands for; empty: whatever the registry has."""
    tools: tuple[str, ...]
    """What `debian_slim` brings up to date with pip."""
    packages: tuple[str, ...]
    """What `debian_slim` installs with apt."""
    cmd: tuple[str, ...]
    """The command of `debian_slim` and `micromamba`; empty: the base's own."""
    micromamba: str
    """The tag of the micromamba image."""
    added: tuple[tuple[str, str, str], ...]
    """What `add_python` takes: series, and its builds for glibc and musl (`VERSION+RELEASE`; empty: none)."""
    poetry: str
    """What `poetry_install_from_file` means by `latest`: a version specifier, or empty for no limit."""
    uv: str
    """The version of uv that `uv_pip_install` and `uv_sync` use where nobody asks for one."""

    def python(self, version: str) -> str:
        """The tag's version for what was asked for: `3.12` is its patch release, `3.12.4` stays.

        Raises:
            InvalidError: not a version, or one that this recipe does not have.
        """
        series, patch = parse_python(version)
        pins = dict(self.pythons)
        if version.endswith("t"):
            raise InvalidError(
                f"Free threaded Python is not supported: {version!r}",
                hint=f'Write "{version.removesuffix("t")}", or give it to a base of its own: '
                f'Image.from_registry("debian:{self.debian}-slim", add_python="{series}t").',
            )
        if series not in pins:
            raise InvalidError(
                f"Unsupported Python version {version!r}: builder {self.version} has {', '.join(pins)}",
                hint=f'Write one of these, or Image.from_registry("python:{version}-slim").',
            )
        return version if patch else pins[series] or series


_BUILD_TOOLS = ("gcc", "gfortran", "build-essential")
_TOOLS = ("pip", "wheel", "uv")
_SLEEP = ("sleep", "172800")
_UV = "0.13.9"

_ADDED = (
    ("3.10", "3.10.13+20240224", "3.10.19+20251209"),
    ("3.11", "3.11.5+20230826", "3.11.14+20251209"),
    ("3.12", "3.12.1+20240107", "3.12.12+20251209"),
    ("3.13", "3.13.0+20241008", "3.13.11+20251209"),
    ("3.14", "3.14.2+20251205", "3.14.2+20251205"),
    ("3.14t", "3.14.2t+20251209", "3.14.2t+20251209"),
)
"""Before 2025 the builds for musl were static, and could load no extension modules."""

RECIPES = {
    recipe.version: recipe
    for recipe in (
        Recipe(
            version="2023.12",
            debian="bullseye",
            pythons=(("3.10", "3.10.8"), ("3.11", "3.11.0"), ("3.12", "3.12.1")),
            tools=("pip",),
            packages=_BUILD_TOOLS,
            cmd=(),
            micromamba="1.3.1-bullseye-slim",
            added=_ADDED[:3],
            poetry="~=1.7",
            uv=_UV,
        ),
        Recipe(
            version="2024.04",
            debian="bookworm",
            pythons=(("3.10", "3.10.14"), ("3.11", "3.11.8"), ("3.12", "3.12.2")),
            tools=_TOOLS,
            packages=_BUILD_TOOLS,
            cmd=(),
            micromamba="1.5.8-bookworm-slim",
            added=_ADDED[:3],
            poetry="~=1.7",
            uv=_UV,
        ),
        Recipe(
            version="2024.10",
            debian="bookworm",
            pythons=(("3.10", "3.10.15"), ("3.11", "3.11.10"), ("3.12", "3.12.6"), ("3.13", "3.13.0")),
            tools=_TOOLS,
            packages=_BUILD_TOOLS,
            cmd=(),
            micromamba="1.5.10-bookworm-slim",
            added=_ADDED[:4],
            poetry="~=1.7",
            uv=_UV,
        ),
        Recipe(
            version="2025.06",
            debian="bookworm",
            pythons=(
                ("3.10", "3.10.17"),
                ("3.11", "3.11.12"),
                ("3.12", "3.12.10"),
                ("3.13", "3.13.3"),
                ("3.14", "3.14.2"),
            ),
            tools=_TOOLS,
            packages=_BUILD_TOOLS,
            cmd=_SLEEP,
            micromamba="2.1.1-debian12-slim",
            added=_ADDED,
            poetry="",
            uv=_UV,
        ),
        Recipe(
            version="2026.10",
            debian="trixie",
            pythons=(("3.11", ""), ("3.12", ""), ("3.13", ""), ("3.14", ""), ("3.15", "")),
            tools=_TOOLS,
            packages=_BUILD_TOOLS,
            cmd=_SLEEP,
            micromamba="2.9.0-debian13-slim",
            added=(
                ("3.11", "3.11.17+20261003", "3.11.17+20261003"),
                ("3.12", "3.12.15+20261003", "3.12.15+20261003"),
                ("3.13", "3.13.16+20261003", "3.13.16+20261003"),
                ("3.14", "3.14.8+20261003", "3.14.8+20261003"),
                ("3.14t", "3.14.8t+20261003", "3.14.8t+20261003"),
                ("3.15", "3.15.1+20261021", ""),
                ("3.15t", "3.15.1t+20261021", ""),
            ),
            poetry="",
            uv=_UV,
        ),
    )
}
DEFAULT_RECIPE = "2025.06"
DEFAULT_PYTHON = "3.12"
"""The series of a chain that names none, where no interpreter of the user's evaluates it."""

VERSION_VARIABLES = ("LLB_IMAGE_BUILDER_VERSION", "MODAL_IMAGE_BUILDER_VERSION")
MIRROR_VARIABLE = "LLB_PYTHON_BUILD_MIRROR"
"""Names another place of the builds of `add_python`."""
PYTHON_ARGUMENT = "LLB_PYTHON_VERSION"
"""The build argument that names the series of a chain that names none."""


def recipe_of(build: Build) -> Recipe:
    """The recipe that a build was asked for, by options, environment or project; else the default.

    Raises:
        VersionError: there is no such version.
    """
    version, where = build.setting("builder_version", VERSION_VARIABLES, "image-builder-version")
    return find_recipe(version or DEFAULT_RECIPE, where)


def find_recipe(version: str, where: str = "") -> Recipe:
    """A recipe by its version; `where` says who asked for it.

    Raises:
        VersionError: there is no such version.
    """
    recipe = RECIPES.get(version)
    if recipe is None:
        asked = f" (from {where})" if where else ""
        raise VersionError(
            f"unknown builder version {version!r}{asked}: there are {', '.join(RECIPES)}",
            hint="Choose one of these, or update llb for newer ones.",
        )
    return recipe


def check_python_type(version: object, name: str = "python_version") -> str | None:
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
        f"{name} must be specified as a string, not {type(version).__name__} {version!r}", hint=hint
    )


def parse_python(version: str) -> tuple[str, str]:
    """A version's series, and what follows it: `3.12.1` is `3.12` and `.1`.

    Raises:
        InvalidError: it is not `3.N[.N][rcN][t]`.
    """
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
