"""Whatever a public method of `Image` is given, it gives an image or one of our errors, and so does compiling.

The methods are found, not listed: one that is added is covered the day it comes.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llb import FilePatternMatcher, Image
from llb.errors import LLBError
from llb.image import AUTO_DOCKERIGNORE, NON_PYTHON_FILES, LocalDirectory, Secret
from llb.image.compile import ImageDefinition, compile_to_llb

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)
# These run the user's code or ask an engine; tests of their own hold them.
ASKING = {"build", "hydrate", "imports", "pipe", "publish", "why"}
METHODS = [
    name
    for name in dir(Image)
    if not name.startswith("_")
    and name not in ASKING
    and callable(inspect.getattr_static(Image, name, None).__class__)
    if not isinstance(inspect.getattr_static(Image, name), property)
]
FACTORIES = [name for name in METHODS if isinstance(inspect.getattr_static(Image, name), classmethod)]

FILES = {
    "a.txt": "a\n",
    "src/app.py": "NAME = 1\n",
    "src/data/x": "x",
    "pkg/__init__.py": "",
    "requirements.txt": "six==1.17.0 # comment\n-r more.txt\n",
    "more.txt": "idna\n",
    "pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["six"]\n[tool.poetry]\nname = "x"\n',
    "poetry.lock": "",
    "uv.lock": "version = 1\n",
    "Dockerfile": "FROM debian:12\nRUN make\n",
    ".dockerignore": "*.md\n",
}


class Unshowable:
    """An object whose text fails, where it is not hypothesis that asks for it."""

    asked_by_us = False

    def __repr__(self) -> str:
        if Unshowable.asked_by_us:
            raise ZeroDivisionError("no text")
        return "Unshowable()"


class Text(str):
    """A string of a class of its own."""

    __slots__ = ()


def start() -> Image:
    return Image.from_registry("debian:12")


def keep(path: Path) -> bool:
    return path.name.startswith("x")


WORDS = (
    *(
        "",
        " ",
        "a",
        "six",
        "-q",
        "--pre",
        "../up",
        "/abs",
        "~",
        "~/x",
        "a.txt",
        "src",
        "pkg",
        "pkg.mod",
        "none",
    ),
    *(
        "requirements.txt",
        "pyproject.toml",
        "poetry.lock",
        "Dockerfile",
        "debian:12",
        "3.12",
        "3.14t",
        "3.99",
    ),
    *(
        "a=b",
        "$PATH",
        "${A}",
        "\\",
        "'",
        '"',
        "\n",
        "\0",
        "\udc80",
        "ü",
        "x" * 3000,
        "*",
        "[",
        "!",
        "a b",
        "T4:2",
    ),
    *(
        "FROM x",
        "RUN make",
        "COPY a.txt /a",
        "github.com/o/r@main",
        "https://u:hunter2@host/x",
        "1.2.3",
        "latest",
    ),
)
TEXTS = st.one_of(st.sampled_from(WORDS), st.text(max_size=6), st.builds(Text, st.sampled_from(WORDS)))
ATOMS: st.SearchStrategy[Any] = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 80, 1 << 70]),
    st.floats(),
    st.binary(max_size=3),
    st.sampled_from(
        [
            *(
                Path("a.txt"),
                Path("/x"),
                PurePosixPath("src"),
                object(),
                Unshowable(),
                object,
                str,
                sys,
                keep,
                len,
            ),
            *(start(), Image, SimpleNamespace(a=1), Secret.from_dict({"TOKEN": "hunter2"}), NON_PYTHON_FILES),
            *(
                FilePatternMatcher("*.txt"),
                ~FilePatternMatcher("a"),
                AUTO_DOCKERIGNORE,
                range(3),
                1j,
                ...,
                os.environ,
            ),
        ]
    ),
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(TEXTS, st.integers(), st.none()), inner, max_size=2),
        st.sets(st.one_of(TEXTS, st.integers()), max_size=2),
        st.lists(inner, max_size=2).map(iter),
    ),
    max_leaves=4,
)

LIKELY: Mapping[str, st.SearchStrategy[Any]] = {
    "local_path": st.sampled_from(["a.txt", "src", Path("src"), "pkg/", "./a.txt", "none"]),
    "remote_path": st.sampled_from(["/x", "/x/", PurePosixPath("/a b")]),
    "modules": st.sampled_from(["pkg", "a", "pkg.mod"]),
    "ignore": st.sampled_from([[], ["*.txt"], ("**", "!src"), keep, NON_PYTHON_FILES, AUTO_DOCKERIGNORE]),
    "tag": st.sampled_from(["debian:12", "python:3.11-slim", "ghcr.io/o/r@sha256:" + "0" * 64]),
    "python_version": st.sampled_from(["3.11", "3.12", "3.12.4", None]),
    "add_python": st.sampled_from(["3.11", "3.12", None]),
    "commands": st.sampled_from(["make", ["a", "b"], "echo 'x'"]),
    "dockerfile_commands": st.sampled_from(["RUN make", ["ENV A=1", "WORKDIR /x"], "COPY a.txt /"]),
    "packages": st.sampled_from(["six", ["idna", "attrs"], "x~=1.0"]),
    "repositories": st.sampled_from(["github.com/o/r", "gitlab.com/o/r@v1"]),
    "git_user": st.just("me"),
    "secrets": st.sampled_from(
        [[], None, [Secret.from_dict({"GITHUB_TOKEN": "hunter2", "GITLAB_TOKEN": "x"})]]
    ),
    "secret": st.sampled_from(
        [None, Secret.from_dict({"REGISTRY_USERNAME": "u", "REGISTRY_PASSWORD": "hunter2"})]
    ),
    "env": st.sampled_from([None, {}, {"A": "1", "B": None}]),
    "vars": st.sampled_from([{"A": "1"}, {"PATH": "/x:$PATH"}]),
    "labels": st.sampled_from([{"a": "1"}, {}]),
    "build_args": st.sampled_from([{"A": "1"}, {}]),
    "other": st.sampled_from([start(), Image.from_scratch()]),
    "images": st.sampled_from([start(), start().run_commands("x"), Image.from_registry("busybox")]),
    "ports": st.sampled_from([80, "53/udp", "8000-8002"]),
    "signal": st.sampled_from(["SIGINT", 9]),
    "command": st.sampled_from(["true", ["true"], None]),
    "name": st.sampled_from(["app", "1000:1000"]),
    "requirements_txt": st.just("requirements.txt"),
    "requirements": st.sampled_from([None, ["requirements.txt"]]),
    "pyproject_toml": st.just("pyproject.toml"),
    "poetry_pyproject_toml": st.just("pyproject.toml"),
    "path": st.sampled_from(["/x", "sub", "Dockerfile"]),
    "src": st.just("/a"),
    "dst": st.just("/b"),
    "gpu": st.sampled_from([None, "T4", "A100:2"]),
}
LISTS = st.sampled_from([["a"], [], ["python", "-m", "app"]])


def arguments_of(
    name: str, other: st.SearchStrategy[Any]
) -> st.SearchStrategy[tuple[list[Any], dict[str, Any]]]:
    """Arguments for a method, by its signature: likely ones, and others."""
    method: Callable[..., object] = getattr(Image, name)
    positional: list[st.SearchStrategy[list[Any]]] = []
    named: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for parameter in inspect.signature(method).parameters.values():
        if parameter.name == "self":
            continue
        annotation = str(parameter.annotation)
        likely = LIKELY.get(parameter.name)
        if likely is None:
            fallback = st.booleans() if "bool" in annotation else LISTS if "list" in annotation else TEXTS
            likely = st.just(parameter.default) if parameter.default is not parameter.empty else fallback
        value = st.one_of(likely, likely, likely, other)
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional.append(st.lists(value, max_size=3))
        elif parameter.kind is parameter.VAR_KEYWORD:
            continue
        elif parameter.default is not parameter.empty:
            optional[parameter.name] = value
        elif parameter.kind is parameter.KEYWORD_ONLY:
            named[parameter.name] = value
        else:
            positional.append(value.map(lambda one: [one]))
    return st.tuples(
        st.tuples(*positional).map(lambda lists: [one for part in lists for one in part]),
        st.fixed_dictionaries(named, optional=optional),
    )


def call(image: Image, name: str, given_: tuple[list[Any], dict[str, Any]]) -> Image | None:
    """What a method gives; None if it refused, as it should."""
    owner: Any = Image if name in FACTORIES else image
    refusal = result = None
    Unshowable.asked_by_us = True
    try:
        result = getattr(owner, name)(*given_[0], **given_[1])
    except LLBError as error:
        refusal = error
    finally:
        Unshowable.asked_by_us = False
    if refusal is None:
        assert isinstance(result, Image), name
        return result
    hold(refusal)
    assert refusal.location is not None
    assert refusal.location.filename == __file__
    return None


def hold(error: LLBError) -> None:
    """What holds for every refusal."""
    text = str(error)
    assert error.message
    assert len(text) < 5000
    assert "hunter2" not in text


def compiled(image: Image, context: Path) -> ImageDefinition | str:
    try:
        return compile_to_llb(image, resolver=LocalDirectory(context), source_files=lambda _: None)
    except LLBError as error:
        hold(error)
        return str(error)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("context")
    for name, text in FILES.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


@pytest.mark.parametrize("name", METHODS)
def test_any_arguments_give_an_image_or_one_of_our_errors(name: str, context: Path) -> None:
    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=SLOW)
    @given(arguments_of(name, ANYTHING))
    def check(given_: tuple[list[Any], dict[str, Any]]) -> None:
        image = call(start(), name, given_)
        if image is not None:
            compiled(image, context)

    check()


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_any_chain_compiles_to_the_same_bytes_each_time(data: st.DataObject, context: Path) -> None:
    names = data.draw(st.lists(st.sampled_from(METHODS), max_size=6))
    calls = [(name, data.draw(arguments_of(name, st.nothing()))) for name in names]

    def chain() -> Image:
        image = start()
        for name, given_ in calls:
            image = call(image, name, given_) or image
        return image

    one, other = compiled(chain(), context), compiled(chain(), context)
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
        return
    assert one.to_bytes() == other.to_bytes()
    assert one.digest == other.digest
    assert one.image_config == other.image_config
