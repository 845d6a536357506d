"""Several chains in one image: what is shared, what is joined, and whose config the result has."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from llb import Image
from llb.errors import InvalidError, InvalidTypeError, LocalFileError
from llb.image import BuildOptions
from llb.image.compile import bases_of
from llb.image.options import FORCE_VARIABLES
from llb.pb import ops_pb2 as pb
from tests.unit.image.vertices import Answers, Compiled, base, compiled

WITHOUT_MERGE = ("mergeop",)
LOOSE: Any = Image


def loose() -> Any:
    """An image without its types, for calls that a type checker refuses."""
    return base()


def merge_inputs(result: Compiled) -> list[str]:
    """What the last merge joins: names of vertices, those of a difference as `upper - lower`."""
    digests = result.definition.digests()
    names = dict(zip(digests, [*result.names, ""], strict=True))
    ops = dict(zip(digests, [pb.Op.FromString(op) for op in result.definition.ops], strict=True))
    last = ops[digests[-2]]
    assert last.HasField("merge")
    found: list[str] = []
    for one in last.inputs:
        op = ops[one.digest]
        if op.HasField("diff"):
            below, above = (names[side.digest].partition("] ")[2] for side in op.inputs)
            found.append(f"{above} - {below}")
        else:
            found.append(names[one.digest].partition("] ")[2])
    return found


class TestMerge:
    def test_what_each_has_of_its_own_is_laid_on_the_first(self) -> None:
        start = base().run_commands("common")
        result = compiled(
            Image.merge(start.run_commands("a"), start.run_commands("b"), start.run_commands("c"))
        )
        assert merge_inputs(result) == [
            "run_commands a",
            "run_commands b - run_commands common",
            "run_commands c - run_commands common",
        ]
        assert result.commands == ["common", "a", "b", "c"]

    def test_steps_that_were_written_twice_are_shared(self) -> None:
        def start() -> Image:
            return base().env({"A": "1"}).run_commands("common")

        result = compiled(Image.merge(start().run_commands("a"), start().run_commands("b")))
        assert merge_inputs(result) == ["run_commands a", "run_commands b - run_commands common"]
        assert result.commands == ["common", "a", "b"]

    def test_images_that_share_nothing_are_laid_on_each_other_whole(self) -> None:
        other = Image.from_registry("busybox").run_commands("b")
        assert merge_inputs(compiled(Image.merge(base(), other))) == [
            "from_registry docker.io/library/debian:12",
            "run_commands b",
        ]

    def test_an_image_that_goes_on_from_another_one(self) -> None:
        first = base().run_commands("a")
        result = compiled(Image.merge(first, first.run_commands("b")))
        assert merge_inputs(result) == ["run_commands a", "run_commands b - run_commands a"]

    def test_the_third_may_go_on_from_the_second(self) -> None:
        second = base().run_commands("b")
        result = compiled(Image.merge(base().run_commands("a"), second, second.run_commands("c")))
        assert merge_inputs(result)[2] == "run_commands c - run_commands b"

    def test_an_image_without_steps_of_its_own_adds_nothing(self) -> None:
        first = base().run_commands("a")
        plain = compiled(first).definition
        assert compiled(Image.merge(first, base(), first)).definition.digests() == plain.digests()
        assert compiled(Image.merge(first, Image.from_scratch())).definition.digests() == plain.digests()

    def test_merges_can_be_merged(self) -> None:
        inner = Image.merge(base().run_commands("a"), base().run_commands("b"))
        result = compiled(Image.merge(inner.run_commands("c"), base().run_commands("d")))
        assert result.commands == ["a", "b", "c", "d"]
        assert result.merges == 2

    def test_the_config_is_the_first_ones(self) -> None:
        first = base().env({"A": "1"}).workdir("/first").cmd(["first"])
        second = base().env({"B": "2"}).workdir("/second").cmd(["second"]).user("other")
        result = compiled(Image.merge(first, second).run_commands("x"))
        assert result.config["Cmd"] == ["first"]
        assert result.config["WorkingDir"] == "/first"
        assert "User" not in result.config
        assert [one for one in result.config["Env"] if not one.startswith("PATH")] == ["A=1"]
        assert result.execs[-1].meta.cwd == "/first"
        assert result.execs[-1].meta.user == ""

    def test_each_layer_has_its_entry_in_the_history(self) -> None:
        start = base().run_commands("common")
        image = Image.merge(
            start.run_commands("a"), start.env({"B": "2"}).run_commands("b", "c")
        ).run_commands("d")
        assert [entry.split()[3] for entry in compiled(image).history] == ["common", "a", "b", "c", "d"]

    def test_layers_of_a_base_that_is_laid_on_top_have_theirs(self) -> None:
        config = {"history": [{"created_by": "one"}, {"created_by": "two", "empty_layer": True}]}
        image = Image.merge(base().run_commands("a"), Image.from_registry("busybox"))
        found = compiled(image, Answers(config={**config, "config": {}})).history
        assert [entry.split()[-3 if "#" in entry else 0] for entry in found] == ["one", "two", "a", "one"]

    def test_steps_go_on_from_it(self) -> None:
        image = Image.merge(base().run_commands("a"), base().run_commands("b")).run_commands("c")
        ops = compiled(image).ops
        assert ops[-1].HasField("exec")
        assert ops[-2].HasField("merge")

    def test_edits_of_one_build_no_other_anew(self) -> None:
        def digests(edited: str) -> set[str]:
            image = Image.merge(
                base().run_commands("a"), base().run_commands(edited), base().run_commands("c")
            )
            return set(compiled(image).definition.digests()[:-1])

        assert len(digests("b") - digests("x")) == 3  # the command, its difference, the merge


class TestMergeWithoutMerge:
    """An engine that cannot merge builds one after the other what it would have joined."""

    def test_own_steps_run_on_top(self) -> None:
        start = base().run_commands("common")
        first = start.env({"A": "1"}).run_commands("a")
        second = start.env({"B": "2"}).workdir("/b").run_commands("b")
        result = compiled(Image.merge(first, second).run_commands("c"), Answers(lacks=WITHOUT_MERGE))
        assert result.merges == 0
        assert result.commands == ["common", "a", "b", "c"]
        assert [list(run.meta.env)[1:] for run in result.execs] == [[], ["A=1"], ["B=2"], ["A=1"]]
        assert result.config["Env"][1:] == ["A=1"]

    def test_images_that_share_nothing_are_copied(self) -> None:
        other = Image.from_registry("busybox").run_commands("b")
        result = compiled(Image.merge(base().run_commands("a"), other), Answers(lacks=WITHOUT_MERGE))
        [action] = result.actions
        assert (action.copy.src, action.copy.dest, action.copy.dirCopyContents) == ("/", "/", True)

    def test_steps_are_counted(self) -> None:
        start = base()
        image = Image.merge(start.run_commands("a"), start.run_commands("b"))
        assert compiled(image, Answers(lacks=WITHOUT_MERGE)).names[-1] == "[5/5] run_commands b"


class TestCopyFrom:
    def test_it_copies_from_what_the_other_image_builds(self) -> None:
        tools = Image.from_registry("golang:1").run_commands("make")
        result = compiled(base().copy_from(tools, "/out/*", "/bin/").run_commands("x"))
        [action] = result.actions
        assert (action.copy.src, action.copy.dest, action.copy.allowWildcard) == ("/out/*", "/bin/", True)
        assert result.commands == ["make", "x"]
        assert result.history[0] == "COPY /out/* /bin/ # buildkit"

    def test_the_config_stays(self) -> None:
        result = compiled(base().copy_from(Image.from_registry("x").cmd(["x"]).env({"X": "1"}), "/a", "/a"))
        assert "Cmd" not in result.config
        assert len(result.config["Env"]) == 1

    def test_an_image_copies_from_what_it_starts_from(self) -> None:
        start = base().run_commands("a")
        result = compiled(start.run_commands("b").copy_from(start, "/x", "/y"))
        assert result.commands == ["a", "b"]
        assert len(result.sources) == 1

    def test_from_an_image_to_which_files_are_added(self) -> None:
        other = base().add_local_file("a.txt", "/a.txt")
        result = compiled(base().copy_from(other, "/a.txt", "/b.txt").run_commands("x"))
        assert len(result.actions) == 2

    def test_from_nothing(self) -> None:
        with pytest.raises(InvalidError, match="nothing in the image that /a would be copied from"):
            compiled(base().copy_from(Image.from_scratch(), "/a", "/a"))

    def test_onto_nothing(self) -> None:
        assert len(compiled(Image.from_scratch().copy_from(base(), "/a", "/a")).actions) == 1

    def test_long_chains_of_joins(self) -> None:
        image = base()
        for number in range(2000):
            image = Image.from_scratch().copy_from(image, f"/{number}", "/x")
        assert len(compiled(image).actions) == 2000


class TestTogether:
    def test_bases_of_all_are_asked_for(self) -> None:
        tools = Image.from_registry("golang:1")
        image = Image.merge(base(), Image.from_registry("busybox")).copy_from(tools, "/a", "/a")
        names = [reference for reference, _ in bases_of(image)]
        assert sorted(names) == [
            f"docker.io/library/{name}" for name in ("busybox:latest", "debian:12", "golang:1")
        ]

    def test_the_base_config_is_the_first_ones(self) -> None:
        resolver = Answers(config={"config": {"Labels": {"a": "1"}}})
        image = base().copy_from(
            Image.from_scratch().copy_from(Image.from_registry("x"), "/a", "/a"), "/a", "/a"
        )
        assert json.loads(compiled(image, resolver).definition.base_config) == resolver.config
        onto_nothing = Image.from_scratch().copy_from(Image.from_registry("x"), "/a", "/a")
        assert compiled(onto_nothing, resolver).definition.base_config == b""

    def test_local_files_of_all_share_one_transfer(self) -> None:
        tools = Image.from_registry("golang:1").add_local_file("main.go", "/main.go", copy=True)
        result = compiled(base().add_local_file("a", "/a", copy=True).copy_from(tools, "/b", "/b"))
        [source] = result.locals
        assert json.loads(source["local.followpaths"]) == ["a", "main.go"]

    def test_an_error_is_at_its_own_line(self) -> None:
        wrong = base().add_local_file("none", "/x", copy=True)
        with pytest.raises(LocalFileError, match="none") as caught:
            compiled(base().copy_from(wrong, "/x", "/x"), Answers(tree={"a": b""}))
        assert caught.value.step == "add_local_file"
        assert caught.value.location is not None
        assert caught.value.location.filename == __file__

    def test_the_same_twice_is_the_same(self) -> None:
        def image() -> Image:
            tools = Image.from_registry("x").run_commands("t")
            return Image.merge(base().run_commands("a"), base().run_commands("b")).copy_from(
                tools, "/t", "/t"
            )

        assert compiled(image()).definition.to_bytes() == compiled(image()).definition.to_bytes()

    @pytest.mark.parametrize("which", [0, 1, 2])
    def test_a_join_is_a_step_that_added_files_cannot_come_before(self, which: int) -> None:
        lazy = base().add_local_file("a", "/a")
        joined = (Image.merge(lazy, base()), Image.merge(base(), lazy), lazy.copy_from(base(), "/a", "/a"))[
            which
        ]
        with pytest.raises(InvalidError, match="cannot follow add_local_file") as caught:
            compiled(joined)
        assert "copy=True" in caught.value.hint
        assert caught.value.step in ("merge", "copy_from")


class TestRefused:
    @pytest.mark.parametrize(
        ("wrong", "error", "words"),
        [
            (lambda: LOOSE.merge(), InvalidError, ["two images or more, not 0", "Image.merge(one, other)"]),
            (lambda: LOOSE.merge(base()), InvalidError, ["two images or more, not 1"]),
            (lambda: LOOSE.merge(base(), "x"), InvalidTypeError, ["Image is needed, not str: 'x'"]),
            (lambda: LOOSE.merge([base(), base()]), InvalidTypeError, ["Image is needed, not list"]),
            (
                lambda: loose().copy_from("golang:1", "/a", "/b"),
                InvalidTypeError,
                ["Image.from_registry('golang:1')"],
            ),
            (
                lambda: loose().copy_from(None, "/a", "/b"),
                InvalidTypeError,
                ["Image is needed, not NoneType"],
            ),
            (lambda: loose().copy_from(base(), "a", "/b"), InvalidError, ["src must be absolute", '"/a"']),
            (lambda: loose().copy_from(base(), "/a", "b"), InvalidError, ["dst must be absolute", '"/b"']),
            (lambda: loose().copy_from(base(), 1, "/b"), InvalidTypeError, ["src must be a path, not int"]),
        ],
    )
    def test_it_is_refused_where_it_is_written(
        self, wrong: Callable[[], Any], error: type[InvalidError], words: list[str]
    ) -> None:
        with pytest.raises(error) as caught:
            wrong()
        for word in words:
            assert word in str(caught.value)
        assert caught.value.location is not None
        assert caught.value.location.filename == __file__


class TestForceBuild:
    """It reaches every descendant, and them only."""

    def forced(self, image: Image, **options: Any) -> list[str]:
        result = compiled(image, options=BuildOptions(**options))
        return [
            name.partition("] ")[2]
            for name, ignoring in zip(result.names, result.ignoring_cache, strict=True)
            if ignoring
        ]

    def test_every_step_after_it(self) -> None:
        image = (
            base()
            .run_commands("before")
            .run_commands("it", force_build=True)
            .env({"A": "1"})
            .workdir("/w")
            .add_local_file("a", "/a", copy=True)
            .add_local_dir("d", "/d", copy=True, ignore=["x"])
            .run_commands("after")
            .add_local_file("b", "/b")
            .add_local_file("c", "/c")
        )
        assert self.forced(image) == [
            "run_commands it",
            "workdir /w",
            "add_local_file a /a",
            "add_local_dir d /d",
            "run_commands after",
            "add_local_file b /b",
            "add_local_file c /c",  # the layer,
            "add_local_file c /c",  # what it adds,
            "add_local_file c /c",  # and all of them together
        ]

    def test_a_branch_beside_it_is_not_reached(self) -> None:
        start = base().run_commands("start")
        start.run_commands("forced", force_build=True)
        assert self.forced(start.run_commands("other")) == []

    def test_a_join_is_a_descendant_of_all_that_it_joins(self) -> None:
        calm, forced = base().run_commands("calm"), base().run_commands("forced", force_build=True)
        for image in (Image.merge(calm, forced), Image.merge(forced, calm)):
            names = self.forced(image.run_commands("after"))
            assert "run_commands calm" not in names
            assert names[0] == "run_commands forced"
            assert names[-2:] == ["merge 2 images", "run_commands after"]
        assert self.forced(calm.copy_from(forced, "/a", "/a").run_commands("after")) == [
            "run_commands forced",
            "copy_from /a /a",
            "run_commands after",
        ]

    def test_what_is_only_copied_from_is_not_reached(self) -> None:
        other = Image.from_registry("x").run_commands("other")
        image = base().run_commands("forced", force_build=True).copy_from(other, "/a", "/a")
        assert self.forced(image) == ["run_commands forced", "copy_from /a /a"]

    def test_all_of_it(self) -> None:
        image = Image.merge(base().run_commands("a"), base().run_commands("b"))
        names = self.forced(image, no_cache=True)
        assert {"run_commands a", "run_commands b", "merge 2 images"} <= set(names)

    @pytest.mark.parametrize("name", FORCE_VARIABLES)
    @pytest.mark.parametrize(("value", "forces"), [("1", True), ("true", True), ("0", False), ("", False)])
    def test_a_switch_of_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str, forces: bool
    ) -> None:
        image = base().run_commands("a")
        before = compiled(image).definition
        monkeypatch.setenv(name, value)
        assert (self.forced(image) == ["run_commands a"]) is forces
        assert compiled(image).definition.digests()[:-1] == before.digests()[:-1], "no other vertices"

    def test_a_switch_that_is_neither(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LLB_FORCE_BUILD", "maybe")
        with pytest.raises(InvalidError, match="LLB_FORCE_BUILD=maybe: neither yes nor no") as caught:
            compiled(base())
        assert "LLB_FORCE_BUILD=1" in caught.value.hint
