"""Every Python example in the README and the docs runs, and what they link to is there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    pytest.param(page, code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, code in enumerate(PYTHON.findall(page.read_text("utf-8")), 1)
    if ".build(" not in code  # tests/integration/test_readme.py builds these
]


@pytest.mark.parametrize(("page", "code"), EXAMPLES)
def test_an_example_runs_and_compiles(
    page: Path, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llb import Image, compile_to_llb
    from llb.compat import load

    monkeypatch.chdir(tmp_path)
    os.makedirs("app")
    if "\nimport modal\n" in code:  # a script for somebody else's service, which our doors evaluate
        Path("app.py").write_text(code)
        for image in load("app.py").targets.values():
            assert compile_to_llb(image).digest.startswith("sha256:")
        return
    file = tmp_path / "image.py"
    file.write_text(code, "utf-8")  # functions travel as source
    namespace: dict[str, object] = {"__name__": "__main__", "__file__": str(file)}
    exec(compile(code, str(file), "exec"), namespace)
    for value in namespace.values():
        if isinstance(value, Image):
            assert compile_to_llb(value).digest.startswith("sha256:")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_make_targets_named_in_the_docs_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for match in re.finditer(r"(?:`|^\$ )make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE):
            name = match[1]
            assert re.search(rf"^{name}:", makefile, re.MULTILINE), f"{page.name} names `make {name}`"
