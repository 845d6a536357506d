"""Ignore patterns say what Docker's own implementation says: by frozen answers, and by itself where Go is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llb.errors import InvalidError
from llb.image.patterns import FilePatternMatcher, read_ignore_file
from tests.golden.patterns import LINES, PATHS, Oracle, answers, frozen, key


def ours(lines: Sequence[str], paths: Sequence[str]) -> list[str] | None:
    try:
        matcher = FilePatternMatcher(*read_ignore_file("\n".join(lines).encode()))
        return [path for path in paths if matcher(path)]
    except InvalidError:
        return None


@pytest.mark.parametrize("lines", LINES, ids=key)
def test_the_frozen_answers(lines: Sequence[str]) -> None:
    assert ours(lines, PATHS) == frozen()[key(lines)]


def test_every_case_has_its_answer() -> None:
    assert list(frozen()) == [key(lines) for lines in LINES], "run python -m tests.golden.patterns"


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    found = Oracle.build(tmp_path_factory.mktemp("patterns"))
    if found is None:
        pytest.skip("no Go, or no way to its modules: the frozen answers stand for it")
    yield found
    found.close()


def test_the_frozen_answers_are_its_own(oracle: Oracle) -> None:
    assert answers(oracle) == frozen()


PART = st.sampled_from(
    [
        *(
            "a",
            "b",
            "ab",
            "a.txt",
            ".x",
            "*",
            "?",
            "**",
            "*.txt",
            "a*",
            "*a",
            "[ab]",
            "[^a]",
            "[a-c]x",
            "\\*",
            "é",
        ),
        *("a**", "**a", "**a*", "a?", "..", ".", "", "a b", "\\[", "a+", "(a)", "$"),
    ]
)
LINE = st.tuples(
    st.sampled_from(["", "", "", "!", "!", " ", "/", "!/", "! ", "#"]),
    st.lists(PART, min_size=1, max_size=4).map("/".join),
    st.sampled_from(["", "", "", "/", " ", "/**"]),
).map("".join)
PATH = st.lists(
    st.sampled_from(
        ["a", "b", "ab", "a.txt", ".x", "*", "x", "é", "a b", "[", "a+", "(a)", "$", "|", "ax", "cx"]
    ),
    min_size=1,
    max_size=4,
).map("/".join)
ODD = st.text(st.sampled_from("ab*?[]^!-\\/ .\té|{}1d"), max_size=8)
"""Without newlines: `**` does not match them there."""
QUICK = settings(max_examples=200, deadline=None, suppress_health_check=(HealthCheck.too_slow,))


@QUICK
@given(lines=st.lists(LINE, max_size=4), paths=st.lists(PATH, min_size=1, max_size=6))
def test_ignore_files_mean_the_same(oracle: Oracle, lines: list[str], paths: list[str]) -> None:
    theirs = oracle.ask(paths, lines=lines)
    found = ours(lines, paths)
    if found is None:
        assert theirs.error
    elif "illegal exclusion" not in theirs.error:  # of `!/`, `!..` and the like, which mean nothing here
        assert not theirs.error
        assert found == [path for path, one in zip(paths, theirs.matched, strict=True) if one]


@QUICK
@given(
    patterns=st.lists(st.one_of(LINE, ODD), max_size=4),
    paths=st.lists(st.one_of(PATH, ODD.filter(lambda text: bool(text.strip("/.")))), min_size=1, max_size=4),
    prefix=st.sampled_from(["", "d", "w[1]*"]),
    inverted=st.booleans(),
)
def test_the_engines_client_selects_what_the_matcher_says(
    oracle: Oracle, patterns: list[str], paths: list[str], prefix: str, inverted: bool
) -> None:
    """Any pattern that is not refused: what it says here, and what the client makes of what it is told."""
    try:
        matcher = FilePatternMatcher(*patterns)
    except InvalidError:
        return
    matcher = ~matcher if inverted else matcher
    paths = [
        cleaned
        for path in paths
        if (cleaned := "/".join(filter(None, path.split("/")))) not in ("", ".", "..")
    ]
    paths = [path for path in paths if not {".", ".."} & set(path.split("/"))]
    told = matcher.exclude_patterns(prefix, lambda _: b"")
    # The client keeps one result for each text: a repeated pattern confuses it.
    if len(set(told)) < len(told):
        return
    theirs = oracle.ask([f"{prefix}/{path}" if prefix else path for path in paths], patterns=told)
    assert not theirs.error
    assert list(theirs.walked) == [matcher(path) for path in paths]
