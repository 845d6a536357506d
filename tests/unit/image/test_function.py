"""`run_function`: what it refuses, what its vertices are, and what `why` tells."""

from __future__ import annotations

import functools
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llb.errors import InvalidError, InvalidTypeError, LLBError, LocalFunctionError
from llb.graph import ProxyEnv
from llb.image import BuildOptions, Image, Secret
from tests.unit.image.vertices import Answers, base, compiled

COUNT = 3


def helper(x: int) -> int:
    return x + COUNT


def prepare(x: int = 1) -> None:
    print(helper(x))


def generate() -> Iterator[int]:
    yield 1


async def later() -> None: ...


class Thing:
    def method(self) -> None: ...

    @staticmethod
    def static() -> None: ...


def loose() -> Any:
    return base()


def nested() -> Any:
    def inside() -> None: ...

    return inside


REFUSED: dict[str, tuple[Any, type[LLBError], str]] = {
    "a string": ("prepare", InvalidTypeError, "raw_f must be a function, not str: 'prepare'"),
    "None": (None, InvalidTypeError, "raw_f must be a function, not NoneType"),
    "a call": (prepare(), InvalidTypeError, "raw_f must be a function, not NoneType"),
    "a lambda": (lambda: None, InvalidError, "does not support lambda"),
    "a nested function": (nested(), LocalFunctionError, "is defined inside another function"),
    "a builtin": (print, InvalidTypeError, "not the builtin print"),
    "a class": (Thing, InvalidTypeError, "not the class Thing"),
    "a method": (Thing().method, InvalidTypeError, "not the method Thing.method"),
    "a function of a class": (Thing.static, InvalidError, "Thing.static belongs to a class"),
    "a partial": (functools.partial(prepare, 1), InvalidTypeError, "not a functools.partial"),
    "a generator": (generate, InvalidError, "generate is a generator"),
    "an object": (Thing(), InvalidTypeError, "raw_f must be a function, not Thing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_function_is_refused_at_the_call(case: str) -> None:
    function, kind, message = REFUSED[case]
    with pytest.raises(kind) as caught:
        loose().run_function(function)
    assert message in caught.value.message
    assert caught.value.hint
    assert caught.value.location is not None
    assert caught.value.location.filename == __file__


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "args": ({"args": 1}, "args must be a tuple or list, not int: 1"),
    "a text as args": ({"args": "abc"}, "args must be a tuple or list, not str"),
    "kwargs": ({"kwargs": [1]}, "kwargs must be a dictionary"),
    "keys of kwargs": ({"kwargs": {1: 2}}, "kwargs must have strings as keys"),
    "what cannot be taken along": ({"args": (1, sys)}, ""),
    "a socket": ({"args": ({"a": [socket.SocketType]}, sys.stdout)}, "args[1] cannot be given to the function: it is a "),
    "too much": ({"kwargs": {"x": b"\0" * (2 << 20)}}, "the arguments have 2.7 MiB; 2 MiB is the limit"),
    "no timeout": ({"timeout": None}, "timeout must be a number of seconds, not None"),
    "a timeout of 0": ({"timeout": 0}, "timeout cannot be 0 seconds"),
    "cpu": ({"cpu": "2"}, "cpu must be a number of cores"),
    "memory": ({"memory": 1.5}, "memory must be a whole number of MiB"),
    "secrets": ({"secrets": ["TOKEN"]}, "secrets need to be Secret instances"),
    "env": ({"env": {"A": 1}}, "Image ENV variables must be strings"),
    "region": ({"region": 5}, "region must be a string, not int: 5"),
    "cloud": ({"cloud": ["aws"]}, "cloud must be a string, not list"),
    "include_source": ({"include_source": "yes"}, "include_source must be True or False"),
    "a volume": ({"volumes": {"/data": "data"}}, "must be a Volume"),
    "the root": ({"volumes": {"/": None}}, "a volume cannot be mounted at /"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_refused_at_the_call(case: str) -> None:
    given, message = WRONG[case]
    if not message:
        loose().run_function(prepare, **given)  # a module can be imported there
        return
    with pytest.raises(InvalidError) as caught:
        loose().run_function(prepare, **given)
    assert message in caught.value.message


def test_a_function_without_source_is_refused_when_it_is_compiled() -> None:
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": "/gone/file.py"}
    exec("def lost(): pass", namespace)
    image = base().run_function(namespace["lost"])
    with pytest.raises(
        InvalidError, match="lost cannot be run elsewhere: it is the function lost, whose source"
    ):
        compiled(image)


def test_a_default_that_cannot_be_taken_along_is_refused(tmp_path: Path) -> None:
    image = base().run_function(with_default)
    with pytest.raises(InvalidError, match="a default of with_default cannot be taken along: it is a _io"):
        compiled(image)


def with_default(out: object = sys.__stdout__) -> None:
    print(out)


def test_the_function_and_what_runs_it_are_mounted_read_only() -> None:
    result = compiled(base().run_function(prepare))
    (run,) = result.execs
    assert list(run.meta.args) == ["/bin/sh", "/dev/.llb/run_function", "prepare"]
    mounts = {mount.dest: mount for mount in run.mounts}
    assert mounts["/dev/.llb"].readonly
    assert {action.mkfile.path for action in result.actions if action.HasField("mkfile")} >= {
        "/run_function",
        "/llb_function/runner.py",
    }
    assert json.loads(dict(one.split("=", 1) for one in run.meta.env)["LLB_FUNCTION"])["name"] == "prepare"
    assert result.names[-1] == "[2/2] run_function prepare"
    assert result.history == ["run_function prepare"]


def test_a_large_payload_is_a_file() -> None:
    result = compiled(base().run_function(prepare, args=("x" * 100_000,)))
    (run,) = result.execs
    assert not any(one.startswith("LLB_FUNCTION=") for one in run.meta.env)
    [large] = [action.mkfile for action in result.actions if action.mkfile.path == "/payload"]
    assert json.loads(large.data)["name"] == "prepare"


def test_lines_and_limits_are_no_part_of_the_step() -> None:
    """BuildKit leaves proxies, and nothing else that a command sees, out of its cache key."""
    one = compiled(base().run_function(prepare, timeout=5)).execs[0]
    other = compiled(base().run_function(prepare, timeout=6)).execs[0]
    assert one.meta.proxy_env.ftp_proxy.startswith('llb:{"timeout":5,')
    assert one != other
    one.meta.proxy_env.Clear()
    other.meta.proxy_env.Clear()
    assert one == other


def test_a_proxy_of_the_user_stays() -> None:
    options = BuildOptions(proxy=ProxyEnv(ftp_proxy="http://proxy", http_proxy="http://other"))
    run = compiled(base().run_function(prepare, env={"A": "b"}), options=options).execs[0]
    assert run.meta.proxy_env.ftp_proxy == "http://proxy"
    assert [one.partition("=")[0] for one in run.meta.env] == [
        "PATH",
        "A",
        "LLB_FUNCTION_SETTINGS",
        "LLB_FUNCTION",
    ]
    options = BuildOptions(proxy=ProxyEnv(http_proxy="http://other"))
    run = compiled(base().run_function(prepare), options=options).execs[0]
    assert run.meta.proxy_env.http_proxy == "http://other"
    assert run.meta.proxy_env.ftp_proxy.startswith("llb:")


def test_secrets_env_and_force_are_those_of_the_step() -> None:
    image = base().run_function(
        prepare, env={"A": "b", "C": None}, secrets=[Secret.from_dict({"TOKEN": "x"})], force_build=True
    )
    result = compiled(image.run_commands("true"))
    assert "A=b" in result.execs[0].meta.env
    assert [one.ID for one in result.execs[0].secretenv] == ["TOKEN"]
    assert not result.execs[1].secretenv
    assert result.ignoring_cache[-2:] == [True, True]


def test_cpu_and_memory_are_limits_of_the_container_where_the_engine_has_them() -> None:
    image = base().run_function(prepare, cpu=1.5, memory=64)
    result = compiled(image)
    resources = [one for one in result.definition.metadata.values() if one.linux_resources is not None]
    assert len(resources) == 1
    assert resources[0].linux_resources is not None
    assert resources[0].linux_resources.memory == 64 << 20
    assert resources[0].linux_resources.cpu_quota == 150_000
    assert not result.definition.notes


def test_or_else_of_the_process_with_a_note() -> None:
    result = compiled(base().run_function(prepare, cpu=1.5, memory=64), Answers(lacks=["mergeop"]))
    assert '"cores":2,"memory":67108864' in result.execs[0].meta.proxy_env.ftp_proxy
    assert result.definition.notes[0].startswith(
        "this engine limits neither processor time nor memory of a step"
    )


def test_cloud_and_region_are_accepted_with_one_note() -> None:
    image = base().run_function(prepare, cloud="aws", region=["eu", "us"]).run_function(prepare, cloud="gcp")
    assert compiled(image).definition.notes == (
        "cloud= and region= choose among builders, and this build knows one: they have no effect",
    )


def test_what_is_not_taken_along_is_a_note_at_the_users_line() -> None:
    notes = compiled(base().run_function(uses_image)).definition.notes
    assert len(notes) == 1
    assert notes[0].startswith(f"{__file__}:")
    assert notes[0].endswith(
        "uses_image reads IMAGE (tests/unit/image/test_function.py), which is not taken along: it is llb's Image"
    )


IMAGE = Image.from_scratch()


def uses_image() -> None:
    print(IMAGE)


def test_why_tells_what_a_step_is_made_of() -> None:
    image = base().run_function(
        prepare,
        args=(5,),
        env={"A": "b"},
        secrets=[Secret.from_dict({"TOKEN": "hidden"})],
        gpu="any",
    )
    lines = image.why().splitlines()
    assert lines[0].endswith(": run_function prepare")
    for expected in (
        "  function prepare: tests/unit/image/test_function.py",
        "  function helper: tests/unit/image/test_function.py",
        "  global COUNT (tests/unit/image/test_function.py): 3",
        "  argument 5",
        "  env A = b",
        "  gpu ANY:1",
    ):
        assert expected in lines
    assert "TOKEN" in image.why()
    assert "hidden" not in image.why()


def test_no_step_with_a_function_needs_no_explanation() -> None:
    assert base().run_commands("true").why() == ""


def test_writing_the_chain_reads_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    image = base()
    image.run_function(prepare, args=(1,))  # loads what it needs
    monkeypatch.setattr(os, "stat", None)
    monkeypatch.setattr("builtins.open", None)
    image.run_function(prepare, args=([1, {"a"}],))
