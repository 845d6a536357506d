"""As much of the Dockerfile language as must be known before BuildKit reads it."""

from __future__ import annotations

from llb._value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_DIRECTIVES = ("syntax", "escape", "check")
_OFFICIAL = "docker/dockerfile"


class Language(Value):
    """What the lines of a Dockerfile say before its first instruction."""

    directives: int = 0
    """How many lines are parser directives: nothing may come before them."""
    syntax: str = ""
    """The image of the frontend that they ask for."""
    restarts: bool = False
    """Whether they start from a base of their own."""


def language_of(text: str) -> Language:
    """Read the start of a Dockerfile."""
    lines = text.split("\n")
    found: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        name = name.strip().removeprefix("#").strip().lower()
        if not line.startswith("#") or not equals or name not in _DIRECTIVES or name in found:
            break
        found[name] = value.strip()
    escape = found.get("escape", "\\")
    continued = False
    for line in lines[len(found) :]:
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        instruction = words[0].upper()
        if not continued and instruction != "ARG":
            return Language(len(found), found.get("syntax", ""), instruction == "FROM")
        continued = line.rstrip().endswith(escape)
    return Language(len(found), found.get("syntax", ""))


def foreign_syntax(language: Language) -> str:
    """The image that is to read the lines instead of the built-in frontend; empty: none.

    `docker/dockerfile` is what is built in, so it need not be fetched; its `labs` channel is not.
    """
    syntax = language.syntax.partition(" ")[0]
    name, _, tag = syntax.removeprefix("docker.io/").partition(":")
    official = name == _OFFICIAL and "labs" not in tag
    return "" if official else syntax


def bases_in(text: str, build_args: Mapping[str, str]) -> list[str]:
    """The images that the FROM lines of a Dockerfile name, as far as that is clear from its text.

    Args:
        text: the Dockerfile.
        build_args: values of the ARG lines before the first FROM.
    """
    variables: dict[str, str] = {}
    stages = {"scratch"}
    found: list[str] = []
    for line in text.split("\n"):
        words = line.split()
        instruction = words[0].upper() if words else ""
        if instruction == "ARG" and len(stages) == 1 and not found:
            for word in words[1:]:
                name, _, value = word.partition("=")
                variables[name] = build_args.get(name, value.strip("\"'"))
        elif instruction == "FROM":
            named = [word for word in words[1:] if not word.startswith("--")]
            base = _expanded(named[0], variables) if named else ""
            if base and "$" not in base and base.lower() not in stages:
                found.append(base)
            if len(named) == 3:
                stages.add(named[2].lower())
    return found


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    import re

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: variables.get(found[1] or found[2], found[0]), text)
