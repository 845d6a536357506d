"""Docker's patterns, as `.dockerignore` files hold them: which paths of an added directory stay out.

The rules, exactly those by which BuildKit's client selects what it sends
(https://docs.docker.com/build/concepts/context/#dockerignore-files, https://github.com/moby/patternmatcher):
patterns are anchored at the directory, one that matches a directory matches all below it, they are tried in
order and the last that matches decides, `!` takes back.
"""

from __future__ import annotations

import os

from llb.errors import InvalidError, InvalidTypeError, LocalFileError
from llb.graph.paths import clean
from llb.image.arguments import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Sequence
    from os import PathLike

__all__ = [
    "AUTO_DOCKERIGNORE",
    "NON_PYTHON_FILES",
    "AutoDockerignore",
    "FilePatternMatcher",
    "Pattern",
    "escape",
    "find_ignore_file",
    "parse_patterns",
    "read_ignore_file",
]


_SPECIAL = frozenset("*?[]\\^")
_ESCAPED = _SPECIAL | frozenset("|{}")
"""What is written behind a backslash, so that it stands for itself."""


class Pattern:
    """One pattern, cleaned and translated: `matches` asks about one path, not about its parents."""

    __slots__ = ("_expression", "_regex", "excluded", "text")

    def __init__(self, text: str, excluded: bool) -> None:
        self._expression, self.text = _translate(text)
        self.excluded = excluded
        """Whether the pattern takes paths back (`!`)."""
        self._regex: re.Pattern[str] | None = None

    def __str__(self) -> str:
        return "!" + self.text if self.excluded else self.text

    def matches(self, path: str) -> bool:
        if self._regex is None:
            import re

            self._regex = re.compile(self._expression, re.DOTALL)
        return self._regex.fullmatch(path) is not None

    def below(self, prefix: str) -> str:
        """The same pattern for a matcher that is anchored further up: `prefix` is the path from there."""
        text = f"{escape(prefix)}/{self.text}" if prefix else self.text
        return "!" + text if self.excluded else text


class FilePatternMatcher:
    """Paths that Docker's ignore patterns match: for the `ignore=` of `add_local_dir`.

    Args:
        *pattern: patterns as in a `.dockerignore` file. `*` and `?` do not match `/`, `**` does; `[a-z]` and
            `[^a]` are character classes, a backslash takes the meaning from the next character. A leading `/`
            and spaces around a pattern mean nothing. A leading `!` takes back what earlier patterns matched.
            `#` starts a pattern like any other character: comments exist in files only.

    Called with a path relative to the added directory, a matcher says whether the path is matched, thus
    ignored. `~matcher` matches what `matcher` does not.

    Raises:
        InvalidError: a pattern is malformed, such as `[a` or `!` alone.
        InvalidTypeError: a pattern is not a string.

    Example:
        ```python
        image.add_local_dir("src", "/app", ignore=FilePatternMatcher("data/**", "!data/keep.txt"))
        image.add_local_dir("src", "/app", ignore=~FilePatternMatcher("**/*.py"))
        ```
    """

    __slots__ = ("_file", "_given", "_inverted", "_name", "_patterns")

    def __init__(self, *pattern: str) -> None:
        for one in pattern:
            if not isinstance(one, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidTypeError(
                    f"a pattern must be a string, not {type(one).__name__}: {shown(one)}",
                    hint='Give each pattern as an argument of its own: FilePatternMatcher("*.txt", "data").',
                    step="FilePatternMatcher",
                )
        self._given: tuple[str, ...] = pattern
        self._patterns: tuple[Pattern, ...] | None = parse_patterns(pattern)
        self._file = ""
        self._inverted = False
        self._name = ""

    @staticmethod
    def from_file(path: str | PathLike[str]) -> FilePatternMatcher:
        """A matcher with the patterns of a file such as `.dockerignore`, read when it is first used.

        Args:
            path: the file, relative to the build's context directory. Lines that start with `#` are comments.

        Raises:
            InvalidTypeError: `path` is not a path. That the file is missing is found when it is used.

        Example:
            ```python
            image.add_local_dir(".", "/app", ignore=FilePatternMatcher.from_file(".dockerignore"))
            ```
        """
        try:
            file = os.fspath(path)
        except TypeError:
            file = None
        if not isinstance(file, str) or not file:
            raise InvalidTypeError(
                f"path must be the path of a file, not {shown(path)}",
                hint='Write FilePatternMatcher.from_file(".dockerignore").',
                step="FilePatternMatcher.from_file",
            )
        matcher = FilePatternMatcher()
        matcher._file = file
        matcher._patterns = None
        return matcher

    def __call__(self, path: str | PathLike[str]) -> bool:
        """Whether the path is matched. It is relative to the added directory; `.` never is."""
        if self._patterns is None:
            self._patterns = self.patterns(_read_file)
        text = clean(os.fspath(path).replace(os.sep, "/")).lstrip("/")
        return matches(self._patterns, text) is not self._inverted

    def __invert__(self) -> FilePatternMatcher:
        matcher = FilePatternMatcher()
        matcher._given, matcher._patterns, matcher._file = self._given, self._patterns, self._file
        matcher._inverted = not self._inverted
        return matcher

    def can_prune_directories(self) -> bool:
        """Whether nothing below a matched directory can be unmatched, so that it need not be looked into."""
        if self._patterns is None:
            self._patterns = self.patterns(_read_file)
        return not self._inverted and not any(pattern.excluded for pattern in self._patterns)

    def patterns(self, read: Callable[[str], bytes]) -> tuple[Pattern, ...]:
        """The patterns in order, read with `read` if they come from a file and were not read yet."""
        if self._patterns is not None:
            return self._patterns
        return parse_patterns(read_ignore_file(read(self._file)))

    def exclude_patterns(self, prefix: str, read: Callable[[str], bytes]) -> tuple[str, ...]:
        """What a local source must exclude, so that in its directory `prefix` what is matched stays out."""
        patterns = [pattern.below(prefix) for pattern in self.patterns(read)]
        if not self._inverted:
            return tuple(patterns)
        everything = f"{escape(prefix)}/**" if prefix else "**"
        return (everything, *[text[1:] if text.startswith("!") else "!" + text for text in patterns])

    def __repr__(self) -> str:
        if self._name:
            return self._name
        sign = "~" if self._inverted else ""
        if self._file:
            return f"{sign}FilePatternMatcher.from_file({self._file!r})"
        return f"{sign}FilePatternMatcher({', '.join([repr(one) for one in self._given])})"


def matches(patterns: Sequence[Pattern], path: str) -> bool:
    """Whether the last pattern that matches the path, or a directory above it, is not a `!` one."""
    if path == ".":
        return False
    parts = path.split("/")
    above = ["/".join(parts[:depth]) for depth in range(len(parts), 0, -1)]
    matched = False
    for pattern in patterns:
        if pattern.excluded is matched and any(pattern.matches(one) for one in above):
            matched = not pattern.excluded
    return matched


def read_ignore_file(data: bytes) -> list[str]:
    """The patterns of an ignore file: no comments, no byte order mark.

    Raises:
        InvalidError: the file is not UTF-8.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidError("an ignore file that is not UTF-8", hint="Save the file as UTF-8.") from None
    return [line for line in text.split("\n") if not line.startswith("#")]


def escape(path: str) -> str:
    """A pattern that matches this path alone."""
    return _shielded("".join([_escape(character) for character in path]))


def parse_patterns(lines: Sequence[str]) -> tuple[Pattern, ...]:
    """Patterns in order, cleaned; those that are empty are left out.

    Raises:
        InvalidError: one is malformed.
    """
    patterns: list[Pattern] = []
    for line in lines:
        text = line.strip()
        excluded = text.startswith("!")
        if excluded:
            text = text[1:].strip()
            if not text:
                raise InvalidError(
                    'illegal exclusion pattern: "!" alone', hint="Write what it takes back: !keep.txt"
                )
        if not text:
            continue
        text = clean(text).lstrip("/")
        # "." and what leaves the directory match nothing; with a prefix they would match something else.
        if text not in ("", ".", "..") and not text.startswith("../"):
            patterns.append(Pattern(text, excluded))
    return tuple(patterns)


def _translate(pattern: str) -> tuple[str, str]:
    """The regular expression of a cleaned pattern, and the pattern so that engines read it the same way.

    BuildKit's client takes `^` for the start of the path, `|` for one pattern or the other, `{2}` for twice,
    `\\d` for a digit, and `*` in a class like one outside of it; nobody means that.

    Raises:
        InvalidError: a character class is malformed, or a backslash ends the pattern.
    """
    if pattern.startswith("**") and pattern[2:3] not in ("", "/") and _SPECIAL.isdisjoint(pattern[2:]):
        pattern = "**/*" + pattern[2:]  # at the start of a plain pattern, ** also matches within a name
    expression: list[str] = []
    text: list[str] = []
    at, end = 0, len(pattern)
    while at < end:
        character = pattern[at]
        at += 1
        if character == "*" and pattern.startswith("*", at):
            slash = pattern.startswith("/", at + 1)
            at += 1 + slash
            expression.append(".*" if at >= end else "(?:.*/)?")
            text.append("**/" if slash or (at < end and not text) else "**")
        elif character in "*?":
            expression.append("[^/]*" if character == "*" else "[^/]")
            text.append(character)
        elif character == "[":
            members, negated, at = _character_class(pattern, at)
            start = "[^" if negated else "["
            for parts, quote in ((expression, _quote), (text, _escape_member)):
                ranges = [
                    quote(low) if low == high else f"{quote(low)}-{quote(high)}" for low, high in members
                ]
                parts.append(f"{start}{''.join(ranges)}]")
        else:
            if character == "\\":
                if at >= end:
                    raise _bad(pattern, "nothing follows the last backslash")
                character = pattern[at]
                at += 1
            expression.append(_quote(character))
            text.append(_escape(character))
    return "".join(expression), _shielded("".join(text))


def _escape(character: str) -> str:
    if character < " " or character == "\x7f":
        return f"[{_escape_member(character)}]"
    return "\\" + character if character in _ESCAPED else character


def _escape_member(character: str) -> str:
    """A member of a character class.

    Patterns travel as gRPC headers, which have no control characters; BuildKit's client encodes them if
    there is one that is not ASCII. So such a class has one more, which no file name has.
    """
    if character < " " or character == "\x7f":
        return character + _NOT_ASCII
    return "\\" + character if character in _ESCAPED or character == "-" else character


_NOT_ASCII = "\U0010ffff"


def _shielded(text: str) -> str:
    """A pattern whose first `!` and outer spaces are characters like any other."""
    if text.startswith("!"):
        text = "\\" + text
    if text[:1].isspace():
        text = f"[{text[0]}]{text[1:]}"
    if text[-1:].isspace():
        text = f"{text[:-1]}[{text[-1]}]"
    return text


def _character_class(pattern: str, at: int) -> tuple[list[tuple[str, str]], bool, int]:
    """The ranges of a class whose `[` is before `at`, whether it is negated, and where it ends."""
    negated = pattern.startswith("^", at)
    at += negated
    members: list[tuple[str, str]] = []
    while at < len(pattern) and not (pattern[at] == "]" and members):
        low, at = _class_member(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _class_member(pattern, at + 1)
        if high < low:
            raise _bad(pattern, f"the range {low}-{high} is empty")
        members.append((low, high))
    if at >= len(pattern):
        raise _bad(pattern, "a character class is not closed")
    return members, negated, at + 1


def _class_member(pattern: str, at: int) -> tuple[str, int]:
    if pattern.startswith("\\", at):
        at += 1
    elif pattern.startswith(("-", "]"), at):
        raise _bad(pattern, f"a character class cannot start or end with {pattern[at]!r}")
    if at >= len(pattern):
        raise _bad(pattern, "a character class is not closed")
    return pattern[at], at + 1


def _quote(text: str) -> str:
    return "".join(
        [character if character.isalnum() or character in "_/" else "\\" + character for character in text]
    )


def _bad(pattern: str, why: str) -> InvalidError:
    return InvalidError(
        f"Bad pattern {shown(pattern)}: {why}",
        hint="A backslash takes the meaning from the next character: \\[ is a bracket.",
    )


def _read_file(path: str) -> bytes:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            return file.read()
    except OSError as error:
        raise LocalFileError(f"the ignore file {path} cannot be read: {error.strerror}") from None


def _non_python_files() -> FilePatternMatcher:
    matcher = ~FilePatternMatcher("**/*.py")
    matcher._name = "NON_PYTHON_FILES"  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
    return matcher


NON_PYTHON_FILES = _non_python_files()
"""Everything but `.py` files: `ignore=NON_PYTHON_FILES` adds Python source only."""


class AutoDockerignore:
    """The kind of `AUTO_DOCKERIGNORE`."""

    __slots__ = ()

    def __call__(self, path: str | PathLike[str]) -> bool:
        """It is no function: which file it stands for is known when the image is compiled.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "AUTO_DOCKERIGNORE cannot be called: it stands for an ignore file that is found when the image "
            'is compiled. FilePatternMatcher.from_file(".dockerignore") can be.'
        )

    def __repr__(self) -> str:
        return "AUTO_DOCKERIGNORE"


AUTO_DOCKERIGNORE = AutoDockerignore()
"""The ignore file that belongs to a Dockerfile or to the build's context directory (`find_ignore_file`)."""


def find_ignore_file(dockerfile: str, exists: Callable[[str], bool]) -> str | None:
    """The ignore file for a build context, relative to its root; None if there is none.

    Looked for in this order: `NAME.dockerignore` beside the Dockerfile, `.dockerignore` beside it, and
    `.dockerignore` at the root. What lies outside of the root does not count.

    Args:
        dockerfile: the Dockerfile's path relative to the root; empty if there is none.
        exists: whether a path relative to the root is a file.
    """
    candidates = [".dockerignore"]
    if dockerfile:
        path = clean(dockerfile)
        directory, slash, _ = path.rpartition("/")
        candidates = [f"{path}.dockerignore", f"{directory}{slash}.dockerignore", *candidates]
    for candidate in dict.fromkeys(candidates):
        if not candidate.startswith(("/", "../")) and exists(candidate):
            return candidate
    return None
