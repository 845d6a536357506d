"""The generated messages: what importing them costs, that they collide with nobody's, their bytes."""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import any_pb2

import llb.pb
from llb.pb import errdefs_pb2 as errdefs
from llb.pb import gateway_pb2 as gateway
from llb.pb import ops_pb2 as ops
from llb.pb import rpc_pb2 as rpc
from llb.pb import services

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULES = sorted(path.stem for path in Path(llb.pb.__file__).parent.glob("*_pb2.py"))


def python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def methods() -> Iterator[services.Method[Any, Any]]:
    for service in vars(services).values():
        if isinstance(service, type):
            yield from (each for each in vars(service).values() if isinstance(each, services.Method))


# ---- imports ----


def test_the_package_and_the_paths_do_not_load_protobuf() -> None:
    program = """
import sys, llb.pb, llb.pb.services
assert llb.pb.services.LLBBridge.Ping.path == "/moby.buildkit.v1.frontend.LLBBridge/Ping"
print([name for name in sys.modules if name.split(".")[0] in ("google", "grpc", "typing", "dataclasses")])
"""
    before = python("import sys; print([name for name in sys.modules if name in ('typing', 'dataclasses')])")
    assert python(program) == before


@pytest.mark.parametrize("module", ["google.rpc.status_pb2", "grpc_health.v1.health_pb2"])
@pytest.mark.parametrize("theirs_first", [True, False])
def test_no_collision_with_other_libraries(module: str, theirs_first: bool) -> None:
    pytest.importorskip(module)
    lines = [f"import {module}", *(f"import llb.pb.{each}" for each in MODULES)]
    python("\n".join(lines if theirs_first else reversed(lines)))


def test_no_collision_with_another_copy_of_buildkits_messages() -> None:
    """Whoever else has generated BuildKit's protos has these names in the same pool."""
    program = """
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
for path, package, message in [
    ("github.com/moby/buildkit/solver/pb/ops.proto", "pb", "Op"),
    ("ops.proto", "ops", "Op"),
    ("control.proto", "moby.buildkit.v1", "SolveRequest"),
    ("stat.proto", "fsutil.types", "Stat"),
]:
    file = FileDescriptorProto(name=path, package=package)
    file.message_type.add(name=message)
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
"""
    python(program + "\n".join(f"import llb.pb.{each}" for each in MODULES))


@pytest.mark.parametrize("module", MODULES)
def test_names_in_the_pool_are_ours(module: str) -> None:
    descriptor = importlib.import_module(f"llb.pb.{module}").DESCRIPTOR
    assert descriptor.name == f"llb/pb/{module.removesuffix('_pb2')}.proto"
    assert descriptor.package == f"llb.{module.removesuffix('_pb2')}"


# ---- services ----


def test_methods_have_their_messages() -> None:
    all_of_them = list(methods())
    assert len(all_of_them) == 49
    for method in all_of_them:
        assert method.request.FromString(method.request().SerializeToString()) == method.request()
        assert method.response() == method.response()


def test_services_have_their_real_names() -> None:
    assert services.Control.Solve.path == "/moby.buildkit.v1.Control/Solve"
    assert services.LLBBridge.NAME == "moby.buildkit.v1.frontend.LLBBridge"
    assert services.FileSync.DiffCopy.path == "/moby.filesync.v1.FileSync/DiffCopy"
    assert services.FileSend.DiffCopy.path == "/moby.filesync.v1.FileSend/DiffCopy"
    assert services.Auth.Credentials.path == "/moby.filesync.v1.Auth/Credentials"
    assert services.Secrets.GetSecret.path == "/moby.buildkit.secrets.v1.Secrets/GetSecret"
    assert services.SSH.ForwardAgent.path == "/moby.sshforward.v1.SSH/ForwardAgent"
    assert services.Upload.Pull.path == "/moby.upload.v1.Upload/Pull"
    assert services.Content.Read.path == "/containerd.services.content.v1.Content/Read"
    assert services.Health.Check.path == "/grpc.health.v1.Health/Check"


def test_streams() -> None:
    streams = {
        method.path.rpartition("/")[2]: (method.request_stream, method.response_stream)
        for method in (services.Control.Solve, services.Control.Status, services.Control.Session)
    }
    assert streams == {"Solve": (False, False), "Status": (False, True), "Session": (True, True)}


# ---- messages ----


def test_an_op_and_back() -> None:
    op = ops.Op(
        inputs=[ops.Input(digest="sha256:" + 64 * "0", index=1)],
        exec=ops.ExecOp(
            meta=ops.Meta(args=["sh", "-c", "true"], env=["A=b"], cwd="/"),
            mounts=[
                ops.Mount(input=0, dest="/", output=0),
                ops.Mount(
                    input=-1,
                    dest="/cache",
                    output=-1,
                    mountType=ops.CACHE,
                    cacheOpt=ops.CacheOpt(ID="cache", sharing=ops.LOCKED),
                ),
            ],
            network=ops.HOST,
        ),
        platform=ops.Platform(OS="linux", Architecture="amd64"),
        constraints=ops.WorkerConstraints(),
    )
    data = op.SerializeToString(deterministic=True)
    assert ops.Op.FromString(data) == op
    assert op.WhichOneof("op") == "exec"

    definition = ops.Definition()
    getattr(definition, "def").append(data)  # a keyword, so no attribute of that name can be written
    definition.metadata["sha256:" + hashlib.sha256(data).hexdigest()].caps["exec.meta.base"] = True
    again = ops.Definition.FromString(definition.SerializeToString(deterministic=True))
    assert again == definition
    assert getattr(again, "def") == [data]


def test_known_bytes() -> None:
    """A few bytes written by hand: field numbers, varints of negative numbers, presence in a oneof."""
    assert ops.Input(digest="d", index=3).SerializeToString() == b"\x0a\x01d\x10\x03"
    assert ops.DiffOp(lower=ops.LowerDiffInput(input=-1)).SerializeToString() == (
        b"\x0a\x0b\x08" + b"\xff" * 9 + b"\x01"
    )
    assert ops.UserOpt(byID=0).SerializeToString() == b"\x10\x00"
    assert ops.Op(constraints=ops.WorkerConstraints()).SerializeToString() == b"\x5a\x00"
    assert gateway.ExecMessage(Done=gateway.DoneMessage()).SerializeToString() == b"\x3a\x00"


def test_errors_carry_details() -> None:
    """protobuf's own types are shared, not copied: an Any of anybody's goes into our Status."""
    detail = any_pb2.Any(
        type_url="github.com/moby/buildkit/errdefs.Vertex+json", value=b'{"digest":"sha256:1"}'
    )
    request = gateway.ReturnRequest(error=rpc.Status(code=2, message="no", details=[detail]))
    assert gateway.ReturnRequest.FromString(request.SerializeToString()).error.details[0] == detail
    assert errdefs.Vertex(digest="sha256:1").digest == "sha256:1"
