"""Dockerfile lines as steps: what BuildKit's frontend is asked, and how the chain goes on from its answer.

The frontend itself is not here: `Frontend` answers in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llb.errors import DockerfileError, InvalidError, InvalidTypeError, UnsupportedError
from llb.image import BuildOptions, DockerfileRequest, Image, Secret, compile_to_llb
from llb.image.dockerfile import language_of
from tests.unit.image.dockerfile_frontend import Frontend
from tests.unit.image.vertices import Compiled, base, compiled


def asked(image: Image, **options: Any) -> DockerfileRequest:
    frontend = Frontend()
    compiled(image, frontend, options=BuildOptions(**options))
    return frontend.request


# -- what is asked


def test_the_chain_is_the_image_base_with_its_config_and_history() -> None:
    request = asked(base().run_commands("one").env({"A": "b"}).dockerfile_commands("RUN two"))
    assert request.data == b"FROM base\nRUN two\n"
    before = compiled(base().run_commands("one")).definition
    assert request.base is not None
    assert request.base.digests() == before.digests()
    config = json.loads(request.base_config)
    assert "A=b" in config["config"]["Env"]
    assert [entry["created_by"] for entry in config["history"]] == [
        "RUN /bin/sh -c one # buildkit",
        "ENV A=b",
    ]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["RUN a", "RUN b"], "FROM base\nRUN a\nRUN b\n"),
        (["RUN <<EOF\na\nEOF"], "FROM base\nRUN <<EOF\na\nEOF\n"),
        (["FROM other", "RUN a"], "FROM other\nRUN a\n"),
        (["ARG V=1", "FROM other:$V"], "ARG V=1\nFROM other:$V\n"),
        (
            ["# a word", "", "ARG V=1 \\", "  W=2", "from other"],
            "# a word\n\nARG V=1 \\\n  W=2\nfrom other\n",
        ),
        (["ARG V=1", "RUN echo $V"], "FROM base\nARG V=1\nRUN echo $V\n"),
        (["RUN a", "FROM other"], "FROM base\nRUN a\nFROM other\n"),
        (["# escape=`", "RUN a `", "  b"], "# escape=`\nFROM base\nRUN a `\n  b\n"),
        (["#check=skip=all", "# Syntax = docker/dockerfile:1", "RUN a"], None),
    ],
)
def test_from_base_stands_before_lines_that_do_not_start_from_something_else(
    lines: list[str], text: str | None
) -> None:
    text = text or "#check=skip=all\n# Syntax = docker/dockerfile:1\nFROM base\nRUN a\n"
    assert asked(base().dockerfile_commands(lines)).data.decode() == text


@pytest.mark.parametrize(
    ("line", "syntax"),
    [
        ("RUN a", ""),
        ("# syntax=docker/dockerfile:1", ""),
        ("# syntax = docker.io/docker/dockerfile:1.7@sha256:ab", ""),
        ("# syntax=docker/dockerfile:1-labs", "docker/dockerfile:1-labs"),
        ("# syntax=example.com/own:2 with words", "example.com/own:2"),
    ],
)
def test_a_syntax_line_is_followed_unless_it_names_what_is_built_in(line: str, syntax: str) -> None:
    assert asked(base().dockerfile_commands(line, "RUN b")).syntax == syntax


def test_a_directive_after_a_comment_is_a_comment() -> None:
    assert language_of("# words\n# escape=`\nRUN a").directives == 0
    assert language_of("# escape=`\n# escape=`\nRUN a").directives == 1


def test_build_args_are_options_and_force_build_is_no_cache() -> None:
    image = base().dockerfile_commands("RUN $V", build_args={"V": "1"}, force_build=True)
    assert asked(image).options == (("build-arg:V", "1"), ("no-cache", ""))
    assert ("no-cache", "") in asked(base().dockerfile_commands("RUN a"), no_cache=True).options
    assert asked(base().dockerfile_commands("RUN a")).options == ()


def test_an_empty_image_is_an_input_too() -> None:
    request = asked(Image.from_scratch().env({"A": "b"}).dockerfile_commands("COPY --from=busybox / /"))
    assert request.base is not None
    assert len(request.base.ops) == 2
    assert b"A=b" in request.base_config


def test_questions_of_independent_steps_are_under_way_at_once() -> None:
    frontend = Frontend()
    one, two = base().dockerfile_commands("RUN a"), base().dockerfile_commands("RUN b")
    compiled(Image.merge(one, two.run_commands("c")), frontend)
    assert frontend.order == ["ask dockerfile_commands"] * 2 + ["answer dockerfile_commands"] * 2


# -- how the chain goes on


def test_the_chain_goes_on_with_what_came_back() -> None:
    def config(document: dict[str, Any]) -> None:
        document["config"] |= {
            "Env": ["PATH=/bin", "B=2"],
            "WorkingDir": "/w",
            "User": "u",
            "Shell": ["/s", "-c"],
        }

    made = compiled(base().dockerfile_commands("x").run_commands("after"), Frontend(config))
    last = made.execs[-1].meta
    assert (list(last.args), last.cwd, last.user) == (["/s", "-c", "after"], "/w", "u")
    assert list(last.env) == ["PATH=/bin", "B=2"]
    assert made.history == ["RUN made", "RUN /s -c after # buildkit"]


def test_what_follows_force_build_ignores_the_cache_and_what_was_before_does_not() -> None:
    image = base().run_commands("a").dockerfile_commands("x", force_build=True).run_commands("b")
    made = compiled(image, Frontend())
    assert made.ignoring_cache[0:2] == [False, False]
    assert made.ignoring_cache[-1]


def test_an_entrypoint_keeps_the_command_that_lines_have_set() -> None:
    def config(document: dict[str, Any]) -> None:
        document["config"]["Cmd"] = ["c"]

    made = compiled(base().dockerfile_commands("CMD").entrypoint(["e"]), Frontend(config))
    assert made.config["Cmd"] == ["c"]


def test_secrets_env_and_gpu_reach_the_new_commands_only() -> None:
    image = (
        base()
        .run_commands("old")
        .dockerfile_commands(
            "RUN new", secrets=[Secret.from_dict({"TOKEN": "t"})], env={"E": "1", "PATH": "/p"}, gpu="a100"
        )
    )
    old, new = compiled(image, Frontend()).execs
    assert (list(old.secretenv), list(old.cdiDevices)) == ([], [])
    assert [(one.ID, one.name) for one in new.secretenv] == [("TOKEN", "TOKEN")]
    assert [one.name for one in new.cdiDevices] == ["A100"]
    assert list(new.meta.env) == ["E=1", "PATH=/p"]
    assert {"exec.secretenv", "exec.meta.cdi"} <= compiled(image, Frontend()).definition.capabilities


def test_a_step_with_secrets_has_the_vertex_that_run_commands_has() -> None:
    secrets = [Secret.from_dict({"TOKEN": "t"})]
    ours = base().env({"PATH": "/bin"}).run_commands("made", secrets=secrets, env={"E": "1"})
    theirs = base().env({"PATH": "/bin"}).dockerfile_commands("x", secrets=secrets, env={"E": "1"})
    assert compiled(ours).definition.digests() == compiled(theirs, Frontend()).definition.digests()


def test_without_secrets_the_vertices_are_those_that_came_back() -> None:
    frontend = Frontend()
    made = compiled(base().dockerfile_commands("x"), frontend).definition
    assert made.digests() == frontend.dockerfile(frontend.request).definition.digests()


# -- what the user sees


SOURCE = """\
from llb import Image
image = Image.from_registry("debian:12")
image = (
    image.run_commands("RUN three")
    .dockerfile_commands(
        "RUN one",
        ["RUN two \\\\",
         "    && more", 'RUN three'],
    )
)
"""


def of_source(tmp_path: Path, frontend: Frontend, source: str = SOURCE) -> Compiled:
    file = tmp_path / "image.py"
    file.write_text(source)
    found: dict[str, Any] = {}
    exec(compile(source, str(file), "exec"), found)
    return Compiled(compile_to_llb(found["image"], resolver=frontend))


@pytest.mark.parametrize(("line", "python"), [(1, 5), (2, 6), (3, 7), (5, 8), (9, 5)])
def test_a_vertex_is_quoted_from_the_dockerfile_and_from_the_python_line_that_holds_it(
    tmp_path: Path, line: int, python: int
) -> None:
    made = of_source(tmp_path, Frontend(line=line)).definition
    places = made.locations[made.digests()[-2]]
    assert [(place.file.filename, place.start_line) for place in places] == [
        ("dockerfile_commands", line),
        ("image.py", python),
    ]


def test_a_refused_line_is_told_by_the_python_line_that_holds_it(tmp_path: Path) -> None:
    refused = DockerfileError("unknown instruction: RUNN")
    refused.line = 5
    with pytest.raises(DockerfileError, match=r"image\.py:8: dockerfile_commands: unknown instruction: RUNN"):
        of_source(tmp_path, Frontend(refuse=refused))


def test_without_an_engine_the_error_names_the_step_and_the_way_out() -> None:
    with pytest.raises(
        UnsupportedError, match="dockerfile_commands needs BuildKit's Dockerfile frontend"
    ) as caught:
        compiled(base().dockerfile_commands("RUN a"))
    assert "client.resolver() as engine" in str(caught.value)
    assert caught.value.location is not None
    assert caught.value.location.filename == __file__


# -- what is refused at once


def test_no_lines_are_no_step() -> None:
    image = base()
    assert image.dockerfile_commands() is image
    assert image.dockerfile_commands([]) is image
    assert image.dockerfile_commands("", [" ", "\n"]) is image


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        ((1,), {}, "dockerfile_commands must only contain strings, not int"),
        ((("RUN a",),), {}, "dockerfile_commands must only contain strings, not tuple"),
        (([["RUN a"]],), {}, "dockerfile_commands must only contain strings, not list"),
        (("RUN a\0",), {}, "NUL"),
        (("RUN a",), {"build_args": ["V=1"]}, "build_args must be a dictionary, not list"),
        (("RUN a",), {"build_args": {"V": 1}}, "the build argument V must be a string, not int"),
        (("RUN a",), {"build_args": {"": "1"}}, "a build argument's name is empty"),
        (("RUN a",), {"secrets": ["x"]}, "secrets"),
        (("RUN a",), {"gpu": ["a100"]}, "Invalid GPU config"),
        (("RUN a",), {"env": {"A": 1}}, "Image ENV variables must be strings"),
        (("RUN a",), {"force_build": 1}, "force_build must be True or False"),
    ],
)
def test_wrong_arguments_are_refused_when_the_chain_is_written(
    arguments: tuple[Any, ...], options: Mapping[str, Any], says: str
) -> None:
    with pytest.raises(InvalidError, match=says) as caught:
        base().dockerfile_commands(*arguments, **options)
    assert caught.value.location is not None


# -- a Dockerfile of the project


def test_a_dockerfile_is_read_when_the_image_is_compiled_and_asked_for_as_it_is() -> None:
    image = Image.from_dockerfile("docker/Dockerfile", target="one", build_args={"V": "1"})
    frontend = Frontend(tree={"docker/Dockerfile": b"FROM a AS one\n"})
    made = compiled(image.run_commands("after"), frontend)
    request = frontend.request
    assert (request.data, request.filename, request.base) == (b"FROM a AS one\n", "docker/Dockerfile", None)
    assert request.options == (("build-arg:V", "1"), ("target", "one"))
    assert made.commands == ["made", "after"]
    assert made.definition.base_config == b'{"os":"linux"}'


def test_a_missing_dockerfile_is_told_by_its_path() -> None:
    with pytest.raises(FileNotFoundError, match=r"Dockerfile\.other does not exist"):
        compiled(Image.from_dockerfile("Dockerfile.other"), Frontend(tree={}))


@pytest.mark.parametrize(
    ("path", "options", "says"),
    [
        (1, {}, "path must be a path, not int"),
        ("", {}, "path is empty"),
        ("D", {"target": 1}, "target must be a string, not int"),
        ("D", {"build_args": "V"}, "build_args must be a dictionary"),
    ],
)
def test_wrong_arguments_of_from_dockerfile_are_refused_when_the_chain_is_written(
    path: Any, options: Mapping[str, Any], says: str
) -> None:
    with pytest.raises(InvalidError, match=says):
        Image.from_dockerfile(path, **options)


def test_the_class_is_no_image() -> None:
    with pytest.raises(InvalidTypeError, match="dockerfile_commands extends an image"):
        Image.dockerfile_commands("RUN a")  # pyright: ignore[reportArgumentType]
