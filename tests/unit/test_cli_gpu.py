"""`llb gpu spec`: cards get types and counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from llb.cli._gpu import AUTO_ALLOW, CLASS, gpu_command, typed_spec, types_of
from llb.errors import InvalidError

CARD: dict[str, Any] = {"hooks": [{"hookName": "createContainer", "path": "/usr/bin/nvidia-cdi-hook"}]}
SPEC: dict[str, Any] = {
    "cdiVersion": "0.5.0",
    "kind": "nvidia.com/gpu",
    "devices": [
        {"name": name, "containerEdits": {**CARD, "deviceNodes": [{"path": f"/dev/nvidia{name}"}]}}
        for name in ("0", "1", "2")
    ],
    "containerEdits": {"env": ["NVIDIA_VISIBLE_DEVICES=void"]},
}


@pytest.mark.parametrize(
    ("model", "types"),
    [
        ("NVIDIA A100-SXM4-80GB", ("A100-80GB", "A100")),
        ("NVIDIA A100-PCIE-40GB", ("A100-40GB", "A100")),
        ("NVIDIA A100 80GB PCIe", ("A100-80GB", "A100")),
        ("NVIDIA H100 80GB HBM3", ("H100",)),
        ("NVIDIA H100 PCIe", ("H100",)),
        ("NVIDIA H200", ("H200",)),
        ("NVIDIA B200", ("B200",)),
        ("Tesla T4", ("T4",)),
        ("NVIDIA L4", ("L4",)),
        ("NVIDIA L40S", ("L40S",)),
        ("NVIDIA A10G", ("A10G",)),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", ("RTX-PRO-6000",)),
        ("NVIDIA GeForce RTX 4090", ("RTX-4090",)),
    ],
)
def test_the_types_of_a_card_are_what_gpu_says(model: str, types: tuple[str, ...]) -> None:
    assert types_of(model) == types


def test_each_count_of_a_type_is_a_device_of_its_own() -> None:
    spec = typed_spec(SPEC, {"0": ("A100",), "1": ("T4",), "2": ("A100",)})
    assert [one["name"] for one in spec["devices"]] == ["A100", "A100:2", "T4"]
    assert [one["annotations"][CLASS] for one in spec["devices"]] == ["A100", "A100:2", "T4"]
    two = spec["devices"][1]["containerEdits"]
    assert two["deviceNodes"] == [{"path": "/dev/nvidia0"}, {"path": "/dev/nvidia2"}]
    assert two["hooks"] == CARD["hooks"]  # once
    assert spec["containerEdits"] == SPEC["containerEdits"]
    assert "annotations" not in spec
    assert typed_spec(SPEC, {"0": ("A100",)}, auto_allow=True)["annotations"] == {AUTO_ALLOW: "true"}


def test_without_a_type_there_is_nothing_to_write() -> None:
    with pytest.raises(InvalidError, match="none of its devices has a type: 0, 1, 2"):
        typed_spec(SPEC, {"7": ("A100",)})


def test_the_command_writes_a_specification(tmp_path: Path) -> None:
    (tmp_path / "nvidia.json").write_text(json.dumps(SPEC))
    out = tmp_path / "llb.json"
    arguments = ["spec", str(tmp_path / "nvidia.json"), "--type", "0=a100", "-o", str(out)]
    result = CliRunner().invoke(gpu_command, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text())["devices"][0]["name"] == "A100"


def test_what_is_no_specification_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nvidia.yaml").write_text("kind: nvidia.com/gpu\n")
    result = CliRunner().invoke(gpu_command, ["spec", str(tmp_path / "nvidia.yaml"), "--type", "0=T4"])
    assert isinstance(result.exception, InvalidError)
    assert "is not a CDI specification in JSON" in str(result.exception)
    result = CliRunner().invoke(gpu_command, ["spec", str(tmp_path / "nvidia.yaml"), "--type", "T4"])
    assert "--type T4 is not NAME=TYPE" in result.output
