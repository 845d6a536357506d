"""Local files: which are sent, how they are copied, and where they may come from."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from llb import FilePatternMatcher, Image, compile_to_llb
from llb.errors import ExecutionError, InvalidError, LocalDirectoryError, LocalFileError, UnsupportedError
from llb.image import AUTO_DOCKERIGNORE, NON_PYTHON_FILES, BuildOptions, LocalDirectory, Resolver
from llb.image.chain import step_of
from tests.unit.image.vertices import Answers, Compiled, base, compiled

TREE = {
    "a.txt": b"a",
    "src/x.py": b"x",
    "src/y.txt": b"y",
    "src/sub/z.py": b"z",
    "src/data/1": b"1",
    "src/data/2": b"2",
    "src/empty": None,
    ".dockerignore": b"# comment\nsub\n!/sub/z.py\n",
}


class TestCopy:
    def test_a_baked_file_is_a_step_like_others(self) -> None:
        result = compiled(base().add_local_file("a.txt", "/x/", copy=True).run_commands("ls /x"))
        [action] = result.actions
        copy = action.copy
        assert (copy.src, copy.dest, copy.mode) == ("/a.txt", "/x/", -1)
        assert copy.createDestPath
        assert copy.followSymlink
        assert copy.allowWildcard
        assert result.merges == 0
        assert result.commands == ["ls /x"]

    def test_an_added_file_is_copied_on_top(self) -> None:
        """Not onto nothing and merged, which would replace links, modes and owners of the image's directories."""
        result = compiled(base().run_commands("x").add_local_file("a.txt", "/a"))
        [action] = result.actions
        assert (action.input, action.secondaryInput) == (0, 1)
        assert result.merges == 0

    def test_added_files_are_made_beside_each_other(self) -> None:
        result = compiled(base().run_commands("x").add_local_file("a", "/a").add_local_file("b", "/b"))
        assert [(action.input, action.secondaryInput) for action in result.actions] == [(0, 1), (0, 1)]
        assert result.merges == 1
        assert result.names[-1] == "[4/4] add_local_file b /b"

    def test_an_edit_of_one_added_file_makes_no_other_anew(self) -> None:
        one, other = (
            compiled(base().add_local_file("a", f"/{name}").add_local_dir("b", "/b", ignore=["x"])).definition
            for name in "xy"
        )
        changed = set(one.digests()[:-1]) - set(other.digests())
        assert len(changed) == 2  # the copy of `a`, and the merge

    def test_without_merge_it_is_copied_on_top(self) -> None:
        result = compiled(base().add_local_file("a", "/a"), Answers(lacks=("mergeop",)))
        assert result.merges == 0
        assert result.actions[0].input == 0

    def test_a_directory_gives_what_is_in_it(self) -> None:
        [action] = compiled(base().add_local_dir("src/", "/app", copy=True)).actions
        assert (action.copy.src, action.copy.dest, action.copy.dirCopyContents) == ("/src", "/app", True)

    def test_names_that_would_be_patterns_are_taken_as_they_are(self) -> None:
        result = compiled(base().add_local_file("w[1]*.txt", "/x", copy=True))
        [action] = result.actions
        assert (action.copy.src, action.copy.allowWildcard) == ("/w[1]*.txt", False)
        assert json.loads(result.locals[0]["local.followpaths"]) == ["w\\[1\\]\\*.txt"]

    def test_paths_of_any_kind(self) -> None:
        chain = base().add_local_file(Path("a.txt"), Path("/x"), copy=True)
        assert compiled(chain).actions[0].copy.src == "/a.txt"

    def test_one_entry_in_the_history_each(self) -> None:
        assert compiled(base().add_local_file("a", "/a").add_local_dir("b", "/b")).history == [
            "COPY a /a # buildkit",
            "COPY b /b # buildkit",
        ]


class TestOrder:
    @pytest.mark.parametrize("add", ["add_local_file", "add_local_dir"])
    @pytest.mark.parametrize(
        ("step", "arguments", "options"),
        [
            ("run_commands", ("x",), {}),
            ("pip_install", ("x",), {}),
            ("apt_install", ("x",), {}),
            ("env", ({"A": "1"},), {}),
            ("workdir", ("/x",), {}),
            ("cmd", (["x"],), {}),
            ("add_local_file", ("b", "/b"), {"copy": True}),
            ("add_local_dir", ("b", "/b"), {"copy": True}),
        ],
    )
    def test_no_step_may_follow_an_add_without_copy(
        self, add: str, step: str, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        added = getattr(base(), add)("a", "/a")
        chain = getattr(added, step)(*arguments, **options)  # no error where it is written
        with pytest.raises(InvalidError, match=f"{step} cannot follow {add}") as caught:
            compiled(chain)
        assert "copy=True" in caught.value.hint
        assert caught.value.location == step_of(chain).location

    def test_other_adds_may(self) -> None:
        chain = base().add_local_file("a", "/a").add_local_dir("b", "/b").pipe(lambda image: image)
        assert compiled(chain).merges == 1

    def test_an_add_with_copy_may_be_followed(self) -> None:
        chain = base().add_local_file("a", "/a", copy=True).run_commands("x").add_local_file("b", "/b")
        assert len(compiled(chain).actions) == 2


class TestTransfer:
    def test_plain_adds_share_one_transfer_of_what_they_need(self) -> None:
        chain = base().add_local_file("b/x", "/x").add_local_dir("a", "/a").add_local_file("b/x", "/y")
        [source] = compiled(chain).locals
        assert source == {
            "name": "context",
            "local.followpaths": '["a","b/x"]',
            "local.sharedkeyhint": "context",
        }

    def test_the_whole_context(self) -> None:
        [source] = compiled(base().add_local_dir(".", "/a").add_local_file("b", "/b")).locals
        assert source == {"name": "context", "local.sharedkeyhint": "context"}

    def test_what_is_ignored_is_not_sent(self) -> None:
        chain = base().add_local_dir("src", "/src", ignore=["*.txt", "data/**", "!/data/1"])
        result = compiled(chain)
        [source] = result.locals
        assert json.loads(source["local.followpaths"]) == ["src"]
        assert json.loads(source["local.excludepatterns"]) == ["src/*.txt", "src/data/**", "!src/data/1"]
        assert not result.actions[0].copy.exclude_patterns

    @pytest.mark.parametrize("ignore", [[], (), FilePatternMatcher()])
    def test_nothing_is_ignored(self, ignore: list[str]) -> None:
        [source] = compiled(base().add_local_dir("src", "/src", ignore=ignore)).locals
        assert "local.excludepatterns" not in source

    @pytest.mark.parametrize("kind", [list, tuple])
    def test_any_sequence_of_patterns(self, kind: Callable[[list[str]], list[str]]) -> None:
        [source] = compiled(base().add_local_dir("s", "/s", ignore=kind(["a", "b"]))).locals
        assert json.loads(source["local.excludepatterns"]) == ["s/a", "s/b"]

    def test_inverted_patterns(self) -> None:
        [source] = compiled(base().add_local_dir(".", "/s", ignore=NON_PYTHON_FILES)).locals
        assert json.loads(source["local.excludepatterns"]) == ["**", "!**/*.py"]

    def test_patterns_of_a_file_of_the_context(self) -> None:
        matcher = FilePatternMatcher.from_file("./.dockerignore")
        resolver = Answers(tree=TREE)
        [source] = compiled(base().add_local_dir("src", "/s", ignore=matcher), resolver).locals
        assert json.loads(source["local.excludepatterns"]) == ["src/sub", "!src/sub/z.py"]
        assert "read context:.dockerignore" in resolver.asked

    def test_a_missing_file_of_patterns(self) -> None:
        matcher = FilePatternMatcher.from_file("nowhere")
        with pytest.raises(LocalFileError, match="nowhere does not exist") as caught:
            compiled(base().add_local_dir("src", "/s", ignore=matcher), Answers(tree=TREE))
        assert caught.value.step == "add_local_dir"

    def test_selections_do_not_fight_for_one_copy(self) -> None:
        chain = (
            base()
            .add_local_dir("a", "/1")
            .add_local_dir("a", "/2", ignore=["x"])
            .add_local_dir("a", "/3", ignore=["y"])
            .add_local_dir("b", "/4", ignore=["x"])
            .add_local_dir("b", "/5", ignore=["x"])
        )
        hints = [source["local.sharedkeyhint"] for source in compiled(chain).locals]
        assert len(hints) == 4
        assert len(set(hints)) == 4
        assert all(hint.startswith("context") for hint in hints)

    def test_the_session(self) -> None:
        options = BuildOptions(session="s1", local_unique="u")
        assert compiled(base().add_local_file("a", "/a"), options=options).locals[0]["local.session"] == "s1"
        [source] = compiled(base().add_local_file("a", "/a"), options=BuildOptions(local_unique="u")).locals
        assert source["local.unique"] == "u"
        options = BuildOptions(session="s1", local_sessions=(("context", "s2"),))
        assert compiled(base().add_local_file("a", "/a"), options=options).locals[0]["local.session"] == "s2"


class TestIgnoreFunctions:
    def excluded(self, ignore: Callable[[Path], bool], directory: str = "src") -> list[str]:
        chain = base().add_local_dir(directory, "/s", ignore=ignore)
        [source] = compiled(chain, Answers(tree=TREE)).locals
        return json.loads(source.get("local.excludepatterns", "[]"))

    def test_it_is_asked_about_files_and_empty_directories(self) -> None:
        asked: list[Path] = []

        def ignore(path: Path) -> bool:
            asked.append(path)
            return False

        assert self.excluded(ignore) == []
        assert sorted(map(str, asked)) == ["data/1", "data/2", "empty", "sub/z.py", "x.py", "y.txt"]
        assert isinstance(asked[0], Path)

    def test_what_it_names_stays_out(self) -> None:
        assert self.excluded(lambda path: path.suffix == ".txt") == ["src/y.txt"]

    def test_a_directory_goes_as_a_whole(self) -> None:
        assert self.excluded(lambda path: "data" in path.parts or path.name == "empty") == [
            "src/data",
            "src/empty",
        ]

    def test_everything_goes(self) -> None:
        assert self.excluded(lambda _: True) == ["src/data", "src/empty", "src/sub", "src/x.py", "src/y.txt"]

    def test_of_the_whole_context(self) -> None:
        assert self.excluded(lambda path: path.suffix == ".py", ".") == ["src/sub", "src/x.py"]

    def test_a_function_that_fails(self) -> None:
        with pytest.raises(InvalidError, match="failed for 'data/1': ZeroDivisionError") as caught:
            self.excluded(lambda _: bool(1 / 0))
        assert caught.value.location is not None
        assert isinstance(caught.value.__cause__ or caught.value, Exception)

    def test_a_door_that_cannot_list_directories(self) -> None:
        class Blind(Answers):
            walk = Resolver.walk

        with pytest.raises(UnsupportedError, match="cannot be listed") as caught:
            compiled(base().add_local_dir("src", "/s", ignore=lambda _: True), Blind())
        assert "patterns" in caught.value.hint


class TestFewestPatterns:
    """What a function selects is told to the engine's client in as few patterns as can be."""

    def attrs(self, ignore: Callable[[Path], bool], directory: str = "src") -> dict[str, Any]:
        tree = {f"src/many/{number:03}": b"" for number in range(100)} | {"src/few/a": b"", "src/few/b*": b""}
        result = compiled(base().add_local_dir(directory, "/s", ignore=ignore), Answers(tree=tree))
        [source] = result.locals
        assert result.actions[0].copy.src == f"/{directory}".removesuffix(".")
        return {
            key.removeprefix("local."): json.loads(value)
            for key, value in source.items()
            if key.endswith(("pattern", "patterns", "followpaths"))
        }

    def test_what_is_kept_if_that_is_less(self) -> None:
        few = self.attrs(lambda path: path.name not in ("007", "b*"))
        assert few == {"includepattern": ["src/few/b\\*", "src/many/007"]}

    def test_a_directory_that_is_kept_whole_is_one(self) -> None:
        kept = self.attrs(lambda path: path.parts[0] == "many" and path.name != "007")
        assert kept == {"includepattern": ["src/few", "src/many/007"]}

    def test_what_is_left_out_if_that_is_less(self) -> None:
        dropped = self.attrs(lambda path: path.name == "007" or path.parts[0] == "few", ".")
        assert dropped == {"excludepatterns": ["src/many/007"]}
        assert self.attrs(lambda path: "many" in path.parts) == {
            "followpaths": ["src"],
            "excludepatterns": ["src/many"],
        }

    def test_nothing_at_all(self) -> None:
        assert self.attrs(lambda _: True)["excludepatterns"] == ["src/few", "src/many"]


class TestOddNames:
    NAMES = (
        "a b",
        "[x]",
        "*",
        "?",
        "back\\slash",
        "new\nline",
        "\x7f",
        "!x",
        "#x",
        "^x",
        " x ",
        "\udcff",
        "\udcfe",
    )

    def selected(self, context: Path, ignore: Callable[[Path], bool]) -> set[str]:
        """What the patterns of the transfer leave, by their own rules."""
        chain = base().add_local_dir("d", "/d", ignore=ignore)
        [source] = Compiled(compile_to_llb(chain, resolver=LocalDirectory(context))).locals
        names = {path.name for path in (context / "d").iterdir()}
        if "local.includepattern" in source:
            include = FilePatternMatcher(*json.loads(source["local.includepattern"]))
            return {name for name in names if include(f"d/{name}")}
        exclude = FilePatternMatcher(*json.loads(source.get("local.excludepatterns", "[]")))
        return {name for name in names if not exclude(f"d/{name}")}

    @pytest.fixture
    def context(self, tmp_path: Path) -> Path:
        (tmp_path / "d").mkdir()
        for name in self.NAMES:
            (tmp_path / "d" / name).touch()
        return tmp_path

    @pytest.mark.parametrize("name", NAMES)
    def test_a_function_chooses_them(self, context: Path, name: str) -> None:
        if name >= "\ud800":  # one that is not UTF-8 is left out, another one is not
            with pytest.raises(
                InvalidError, match=r"cannot choose b'\\xf[ef]' in d: the name is not UTF-8"
            ) as caught:
                self.selected(context, lambda path: path.name in (name, "*"))
            assert "patterns" in caught.value.hint
        else:
            assert self.selected(context, lambda path: path.name != name) == {name}
            assert self.selected(context, lambda path: path.name == name) == {*self.NAMES} - {name}

    def test_patterns_can_travel(self, context: Path) -> None:
        """In headers of gRPC: BuildKit's client encodes control characters only beside one beyond ASCII."""
        chain = base().add_local_dir("d", "/d", ignore=["new\nline", "[\t]x"])
        [source] = Compiled(compile_to_llb(chain, resolver=LocalDirectory(context))).locals
        for pattern in json.loads(source["local.excludepatterns"]):
            assert not pattern.isascii()


class TestAutoDockerignore:
    def attrs(self, tree: dict[str, Any], directory: str = "src") -> dict[str, str]:
        chain = base().add_local_dir(directory, "/s", ignore=AUTO_DOCKERIGNORE)
        [source] = compiled(chain, Answers(tree=tree)).locals
        return source

    def test_its_patterns_are_anchored_at_the_context(self) -> None:
        source = self.attrs({**TREE, ".dockerignore": b"# comment\nsrc/*.txt\n*.md\n!/src/y.txt\n"})
        assert json.loads(source["local.excludepatterns"]) == ["src/*.txt", "*.md", "!src/y.txt"]
        assert json.loads(source["local.followpaths"]) == ["src"]

    def test_there_is_none(self) -> None:
        source = self.attrs({name: data for name, data in TREE.items() if name != ".dockerignore"})
        assert "local.excludepatterns" not in source

    def test_it_leaves_the_directory_itself_out(self) -> None:
        with pytest.raises(LocalFileError, match=r"src is left out by \.dockerignore") as caught:
            self.attrs({**TREE, ".dockerignore": b"s*c\n"})
        assert "ignore=[" in caught.value.hint
        self.attrs({**TREE, ".dockerignore": b"s*c\n!src/x.py\n"})

    def test_of_another_context(self, tmp_path: Path) -> None:
        (tmp_path / "data/models").mkdir(parents=True)
        (tmp_path / "data/.dockerignore").write_text("models/big\n")
        (tmp_path / ".dockerignore").write_text("*\n")
        resolver = LocalDirectory(tmp_path / "data/models", contexts={"data": tmp_path / "data"})
        chain = base().add_local_dir("../models", "/m", ignore=AUTO_DOCKERIGNORE)
        compile_to_llb(chain, resolver=resolver)
        options = BuildOptions(contexts=(("data", "local:data"),))
        chain = base().add_local_dir("/srv/data/models", "/m", ignore=AUTO_DOCKERIGNORE)
        ops = b"".join(compile_to_llb(chain, resolver=resolver, options=options).ops)
        assert b'["models/big"]' in ops


def everything(path: Path) -> bool:
    return True


def texts(path: Path) -> bool:
    return path.name == "a.txt"


class TestNothingIsAdded:
    """A warning, not a failure: an empty selection may be meant."""

    CASES: ClassVar[list[tuple[Any, bool]]] = [
        (["*", "sub"], True),
        (["**", "!x/y"], True),
        (FilePatternMatcher("**"), True),
        (~FilePatternMatcher("x"), True),
        (everything, True),
        (texts, False),
        (AUTO_DOCKERIGNORE, True),
        ([], False),
        (["a.txt"], False),
        (["**", "!sub/b.txt"], False),
    ]

    @pytest.mark.parametrize(("ignore", "noted"), CASES)
    def test_all_is_ignored(self, tmp_path: Path, ignore: Any, noted: bool) -> None:
        (tmp_path / "d/sub").mkdir(parents=True)
        (tmp_path / "d/a.txt").touch()
        (tmp_path / "d/sub/b.txt").touch()
        (tmp_path / ".dockerignore").write_text("d/*\n")
        chain = base().add_local_dir("d", "/d", ignore=ignore)
        notes = compile_to_llb(chain, resolver=LocalDirectory(tmp_path)).notes
        assert len(notes) == noted
        for text in notes:
            assert "nothing of d is added: all is ignored" in text
            assert "add_local_dir" in text
            assert __file__ in text

    def test_a_directory_without_files(self, tmp_path: Path) -> None:
        (tmp_path / "d/sub").mkdir(parents=True)
        [note] = compile_to_llb(base().add_local_dir("d", "/d"), resolver=LocalDirectory(tmp_path)).notes
        assert "nothing is added: d holds no file" in note


class TestFilesThatChange:
    """A file that is written to during a build is not of one moment; LLB_BUILD_VALIDATION says what is done."""

    @pytest.fixture
    def context(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.delenv("LLB_BUILD_VALIDATION", raising=False)
        monkeypatch.delenv("MODAL_BUILD_VALIDATION", raising=False)
        (tmp_path / "d").mkdir()
        for name in ("a.txt", "d/b.txt", "d/c.txt"):
            (tmp_path / name).touch()
        return tmp_path

    def later(self, path: Path) -> None:
        os.utime(path, ns=(0, time.time_ns() + 60_000_000_000))

    def chains(self) -> list[Image]:
        return [
            base().add_local_file("a.txt", "/a"),
            base().add_local_dir("d", "/d", ignore=lambda path: path.name == "c.txt"),
        ]

    def test_it_is_an_error(self, context: Path) -> None:
        for chain, name in zip(self.chains(), ("a.txt", "d/b.txt"), strict=True):
            compile_to_llb(chain, resolver=LocalDirectory(context))
            self.later(context / name)
            with pytest.raises(ExecutionError, match=f"{name} was modified during the build") as caught:
                compile_to_llb(chain, resolver=LocalDirectory(context))
            assert "LLB_BUILD_VALIDATION" in caught.value.hint
            assert caught.value.location is not None

    def test_what_is_left_out_may_change(self, context: Path) -> None:
        self.later(context / "d/c.txt")
        assert compile_to_llb(self.chains()[1], resolver=LocalDirectory(context)).notes == ()

    @pytest.mark.parametrize("variable", ["LLB_BUILD_VALIDATION", "MODAL_BUILD_VALIDATION"])
    def test_or_a_warning_or_nothing(
        self, context: Path, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        self.later(context / "a.txt")
        monkeypatch.setenv(variable, "warn")
        [note] = compile_to_llb(self.chains()[0], resolver=LocalDirectory(context)).notes
        assert note == "a.txt was modified during the build"
        monkeypatch.setenv(variable, "ignore")
        assert compile_to_llb(self.chains()[0], resolver=LocalDirectory(context)).notes == ()

    def test_another_policy(self, context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LLB_BUILD_VALIDATION", "never")
        with pytest.raises(
            InvalidError, match="LLB_BUILD_VALIDATION=never: there is no such policy"
        ) as caught:
            LocalDirectory(context)
        assert "error, warn, ignore" in caught.value.hint

    def test_a_file_that_is_written_to_while_it_is_read(
        self, context: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (context / "ignore").write_text("x\n")
        matcher = FilePatternMatcher.from_file("ignore")
        real = os.fstat
        times = iter(range(1, 100))

        def fstat(descriptor: int) -> Any:
            about = real(descriptor)
            return SimpleNamespace(st_mtime_ns=next(times), st_size=about.st_size)

        monkeypatch.setattr(os, "fstat", fstat)
        with pytest.raises(ExecutionError, match="ignore was modified while it was read"):
            compile_to_llb(base().add_local_dir("d", "/d", ignore=matcher), resolver=LocalDirectory(context))


class TestMissing:
    @pytest.mark.parametrize(
        ("chain", "error", "message"),
        [
            (base().add_local_file("none", "/x"), LocalFileError, "local file none does not exist"),
            (base().add_local_dir("none", "/x"), LocalFileError, "local dir none does not exist"),
            (
                base().add_local_dir("none", "/x", ignore=["a"]),
                LocalFileError,
                "local dir none does not exist",
            ),
            (base().add_local_dir("a.txt", "/x"), LocalDirectoryError, "a.txt is not a directory"),
            (base().add_local_file("src", "/x"), LocalFileError, "src is a directory"),
        ],
    )
    def test_it_is_an_error_at_the_users_line(
        self, chain: Image, error: type[Exception], message: str
    ) -> None:
        with pytest.raises(LocalFileError, match=message) as caught:
            compiled(chain, Answers(tree=TREE))
        assert type(caught.value) is error
        assert isinstance(caught.value, FileNotFoundError)
        assert caught.value.location is not None
        assert caught.value.location.filename == __file__
        assert caught.value.step.startswith("add_local_")

    def test_nobody_can_tell(self) -> None:
        assert len(compiled(base().add_local_file("none", "/x")).actions) == 1


class TestOutside:
    @pytest.mark.parametrize(
        ("path", "flag"),
        [
            ("/srv/models", "--build-context models=/srv/models"),
            ("/srv/Big Models/", "--build-context big-models=/srv/Big Models"),
            ("~/models", "--build-context models=~/models"),
            ("../shared", "--build-context shared=../shared"),
            ("../../lib/../shared", "--build-context shared=../../shared"),
        ],
    )
    def test_the_error_says_which_flag_brings_it(self, path: str, flag: str) -> None:
        with pytest.raises(LocalFileError, match="outside of the build's context directory") as caught:
            compiled(base().add_local_dir(path, "/x"))
        assert flag in caught.value.hint

    def test_of_a_file_it_is_its_directory(self) -> None:
        with pytest.raises(LocalFileError) as caught:
            compiled(base().add_local_file("/srv/models/a.bin", "/x"))
        assert "--build-context models=/srv/models " in caught.value.hint

    @pytest.mark.parametrize("path", ["..", "../x.txt", "/x.txt", "~/x.txt"])
    def test_a_directory_without_name_cannot_be_given(self, path: str) -> None:
        with pytest.raises(LocalFileError) as caught:
            compiled(base().add_local_file(path, "/x"))
        assert "into the context directory" in caught.value.hint
        assert "--build-context" not in caught.value.hint

    def test_a_named_context_serves_it(self) -> None:
        options = BuildOptions(contexts=(("models", "local:data"),))
        chain = (
            base()
            .add_local_dir("/srv/models/llama", "/m")
            .add_local_file("~/models/x.bin", "/x")
            .add_local_dir("a", "/a")
        )
        result = compiled(chain, options=options)
        sources = {source["name"]: source for source in result.locals}
        assert json.loads(sources["data"]["local.followpaths"]) == ["llama", "x.bin"]
        assert json.loads(sources["context"]["local.followpaths"]) == ["a"]
        assert sources["data"]["local.sharedkeyhint"] != sources["context"]["local.sharedkeyhint"]
        assert [action.copy.src for action in result.actions] == ["/llama", "/x.bin", "/a"]

    def test_the_whole_of_it(self) -> None:
        options = BuildOptions(contexts=(("models", "local:models"),))
        result = compiled(base().add_local_dir("../models", "/m"), options=options)
        assert result.actions[0].copy.src == "/"
        assert "local.followpaths" not in result.locals[0]


class TestOnDisk:
    """The pure door: paths are looked up in a directory of this machine."""

    @pytest.fixture
    def context(self, tmp_path: Path) -> Path:
        context = tmp_path / "context"
        for name, data in TREE.items():
            path = context / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if data is None:
                path.mkdir()
            else:
                path.write_bytes(data)
        (context / "link").symlink_to("src")
        (context / "dangling").symlink_to("nowhere")
        (context / "out").symlink_to(tmp_path)
        (tmp_path / "outside.txt").write_text("o")
        return context

    def test_an_absolute_path_in_the_context_is_made_relative(self, context: Path) -> None:
        absolute = compile_to_llb(
            base().add_local_dir(context / "src", "/s"), resolver=LocalDirectory(context)
        )
        relative = compile_to_llb(base().add_local_dir("src", "/s"), resolver=LocalDirectory(context))
        assert absolute.digests() == relative.digests()

    def test_leaving_and_coming_back(self, context: Path) -> None:
        there_and_back = compile_to_llb(
            base().add_local_file("../context/a.txt", "/a"), resolver=LocalDirectory(context)
        )
        assert (
            there_and_back.digests()
            == compile_to_llb(
                base().add_local_file("a.txt", "/a"), resolver=LocalDirectory(context)
            ).digests()
        )

    def test_the_home_directory(self, context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(context))
        assert LocalDirectory(context).place("~/src") == ("context", "src")
        assert LocalDirectory(context).place("~/../x") is None

    def test_the_working_directory_is_the_default(
        self, context: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(context)
        compile_to_llb(base().add_local_file("a.txt", "/a"))
        with pytest.raises(LocalFileError):
            compile_to_llb(base().add_local_file("none.txt", "/a"))

    @pytest.mark.parametrize("missing", ["none", "dangling", "out/outside.txt", "a.txt/x"])
    def test_what_is_not_there(self, context: Path, missing: str) -> None:
        with pytest.raises(LocalFileError, match="does not exist"):
            compile_to_llb(base().add_local_file(missing, "/a"), resolver=LocalDirectory(context))

    def test_a_link_to_a_directory_is_filtered_where_it_points_to(self, context: Path) -> None:
        chain = base().add_local_dir("link", "/s", ignore=["data"])
        ops = b"".join(compile_to_llb(chain, resolver=LocalDirectory(context)).ops)
        assert b'["src/data"]' in ops
        assert b'["link"]' in ops

    def test_walking(self, context: Path) -> None:
        entries = [(entry.path, entry.kind) for entry in LocalDirectory(context).walk("context", ".")]
        assert entries[:5] == [
            (".dockerignore", "file"),
            ("a.txt", "file"),
            ("dangling", "link"),
            ("link", "link"),
            ("out", "link"),
        ]
        assert ("src/sub/z.py", "file") in entries
        assert ("src/empty", "dir") in entries
        assert entries.index(("src", "dir")) < entries.index(("src/x.py", "file"))
        assert len(entries) == 14

    def test_named_contexts_are_other_directories(self, context: Path, tmp_path: Path) -> None:
        resolver = LocalDirectory(context, contexts={"data": tmp_path})
        assert resolver.read("data", "outside.txt") == b"o"
        assert resolver.stat("unknown", "x") is None
        with pytest.raises(UnsupportedError):
            resolver.read("unknown", "x")
        with pytest.raises(UnsupportedError):
            list(resolver.walk("unknown", "x"))

    def test_what_cannot_be_read(self, context: Path) -> None:
        with pytest.raises(LocalFileError, match="cannot be read"):
            LocalDirectory(context).read("context", "none")
        with pytest.raises(LocalFileError, match="cannot be read"):
            list(LocalDirectory(context).walk("context", "none"))

    def test_home(self, context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """`~` means the home directory for files as for directories, and for files of patterns."""
        monkeypatch.setenv("HOME", str(context / "src"))
        resolver = LocalDirectory(context)
        for here, there in (
            (base().add_local_file("~/x.py", "/x"), base().add_local_file("src/x.py", "/x")),
            (base().add_local_dir("~", "/x"), base().add_local_dir("src", "/x")),
            (base().add_local_dir("~/sub", "/x"), base().add_local_dir("src/sub", "/x")),
        ):
            assert (
                compile_to_llb(here, resolver=resolver).digests()
                == compile_to_llb(there, resolver=resolver).digests()
            )
        matcher = FilePatternMatcher.from_file("~/y.txt")
        compile_to_llb(base().add_local_dir("src", "/x", ignore=matcher), resolver=resolver)

    def test_patterns_may_come_from_outside_of_the_context(self, context: Path, tmp_path: Path) -> None:
        (tmp_path / "patterns").write_text("sub\n")
        for name in ("../patterns", str(tmp_path / "patterns")):
            chain = base().add_local_dir("src", "/x", ignore=FilePatternMatcher.from_file(name))
            ops = b"".join(compile_to_llb(chain, resolver=LocalDirectory(context)).ops)
            assert b'["src/sub"]' in ops

    def test_other_kinds_of_files(self, context: Path) -> None:
        os.mkfifo(context / "pipe")
        with pytest.raises(LocalFileError, match="pipe is no file, but a pipe, socket or device"):
            compile_to_llb(base().add_local_file("pipe", "/x"), resolver=LocalDirectory(context))

    def test_a_socket_among_others_is_walked_by(self, context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(context / "src")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("listener")
            found = {entry.path: entry.kind for entry in LocalDirectory(context).walk("context", "src")}
        assert found["listener"] == "other"

    def test_links_in_a_circle(self, context: Path) -> None:
        (context / "one").symlink_to("two")
        (context / "two").symlink_to("one")
        (context / "src/up").symlink_to("..")
        with pytest.raises(LocalFileError, match="the links of one lead in a circle"):
            compile_to_llb(base().add_local_dir("one", "/x"), resolver=LocalDirectory(context))
        walked = [entry.path for entry in LocalDirectory(context).walk("context", "src")]
        assert "up" in walked
        assert not [path for path in walked if path.startswith("up/")]

    def test_directories_are_pruned(self, context: Path) -> None:
        paths = [
            entry.path
            for entry in LocalDirectory(context).walk("context", "src", lambda path: path == "data")
        ]
        assert "data" in paths
        assert "data/1" not in paths

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_a_directory_that_may_not_be_read(self, context: Path) -> None:
        (context / "src/data").chmod(0)
        try:
            chain = base().add_local_dir("src", "/x", ignore=lambda _: False)
            with pytest.raises(LocalFileError, match="the directory data cannot be read: Permission denied"):
                compile_to_llb(chain, resolver=LocalDirectory(context))
        finally:
            (context / "src/data").chmod(0o755)
