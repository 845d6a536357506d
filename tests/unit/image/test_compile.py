"""Compiling is a function: the same chain gives the same bytes, whatever is around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llb import Image, compile_to_llb
from llb.errors import InvalidError
from llb.graph import Definition, Platform, SourceFile
from llb.image import Bases, LocalDirectory, ResolvedBase
from llb.image.compile import read_source_file
from tests.unit.image.vertices import Answers, base, compiled

NAMES = st.text("abAB_1", min_size=1, max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("run_commands"), st.lists(st.sampled_from(["a", "b", "c d"]), max_size=2)),
    st.tuples(st.just("pip_install"), st.lists(st.sampled_from(["x", "y"]), max_size=2)),
    st.tuples(st.just("apt_install"), st.lists(st.sampled_from(["x", "y"]), max_size=2)),
    st.tuples(st.just("env"), st.tuples(st.dictionaries(NAMES, st.sampled_from(["1", "$PATH"]), max_size=2))),
    st.tuples(st.just("workdir"), st.tuples(st.sampled_from(["/", "/w", "r"]))),
    st.tuples(st.just("user"), st.tuples(st.sampled_from(["root", "1:2"]))),
    st.tuples(st.just("cmd"), st.tuples(st.lists(NAMES, max_size=2))),
    st.tuples(st.just("entrypoint"), st.tuples(st.lists(NAMES, max_size=2))),
)
CHAINS = st.lists(STEPS, max_size=6)


def made(steps: list[Any], image: Image | None = None) -> Image:
    found: Any = image if image is not None else base()
    for name, arguments in steps:
        found = getattr(found, name)(*arguments)
    return found


def result(image: Image) -> tuple[bytes, bytes]:
    definition = compiled(image).definition
    return definition.to_bytes(), definition.image_config


@given(CHAINS)
def test_the_same_chain_gives_the_same_bytes(steps: list[Any]) -> None:
    assert result(made(steps)) == result(made(steps))


@given(CHAINS, CHAINS)
def test_a_branch_does_not_change_what_it_starts_from(steps: list[Any], more: list[Any]) -> None:
    trunk = made(steps)
    before = result(trunk)
    branch = made(more, trunk)
    result(branch)
    assert result(trunk) == before
    assert set(compiled(trunk).definition.digests()[:-1]) <= set(compiled(branch).definition.digests())


@given(CHAINS)
def test_a_layer_of_the_config_is_a_vertex(steps: list[Any]) -> None:
    compilation = compiled(made(steps))
    layers = [entry for entry in compilation.document.get("history", []) if not entry.get("empty_layer")]
    assert len(layers) == len(compilation.ops) - 1  # without the base


@given(CHAINS)
def test_a_definition_can_be_read_again(steps: list[Any]) -> None:
    definition = compiled(made(steps)).definition
    assert Definition.from_bytes(definition.to_bytes()).to_bytes() == definition.to_bytes()


CODE = """
import sys
sys.path[:0] = {path!r}
from llb import Image, compile_to_llb
image = (
    Image.debian_slim("3.12")
    .apt_install("git").pip_install("b", "a").env({{"A": "1", "B": "$A"}}).labels({{"y": "1", "x": "2"}})
    .workdir("/w").add_local_dir("src", "/src", ignore=["a", "!b"], copy=True)
    .add_local_file("f", "/f")
)
d = compile_to_llb(image)
print(d.digest, d.head)
sys.stdout.flush()
sys.stdout.buffer.write(d.to_bytes() + d.image_config)
"""


def test_neither_hash_seed_nor_directory_nor_machine_gets_in(tmp_path: Path) -> None:
    found: set[bytes] = set()
    for number, seed in enumerate(["0", "1", "random"]):
        directory = tmp_path / str(number)
        (directory / "src").mkdir(parents=True)
        (directory / "f").write_text("f")
        (directory / "image.py").write_text(CODE.format(path=sys.path))
        environment = os.environ | {"PYTHONHASHSEED": seed, "HOME": str(directory), "TZ": f"UTC{number}"}
        run = subprocess.run(
            [sys.executable, "image.py"], cwd=directory, env=environment, capture_output=True, check=True
        )
        assert str(tmp_path).encode() not in run.stdout.replace(repr(sys.path).encode(), b"")
        found.add(run.stdout)
    assert len(found) == 1


class TestSourceLines:
    def test_each_vertex_knows_the_users_line(self) -> None:
        chain = (
            Image.from_registry("debian")
            .run_commands(
                "a",
                "b",
            )
            .env({"A": "1"})
            .workdir("/w")
        )
        definition = compile_to_llb(chain)
        own = Path(__file__).read_text().splitlines()
        lines = [
            [own[place.start_line - 1].strip() for place in places]
            for places in definition.locations.values()
        ]
        assert lines == [
            ['Image.from_registry("debian")'],
            [".run_commands("],
            [".run_commands("],
            ['.workdir("/w")'],
        ]

    def test_files_are_named_as_seen_from_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "image.py").write_text("x")
        monkeypatch.chdir(tmp_path)
        assert read_source_file(str(tmp_path / "sub" / "image.py")) == SourceFile("sub/image.py", b"x")
        monkeypatch.chdir(tmp_path / "sub")
        (tmp_path / "other.py").write_text("y")
        assert read_source_file(str(tmp_path / "other.py")) == SourceFile("other.py", b"y")

    @pytest.mark.parametrize("name", ["<string>", "/nowhere/x.py", "\0"])
    def test_a_file_that_cannot_be_read_is_not_quoted(self, name: str) -> None:
        assert read_source_file(name) is None

    def test_a_door_gives_the_text_itself(self) -> None:
        asked: list[str] = []

        def source(name: str) -> SourceFile:
            asked.append(name)
            return SourceFile("image.py", b"text")

        definition = compile_to_llb(
            Image.from_registry("debian").run_commands("a", "b"), resolver=Answers(), source_files=source
        )
        assert definition.sources == (SourceFile("image.py", b"text"),)
        assert asked == [__file__]

    def test_names_and_lines_are_not_part_of_what_is_built(self) -> None:
        one = base().run_commands("x")
        other = (
            base()
            #
            .run_commands("x")
        )
        assert compile_to_llb(one).digests() == compile_to_llb(other).digests()


def test_a_chain_of_a_hundred_thousand_steps() -> None:
    image = base()
    for number in range(100_000):
        image = image.run_commands(f"echo {number}")
    definition = compile_to_llb(image, resolver=Answers())
    assert len(definition.ops) == 100_002
    assert len(json.loads(definition.image_config)["history"]) == 100_000
    assert repr(image).startswith("<Image: run_commands")


class TestBasesFile:
    BASE = ResolvedBase(
        "debian:12", "sha256:" + "1" * 64, b'{"config":{"Env":["A=1"]}}', Platform("linux", "amd64")
    )

    def test_it_is_written_and_read(self) -> None:
        data = Bases([self.BASE]).to_json()
        assert json.loads(data) == {
            "docker.io/library/debian:12": {
                "linux/amd64": {"digest": "sha256:" + "1" * 64, "config": {"config": {"Env": ["A=1"]}}}
            }
        }
        assert Bases.from_json(data).to_json() == data

    def test_what_was_compiled_with_it_can_be_compiled_again(self) -> None:
        resolver = LocalDirectory(".", Bases([self.BASE]))
        first = compile_to_llb(base().run_commands("x"), resolver=resolver)
        again = Bases.from_json(Bases().including(*first.bases).to_json())
        second = compile_to_llb(base().run_commands("x"), resolver=LocalDirectory(".", again))
        assert first.bases
        assert first.digests() == second.digests()
        assert first.image_config == second.image_config

    def test_other_platforms_and_references_are_unknown(self) -> None:
        known = Bases([self.BASE])
        assert known.base("docker.io/library/debian:12", Platform("linux", "amd64")) == self.BASE
        assert known.base("docker.io/library/debian:12", Platform("linux", "arm64")) is None
        assert known.base("docker.io/library/debian:13", Platform("linux", "amd64")) is None

    def test_later_ones_win(self) -> None:
        newer = self.BASE.replace(digest="sha256:" + "2" * 64)
        assert [base.digest for base in Bases([self.BASE]).including(newer)] == [newer.digest]

    @pytest.mark.parametrize(
        "wrong",
        [
            b"x",
            b"[]",
            b'{"debian": []}',
            b'{"debian": {"linux/amd64": {}}}',
            b'{"debian": {"mars": {"config": {}}}}',
            b'{"No Name": {"linux/amd64": {"config": {}}}}',
        ],
    )
    def test_another_file_is_refused(self, wrong: bytes) -> None:
        with pytest.raises(InvalidError) as caught:
            Bases.from_json(wrong)
        assert caught.value.hint

    def test_a_base_without_platform_cannot_be_kept(self) -> None:
        with pytest.raises(InvalidError, match="platform"):
            Bases([self.BASE.replace(platform=None)])
