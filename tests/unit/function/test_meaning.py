"""What changes a payload and what does not: the same meaning has the same bytes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.function.cases import BASE, HELPERS
from tests.unit.function.local import payload, pythons


def bytes_of(source: str = BASE, helpers: str = HELPERS, **options: Any) -> bytes:
    return payload(source, {"helpers.py": helpers}, **options).data


SAME = {
    "a comment": (BASE.replace("    total = add(x)", "    # sum\n    total = add(x)  # of it"), HELPERS),
    "blank lines, position": ("\n\n\n" + BASE.replace("    total", "\n    total", 1), "# first\n" + HELPERS),
    "formatting": (
        BASE.replace('json.dumps([y, {"k": f"{x!r:>{total}} {y}"}])', "(json\n  .dumps([y, {'k':\n f'{x!r:>{total}} {y}',},],))"),
        HELPERS.replace('return "hello " + name + suffix()', "return ('hello ' + name\n            + suffix())"),
    ),
    "indentation": (BASE.replace("    ", "  "), HELPERS),
    "an unread global": (BASE.replace("UNREAD = 1", "UNREAD = 2\nOTHER = open"), HELPERS),
    "another function": (BASE + "\ndef g():\n    return 5\n", HELPERS.replace("return 1", "return 2")),
    "the order of definitions": (BASE.replace('PLACE = Path("/out")\n', "").replace("UNREAD", 'PLACE = Path("/out")\nUNREAD'), HELPERS),
    "a way to write a value": (BASE.replace('{"red", "green", "blue"}', 'set(["blue", "red"] + ["green"])'), HELPERS),
    "a way to write a string": (BASE, HELPERS.replace('"!"', "'\\x21'")),
    "numbers": (BASE.replace("b=2", "b=0x2"), HELPERS),
}  # fmt: skip


@pytest.mark.parametrize("edit", SAME)
def test_no_change(edit: str) -> None:
    source, helpers = SAME[edit]
    assert (source, helpers) != (BASE, HELPERS)
    assert bytes_of(source, helpers) == bytes_of()


CHANGED = {
    "the body": (BASE.replace("total = add(x)", "total = add(x) + 1"), HELPERS),
    "a helper": (BASE.replace("a + b", "a - b"), HELPERS),
    "a helper of a helper, in another module": (BASE, HELPERS.replace('"!"', '"?"')),
    "a decorator": (BASE, HELPERS.replace(".upper()", ".lower()")),
    "a default": (BASE.replace("b=2", "b=3"), HELPERS),
    "a default by name": (BASE.replace('y="z"', 'y="q"'), HELPERS),
    "a global": (BASE.replace('Path("/out")', 'Path("/put")'), HELPERS),
    "a member of a set": (BASE.replace('"blue"', '"black"'), HELPERS),
    "a class variable": (BASE.replace("depth: int = 3", "depth: int = 4"), HELPERS),
    "the value of a class variable": (BASE.replace('("a", "b")', '("a", "c")'), HELPERS),
    "a method": (BASE.replace("self.depth * 2", "self.depth * 3"), HELPERS),
    "what is imported": (BASE.replace("import json", "import marshal as json"), HELPERS),
    "the docstring": (BASE.replace("Text.", "Another."), HELPERS),
}


@pytest.mark.parametrize("edit", CHANGED)
def test_change(edit: str) -> None:
    source, helpers = CHANGED[edit]
    assert (source, helpers) != (BASE, HELPERS)
    assert bytes_of(source, helpers) != bytes_of()


def test_arguments_are_a_change() -> None:
    forms = {
        bytes_of(args=args, kwargs=kwargs)
        for args, kwargs in (((), {}), ((1,), {}), ((2,), {}), ((1.0,), {}), ((True,), {}), ((), {"x": 1}))
    }
    assert len(forms) == 6


def test_the_order_of_arguments_by_name_is_none() -> None:
    assert bytes_of(kwargs={"x": 1, "y": "b"}) == bytes_of(kwargs={"y": "b", "x": 1})


def test_the_order_of_a_dictionary_is_a_change() -> None:
    first, second = ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert bytes_of(args=(first,)) != bytes_of(args=(second,))


def test_equal_strings_are_one_whether_or_not_they_are_one_object() -> None:
    one = "".join(["a", "b" * 30])
    other = "".join(["a", "b" * 30])
    assert one is not other
    assert bytes_of(args=([one, one],)) == bytes_of(args=([one, other],))


PROGRAM = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from tests.unit.function.cases import BASE, HELPERS
from tests.unit.function.local import payload
given = payload(BASE, {"helpers.py": HELPERS}, args=({"b", "a"}, [1.5, None]), directory=sys.argv[2])
print(hashlib.sha256(given.data).hexdigest())
print(hashlib.sha256(given.settings().encode()).hexdigest())
"""


def test_the_same_bytes_from_every_python_hash_seed_and_directory(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    seen: dict[str, str] = {}
    for python in pythons("3.12", "3.13", "3.14"):
        for seed, directory in (("0", "/a"), ("1", "/b"), ("2", "")):
            done = subprocess.run(
                [python, "-B", "-c", PROGRAM, str(root), directory],
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONHASHSEED": seed},
                cwd=tmp_path,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            seen[f"{python} {seed} {directory}"] = done.stdout
    assert len(set(seen.values())) == 1, seen
