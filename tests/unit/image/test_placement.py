"""`cloud` and `region`: checked, and noted once."""

from __future__ import annotations

from typing import Any

import pytest

from llb import Image, compile_to_llb
from llb.errors import InvalidError, InvalidTypeError
from llb.image.chain import Chain
from llb.image.commands import RunCommands, run_options
from llb.image.placement import NOTE

LOOSE: Any = run_options


def test_they_are_a_cloud_and_regions_in_order() -> None:
    assert run_options(cloud="aws", region="us-east").placement == ("aws", "us-east")
    assert run_options(region=["b", "a"]).placement == ("b", "a")
    assert run_options().placement == ()


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"cloud": 1}, InvalidTypeError, "cloud must be a string, not int"),
        ({"cloud": ""}, InvalidError, "cloud is empty"),
        ({"region": 1}, InvalidTypeError, "region must be a string, not int"),
        ({"region": ["a", 1]}, InvalidTypeError, "region must only contain strings"),
    ],
)
def test_what_they_cannot_be(given: dict[str, Any], kind: type[InvalidError], said: str) -> None:
    with pytest.raises(kind, match=said):
        LOOSE(**given)


def test_they_change_nothing_and_are_noted_once() -> None:
    def on(image: Chain, **options: Any) -> Any:
        loose: Any = image
        return loose._then(RunCommands, run_options(**options), ("true",))

    base = Image.from_registry("busybox")
    placed = compile_to_llb(on(on(base, cloud="aws"), region="us-east"))
    assert placed.notes == (NOTE,)
    assert placed.digest == compile_to_llb(on(on(base))).digest
