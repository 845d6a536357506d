"""An upgrade of this library changes no builder version."""

from __future__ import annotations

import json

import pytest

from llb.image.recipes import RECIPES
from tests.golden.recipes import CHAINS, TABLE, frozen_now

FROZEN = json.loads(TABLE.read_text())
NOW = frozen_now()


def test_every_version_and_chain_is_frozen() -> None:
    assert FROZEN.keys() == RECIPES.keys()
    assert all(chains.keys() == CHAINS.keys() for chains in FROZEN.values())


@pytest.mark.parametrize("version", RECIPES)
def test_a_version_is_what_it_was(version: str) -> None:
    for name in CHAINS:
        assert NOW[version][name] == FROZEN[version][name], f"builder {version} has changed: {name}"


def test_versions_differ() -> None:
    for name in ("debian_slim 3.12", "installers"):
        assert len({tuple(NOW[version][name]) for version in RECIPES}) == len(RECIPES), name
