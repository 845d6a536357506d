"""A chain is an immutable value that remembers the user's lines; mistakes are refused where they are made."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from llb import Image, Secret, compile_to_llb
from llb.errors import InvalidError, InvalidTypeError, LLBError, LocalFileError, RemovedNameError
from llb.graph import Definition
from llb.image import built
from llb.image.chain import step_of
from tests.unit.image.dockerfile_frontend import Frontend
from tests.unit.image.vertices import base, compiled


def line() -> int:
    """The caller's line."""
    return sys._getframe(1).f_lineno  # pyright: ignore[reportPrivateUsage]


def test_each_method_gives_a_new_image() -> None:
    first = base()
    second = first.run_commands("a")
    assert first is not second
    assert compiled(first).commands == []
    assert compiled(second.run_commands("b")).commands == ["a", "b"]
    assert compiled(second.run_commands("c")).commands == ["a", "c"]


def test_steps_that_do_nothing_give_the_image_itself() -> None:
    image = base()
    for same in (
        image.run_commands(),
        image.run_commands([], []),
        image.apt_install(),
        image.pip_install([]),
        image.env({}),
        image.labels({}),
    ):
        assert same is image


def test_an_image_cannot_be_changed() -> None:
    image = base()
    with pytest.raises(AttributeError, match="immutable"):
        loose().name = "x"
    assert copy.deepcopy(image) is image
    assert copy.copy(image) is image
    with pytest.raises(TypeError, match="compile it"):
        pickle.dumps(image)


def test_an_image_shows_its_last_step() -> None:
    here = line() + 1
    image = base().run_commands("a")
    assert repr(image) == f"<Image: run_commands at {__file__}:{here}>"


def test_a_step_remembers_the_line_of_its_call() -> None:
    image = (
        Image.from_scratch()
        .run_commands("a")
        .env({"A": "1"})
        .pip_install(
            "b",
        )
    )
    here = line()
    step: Any = step_of(image)
    found: list[tuple[str, int]] = []
    while step is not None:
        assert step.location.filename == __file__
        found.append((step.method, step.location.line))
        step = step.parent
    assert [name for name, _ in found[:-1]] == ["pip_install", "env", "run_commands"]
    assert [number for _, number in found[:-1]] == [here - 4, here - 5, here - 6]


LOOSE: Any = Image
"""`Image`, whose arguments no type checker checks."""


def loose() -> Any:
    return base()


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: LOOSE(), InvalidError, ["Image()", "Image.debian_slim()"]),
        (lambda: LOOSE("debian"), InvalidError, ["starts from a base"]),
        (lambda: LOOSE.pip_install("x"), InvalidTypeError, ["pip_install", "class Image", "debian_slim"]),
        (lambda: LOOSE.cmd(["x"]), InvalidTypeError, ["cmd", ".cmd(…)"]),
        (lambda: LOOSE.run_commands(), InvalidTypeError, ["run_commands"]),
        (lambda: LOOSE.debian_slim(3.12), InvalidTypeError, ["python_version", "string", '"3.12"']),
        (lambda: LOOSE.debian_slim(3), InvalidTypeError, ["python_version"]),
        (lambda: LOOSE.debian_slim(""), InvalidError, ["python_version", "empty"]),
        (lambda: LOOSE.debian_slim("3.12", "yes"), InvalidTypeError, ["force_build", "True"]),
        (lambda: LOOSE.from_registry(None), InvalidTypeError, ["tag", "string"]),
        (lambda: LOOSE.from_registry(" "), InvalidError, ["tag", "empty"]),
        (lambda: LOOSE.from_registry("a", tga="b"), InvalidTypeError, ["from_registry()", "tga", "help("]),
        (lambda: loose().run_commands(""), InvalidError, ["commands", "empty"]),
        (lambda: loose().run_commands("a", "  \n"), InvalidError, ["commands", "empty"]),
        (
            lambda: loose().run_commands(("a", "b")),
            InvalidTypeError,
            ["commands must only contain strings", "tuple"],
        ),
        (lambda: loose().run_commands(["a", ["b"]]), InvalidTypeError, ["must only contain strings", "list"]),
        (lambda: loose().run_commands(1), InvalidTypeError, ["must only contain strings", "int"]),
        (lambda: loose().run_commands("a\0b"), InvalidError, ["NUL"]),
        (lambda: loose().run_commands("\udc80"), InvalidError, ["Unicode"]),
        (lambda: loose().run_commands("a", gpu=["any"]), InvalidTypeError, ["Invalid GPU config", "list"]),
        (lambda: loose().run_commands("a", gpu="A100:x"), InvalidError, ["Invalid GPU config", "'X'"]),
        (lambda: loose().run_commands("a", gpu="A100:2:3"), InvalidError, ["Invalid GPU config", "2:3"]),
        (lambda: loose().run_commands("a", gpu="A100:-1"), InvalidError, ["Invalid GPU config", "-1"]),
        (lambda: loose().run_commands("a", secrets=["x"]), InvalidTypeError, ["Secret instances", "str"]),
        (lambda: loose().run_commands("a", secrets="x"), InvalidTypeError, ["list of secrets", "str"]),
        (lambda: loose().run_commands("a", env=["A=1"]), InvalidTypeError, ["env must be a dictionary"]),
        (lambda: loose().run_commands("a", env={"A": 1}), InvalidTypeError, ["A is int", '"A": "1"']),
        (lambda: loose().run_commands("a", env={"": "1"}), InvalidError, ["cannot name"]),
        (lambda: loose().run_commands("a", force_build=1), InvalidTypeError, ["force_build"]),
        (lambda: loose().pip_install("a", "--pre"), InvalidError, ["--pre", "extra_options"]),
        (lambda: loose().pip_install(["-r x"]), InvalidError, ["extra_options"]),
        (lambda: loose().pip_install("a", index_url=1), InvalidTypeError, ["index_url"]),
        (lambda: loose().pip_install("a", extra_options=["-q"]), InvalidTypeError, ["extra_options"]),
        (lambda: loose().pip_install(3.11), InvalidTypeError, ["packages must only contain strings"]),
        (
            lambda: loose().apt_install(("git",)),
            InvalidTypeError,
            ["packages must only contain strings", "*packages"],
        ),
        (lambda: loose().env({"A": 1}), InvalidTypeError, ["Image ENV variables must be strings"]),
        (lambda: loose().env({"A": None}), InvalidTypeError, ["Image ENV variables must be strings"]),
        (lambda: loose().env({"A=B": "1"}), InvalidError, ["A=B", "cannot name"]),
        (lambda: loose().env({1: "1"}), InvalidTypeError, ["keys"]),
        (lambda: loose().env("A=1"), InvalidTypeError, ["vars must be a dictionary"]),
        (lambda: loose().workdir(None), InvalidTypeError, ["path must be a path", "NoneType"]),
        (lambda: loose().workdir(""), InvalidError, ["path is empty"]),
        (lambda: loose().user(1000), InvalidTypeError, ["name must be a string", '"1000:1000"']),
        (lambda: loose().user(""), InvalidError, ["name is empty"]),
        (lambda: loose().shell("/bin/bash -c"), InvalidTypeError, ["list of strings"]),
        (lambda: loose().shell(("/bin/sh",)), InvalidTypeError, ["list of strings"]),
        (lambda: loose().entrypoint([1]), InvalidTypeError, ["list of strings", "entrypoint_commands"]),
        (lambda: loose().cmd("python"), InvalidTypeError, ["list of strings", 'cmd(["python"']),
        (lambda: loose().labels({"a": 1}), InvalidTypeError, ["label a", "int"]),
        (lambda: loose().labels({"": "x"}), InvalidError, ["name"]),
        (lambda: loose().add_local_file("a", "b"), InvalidError, ["remote_path", "absolute", '"/b"']),
        (lambda: loose().add_local_dir("a", "./b"), InvalidError, ["only absolute", '"/b"']),
        (lambda: loose().add_local_file("", "/b"), InvalidError, ["local_path is empty"]),
        (lambda: loose().add_local_file(1, "/b"), InvalidTypeError, ["local_path must be a path"]),
        (lambda: loose().add_local_file(b"a", "/b"), InvalidTypeError, ["local_path must be a path"]),
        (lambda: loose().add_local_dir("a", "/b", True), InvalidTypeError, ["add_local_dir()"]),
        (lambda: loose().add_local_dir("a", "/b", copy="yes"), InvalidTypeError, ["copy must be True"]),
        (lambda: loose().add_local_dir("a", "/b", ignore="*.txt"), InvalidTypeError, ["ignore=['*.txt']"]),
        (lambda: loose().add_local_dir("a", "/b", ignore={"*.txt"}), InvalidTypeError, ["list of patterns"]),
        (
            lambda: loose().add_local_dir("a", "/b", ignore={"x": 1}),
            InvalidTypeError,
            ["list of patterns", "dict"],
        ),
        (
            lambda: loose().add_local_dir("a", "/b", ignore=None),
            InvalidTypeError,
            ["ignore must be", "NoneType"],
        ),
        (
            lambda: loose().add_local_dir("a", "/b", ignore=[1]),
            InvalidTypeError,
            ["pattern must be a string"],
        ),
        (lambda: loose().add_local_dir("a", "/b", ignore=["[x"]), InvalidError, ["Bad pattern"]),
        (lambda: loose().pipe("x"), InvalidTypeError, ["func must be a function"]),
        (lambda: loose().pipe(print), InvalidTypeError, ["NoneType", "Return the image"]),
    ],
)
def test_a_mistake_is_refused_at_its_line(wrong: Any, error: type[LLBError], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        wrong()
    assert type(caught.value) is error
    for word in words:
        assert word in str(caught.value)
    assert caught.value.hint
    assert caught.value.location is not None
    assert caught.value.location.filename == __file__
    assert caught.value.location.line == wrong.__code__.co_firstlineno


def test_a_wrong_type_is_a_type_error_and_a_wrong_value_a_value_error() -> None:
    with pytest.raises(TypeError):
        LOOSE.debian_slim(3.12)
    with pytest.raises(ValueError, match="empty"):
        base().run_commands("")


@pytest.mark.parametrize(
    ("name", "successor"),
    [
        ("from_dockerhub", "from_registry"),
        ("copy_local_dir", "add_local_dir"),
        ("copy_local_file", "add_local_file"),
        ("copy_mount", "copy=True"),
        ("conda", "Image.micromamba"),
        ("conda_install", "micromamba_install"),
        ("conda_update_from_environment", "spec_file"),
        ("extend", "methods"),
        ("run_inside", "run_commands"),
    ],
)
def test_a_removed_name_tells_its_successor(name: str, successor: str) -> None:
    for owner in (Image, base()):
        assert not hasattr(owner, name)
        with pytest.raises(RemovedNameError, match=name) as caught:
            getattr(owner, name)
        assert isinstance(caught.value, AttributeError)
        assert successor in caught.value.hint
        assert caught.value.location is not None
        assert caught.value.location.filename == __file__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Image has no attribute 'pip_instal'"):
        loose().pip_instal("x")
    with pytest.raises(AttributeError, match="'from_somewhere'"):
        LOOSE.from_somewhere("x")


def test_pipe_gives_the_image_and_arguments_to_a_function() -> None:
    def with_tools(image: Image, first: str, *, second: str) -> Image:
        return image.apt_install(first).pip_install(second)

    commands = compiled(base().pipe(with_tools, "git", second="six")).commands
    assert [command.split()[-1] for command in commands] == ["git", "six"]


def test_a_type_error_of_piped_code_is_the_users() -> None:
    def broken(image: Any) -> Image:
        return image + 1

    with pytest.raises(TypeError) as caught:
        base().pipe(broken)
    assert not isinstance(caught.value, LLBError)


@pytest.mark.parametrize("foreign", [None, "debian", Image, object(), Image.debian_slim])
def test_only_an_image_can_be_compiled(foreign: Any) -> None:
    with pytest.raises(InvalidTypeError, match="an Image is needed"):
        compile_to_llb(foreign)


PUBLIC = [name for name in dir(Image) if not name.startswith("_")]


def test_the_methods() -> None:
    assert sorted(PUBLIC) == [
        "add_local_dir",
        "add_local_file",
        "add_local_python_source",
        "apt_install",
        "build",
        "cmd",
        "copy_from",
        "debian_slim",
        "dockerfile_commands",
        "entrypoint",
        "env",
        "expose",
        "from_aws_ecr",
        "from_dockerfile",
        "from_gcp_artifact_registry",
        "from_id",
        "from_name",
        "from_registry",
        "from_scratch",
        "healthcheck",
        "hydrate",
        "imports",
        "labels",
        "logs",
        "merge",
        "micromamba",
        "micromamba_install",
        "object_id",
        "pip_install",
        "pip_install_from_pyproject",
        "pip_install_from_requirements",
        "pip_install_private_repos",
        "pipe",
        "poetry_install_from_file",
        "publish",
        "run_commands",
        "run_function",
        "shell",
        "stop_signal",
        "user",
        "uv_pip_install",
        "uv_sync",
        "why",
        "workdir",
    ]


@pytest.mark.parametrize("name", PUBLIC)
def test_each_method_says_what_it_takes(name: str) -> None:
    method = getattr(Image, name)
    text = inspect.getdoc(method) or ""
    assert "Example:" in text
    for parameter in () if isinstance(method, property) else inspect.signature(method).parameters:
        if parameter not in ("self", "cls"):
            assert f"{parameter}: " in text, f"{name} does not explain {parameter}"


class Project(Frontend):
    """The files that examples read."""

    def read(self, context: str, path: str) -> bytes:
        files = {
            "docker/Dockerfile": b"FROM made:1\n",
            "requirements.txt": b"six\n",
            "pyproject.toml": b'[project]\nname = "app"\ndependencies = []\n'
            b"[project.optional-dependencies]\nserver = []\n",
            "uv.lock": b'version = 1\n[[package]]\nname = "app"\nsource = { virtual = "." }\n',
            "poetry.lock": b"",
        }
        if path not in files:
            raise LocalFileError(path)
        return files[path]


class Client:
    """In place of the Python client: everything is built, and is the image `im-1`."""

    id = "im-1"
    logs = ()

    def build(self, *_: object, **__: object) -> Client:
        return self

    def load(self, identifier: str) -> Client:
        return self

    def publish(self, name: str, identifier: str) -> None:
        pass

    def published(self, name: str) -> str:
        return self.id

    def stored(self, *_: object) -> tuple[Definition, bytes]:
        definition = compiled(base()).definition
        return definition, definition.image_config


def test_examples_of_the_documentation_compile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "x")
    monkeypatch.setattr(built, "_client", Client)
    for name in (*PUBLIC, ""):
        text = inspect.getdoc(getattr(Image, name) if name else Image) or ""
        for block in text.split("```python\n")[1:]:
            code = inspect.cleandoc(block.split("```")[0])
            names: dict[str, Any] = {"Image": Image, "Secret": Secret, "image": base(), "image_id": "im-1"}
            file = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
            file.write_text(code)  # functions travel as source
            names |= {"__name__": "__main__", "__file__": str(file)}
            exec(compile(code, str(file), "exec"), names)
            assert compiled(names["image"], Project()).definition.image_config


def test_this_file_is_what_the_engine_will_quote() -> None:
    image = Image.from_registry("debian").run_commands("false")
    definition = compile_to_llb(image)
    [source] = definition.sources
    assert source.data == Path(__file__).read_bytes()
    assert source.language == "python"
    assert Path(source.filename).name == Path(__file__).name


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: LOOSE.from_scratch("https://u:hunter2@host/x"),
        lambda: compiled(LOOSE.debian_slim("https://u:hunter2@host/x")),
        lambda: loose().add_local_file("a", "https://u:hunter2@host/x"),
        lambda: loose().expose("https://u:hunter2@host/x"),
        lambda: loose().pip_install("--index-url=https://u:hunter2@host/x"),
    ],
)
def test_no_refusal_quotes_the_password_of_a_url(wrong: Any) -> None:
    with pytest.raises(LLBError) as caught:
        wrong()
    assert "hunter2" not in str(caught.value)
    assert "https://…@host" in str(caught.value)
