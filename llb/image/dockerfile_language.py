"""As much of the Dockerfile language as must be known before BuildKit reads it."""

from __future__ import annotations

from llb._value import Value

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
