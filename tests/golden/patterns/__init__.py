"""Ignore patterns, and what Docker's own implementation (github.com/moby/patternmatcher) says of them.

`vectors.json` holds its answers; `python -m tests.golden.patterns` writes them anew, with Go.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VECTORS = Path(__file__).parent / "vectors.json"
_MODULE = Path(__file__).parents[1]

PATHS = (
    *(
        "a",
        "b",
        "ab",
        "a.txt",
        "b.md",
        ".hidden",
        "a b",
        "é",
        "[x]",
        "*",
        "a*",
        "\\",
        "#x",
        "!x",
        "x!",
        "a+b",
        "$a",
    ),
    *(
        "a/b",
        "a/a.txt",
        "a/.hidden",
        "b/a",
        "b/a.txt",
        "é/a",
        "ab/a",
        "a/b/c",
        "a/b/a.txt",
        "b/a/b",
        "x/a/y/b/z",
    ),
    *("sub/keep/a.txt", "sub/drop/b.md", "sub/a.txt", "Sub/a.txt", "sub"),
)
"""What every pattern is asked about."""

LINES: tuple[tuple[str, ...], ...] = (
    (),
    # rules of https://docs.docker.com/build/concepts/context/#dockerignore-files
    ("# a comment", "*/a*", "*/*/a*", "a?"),
    ("*.md", "!b.md"),
    ("*.md", "!*b.md", "b.md"),
    ("*.md", "b.md", "!*b.md"),
    ("**/*.txt",),
    ("/a", "/sub/"),
    ("a/../b",),
    # one rule each
    ("a",),
    ("a/",),
    ("  a  ",),
    ("./a",),
    ("a//b",),
    ("../a",),
    ("..",),
    (".",),
    ("/",),
    ("*",),
    ("**",),
    ("***",),
    ("**/",),
    ("/**",),
    ("**/a",),
    ("a/**",),
    ("a/**/b",),
    ("**/**/b",),
    ("**a",),
    ("**a*",),
    ("a**",),
    ("*b*",),
    ("?",),
    ("??",),
    ("[ab]",),
    ("[a-b]",),
    ("[^a]",),
    ("[!a]",),
    ("[é]",),
    ("é",),
    ("\\*",),
    ("\\[x\\]",),
    ("\\#x",),
    ("\\!x",),
    ("#x",),
    (" #x",),
    ("a+b", "$a", "a.txt", "(a)", "{a}", "a|b"),
    ("a b",),
    (".hidden",),
    ("**/.*",),
    ("sub",),
    # exceptions
    ("!a",),
    ("*", "!a"),
    ("*", "!/a"),
    ("*", "! a"),
    ("*", "!./a"),
    ("*", "!a/"),
    ("*", "!a", "a/b"),
    ("a", "!a/b"),
    ("a", "!a/b", "a/b/c"),
    ("**", "!**/*.txt"),
    ("**", "!**/*.txt", "**/a.txt"),
    ("sub/*", "!sub/keep"),
    ("sub", "!sub/keep", "sub/keep/a.txt"),
    ("!",),
    ("! ",),
    ("!!a",),
    # malformed
    ("[",),
    ("[a",),
    ("a[",),
    ("[]a]",),
    ("[a-]",),
    ("[b-a]",),
    ("a\\",),
    ("a", "x/[b"),
    ("\ufeff*.md",),
    ("\ufeff# comment", "*.md"),
)


@dataclass(frozen=True)
class Answer:
    """What the implementation says: `error`, or for each path whether it is matched."""

    error: str
    matched: tuple[bool, ...] = ()
    walked: tuple[bool, ...] = ()
    """The same, asked in the order of a walk, as BuildKit's client does."""


class Oracle:
    """The implementation itself, in a process of its own."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    @staticmethod
    def build(directory: Path) -> Oracle | None:
        """Builds it; None where there is no Go, or no way to its modules."""
        go = shutil.which("go")
        if go is None:
            return None
        program = directory / "patterns"
        built = subprocess.run(
            [go, "build", "-o", program, "./patterns"],
            cwd=_MODULE,
            capture_output=True,
            check=False,
            timeout=300,
        )
        return Oracle(program) if built.returncode == 0 else None

    def ask(
        self, paths: Sequence[str], *, lines: Sequence[str] | None = None, patterns: Sequence[str] = ()
    ) -> Answer:
        """About lines of an ignore file, or about patterns as they are."""
        question = {"Lines": lines, "Patterns": list(patterns), "Paths": list(paths)}
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        said = json.loads(process.stdout.readline())
        if said["Error"]:
            return Answer(said["Error"])
        return Answer("", tuple(said["Matched"] or ()), tuple(said["Walked"] or ()))

    def close(self) -> None:
        with self._process:  # closes its ends, and waits for it
            pass


def frozen() -> dict[str, list[str] | None]:
    """For the lines of each case: the paths that are matched; None where the lines are refused."""
    return json.loads(VECTORS.read_text())


def key(lines: Sequence[str]) -> str:
    return json.dumps(lines, ensure_ascii=False)


def answers(oracle: Oracle) -> dict[str, list[str] | None]:
    """What `vectors.json` holds, asked anew."""
    found: dict[str, list[str] | None] = {}
    for lines in LINES:
        answer = oracle.ask(PATHS, lines=lines)
        matched = (
            [path for path, one in zip(PATHS, answer.matched, strict=True) if one]
            if not answer.error
            else None
        )
        found[key(lines)] = matched
    return found
