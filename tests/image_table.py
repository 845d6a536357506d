"""`docs/image.md`: every method and parameter of `Image`, the tests that build it, and what differs.

    python -m tests.image_table --update

Methods, parameters and defaults are those of the code; the tests are found in tests/integration by the calls that
they write; `docs/image.toml` says the rest: the Dockerfile's lines, what differs from the original and why, and,
for what no test here can build, the reason.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from llb import Image

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/image.md"
NOTES = ROOT / "docs/image.toml"
TESTS = ROOT / "tests/integration"
MOST = 2
"""How many tests a row names."""

# What is inside a call's parentheses: brackets nest a few levels deep in what tests write.
_inside = r"[^()]"
for _ in range(4):
    _inside = rf"(?:[^()]|\({_inside}*\))"


@dataclass(frozen=True, slots=True)
class Test:
    """A test, with all the text of its module that it uses."""

    name: str
    text: str

    def calls(self, method: str, parameter: str = "") -> bool:
        if not parameter:
            return re.search(rf"\b{method}\(|\w\.{method}\b(?!\()", self.text) is not None
        return re.search(rf"\b{method}\({_inside}*?\b{parameter}\s*=", self.text) is not None


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter, or the method itself if it has none."""

    method: str
    parameter: str
    default: str
    tests: tuple[str, ...]
    reason: str


@cache
def tests() -> tuple[Test, ...]:
    return tuple([test for path in sorted(TESTS.glob("test_*.py")) for test in _tests_of(path)])


def _tests_of(path: Path) -> Iterator[Test]:
    source = path.read_text()
    module = ast.parse(source)
    texts: dict[str, str] = {}
    names: dict[str, set[str]] = {}
    for node in module.body:
        segment = ast.get_source_segment(source, node) or ""
        defined: list[str] = []
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined = [node.name]
            segment = "\n".join(
                [ast.get_source_segment(source, one) or "" for one in node.decorator_list] + [segment]
            )
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined = [target.id for target in targets if isinstance(target, ast.Name)]
        for name in defined:
            texts[name] = segment
            names[name] = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
            names[name] |= {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}
    for name in texts:
        if not name.startswith("test_"):
            continue
        used = {name}
        todo = [name]
        while todo:
            new = {one for one in names[todo.pop()] if one in texts} - used
            used |= new
            todo += new
        yield Test(f"{path.name}::{name}", "\n".join([texts[one] for one in sorted(used)]))


def methods() -> dict[str, Any]:
    """The public interface: name and what it is, sorted as the code has it: by subject."""
    found: dict[str, Any] = {}
    for owner in reversed(Image.__mro__):
        for name, value in vars(owner).items():
            if not name.startswith("_") and owner.__module__.startswith("llb"):
                found[name] = getattr(Image, name) if not isinstance(value, property) else value
    return found


def notes() -> dict[str, dict[str, Any]]:
    return tomllib.loads(NOTES.read_text()) if NOTES.exists() else {}


def rows(name: str, method: Callable[..., object]) -> list[Row]:
    reasons: dict[str, str] = notes().get(name, {}).get("untested", {})
    if isinstance(method, property):
        return [_row(name, "", "", reasons)]
    parameters = [
        one for one in inspect.signature(method).parameters.values() if one.name not in ("self", "cls")
    ]
    if not parameters:
        return [_row(name, "", "", reasons)]
    found: list[Row] = []
    for one in parameters:
        star = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        default = "" if one.default is one.empty else _shown(one.default)
        found.append(_row(name, star + one.name, default, reasons))
    return found


def _shown(value: object) -> str:
    return getattr(value, "__name__", None) or repr(value)


def _row(method: str, parameter: str, default: str, reasons: dict[str, str]) -> Row:
    plain = parameter.lstrip("*")
    # What has no default, or is variable, is given in every call.
    by_name = bool(default) and not parameter.startswith("*")
    matching = [test.name for test in tests() if test.calls(method, plain if by_name else "")]
    if by_name and not matching:  # the first ones may also be given by position
        matching = [test.name for test in tests() if _positional(test.text, method, plain)]
    return Row(method, parameter, default, tuple(matching[:MOST]), reasons.get(plain, ""))


def _positional(text: str, method: str, parameter: str) -> bool:
    function = getattr(Image, method)
    order = [
        one.name
        for one in inspect.signature(function).parameters.values()
        if one.kind is one.POSITIONAL_OR_KEYWORD and one.name not in ("self", "cls")
    ]
    if parameter not in order:
        return False
    before = rf"{_inside}*?," * order.index(parameter)
    return re.search(rf"\b{method}\({before}\s*[^)\s=,]+\s*[,)]", text) is not None


def render() -> str:
    described = notes()
    lines = [
        "# The Image interface, method by method",
        "",
        "Made by `python -m tests.image_table --update` from the code, from the tests that build each parameter on a real",
        "engine (`tests/integration`), and from `docs/image.toml`; a test compares. *Differs* is against `modal.Image`.",
        "",
    ]
    for name, method in methods().items():
        about = described.get(name, {})
        lines += [f"## `{name}`", ""]
        if about.get("dockerfile"):
            lines += [f"Dockerfile: {about['dockerfile']}", ""]
        if about.get("differs"):
            lines += [f"Differs: {about['differs']}", ""]
        lines += ["| parameter | default | built by |", "|---|---|---|"]
        for row in rows(name, method):
            where = ", ".join([f"`{test}`" for test in row.tests]) or row.reason or "**nothing**"
            shown = f"`{row.parameter}`" if row.parameter else "–"
            default = f"`{row.default}`" if row.default else ""
            lines.append(f"| {shown} | {default} | {where} |".replace("\n", " "))
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    if "--update" in sys.argv:
        PAGE.write_text(render())
        return
    for name, method in methods().items():
        for row in rows(name, method):
            if not row.tests and not row.reason:
                print(f"{name} {row.parameter}: no test builds it")


if __name__ == "__main__":
    main()
