"""Our .proto files against BuildKit's own: `descriptors/` is a Go program that links the real module."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

    Compare = Callable[..., subprocess.CompletedProcess[str]]
    Change = Callable[[FileDescriptorSet], None]

GOLDEN = Path(__file__).resolve().parent
PROTO = GOLDEN.parents[1] / "proto"
VERSION = (PROTO / "VERSION").read_text().strip()

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")


@pytest.fixture(scope="module")
def compare(tmp_path_factory: pytest.TempPathFactory) -> Compare:
    folder = tmp_path_factory.mktemp("descriptors")
    program = folder / "compare"
    subprocess.run(["go", "build", "-o", program, "./descriptors"], cwd=GOLDEN, check=True)

    def run(descriptors: FileDescriptorSet, version: str = VERSION) -> subprocess.CompletedProcess[str]:
        path = folder / "set"
        path.write_bytes(descriptors.SerializeToString())
        return subprocess.run([program, path, version], capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("generated") / "set"
    subprocess.run([sys.executable, PROTO / "generate.py", "--descriptor-set", path], check=True)
    return path.read_bytes()


@pytest.fixture
def ours(generated: bytes) -> FileDescriptorSet:
    """A copy that a test may change."""
    return FileDescriptorSet.FromString(generated)


def test_ours_are_theirs(compare: Compare, ours: FileDescriptorSet) -> None:
    done = compare(ours)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"compared with BuildKit {VERSION}: ")
    # What we describe of BuildKit is complete, too.
    assert done.stdout.endswith("0 different, 0 left out\n")


def test_the_version_is_the_module_s(compare: Compare, ours: FileDescriptorSet) -> None:
    done = compare(ours, "v0.0.1")
    assert done.returncode == 1
    assert f"proto/VERSION is v0.0.1, but go.mod requires BuildKit {VERSION}" in done.stderr


# ---- the comparison can fail ----


def file(ours: FileDescriptorSet, name: str) -> FileDescriptorProto:
    return next(each for each in ours.file if each.name == f"llb/pb/{name}.proto")


def message(ours: FileDescriptorSet, name: str, wanted: str) -> DescriptorProto:
    return next(each for each in file(ours, name).message_type if each.name == wanted)


def field(ours: FileDescriptorSet, name: str, within: str, wanted: str) -> FieldDescriptorProto:
    return next(each for each in message(ours, name, within).field if each.name == wanted)


def other_number(ours: FileDescriptorSet) -> None:
    field(ours, "ops", "Meta", "ulimit").number = 8


def other_name(ours: FileDescriptorSet) -> None:
    field(ours, "ops", "Meta", "ulimit").name = "ulimits"


def other_type(ours: FileDescriptorSet) -> None:
    field(ours, "fsutil", "Stat", "mode").type = FieldDescriptorProto.TYPE_INT32


def other_message(ours: FileDescriptorSet) -> None:
    field(ours, "gateway", "StatFileResponse", "stat").type_name = ".fsutil.types.Packet"


def other_label(ours: FileDescriptorSet) -> None:
    field(ours, "ops", "ExecOp", "mounts").label = FieldDescriptorProto.LABEL_OPTIONAL


def other_map(ours: FileDescriptorSet) -> None:
    entry = message(ours, "ops", "SourceOp").nested_type[0]
    entry.field[1].type = FieldDescriptorProto.TYPE_BYTES


def no_map(ours: FileDescriptorSet) -> None:
    message(ours, "ops", "SourceOp").nested_type[0].options.map_entry = False


def no_oneof(ours: FileDescriptorSet) -> None:
    field(ours, "errdefs", "Solve", "file").ClearField("oneof_index")


def other_value(ours: FileDescriptorSet) -> None:
    file(ours, "ops").enum_type[0].value[1].number = 7


def unknown_value(ours: FileDescriptorSet) -> None:
    file(ours, "ops").enum_type[0].value.add(name="CLOSED", number=9)


def unknown_message(ours: FileDescriptorSet) -> None:
    file(ours, "control").message_type.add(name="Invented")


def other_service(ours: FileDescriptorSet) -> None:
    file(ours, "control").service[0].name = "Controller"


def other_stream(ours: FileDescriptorSet) -> None:
    file(ours, "ssh").service[0].method[1].server_streaming = False


def other_request(ours: FileDescriptorSet) -> None:
    method = file(ours, "ssh").service[0].method[0]
    method.input_type = method.output_type


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (other_number, "pb.Meta.ulimit: number is 8, BuildKit's 9"),
        (other_name, "pb.Meta.ulimits: BuildKit's 9 is called ulimit"),
        (other_type, "fsutil.types.Stat.mode: type is int32, BuildKit's uint32"),
        (other_message, "stat: type is fsutil.types.Packet, BuildKit's fsutil.types.Stat"),
        (other_label, "pb.ExecOp.mounts: label is optional, BuildKit's repeated"),
        (other_map, "pb.SourceOp.attrs: type is map<string, bytes>, BuildKit's map<string, string>"),
        (no_map, "pb.SourceOp.attrs: type is pb.SourceOp.AttrsEntry, BuildKit's map<string, string>"),
        (no_oneof, "errdefs.Solve.file: oneof is none, BuildKit's subject"),
        (other_value, "pb.HOST: number is 7, BuildKit's 1"),
        (unknown_value, "value CLOSED of pb.NetMode: BuildKit has none"),
        (unknown_message, "message moby.buildkit.v1.Invented: BuildKit has none"),
        (other_service, "service moby.buildkit.v1.Controller: BuildKit has none"),
        (other_stream, "moby.sshforward.v1.SSH.ForwardAgent: stream of responses is false, BuildKit's true"),
        (
            other_request,
            "SSH.CheckAgent: request is moby.sshforward.v1.CheckAgentResponse",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_difference_is_named(
    compare: Compare,
    ours: FileDescriptorSet,
    change: Change,
    difference: str,
) -> None:
    change(ours)
    done = compare(ours)
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(difference in line for line in done.stdout.splitlines() if line.startswith("DIFFERS: ")), (
        done.stdout
    )


def test_an_omission_is_told(compare: Compare, ours: FileDescriptorSet) -> None:
    del message(ours, "ops", "Meta").field[-1]
    done = compare(ours)
    assert done.returncode == 0
    assert "left out: field pb.Meta.validExitCodes" in done.stdout
