"""The same graph is the same bytes in every process, whatever hash seed, directory and Python version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from tests.golden.definitions.cases import CASES, definition_of
total = hashlib.sha256()
for name in sorted(CASES):
    total.update(definition_of(name).to_bytes())
print(total.hexdigest())
"""


def interpreters() -> list[str]:
    """This Python, those in LLB_TEST_PYTHONS (with `:` between), and others on PATH or of pyenv."""
    found = [sys.executable, *filter(None, os.environ.get("LLB_TEST_PYTHONS", "").split(os.pathsep))]
    for minor in range(11, 16):
        name = f"python3.{minor}"
        versions = Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}")
        found += [str(path) for path in sorted(versions)] or filter(None, [shutil.which(name)])
    return list(dict.fromkeys(found))


def total(python: str, directory: Path, seed: str) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-c", PROGRAM, str(ROOT)]
    run = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=True)
    return run.stdout


@pytest.fixture(scope="module")
def expected() -> str:
    return total(sys.executable, ROOT, "0")


@pytest.mark.parametrize("seed", ["1", "random"])
def test_hash_seed_and_directory_do_not_matter(seed: str, expected: str, tmp_path: Path) -> None:
    assert total(sys.executable, tmp_path, seed) == expected


@pytest.mark.parametrize("python", interpreters()[1:], ids=lambda path: Path(path).name)
def test_the_python_version_does_not_matter(python: str, expected: str, tmp_path: Path) -> None:
    works = subprocess.run(
        [python, "-c", "import sys; assert sys.version_info >= (3, 11)"], capture_output=True
    )
    if works.returncode:
        pytest.skip(f"{python} does not run here")
    assert total(python, tmp_path, "random") == expected
