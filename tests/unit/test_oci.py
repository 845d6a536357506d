"""Image configs are values: what is read is written again, whatever it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llb.errors import InvalidError
from llb.oci import History, ImageConfig, timestamp

REAL: dict[str, Any] = {
    "architecture": "arm64",
    "variant": "v8",
    "os": "linux",
    "created": "2025-01-01T00:00:00Z",
    "author": "someone",
    "config": {
        "Env": ["PATH=/bin", "EMPTY=", "ODD"],
        "Cmd": ["python3"],
        "Entrypoint": ["/init", "--"],
        "User": "1000:1000",
        "WorkingDir": "/app",
        "Shell": ["/bin/bash", "-c"],
        "Labels": {"b": "2", "a": "1"},
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
        "StopSignal": "SIGINT",
        "OnBuild": ["RUN x"],
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1000000000},
        "ArgsEscaped": True,
    },
    "rootfs": {"type": "layers", "diff_ids": ["sha256:1", "sha256:2"]},
    "history": [
        {"created_by": "ADD", "created": "2024-01-01T00:00:00Z", "comment": "c", "author": "a"},
        {"created_by": "CMD", "empty_layer": True},
    ],
    "moby.buildkit.cache.v0": {"layers": [1]},
    "os.version": "10",
    "os.features": ["win32k"],
}


def test_a_real_config_is_read() -> None:
    config = ImageConfig.from_json(json.dumps(REAL))
    assert (config.os, config.architecture, config.variant) == ("linux", "arm64", "v8")
    assert config.environment == (("PATH", "/bin"), ("EMPTY", ""), ("ODD", ""))
    assert (config.cmd, config.entrypoint) == (("python3",), ("/init", "--"))
    assert (config.user, config.workdir, config.shell) == ("1000:1000", "/app", ("/bin/bash", "-c"))
    assert config.labels == (("b", "2"), ("a", "1"))
    assert (config.exposed_ports, config.volumes) == (("80/tcp",), ("/data",))
    assert config.history[1] == History("CMD", empty_layer=True, comment="")


def test_nothing_is_lost() -> None:
    assert json.loads(ImageConfig.from_json(json.dumps(REAL)).to_json()) == REAL


def test_unknown_keys_survive_a_change() -> None:
    config = ImageConfig.from_json(json.dumps(REAL)).replace(user="root").with_env("A", "1")
    document = json.loads(config.to_json())
    assert document["moby.buildkit.cache.v0"] == {"layers": [1]}
    assert document["config"]["ArgsEscaped"] is True
    assert document["config"]["User"] == "root"


def test_the_same_config_has_the_same_bytes_whatever_the_order_of_its_keys() -> None:
    backwards = dict(reversed(REAL.items()))
    assert (
        ImageConfig.from_json(json.dumps(backwards)).to_json()
        == ImageConfig.from_json(json.dumps(REAL)).to_json()
    )


@pytest.mark.parametrize("nothing", [b"{}", b'{"config": null, "history": null, "rootfs": null}'])
def test_a_config_may_lack_everything(nothing: bytes) -> None:
    config = ImageConfig.from_json(nothing)
    assert (config.env, config.cmd, config.history) == ((), None, ())
    assert json.loads(config.to_json()) == {"config": {}, "rootfs": {"type": "layers", "diff_ids": []}}


@pytest.mark.parametrize(
    "wrong",
    [
        b"no json",
        b"[]",
        b'{"config": []}',
        b'{"config": {"Env": "A=1"}}',
        b'{"config": {"Cmd": [1]}}',
        b'{"os": 1}',
        b"\xff",
    ],
)
def test_what_is_no_config_is_refused(wrong: bytes) -> None:
    with pytest.raises(InvalidError, match="config"):
        ImageConfig.from_json(wrong)


def test_a_variable_is_replaced_in_its_place() -> None:
    config = ImageConfig(env=("A=1", "B=2")).with_env("A", "3").with_env("C", "4")
    assert config.env == ("A=3", "B=2", "C=4")


def test_labels_are_added_and_replaced() -> None:
    config = ImageConfig(labels=(("a", "1"),)).with_labels([("b", "2"), ("a", "3")])
    assert dict(config.labels) == {"a": "3", "b": "2"}


@pytest.mark.parametrize(
    ("document", "empty"),
    [
        ({"rootfs": {"type": "layers", "diff_ids": []}}, True),
        ({"rootfs": {"type": "layers", "diff_ids": None}}, True),
        ({"rootfs": {"type": "layers", "diff_ids": ["sha256:1"]}}, False),
        (
            {"rootfs": {"diff_ids": []}, "history": [{"created_by": "an old image that has no diff ids"}]},
            False,
        ),
        ({}, False),
    ],
)
def test_an_image_without_layers_is_known_as_such(document: object, empty: bool) -> None:
    assert ImageConfig.from_json(json.dumps(document)).is_empty is empty


def test_times_are_written_as_rfc_3339() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00Z"
    assert timestamp(1_700_000_000) == "2023-11-14T22:13:20Z"


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "Env": st.lists(st.text(min_size=1)),
            "Labels": st.dictionaries(st.text(), st.text()),
            "Cmd": st.lists(st.text(), min_size=1),
            "X-unknown": st.recursive(st.none() | st.booleans() | st.text(), st.lists),
        },
    )
)
def test_reading_what_was_written_changes_nothing(config: object) -> None:
    first = ImageConfig.from_json(json.dumps({"os": "linux", "architecture": "amd64", "config": config}))
    assert ImageConfig.from_json(first.to_json()).to_json() == first.to_json()
