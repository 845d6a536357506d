"""`add_local_python_source`: where modules are found, where they go, and what of them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from llb import FilePatternMatcher, Image, compile_to_llb
from llb.errors import InvalidError, InvalidTypeError, ModuleNotMountable, UnsupportedError
from llb.image import BuildOptions, LocalDirectory, Resolver
from tests.unit.image.vertices import Answers, Compiled, base, compiled

LOOSE: Any = base()
TREE = {
    "app/__init__.py": b"",
    "app/models.py": b"",
    "app/sub/deep.py": b"",
    "app/data.json": b"",
    "single.py": b"",
    "spaces/part/x.py": b"",
}


def copies(result: Compiled) -> list[tuple[str, str]]:
    return [(action.copy.src, action.copy.dest) for action in result.actions]


class TestWhereItGoes:
    @pytest.mark.parametrize(
        ("name", "source", "target"),
        [
            ("app", "/app", "/root/app/"),
            ("single", "/single.py", "/root/single.py"),
            ("app.models", "/app/models.py", "/root/app/models.py"),
            ("app.sub", "/app/sub", "/root/app/sub/"),
            ("spaces.part", "/spaces/part", "/root/spaces/part/"),
        ],
    )
    def test_below_root_by_its_name(self, name: str, source: str, target: str) -> None:
        result = compiled(base().add_local_python_source(name), Answers(tree=TREE))
        assert copies(result) == [(source, target)]

    def test_each_module_is_a_layer_of_its_own(self) -> None:
        image = base().add_local_python_source("app", "single").add_local_file("single.py", "/x")
        result = compiled(image, Answers(tree=TREE))
        assert len(copies(result)) == 3
        assert result.merges == 1
        assert result.names[-1] == "[4/4] add_local_file single.py /x"

    def test_steps_may_follow_with_copy_only(self) -> None:
        steps = compiled(
            base().add_local_python_source("app", copy=True).run_commands("x"), Answers(tree=TREE)
        )
        assert steps.commands == ["x"]
        with pytest.raises(
            InvalidError, match="run_commands cannot follow add_local_python_source"
        ) as caught:
            compiled(base().add_local_python_source("app").run_commands("x"), Answers(tree=TREE))
        assert "add_local_python_source(…, copy=True)" in caught.value.hint

    def test_no_module_at_all(self) -> None:
        image = base()
        assert image.add_local_python_source() is image


class TestWhatOfIt:
    def attrs(self, **options: Any) -> dict[str, Any]:
        [source] = compiled(base().add_local_python_source("app", **options), Answers(tree=TREE)).locals
        return {
            key.removeprefix("local."): json.loads(value)
            for key, value in source.items()
            if key.endswith(("patterns", "pattern", "followpaths"))
        }

    def test_python_source_only_and_no_dot_entries(self) -> None:
        assert self.attrs() == {
            "includepattern": ["app/**/*.py"],
            "excludepatterns": ["app/**/.*", "app/**/__pycache__"],
        }

    @pytest.mark.parametrize("kind", [list, tuple])
    def test_given_patterns_replace_that_but_for_caches(self, kind: Callable[[list[str]], Any]) -> None:
        assert self.attrs(ignore=kind(["data.json"])) == {
            "followpaths": ["app"],
            "excludepatterns": ["app/data.json", "app/**/__pycache__"],
        }

    def test_nothing_is_ignored_but_caches(self) -> None:
        assert self.attrs(ignore=[])["excludepatterns"] == ["app/**/__pycache__"]

    def test_a_matcher(self) -> None:
        found = self.attrs(ignore=~FilePatternMatcher("**/*.json"))["excludepatterns"]
        assert found == ["app/**", "!app/**/*.json", "app/**/__pycache__"]

    def test_a_function(self) -> None:
        asked: list[str] = []

        def ignore(path: Path) -> bool:
            asked.append(str(path))
            return path.suffix != ".py"

        assert self.attrs(ignore=ignore)["excludepatterns"] == ["app/data.json"]
        assert "sub/deep.py" in asked

    def test_a_function_is_not_asked_about_caches(self) -> None:
        tree = {**TREE, "app/__pycache__/x.pyc": b""}
        image = base().add_local_python_source(
            "app", ignore=lambda path: "__pycache__" in path.parts and bool(1 / 0)
        )
        [source] = compiled(image, Answers(tree=tree)).locals
        assert json.loads(source["local.excludepatterns"]) == ["app/__pycache__"]


class TestRefused:
    @pytest.mark.parametrize(
        ("wrong", "error", "words"),
        [
            (
                lambda: LOOSE.add_local_python_source(os),
                InvalidTypeError,
                ["must be specified as strings", '("os")'],
            ),
            (
                lambda: LOOSE.add_local_python_source(1),
                InvalidTypeError,
                ["must be specified as strings, not int"],
            ),
            (
                lambda: LOOSE.add_local_python_source(["a"]),
                InvalidTypeError,
                ["must be specified as strings"],
            ),
            (lambda: LOOSE.add_local_python_source(""), InvalidError, ["one of modules is empty"]),
            (lambda: LOOSE.add_local_python_source("a..b"), InvalidError, ["'a..b' is no name of a module"]),
            (lambda: LOOSE.add_local_python_source(".a"), InvalidError, ["is no name of a module", '"a"']),
            (lambda: LOOSE.add_local_python_source("src/app.py"), InvalidError, ['"src.app"']),
            (
                lambda: LOOSE.add_local_python_source("a", ignore="*.py"),
                InvalidTypeError,
                ["ignore=['*.py']"],
            ),
            (lambda: LOOSE.add_local_python_source("a", copy=1), InvalidTypeError, ["copy must be True"]),
        ],
    )
    def test_where_it_is_written(
        self, wrong: Callable[[], Any], error: type[InvalidError], words: list[str]
    ) -> None:
        with pytest.raises(error) as caught:
            wrong()
        for word in words:
            assert word in str(caught.value)

    def test_there_is_no_such_module(self) -> None:
        with pytest.raises(ModuleNotMountable, match="there is no module nowhere") as caught:
            compiled(base().add_local_python_source("app", "nowhere"), Answers(tree=TREE))
        assert "beside the image file" in caught.value.hint
        assert caught.value.location is not None

    def test_the_standard_library(self) -> None:
        with pytest.raises(ModuleNotMountable) as caught:
            compiled(base().add_local_python_source("json.decoder"), Answers(tree=TREE))
        assert "json belongs to the standard library" in caught.value.hint

    def test_nobody_can_tell(self) -> None:
        class Blind(Answers):
            module = Resolver.module  # pyright: ignore[reportAssignmentType]

        with pytest.raises(UnsupportedError, match="cannot be looked for") as caught:
            compiled(base().add_local_python_source("app"), Blind())
        assert "add_local_dir" in caught.value.hint


class TestOnDisk:
    """From Python: modules are found as `import` finds them, and nothing of them is run."""

    @pytest.fixture
    def project(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        for name in (
            *("src/app/__init__.py", "src/app/models.py", "src/app/.hidden.py", "src/app/__pycache__/x.py"),
            *("src/single.py", "one/spaces/a/x.py", "two/spaces/b/y.py", "at_root.py", "src/empty/data.txt"),
        ):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("raise SystemExit('this must not run')\n")
        for directory in ("src", "one", "two"):
            monkeypatch.syspath_prepend(str(tmp_path / directory))  # pyright: ignore[reportUnknownMemberType]
        return tmp_path

    def compile(self, project: Path, *names: str, **options: Any) -> Compiled:
        definition = compile_to_llb(
            base().add_local_python_source(*names, **options), resolver=LocalDirectory(project)
        )
        return Compiled(definition)

    def test_packages_files_and_parts_of_namespaces(self, project: Path) -> None:
        assert copies(self.compile(project, "app", "single", "app.models")) == [
            ("/src/app", "/root/app/"),
            ("/src/single.py", "/root/single.py"),
            ("/src/app/models.py", "/root/app/models.py"),
        ]
        assert sorted(copies(self.compile(project, "spaces"))) == [
            ("/one/spaces", "/root/spaces/"),
            ("/two/spaces", "/root/spaces/"),
        ]
        assert copies(self.compile(project, "spaces.b")) == [("/two/spaces/b", "/root/spaces/b/")]

    def test_the_context_directory_comes_last(self, project: Path) -> None:
        assert copies(self.compile(project, "at_root")) == [("/at_root.py", "/root/at_root.py")]

    def test_a_directory_is_looked_into_first_where_a_door_says_so(self, project: Path) -> None:
        (project / "beside").mkdir()
        (project / "beside/single.py").write_text("")
        resolver = LocalDirectory(project, search=[project / "beside"])
        image = base().add_local_python_source("single")
        assert copies(Compiled(compile_to_llb(image, resolver=resolver)))[0][0] == "/beside/single.py"

    def test_what_lies_elsewhere(self, project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        elsewhere = tmp_path_factory.mktemp("elsewhere") / "library"
        elsewhere.mkdir()
        (elsewhere / "far.py").write_text("")
        resolver = LocalDirectory(project, search=[elsewhere])
        with pytest.raises(ModuleNotMountable, match="far is not in the build's context") as caught:
            compile_to_llb(base().add_local_python_source("far"), resolver=resolver)
        assert "pip_install" in caught.value.hint
        assert f"--build-context library={elsewhere}" in caught.value.hint
        options = BuildOptions(contexts=(("library", "local:library"),))
        found = Compiled(
            compile_to_llb(base().add_local_python_source("far"), resolver=resolver, options=options)
        )
        assert copies(found) == [("/far.py", "/root/far.py")]
        assert found.locals[0]["name"] == "library"

    @pytest.mark.parametrize("name", ["json", "sys"])
    def test_the_standard_library(self, project: Path, name: str) -> None:
        with pytest.raises(ModuleNotMountable) as caught:
            self.compile(project, name)
        assert f"{name} belongs to the standard library" in caught.value.hint

    def test_no_such_module(self, project: Path) -> None:
        for name in ("nowhere", "app.nowhere", "single.nowhere", "nowhere.at.all"):
            with pytest.raises(ModuleNotMountable, match=f"there is no module {name}") as caught:
                self.compile(project, name)
            assert "as `import` does" in caught.value.hint

    def test_a_compiled_module(self, project: Path) -> None:
        (project / "src/binary.cpython-311-x86_64-linux-gnu.so").write_bytes(b"")
        suffix = f"binary{__import__('importlib.machinery').machinery.EXTENSION_SUFFIXES[0]}"
        (project / "src" / suffix).write_bytes(b"")
        with pytest.raises(ModuleNotMountable, match="the module binary is compiled") as caught:
            self.compile(project, "binary")
        assert "pip_install" in caught.value.hint

    def test_a_distribution_with_compiled_parts(self, project: Path) -> None:
        (project / "src/grpcio.py").write_text("")
        with pytest.raises(ModuleNotMountable, match="the package grpcio has compiled parts"):
            self.compile(project, "grpcio")

    def test_a_finder_that_fails(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Failing:
            @staticmethod
            def find_spec(name: str, path: object, target: object = None) -> None:
                raise ZeroDivisionError("of somebody else")

        monkeypatch.setattr(sys, "meta_path", [Failing, *sys.meta_path])
        with pytest.raises(ModuleNotMountable, match="cannot be found: ZeroDivisionError: of somebody else"):
            self.compile(project, "app")

    def test_a_package_without_python_source(self, project: Path) -> None:
        [note] = self.compile(project, "empty").definition.notes
        assert "nothing of" in note
        assert "all is ignored" in note
        assert self.compile(project, "app").definition.notes == ()

    def test_a_package_that_is_a_link(self, project: Path) -> None:
        (project / "linked").symlink_to("src/app")
        result = self.compile(project, "linked")
        assert copies(result) == [("/src/app", "/root/linked/")]
        assert json.loads(result.locals[0]["local.includepattern"]) == ["src/app/**/*.py"]

    def test_what_was_imported_already_is_not_asked(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "app", ModuleType("app"))
        assert copies(self.compile(project, "app")) == [("/src/app", "/root/app/")]


def test_an_image_of_modules_only() -> None:
    assert copies(compiled(Image.from_scratch().add_local_python_source("app"), Answers(tree=TREE)))
