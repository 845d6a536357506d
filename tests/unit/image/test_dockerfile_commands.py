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
from llb.image import BuildOptions, DockerfileRequest, Image, LocalDirectory, Secret, compile_to_llb
from llb.image.dockerfile_language import language_of
from llb.pb import ops_pb2 as pb
from tests.unit.image.dockerfile_frontend import Frontend
from tests.unit.image.vertices import Answers, Compiled, base, compiled


def asked(image: Image, tree: dict[str, bytes] | None = None, **options: Any) -> DockerfileRequest:
    frontend = Frontend(tree=tree)
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
    assert asked(Image.from_dockerfile("D"), tree={"D": b""}).options == ()
    assert asked(Image.from_dockerfile("D", force_build=True), tree={"D": b""}).options == (("no-cache", ""),)
    assert asked(Image.from_dockerfile("D"), tree={"D": b""}, no_cache=True).options == (("no-cache", ""),)


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


# -- lines that come with a base, and its own


def test_setup_lines_follow_the_base_of_a_registry() -> None:
    lines = ["RUN ln -s /usr/bin/python3 /usr/bin/python", "USER app"]
    frontend = Frontend()
    made = compiled(
        Image.from_registry("debian:12", setup_dockerfile_commands=lines).run_commands("after"), frontend
    )
    assert frontend.text == "FROM base\n" + "\n".join(lines) + "\n"
    assert frontend.request.filename == "setup_dockerfile_commands"
    assert made.sources == ["docker-image://docker.io/library/debian:12"]
    assert made.commands == ["made", "after"]


def test_a_base_that_is_forced_forces_its_setup_lines() -> None:
    image = Image.from_registry("debian:12", setup_dockerfile_commands=["RUN a"], force_build=True)
    assert asked(image).options == (("no-cache", ""),)


@pytest.mark.parametrize("lines", [[], [""], ()])
def test_no_setup_lines_are_no_step(lines: list[str]) -> None:
    frontend = Frontend()
    compiled(Image.from_registry("debian:12", setup_dockerfile_commands=lines), frontend)
    assert frontend.requests == []


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("RUN a", "setup_dockerfile_commands must be a list of strings, not str: 'RUN a'"),
        (["RUN a", 1], "setup_dockerfile_commands must only contain strings, not int"),
    ],
)
def test_wrong_setup_lines_are_refused_when_the_chain_is_written(lines: Any, says: str) -> None:
    for factory in (Image.from_registry, Image.from_gcp_artifact_registry, Image.from_aws_ecr):
        with pytest.raises(InvalidTypeError, match=says):
            factory("debian:12", setup_dockerfile_commands=lines)


ONBUILD = {"os": "linux", "architecture": "amd64", "config": {"OnBuild": ["RUN first"], "Env": ["A=b"]}}


def test_the_onbuild_instructions_of_a_base_are_run_where_there_is_an_engine() -> None:
    frontend = Frontend(config=lambda document: document["config"].pop("OnBuild"))
    frontend.config = ONBUILD
    made = compiled(Image.from_registry("debian:12").run_commands("after"), frontend)
    assert (frontend.text, made.commands) == ("FROM base\n", ["made", "after"])
    assert b"RUN first" in frontend.request.base_config
    assert "OnBuild" not in made.config


def test_without_an_engine_the_user_is_told_that_they_are_not_run() -> None:
    made = compiled(Image.from_registry("debian:12").run_commands("after"), Answers(config=ONBUILD))
    assert made.commands == ["after"]
    (note,) = made.definition.notes
    assert "the ONBUILD instructions of the base are not run here" in note


# -- from_dockerfile: a Python on top, a login for its bases


def test_a_python_is_added_on_top_of_a_dockerfile() -> None:
    image = Image.from_dockerfile("D", add_python="3.12")
    made = compiled(image, Frontend(tree={"D": b"FROM a\n"}))
    assert made.commands == ["made"]
    assert any("cpython-3.12" in source for source in made.sources)
    assert made.definition.image_config.count(b"TERMINFO_DIRS=") >= 1


def test_without_anything_on_top_the_config_is_byte_for_byte_what_came_back() -> None:
    def config(document: dict[str, Any]) -> None:
        document["unknown"] = {"z": 1, "a": 2}

    frontend = Frontend(config, tree={"D": b"FROM a\n"})
    image = Image.from_dockerfile("D")
    theirs = frontend.dockerfile(asked(image, tree={"D": b"FROM a\n"})).config
    assert compiled(image, frontend).definition.image_config == theirs
    labelled = compiled(image, frontend, options=BuildOptions(labels=(("a", "b"),)))
    assert labelled.config["Labels"] == {"a": "b"}


LOGIN = Secret.from_dict({"REGISTRY_USERNAME": "u", "REGISTRY_PASSWORD": "p"})


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("FROM example.com/a:1\n", "example.com"),
        ("FROM --platform=linux/amd64 example.com/a AS b\nFROM b\nFROM scratch\n", "example.com"),
        ("ARG HOST=example.com\nARG TAG\nFROM ${HOST}/a:$TAG\n", "example.com"),
        ("ARG BASE=other.com/x\nFROM $BASE\n", "third.com"),
        ("FROM debian\n", "docker.io"),
    ],
)
def test_a_login_is_for_the_registry_of_the_bases(text: str, host: str) -> None:
    logins: list[Any] = []

    class Noting(Frontend):
        def login(self, login: Any) -> None:
            assert not self.order
            logins.append(login)

    args = {"TAG": "1", "BASE": "third.com/y"}
    image = Image.from_dockerfile("D", registry_secret=LOGIN, build_args=args)
    compiled(image, Noting(tree={"D": text.encode()}))
    assert [one.host for one in logins] == [host]


def test_a_login_for_bases_of_several_registries_is_refused() -> None:
    image = Image.from_dockerfile("D", registry_secret=LOGIN)
    with pytest.raises(InvalidError, match=r"the bases of D are in docker\.io, example\.com"):
        compiled(image, Frontend(tree={"D": b"FROM debian\nFROM example.com/a\n"}))


def test_where_a_login_cannot_be_served_the_refusal_says_how_to_log_in() -> None:
    frontend = Frontend(refuse=DockerfileError("pull access denied"), tree={"D": b"FROM example.com/a\n"})
    frontend.has_secret_values = False
    with pytest.raises(DockerfileError, match=r"pull access denied[\s\S]*docker login[\s\S]*example\.com"):
        compiled(Image.from_dockerfile("D", registry_secret=LOGIN), frontend)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"add_python": 3.12}, "add_python"),
        ({"add_python": ""}, "add_python is empty"),
        ({"registry_secret": "x"}, "secret"),
        ({"registry_secret": Secret.from_dict({"A": "b"})}, "REGISTRY_USERNAME"),
    ],
)
def test_a_wrong_python_or_login_is_refused_when_the_chain_is_written(
    options: Mapping[str, Any], says: str
) -> None:
    with pytest.raises((InvalidError, TypeError), match=says):
        Image.from_dockerfile("D", **options)


# -- what COPY and ADD read


def context_of(image: Image, *copies: str, **frontend: Any) -> tuple[list[dict[str, str]], list[Any]]:
    """The local sources and the file actions of the context that BuildKit is given."""
    asked = Frontend(copies=copies, **frontend)
    compiled(image, asked)
    context = asked.request.context
    assert context is not None
    ops = [pb.Op.FromString(op) for op in context.ops[:-1]]
    locals_ = [{"name": op.source.identifier, **op.source.attrs} for op in ops if op.HasField("source")]
    return locals_, [action for op in ops for action in op.file.actions]


TREE: dict[str, bytes | None] = {"app/a.txt": b"a", "app/b.txt": b"b", "c.txt": b"c"}


def test_the_context_is_buildkits_own_where_nobody_says_another() -> None:
    assert asked(base().dockerfile_commands("COPY a /")).context is None
    assert asked(base().dockerfile_commands("COPY a /", context_dir=".")).context is None


def test_of_another_directory_what_is_copied_is_transferred() -> None:
    image = base().dockerfile_commands("COPY *.txt b.txt /", context_dir="app")
    (source,), (action,) = context_of(image, "/*.txt", "/b.txt", tree=TREE)
    assert source["name"] == "local://context"
    assert json.loads(source["local.followpaths"]) == ["app/*.txt", "app/b.txt"]
    assert (action.copy.src, action.copy.dest) == ("/app", "/")


def test_what_is_ignored_is_not_transferred() -> None:
    image = base().dockerfile_commands("COPY . /", context_dir="app", ignore=["*.md", "!keep.md"])
    (source,), _ = context_of(image, "/", tree=TREE)
    assert json.loads(source["local.followpaths"]) == ["app"]
    assert json.loads(source["local.excludepatterns"]) == ["app/*.md", "!app/keep.md"]
    image = base().dockerfile_commands("COPY . /", ignore=[])
    (source,), _ = context_of(image, "/", tree=TREE | {".dockerignore": b"*"})
    assert "local.excludepatterns" not in source
    assert "local.followpaths" not in source


def test_an_ignore_function_is_asked_about_the_files_of_the_context() -> None:
    image = base().dockerfile_commands(
        "COPY . /", context_dir="app", ignore=lambda path: path.name == "b.txt"
    )
    (source,), _ = context_of(image, "/", tree=TREE)
    kept = {
        key: json.loads(source[key]) for key in source if key.startswith(("local.include", "local.exclude"))
    }
    assert kept in ({"local.excludepatterns": ["app/b.txt"]}, {"local.includepattern": ["app/a.txt"]})


@pytest.mark.parametrize(
    ("files", "ignored"),
    [
        (["app/D.dockerignore", "app/.dockerignore", ".dockerignore"], "app/D.dockerignore"),
        (["app/.dockerignore", ".dockerignore"], "app/.dockerignore"),
        ([".dockerignore"], ".dockerignore"),
    ],
)
def test_the_ignore_file_of_a_dockerfile_is_the_first_that_is_there(files: list[str], ignored: str) -> None:
    tree = {"app/D": b"FROM a\n", "x": b""} | {name: name.encode() for name in files}
    frontend = Frontend(tree=tree)
    compiled(Image.from_dockerfile("app/D"), frontend)
    # That of the context is found by BuildKit itself.
    assert frontend.request.ignore_file == (b"" if ignored == ".dockerignore" else ignored.encode())
    image = Image.from_dockerfile("app/D", context_dir="app")
    (source,), _ = context_of(image, "/x", tree=tree)
    expected = [] if ignored == ".dockerignore" else [f"app/{ignored}"]
    assert json.loads(source.get("local.excludepatterns", "[]")) == expected


def test_single_files_are_in_the_context_by_the_names_that_lines_call_them() -> None:
    image = base().dockerfile_commands(
        "COPY requirements.txt c /", context_files={"/requirements.txt": "app/a.txt", "c": "c.txt"}
    )
    (source,), actions = context_of(image, "/requirements.txt", "/c", tree=TREE)
    assert json.loads(source["local.followpaths"]) == ["app/a.txt", "c.txt"]
    assert [(one.copy.src, one.copy.dest) for one in actions] == [
        ("/app/a.txt", "/requirements.txt"),
        ("/c.txt", "/c"),
    ]


def test_single_files_lie_beside_those_of_the_directory() -> None:
    image = base().dockerfile_commands("COPY x b.txt /", context_files={"x": "c.txt"}, context_dir="app")
    sources, actions = context_of(image, "/x", "/b.txt", tree=TREE)
    assert sorted(json.loads(one["local.followpaths"]) for one in sources) == [["app/b.txt"], ["c.txt"]]
    assert [(one.copy.src, one.copy.dest) for one in actions] == [("/app", "/"), ("/c.txt", "/x")]


def test_what_is_copied_is_asked_first_without_lints_and_then_for_good() -> None:
    frontend = Frontend(copies=["/a.txt"], tree=TREE)
    compiled(base().dockerfile_commands("COPY a.txt /", context_dir="app"), frontend)
    first, second = frontend.requests
    assert first.options == (("build-arg:BUILDKIT_DOCKERFILE_CHECK", "skip=all"),)
    assert second.options == ()
    assert first.context != second.context


def test_on_disk_without_a_session_the_context_is_given_and_with_one_it_is_buildkits(tmp_path: Path) -> None:
    class Disk(LocalDirectory, Frontend):
        def __init__(self) -> None:
            Frontend.__init__(self, copies=["/a.txt"])
            LocalDirectory.__init__(self, tmp_path)

        read = LocalDirectory.read

    (tmp_path / ".dockerignore").write_text("*.md\n")
    image = base().dockerfile_commands("COPY a.txt /")
    disk = Disk()
    compile_to_llb(image, resolver=disk)
    context = disk.request.context
    assert context is not None
    (source,) = [pb.Op.FromString(op).source for op in context.ops[:-1]]
    assert json.loads(source.attrs["local.followpaths"]) == ["a.txt"]
    assert json.loads(source.attrs["local.excludepatterns"]) == ["*.md"]
    disk = Disk()
    compile_to_llb(image, resolver=disk, options=BuildOptions(session="s"))
    assert disk.request.context is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"context_dir": 1}, "context_dir must be a path, not int"),
        ({"context_dir": ""}, "context_dir is empty"),
        ({"context_files": ["a"]}, "context_files must be a dictionary, not list"),
        ({"context_files": {1: "a"}}, "context_files must have strings as keys"),
        ({"context_files": {"": "a"}}, "a name in context_files is empty"),
        ({"context_files": {"a": 1}}, r"context_files\['a'\] must be a path, not int"),
        ({"ignore": "*.md"}, "ignore must be a list of patterns or a function, not str"),
        ({"ignore": 1}, "ignore must be a list of patterns or a function, not int"),
        ({"ignore": ["[a"]}, "Bad pattern"),
    ],
)
def test_a_wrong_context_is_refused_when_the_chain_is_written(options: Mapping[str, Any], says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        base().dockerfile_commands("RUN a", **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"context_dir": "nowhere"}, "local dir nowhere does not exist"),
        ({"context_dir": "c.txt"}, "c.txt is not a directory"),
        ({"context_files": {"a": "nowhere"}}, "local file nowhere does not exist"),
        ({"context_files": {"a": "app"}}, "app is a directory"),
    ],
)
def test_a_context_that_is_not_there_is_refused_when_the_image_is_compiled(
    options: Mapping[str, Any], says: str
) -> None:
    image = base().dockerfile_commands("COPY a /", **options)
    with pytest.raises(FileNotFoundError, match=says):
        compiled(image, Frontend(tree=TREE, copies=["/a"]))
