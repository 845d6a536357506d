"""Docker's patterns, by tables: what they match, what is refused, and what a local source is told."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llb import FilePatternMatcher
from llb.errors import InvalidError, InvalidTypeError, LocalFileError
from llb.image import AUTO_DOCKERIGNORE, NON_PYTHON_FILES
from llb.image.patterns import escape, find_ignore_file

MATCHES = [
    # anchored at the root; a name is matched as a whole
    ("a.txt", "a.txt", True),
    ("a.txt", "sub/a.txt", False),
    ("a.txt", "xa.txt", False),
    ("*.txt", "a.txt", True),
    ("*.txt", "sub/a.txt", False),
    ("*.txt", ".txt", True),
    ("sub/*.txt", "sub/a.txt", True),
    ("sub/*.txt", "sub/x/a.txt", False),
    # a directory's pattern matches all below
    ("sub", "sub", True),
    ("sub", "sub/a/b/c", True),
    ("sub", "subway", False),
    ("s*b", "sub/a", True),
    ("sub/", "sub/a", True),
    # **
    ("**", "a/b", True),
    ("**/a", "a", True),
    ("**/a", "x/y/a", True),
    ("**/a", "x/a/b/c", True),
    ("**/a", "xa", False),
    ("**/*.py", "a.py", True),
    ("**/*.py", "x/y/a.py", True),
    ("**/*.py", "x/y/a.pyc", False),
    ("sub/**", "sub/a/b", True),
    ("sub/**", "sub", False),
    ("sub/**/x", "sub/x", True),
    ("sub/**/x", "sub/a/b/x", True),
    ("sub/**/x", "sub/a/bx", False),
    ("**a", "xa", True),
    ("**a", "x/ya", True),
    ("**a*", "xa", False),
    ("a**", "abc/d", True),
    # single characters and classes
    ("?", "a", True),
    ("?", "/", False),
    ("a?c", "abc", True),
    ("a?c", "ac", False),
    ("a?c", "a/c", False),
    ("[a-c]x", "bx", True),
    ("[a-c]x", "dx", False),
    ("[^a-c]x", "dx", True),
    ("[^a-c]x", "ax", False),
    ("[!a]x", "!x", True),
    ("[!a]x", "bx", False),
    ("[ab0-9]", "7", True),
    ("[\\]]", "]", True),
    ("[a\\-z]", "-", True),
    ("[a\\-z]", "b", False),
    ("[[]", "[", True),
    ("a]", "a]", True),
    # what is special in regular expressions is not special here
    ("a.b", "axb", False),
    ("a+(b|c){1}$", "a+(b|c){1}$", True),
    ("^a", "^a", True),
    ("é?", "éé", True),
    # escapes
    ("\\*", "*", True),
    ("\\*", "a", False),
    ("\\[a]", "[a]", True),
    ("a\\b", "ab", True),
    # cleaning
    ("  a  ", "a", True),
    ("/a", "a", True),
    ("./a", "a", True),
    ("x/../a", "a", True),
    ("a//b", "a/b", True),
    ("../a", "a", False),
    ("..", "a", False),
    (".", "a", False),
    ("/", "a", False),
    ("#a", "#a", True),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_a_pattern_matches(pattern: str, path: str, expected: bool) -> None:
    assert FilePatternMatcher(pattern)(path) is expected


ORDERED = [
    ((), "a", False),
    (("", "  "), "a", False),
    (("*", "!a"), "a", False),
    (("*", "!a"), "b", True),
    (("!a", "*"), "a", True),
    (("!a",), "a", False),
    (("*", "!a", "a"), "a", True),
    (("data/**", "!data/keep"), "data/keep", False),
    (("data/**", "!data/keep"), "data/drop", True),
    (("data", "!data/keep"), "data/keep", False),
    (("data", "!data/keep"), "data/keep/below", False),
    (("*", "!data", "data/x"), "data/x", True),
    (("*", "!data", "data/x"), "data/y", False),
    (("*", "! /a"), "a", False),
    (("*", "!./a"), "a", False),
]


@pytest.mark.parametrize(("patterns", "path", "expected"), ORDERED)
def test_the_last_pattern_that_matches_decides(patterns: tuple[str, ...], path: str, expected: bool) -> None:
    assert FilePatternMatcher(*patterns)(path) is expected


@pytest.mark.parametrize(
    "pattern", ["[", "a[b", "[]a]", "[^]", "[a-]", "[-a]", "[b-a]", "a\\", "[\\", "x/[a"]
)
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidError, match="Bad pattern") as caught:
        FilePatternMatcher("fine", pattern)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("pattern", ["!", " ! "])
def test_an_exclamation_mark_alone_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidError, match="illegal exclusion"):
        FilePatternMatcher(pattern)


@pytest.mark.parametrize("pattern", [1, None, Path("x"), ["a"]])
def test_a_pattern_is_text(pattern: object) -> None:
    with pytest.raises(InvalidTypeError, match="must be a string"):
        FilePatternMatcher(pattern)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("path", [".", "", "./"])
@pytest.mark.parametrize("pattern", ["**", "*", ".", "?"])
def test_the_directory_itself_never_matches(pattern: str, path: str) -> None:
    assert not FilePatternMatcher(pattern)(path)


def test_paths_of_any_kind() -> None:
    matcher = FilePatternMatcher("sub/*.py")
    assert matcher(PurePosixPath("sub/a.py"))
    assert matcher(Path("./sub/a.py"))


def test_inverting() -> None:
    matcher = FilePatternMatcher("**/*.py")
    assert (~matcher)("a.txt")
    assert not (~matcher)("x/a.py")
    assert (~~matcher)("x/a.py")
    assert (~FilePatternMatcher())("anything")


@pytest.mark.parametrize(
    ("matcher", "can"),
    [
        (FilePatternMatcher("a", "b/**"), True),
        (FilePatternMatcher(), True),
        (FilePatternMatcher("a", "!a/b"), False),
        (~FilePatternMatcher("a"), False),
        (~~FilePatternMatcher("a"), True),
    ],
)
def test_pruning(matcher: FilePatternMatcher, can: bool) -> None:
    assert matcher.can_prune_directories() is can


def test_texts_for_people() -> None:
    assert repr(FilePatternMatcher("a", "!b")) == "FilePatternMatcher('a', '!b')"
    assert repr(~FilePatternMatcher("a")) == "~FilePatternMatcher('a')"
    assert repr(FilePatternMatcher.from_file("x")) == "FilePatternMatcher.from_file('x')"
    assert repr(NON_PYTHON_FILES) == "NON_PYTHON_FILES"


def test_non_python_files() -> None:
    assert NON_PYTHON_FILES("a/b.txt")
    assert not NON_PYTHON_FILES("a/b.py")


class TestFiles:
    def test_a_file_is_read_when_it_is_first_used(self, tmp_path: Path) -> None:
        matcher = FilePatternMatcher.from_file(tmp_path / "ignore")
        (tmp_path / "ignore").write_bytes(
            "\ufeff*.txt\n# [a comment\n\n  !/keep.txt \r\n!\u00e9.txt".encode()
        )
        assert matcher("a.txt")
        assert not matcher("keep.txt")
        assert not matcher("é.txt")
        assert not matcher("# [a comment")
        (tmp_path / "ignore").unlink()
        assert (~matcher)("keep.txt")

    def test_a_missing_file(self, tmp_path: Path) -> None:
        matcher = FilePatternMatcher.from_file(tmp_path / "none")
        with pytest.raises(LocalFileError, match="none cannot be read"):
            matcher("a")

    def test_a_file_that_is_not_text(self, tmp_path: Path) -> None:
        (tmp_path / "ignore").write_bytes(b"\xff\xfe")
        with pytest.raises(InvalidError, match="UTF-8"):
            FilePatternMatcher.from_file(tmp_path / "ignore")("a")

    @pytest.mark.parametrize("path", [1, None, "", b"x"])
    def test_not_a_path(self, path: object) -> None:
        with pytest.raises(InvalidTypeError, match="path"):
            FilePatternMatcher.from_file(path)  # pyright: ignore[reportArgumentType]


class TestAutoDockerignore:
    def test_it_is_no_function(self) -> None:
        assert repr(AUTO_DOCKERIGNORE) == "AUTO_DOCKERIGNORE"
        with pytest.raises(NotImplementedError, match="when the image is compiled"):
            AUTO_DOCKERIGNORE("x")

    @pytest.mark.parametrize(
        ("dockerfile", "there", "expected"),
        [
            ("", {".dockerignore"}, ".dockerignore"),
            ("", {"sub/.dockerignore"}, None),
            ("Dockerfile", {"Dockerfile.dockerignore", ".dockerignore"}, "Dockerfile.dockerignore"),
            ("Dockerfile", {".dockerignore"}, ".dockerignore"),
            ("./sub/../sub/D", {"sub/D.dockerignore"}, "sub/D.dockerignore"),
            ("sub/D", {"sub/D.dockerignore", "sub/.dockerignore"}, "sub/D.dockerignore"),
            ("sub/D", {"sub/.dockerignore", ".dockerignore"}, "sub/.dockerignore"),
            ("sub/D", {".dockerignore"}, ".dockerignore"),
            ("sub/D", {"D.dockerignore", "sub/deep/.dockerignore"}, None),
            ("../D", {"../D.dockerignore", "../.dockerignore"}, None),
            ("../D", {"../D.dockerignore", ".dockerignore"}, ".dockerignore"),
            ("/etc/D", {"/etc/D.dockerignore", ".dockerignore"}, ".dockerignore"),
        ],
    )
    def test_where_it_is_looked_for(self, dockerfile: str, there: set[str], expected: str | None) -> None:
        assert find_ignore_file(dockerfile, there.__contains__) == expected


def no_file(_: str) -> bytes:
    raise AssertionError


class TestForALocalSource:
    """The same selection as patterns of the transfer, anchored at the context."""

    @pytest.mark.parametrize(
        ("matcher", "prefix", "expected"),
        [
            (FilePatternMatcher("*.txt", "!a.txt"), "", ["*.txt", "!a.txt"]),
            (FilePatternMatcher("*.txt", "!/a.txt"), "src", ["src/*.txt", "!src/a.txt"]),
            (FilePatternMatcher("a"), "w[1]*", ["w\\[1\\]\\*/a"]),
            (FilePatternMatcher("**x", "**x*", "**/x"), "s", ["s/**/*x", "s/**/x*", "s/**/x"]),
            (FilePatternMatcher("..", "../a", ".", "b"), "s", ["s/b"]),
            (FilePatternMatcher(), "s", []),
            (~FilePatternMatcher("**/*.py", "!x.py"), "s", ["s/**", "!s/**/*.py", "s/x.py"]),
            (~FilePatternMatcher("a"), "", ["**", "!a"]),
        ],
    )
    def test_exclude_patterns(self, matcher: FilePatternMatcher, prefix: str, expected: list[str]) -> None:
        assert list(matcher.exclude_patterns(prefix, no_file)) == expected

    @given(
        patterns=st.lists(
            st.builds(
                "".join,
                st.tuples(
                    st.sampled_from(["", "!"]),
                    st.sampled_from(
                        ["a", "b", "*", "**", "?", "a/b", "**/a", "a/**", "**a", "*b", "[ab]", "a/*"]
                    ),
                ),
            ),
            max_size=4,
        ),
        path=st.lists(st.sampled_from(["a", "b", "ab", "ba"]), min_size=1, max_size=3).map("/".join),
        inverted=st.booleans(),
        prefix=st.sampled_from(["", "a", "d/[x]*"]),
    )
    def test_the_transfer_selects_what_the_matcher_says(
        self, patterns: list[str], path: str, inverted: bool, prefix: str
    ) -> None:
        matcher = FilePatternMatcher(*patterns)
        matcher = ~matcher if inverted else matcher
        sent = FilePatternMatcher(*matcher.exclude_patterns(prefix, no_file))
        assert sent(f"{prefix}/{path}" if prefix else path) is matcher(path)


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1))
def test_an_escaped_path_matches_itself_alone(name: str) -> None:
    if name in (".", ".."):
        return
    pattern = escape(name)
    assert FilePatternMatcher(pattern)(name)
    assert not FilePatternMatcher(pattern)(name + "x")
    assert pattern == pattern.strip()


def test_no_warnings_from_regular_expressions() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(re, "_cache", {}, raising=False)
        for pattern in ("[[]x", "[&&a]", "[||]", "[~~]"):
            FilePatternMatcher(pattern)("x")
