"""Our definitions against those of BuildKit's own Go client: `definitions/` holds both descriptions."""

from __future__ import annotations

from typing import Any

import pytest

from llb.errors import InvalidError
from llb.graph import Definition, Platform, Reference, marshal
from llb.graph.goformat import ip_address, json_list
from llb.graph.paths import clean, join
from tests.golden.definitions.cases import CASES, definition_of
from tests.golden.definitions.golden import describe, from_go, frozen, go

FROZEN = frozen()
NAMES = sorted(FROZEN["cases"])


def test_both_sides_describe_the_same_cases() -> None:
    assert sorted(CASES) == NAMES
    assert len(NAMES) >= 80


@pytest.mark.parametrize("name", NAMES)
def test_digests_metadata_and_locations_are_gos(name: str) -> None:
    ours = describe(definition_of(name))
    del ours["ops"]
    assert ours == FROZEN["cases"][name]


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_can_be_read_back(name: str) -> None:
    definition = definition_of(name)
    again = Definition.from_bytes(definition.to_bytes())
    assert again == definition
    assert again.to_bytes() == definition.to_bytes()
    embedded = marshal(again.state())
    assert sorted(embedded.ops) == sorted(definition.ops)  # file actions list their sources in another order
    assert embedded.metadata == definition.metadata
    assert embedded.locations == definition.locations


@pytest.mark.skipif(go() is None, reason="go is not installed")
def test_go_still_says_so(record_property: Any) -> None:
    results = from_go()
    cases = results["cases"]
    equal = [name for name in NAMES if describe(definition_of(name)) == cases.get(name)]
    vertices = sum(len(case["ops"]) for case in cases.values())
    message = f"{len(equal)} of {len(cases)} definitions ({vertices} vertices) equal Go's, byte for byte"
    record_property("golden", message)
    print(message)
    assert sorted(cases) == equal, message
    assert results["tables"] == FROZEN["tables"]


# -- what small functions of Go answer -----------------------------------------------------------------------


def _row(platform: Platform) -> list[Any]:
    return [
        platform.os,
        platform.architecture,
        platform.variant,
        platform.os_version,
        list(platform.os_features),
    ]


@pytest.mark.parametrize(("text", "expected"), FROZEN["tables"]["platform"].items())
def test_platforms(text: str, expected: list[Any] | None) -> None:
    if expected is None:
        with pytest.raises(InvalidError, match="not a platform"):
            Platform.parse(text)
        return
    platform = Platform.parse(text)
    assert [_row(platform), _row(platform.normalized()), str(platform)] == expected


@pytest.mark.parametrize(("text", "expected"), FROZEN["tables"]["reference"].items())
def test_references(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(InvalidError, match="not an image reference"):
            Reference.parse(text)
    else:
        assert str(Reference.parse(text).tagged()) == expected


@pytest.mark.parametrize(("text", "expected"), FROZEN["tables"]["path"].items())
def test_paths(text: str, expected: list[str]) -> None:
    assert [clean(text), join("/", text), join("/base", text), join("rel", text), join("", text)] == expected


@pytest.mark.parametrize(("text", "expected"), FROZEN["tables"]["json"].items())
def test_json(text: str, expected: str) -> None:
    assert json_list([text, "x"]) == expected


@pytest.mark.parametrize(("text", "expected"), FROZEN["tables"]["ip"].items())
def test_ip_addresses(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(InvalidError, match="not an IP address"):
            ip_address(text)
    else:
        assert ip_address(text) == expected
