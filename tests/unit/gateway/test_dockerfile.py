"""What BuildKit's Dockerfile frontend is asked, and how its answers are read: against a daemon in memory."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from llb import graph
from llb.errors import DockerfileError
from llb.gateway import Bridge, RpcError, encode_status, source_detail
from llb.gateway.dockerfile import SolvedDockerfile, ask_dockerfile, declared_arguments
from llb.graph import LINUX_ARM64, Definition
from llb.pb import gateway_pb2, ops_pb2
from tests.unit.frontend.fake import FakeDaemon

ANSWER = graph.marshal(graph.image("debian:12"))


class Asked:
    """One question, asked of a daemon that answers it with an image."""

    def __init__(
        self, *, multi_platform: bool = False, frontend: str = "dockerfile.v0", **arguments: Any
    ) -> None:
        self._multi = multi_platform
        daemon = FakeDaemon(frontends={frontend: self._solve})
        defaults: dict[str, Any] = {
            "data": b"FROM base\n",
            "filename": "Dockerfile",
            "platform": LINUX_ARM64,
            "options": {},
            "build": {},
        }
        self.solved: SolvedDockerfile = ask_dockerfile(Bridge(daemon), **defaults | arguments).result()
        (self.request,) = daemon.asked("Solve")

    def _solve(self, request: gateway_pb2.SolveRequest) -> gateway_pb2.Result:
        result = gateway_pb2.Result()
        ref = gateway_pb2.Ref(id="r")
        getattr(ref, "def").ParseFromString(ANSWER.to_bytes())
        suffix = "/linux/arm64" if self._multi else ""
        if self._multi:
            result.refs.refs["linux/arm64"].CopyFrom(ref)
        else:
            result.ref.CopyFrom(ref)
        result.metadata[f"containerimage.config{suffix}"] = b"config"
        result.metadata[f"containerimage.base.config{suffix}"] = b"base"
        return result

    @property
    def options(self) -> dict[str, str]:
        return dict(self.request.FrontendOpt)

    def files(self, name: str = "dockerfile") -> dict[str, bytes]:
        """The files of an input."""
        ops = [ops_pb2.Op.FromString(op) for op in getattr(self.request.FrontendInputs[name], "def")]
        actions = [action for op in ops for action in op.file.actions if action.HasField("mkfile")]
        return {action.mkfile.path: action.mkfile.data for action in actions}


def test_the_dockerfile_is_an_input_under_its_name() -> None:
    asked = Asked(filename="docker/app.Dockerfile", data=b"FROM x\n", ignore_file=b"*.md\n")
    assert asked.files() == {
        "/docker/app.Dockerfile": b"FROM x\n",
        "/docker/app.Dockerfile.dockerignore": b"*.md\n",
    }
    assert asked.options == {
        "cmdline": "dockerfile.v0",
        "filename": "docker/app.Dockerfile",
        "platform": "linux/arm64",
    }
    assert set(asked.request.FrontendInputs) == {"dockerfile"}


def test_the_base_is_a_named_context_with_its_config() -> None:
    base = graph.marshal(graph.image("debian:12").run(["true"]).root)
    asked = Asked(base=base, base_config=b'{"os":"linux"}')
    assert asked.options["context:base"] == "input:llb-base"
    metadata = json.loads(asked.options["input-metadata:llb-base"])
    assert base64.b64decode(metadata["containerimage.config"]) == b'{"os":"linux"}'
    assert (
        Definition.from_bytes(asked.request.FrontendInputs["llb-base"].SerializeToString()).digests()
        == base.digests()
    )


def test_options_about_the_builds_own_definition_are_not_passed_on_and_others_are() -> None:
    build = {
        "add-hosts": "a=1.2.3.4",
        "attest:provenance": "mode=max",
        "build-arg:BUILDKIT_SYNTAX": "ours",
        "build-arg:BUILDKIT_SANDBOX_HOSTNAME": "h",
        "build-arg:HTTP_PROXY": "p",
        "build-arg:DECLARED": "1",
        "build-arg:OTHER": "1",
        "cmdline": "ours",
        "context": "https://example.com/repository.git",
        "context:tools": "docker-image://tools",
        "dockerfilekey": "dockerfile2",
        "filename": "image.py",
        "label:a": "b",
        "no-cache": "",
        "platform": "linux/amd64,linux/arm64",
        "requestid": "frontend.outline",
        "something.new": "1",
        "source": "ours",
        "target": "image",
    }
    asked = Asked(data=b"FROM x\nARG DECLARED\n", build=build, options={"target": "t"})
    assert asked.options == {
        "add-hosts": "a=1.2.3.4",
        "build-arg:BUILDKIT_SANDBOX_HOSTNAME": "h",
        "build-arg:DECLARED": "1",
        "build-arg:HTTP_PROXY": "p",
        "cmdline": "dockerfile.v0",
        "context:tools": "docker-image://tools",
        "filename": "Dockerfile",
        "platform": "linux/arm64",
        "something.new": "1",
        "target": "t",
    }


def test_what_a_step_says_wins_over_the_build() -> None:
    asked = Asked(
        data=b"ARG V\n",
        build={"build-arg:V": "1", "no-cache": "x"},
        options={"build-arg:V": "2", "no-cache": ""},
    )
    assert asked.options["build-arg:V"] == "2"
    assert asked.options["no-cache"] == ""


def test_inputs_of_the_client_go_along_but_for_its_dockerfile() -> None:
    scratch = graph.marshal(graph.scratch().file(graph.mkdir("/a"))).to_bytes()
    asked = Asked(inputs={"dockerfile": b"", "context": scratch, "tools": scratch})
    assert set(asked.request.FrontendInputs) == {"context", "dockerfile", "tools"}
    assert asked.files() == {"/Dockerfile": b"FROM base\n"}
    mine = graph.marshal(graph.local("mine"))
    asked = Asked(inputs={"context": scratch}, context=mine)
    given = Definition.from_bytes(asked.request.FrontendInputs["context"].SerializeToString())
    assert given.digests() == mine.digests()


def test_another_syntax_is_an_image_that_is_asked_instead() -> None:
    asked = Asked(syntax="example.com/own:1", frontend="gateway.v0")
    assert asked.options["source"] == asked.options["cmdline"] == "example.com/own:1"


@pytest.mark.parametrize("multi_platform", [False, True])
def test_the_answer_has_the_definition_as_it_came_and_the_configs(multi_platform: bool) -> None:
    solved = Asked(multi_platform=multi_platform, prefix=multi_platform).solved
    assert solved.definition.digests() == ANSWER.digests()
    assert (solved.config, solved.base_config) == (b"config", b"base")


@pytest.mark.parametrize(("name", "line"), [("Dockerfile", 3), ("image.py", 0)])
def test_a_refusal_knows_the_line_of_the_dockerfile(name: str, line: int) -> None:
    def refuse(_: gateway_pb2.SolveRequest) -> gateway_pb2.Result:
        status = encode_status(2, "no", [source_detail(name, b"FROM x\n\nRUNN\n", [(3, 3)])])
        raise RpcError(2, "no", status)

    daemon = FakeDaemon(frontends={"dockerfile.v0": refuse})
    asked = ask_dockerfile(
        Bridge(daemon), data=b"", filename="Dockerfile", platform=LINUX_ARM64, options={}, build={}
    )
    with pytest.raises(DockerfileError, match="no") as caught:
        asked.result()
    assert caught.value.line == line
    assert isinstance(caught.value, RpcError)
    assert caught.value.status


def test_declared_arguments_are_found() -> None:
    text = b'ARG A=1 B\nFROM x\n  arg C="a b"\nONBUILD ARG D\nRUN echo ARG E\n'
    assert {"A", "B", "C", "D"} <= declared_arguments(text)
    assert "E" not in declared_arguments(text)
