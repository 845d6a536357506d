"""Builder versions: who picks one, and what it decides."""

from __future__ import annotations

import sys

import pytest

from llb import Image
from llb.errors import InvalidError, VersionError
from llb.image import BuildOptions
from llb.image.recipes import RECIPES
from tests.unit.image.vertices import Answers, Compiled, compiled

CHAIN = Image.debian_slim("3.12")
DEFAULT = "python:3.12.10-slim-bookworm"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLB_IMAGE_BUILDER_VERSION", "MODAL_IMAGE_BUILDER_VERSION"):
        monkeypatch.delenv(name, raising=False)


def project(text: str) -> Answers:
    return Answers(tree={"pyproject.toml": text.encode()})


def base_of(result: Compiled) -> str:
    [source] = result.sources
    return source.removeprefix("docker-image://docker.io/library/")


PROJECT = '[tool.llb]\nimage-builder-version = "2024.04"\n'


class TestWhoPicks:
    def test_nobody(self) -> None:
        assert base_of(compiled(CHAIN)) == DEFAULT

    def test_the_project(self) -> None:
        assert base_of(compiled(CHAIN, project(PROJECT))) == "python:3.12.2-slim-bookworm"

    def test_the_environment_when_it_is_compiled_wins_over_the_project(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODAL_IMAGE_BUILDER_VERSION", "2024.10")
        assert base_of(compiled(CHAIN, project(PROJECT))) == "python:3.12.6-slim-bookworm"
        monkeypatch.setenv("LLB_IMAGE_BUILDER_VERSION", "2023.12")
        assert base_of(compiled(CHAIN, project(PROJECT))) == "python:3.12.1-slim-bullseye"

    def test_an_option_wins_over_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LLB_IMAGE_BUILDER_VERSION", "2023.12")
        options = BuildOptions(builder_version="2026.10")
        result = compiled(CHAIN, project(PROJECT), options=options)
        assert base_of(result) == "python:3.12-slim-trixie"

    def test_a_chain_that_does_not_depend_on_it_does_not_ask(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LLB_IMAGE_BUILDER_VERSION", "nonsense")
        resolver = project("no TOML, llb")
        compiled(Image.from_registry("debian:12").run_commands("x"), resolver)
        assert "stat context:pyproject.toml" not in resolver.asked

    @pytest.mark.parametrize(
        ("where", "word"),
        [
            ("option", ""),
            ("LLB_IMAGE_BUILDER_VERSION", "LLB_IMAGE_BUILDER_VERSION"),
            ("project", "pyproject.toml"),
        ],
    )
    def test_an_unknown_one(self, monkeypatch: pytest.MonkeyPatch, where: str, word: str) -> None:
        options, resolver = BuildOptions(), Answers()
        if where == "option":
            options = BuildOptions(builder_version="2025.13")
        elif where == "project":
            resolver = project('[tool.llb]\nimage-builder-version = "2025.13"')
        else:
            monkeypatch.setenv(where, "2025.13")
        with pytest.raises(VersionError) as caught:
            compiled(CHAIN, resolver, options=options)
        assert "'2025.13'" in caught.value.message
        assert "2023.12, 2024.04, 2024.10, 2025.06, 2026.10" in caught.value.message
        assert word in caught.value.message
        assert "update llb" in caught.value.hint
        assert caught.value.step == "debian_slim"
        assert caught.value.location is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.llb]\nimage-builder-version = 2025.06", ["pyproject.toml", "must be a string", "float"]),
        ("[tool.llb\n", ["pyproject.toml cannot be read", "line 1, column 10"]),
        ('[tool.llb]\nbuilder = "x"', ["no setting 'builder'", "image-builder-version"]),
        ('[tool]\nllb = "x"', ["[tool.llb] is no table"]),
    ],
)
def test_a_project_file_that_cannot_be_used(text: str, words: list[str]) -> None:
    with pytest.raises(InvalidError) as caught:
        compiled(CHAIN, project(text + "\n"))
    assert caught.value.hint
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "not TOML [", "[tool]\nother = 1 # llb", "tool = 'llb'", "\ufeff" + PROJECT]
)
def test_a_project_file_that_says_nothing_of_it_or_has_a_mark(text: str) -> None:
    expected = "python:3.12.2-slim-bookworm" if PROJECT in text else DEFAULT
    assert base_of(compiled(CHAIN, project(text))) == expected


class TestDebianSlim:
    def test_its_vertices(self) -> None:
        result = compiled(CHAIN)
        assert result.commands == [
            "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y "
            "-o Dir::Cache::Archives=/var/cache/apt/llb gcc gfortran build-essential",
            "python -m pip install --upgrade pip wheel uv",
            "echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections",
        ]
        assert [name.partition("] ")[0] for name in result.names] == ["[1/4", "[2/4", "[3/4", "[4/4"]

    def test_its_command_sleeps_from_2025_06_on(self) -> None:
        for version in RECIPES:
            options = BuildOptions(builder_version=version)
            result = compiled(CHAIN, Answers(config={"config": {"Cmd": ["python3"]}}), options=options)
            expected = ["sleep", "172800"] if version >= "2025.06" else ["python3"]
            assert result.config["Cmd"] == expected, version

    def test_an_entrypoint_drops_that_command_as_any_bases(self) -> None:
        assert "Cmd" not in compiled(CHAIN.entrypoint(["x"])).config

    def test_the_oldest_recipe_updates_only_pip(self) -> None:
        result = compiled(CHAIN, options=BuildOptions(builder_version="2023.12"))
        assert result.commands[1] == "python -m pip install --upgrade pip"

    @pytest.mark.parametrize(
        ("builder", "accepted"),
        [
            ("2023.12", "3.10, 3.11, 3.12"),
            ("2024.04", "3.10, 3.11, 3.12"),
            ("2024.10", "3.10, 3.11, 3.12, 3.13"),
            ("2025.06", "3.10, 3.11, 3.12, 3.13, 3.14"),
            ("2026.10", "3.11, 3.12, 3.13, 3.14, 3.15"),
        ],
    )
    def test_the_series_of_a_recipe(self, builder: str, accepted: str) -> None:
        options = BuildOptions(builder_version=builder)
        for series in accepted.split(", "):
            compiled(Image.debian_slim(series), options=options)
        with pytest.raises(InvalidError, match=f"builder {builder} has {accepted}\n"):
            compiled(Image.debian_slim("3.9"), options=options)

    def test_without_a_version_it_is_the_interpreters(self) -> None:
        series = f"{sys.version_info[0]}.{sys.version_info[1]}"
        one, other = compiled(Image.debian_slim()), compiled(Image.debian_slim(series))
        assert one.definition.digests() == other.definition.digests()
        assert one.definition.notes == ()

    def test_the_build_can_say_which(self) -> None:
        result = compiled(Image.debian_slim(), options=BuildOptions(python_version="3.13"))
        assert base_of(result) == "python:3.13.3-slim-bookworm"

    def test_where_the_interpreter_is_not_the_users_there_is_a_default_and_a_note(self) -> None:
        resolver = Answers()
        resolver.default_python = "3.12"
        result = compiled(Image.debian_slim(), resolver)
        assert base_of(result) == DEFAULT
        [note] = result.definition.notes
        assert "3.12 is taken" in note
        assert "--build-arg LLB_PYTHON_VERSION=" in note
        assert compiled(CHAIN, resolver).definition.notes == ()
