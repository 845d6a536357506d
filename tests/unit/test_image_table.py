"""`docs/image.md` is what code and tests say today, and no parameter of `Image` lacks a test that builds it."""

from __future__ import annotations

import re

from tests.image_table import NOTES, PAGE, ROOT, methods, notes, render, rows


def test_the_table_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "run `python -m tests.image_table --update`"


def test_every_parameter_is_built_by_a_test_or_says_why_not() -> None:
    lacking = [
        f"{name} {row.parameter}"
        for name, method in methods().items()
        for row in rows(name, method)
        if not row.tests and not row.reason
    ]
    assert lacking == []


def test_the_notes_are_about_methods_and_files_that_are_there() -> None:
    assert set(notes()) <= set(methods())
    for path in re.findall(r"`(tests/[\w/.]+)`", NOTES.read_text()):
        assert (ROOT / path).exists(), path
