"""`llb compile`, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from llb import graph
from llb.cli._main import cli

CHAIN = "from llb import Image, build_arg\nimage = Image.from_registry('busybox:1.36').env({'MODE': build_arg('MODE', 'dev')})\n"


def llb(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "image.py"
    path.write_text(CHAIN)
    return path


def test_compile_writes_a_definition_that_buildctl_takes(file: Path) -> None:
    definition = graph.Definition.from_bytes(llb("compile", "image.py").stdout_bytes)
    assert len(definition.ops) == 2
    llb("compile", "image.py", "-o", "image.llb")
    assert Path("image.llb").read_bytes() == definition.to_bytes()


def test_the_config_goes_to_a_file_of_its_own(file: Path) -> None:
    llb("compile", "image.py", "-o", "image.llb", "--config-out", "config.json", "--build-arg", "MODE=prod")
    assert "MODE=prod" in json.loads(Path("config.json").read_text())["config"]["Env"]


def test_bases_give_digest_and_environment(file: Path) -> None:
    digest = "sha256:" + "1" * 64
    config = {"os": "linux", "architecture": "amd64", "config": {"Env": ["PATH=/base", "FROM=base"]}}
    known = {"docker.io/library/busybox:1.36": {"linux/amd64": {"digest": digest, "config": config}}}
    Path("bases.json").write_text(json.dumps(known))
    llb("compile", "image.py", "--bases", "bases.json", "-o", "image.llb", "--config-out", "config.json")
    assert digest.encode() in Path("image.llb").read_bytes()
    assert "FROM=base" in json.loads(Path("config.json").read_text())["config"]["Env"]


@pytest.mark.parametrize("format_", ["text", "json", "dot"])
def test_dumps_to_read(file: Path, format_: str) -> None:
    assert "busybox" in llb("compile", "image.py", "--format", format_).output


def test_modules_beside_the_file_are_found(file: Path) -> None:
    Path("lib_of_recipes.py").write_text("TAG = 'busybox:1.35'\n")
    file.write_text(
        "import lib_of_recipes\nfrom llb import Image\nimage = Image.from_registry(lib_of_recipes.TAG)\n"
    )
    assert "busybox:1.35" in llb("compile", "image.py", "--format", "text").output


def test_a_mistake_is_shown_at_its_line_and_leaves_no_file(file: Path) -> None:
    file.write_text("from llb import Image\nimage = Image.debian_slim(3.12)\n")
    result = llb("compile", "image.py", "-o", "image.llb", code=1)
    assert ">>> image = Image.debian_slim(3.12)" in result.stderr
    assert "Traceback" not in result.output
    assert not Path("image.llb").exists()
    assert sorted(path.name for path in Path().iterdir()) == ["image.py"]


def test_a_missing_file_and_a_wrong_option_are_told_apart(file: Path) -> None:
    assert "nowhere.py" in llb("compile", "nowhere.py", code=1).stderr
    assert "--no-such" in llb("compile", "image.py", "--no-such", code=2).stderr


def test_help_has_examples() -> None:
    assert "llb compile image.py | buildctl build" in llb("compile", "--help").output
    assert "compile" in llb("--help").output
