"""Our short way to JSON against `json` itself."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llb import _json

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES, st.booleans(), st.booleans(), st.sampled_from([(", ", ": "), (",", ":")]))
def test_texts_are_the_same(
    value: Any, sort_keys: bool, ensure_ascii: bool, separators: tuple[str, str]
) -> None:
    options: dict[str, Any] = {"sort_keys": sort_keys, "ensure_ascii": ensure_ascii, "separators": separators}
    text = json.dumps(value, **options)
    assert _json.dumps(value, **options) == text
    assert _json.loads(text) == value
    assert _json.loads(f" \n{text}\t\r\n".encode("utf-8", "surrogatepass")) == value or "\\ud" in repr(value)


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn \n\\'))
def test_what_is_refused_is_the_same(text: str) -> None:
    answers: list[object] = []
    for loads in (json.loads, _json.loads):
        try:
            answers.append(loads(text))
        except ValueError as error:
            answers.append(str(error))
    assert answers[0] == answers[1]


def test_what_it_leaves_to_json() -> None:
    assert math.isnan(_json.loads("NaN"))
    assert _json.loads(b"\xef\xbb\xbf{}") == {}
    assert _json.loads('{"a": 1}'.encode("utf-16")) == {"a": 1}
    assert _json.dumps([1], indent=1) == "[\n 1\n]"
    with pytest.raises(TypeError):
        _json.dumps(object())
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="Circular"):
        _json.dumps(loop)


def test_it_imports_neither_json_nor_re() -> None:
    code = "import sys; from llb._json import *; import llb._json as j; j.dumps(j.loads('{\"a\": [1, 2.5]}')); print(*sys.modules)"
    loaded = subprocess.check_output(
        [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, '.')\n{code}"], text=True
    )
    assert not {"json", "re", "enum"} & set(loaded.split())
