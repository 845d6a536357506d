"""A chain makes the vertices that BuildKit's Dockerfile frontend makes of the same steps.

So a Dockerfile build and a chain's build share caches, both ways.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from llb.graph import Definition, Platform
from llb.image import ImageDefinition, ResolvedBase, Resolver, compile_to_llb
from llb.wire import Reader
from tests.unit.image.dockerfile_cases import CASES, Case

EXPECTED: dict[str, Any] = json.loads((Path(__file__).parent / "dockerfile_definitions.json").read_text())

CAPABILITIES = frozenset(
    (
        "exec.meta.cgroup.parent",
        "exec.meta.setsdefaultpath",
        "exec.meta.ulimit",
        "exec.mount.tmpfs.size",
        "mergeop",
    )
)
"""Of what the compiler asks, all."""


class Answers(Resolver):
    """One base, and the capabilities of an engine."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.capabilities = CAPABILITIES - frozenset(case.lacks)

    def base(self, reference: str, platform: Platform) -> ResolvedBase:
        name, _, digest = reference.partition("@")
        return ResolvedBase(name, self.case.digest or digest, json.dumps(self.case.config).encode())


def compiled(case: Case) -> ImageDefinition:
    options = case.options.replace(local_unique="u")
    return compile_to_llb(case.chain(), platform=case.platform, resolver=Answers(case), options=options)


def test_every_case_has_its_answer() -> None:
    assert EXPECTED.keys() == CASES.keys(), (
        "write dockerfile_definitions.json anew: see dockerfile_definitions.go"
    )


@pytest.mark.parametrize("name", CASES)
def test_the_vertices_are_those_of_the_dockerfile(name: str) -> None:
    theirs = Definition(tuple([base64.b64decode(op) for op in EXPECTED[name]["ops"]]))
    ours = compiled(CASES[name])
    assert [described(op) for op in ours.ops] == [described(op) for op in theirs.ops]
    assert ours.digests() == theirs.digests()


@pytest.mark.parametrize("name", CASES)
def test_the_config_is_that_of_the_dockerfile(name: str) -> None:
    theirs = EXPECTED[name]["config"]
    ours = json.loads(compiled(CASES[name]).image_config)
    theirs["config"].pop("ArgsEscaped", None)  # a field of old Windows images
    if name == "shell":
        theirs["config"].pop("Shell")  # a Dockerfile cannot set none
    assert ours["config"] == theirs["config"]
    keys = ("architecture", "os", "variant")
    assert [ours.get(key) for key in keys] == [theirs.get(key) for key in keys]
    # One entry per layer, in the same places: the entries of steps that change the config only may be fewer.
    assert layers(ours) == layers(theirs)


def layers(config: dict[str, Any]) -> list[str]:
    return [
        entry["created_by"].split(" ")[0]
        for entry in config.get("history", [])
        if not entry.get("empty_layer")
    ]


def described(op: bytes) -> object:
    """An op without the digests of its inputs, for a difference that can be read."""
    reader = Reader(op)
    kinds = {2: "exec", 3: "source", 4: "file", 5: "build", 6: "merge", 7: "diff"}
    body = {name: reader.data(number) for number, name in kinds.items() if reader.has(number)}
    platform = Platform.decode(reader.data(10)) if reader.has(10) else None
    return body, platform, [one.integer(2) for one in reader.messages(1)]
