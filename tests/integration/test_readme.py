"""The examples of the README and the docs that build, on a real engine; the others compile in tests/unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.canary import CANARY
from tests.integration.tools import Tools
from tests.unit.test_docs import PAGES, PYTHON

EXAMPLES = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, code in enumerate(PYTHON.findall(page.read_text("utf-8")), 1)
    if ".build(" in code
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_builds(
    engine: Tools,
    code: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUILDKIT_HOST", engine.env["BUILDKIT_HOST"])
    monkeypatch.setenv("API_TOKEN", CANARY)
    monkeypatch.setenv("LLB_DATA_DIR", str(tmp_path / "data"))
    code = code.replace("registry.example.com", f"{engine.registry}/test/readme")
    exec(compile(code, str(tmp_path / "image.py"), "exec"), {"__name__": "__main__"})
    seen = capsys.readouterr()
    assert "im-" in seen.out
    assert CANARY not in seen.out + seen.err
