"""The gateway in the client, against a small engine in this process: how a build ends, whoever ends it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from llb.client import Client, EngineResolver, Export, connect
from llb.errors import BaseError
from llb.gateway import Ref, Result, RpcError
from llb.graph import LINUX_AMD64
from llb.image import ResolvedContext
from llb.image.resolver import Resolver
from llb.pb import caps_pb2, control_pb2, gateway_pb2
from llb.pb.services import Control, LLBBridge

CONFIG = b'{"architecture":"amd64","os":"linux","config":{}}'


class Engine(grpc.GenericRpcHandler):
    """Knows one base, and ends a build when it is told a result."""

    def __init__(self) -> None:
        self.solves: list[control_pb2.SolveRequest] = []
        self.returned: list[gateway_pb2.ReturnRequest] = []
        self.builds: set[str] = set()
        self.refuse = ""
        self.cancelled = threading.Event()
        self._result = threading.Event()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = handler_call_details.method
        known = {
            Control.Solve.path: (self.solve, control_pb2.SolveRequest),
            LLBBridge.Ping.path: (self.ping, gateway_pb2.PingRequest),
            LLBBridge.Return.path: (self.give_back, gateway_pb2.ReturnRequest),
            LLBBridge.ResolveImageConfig.path: (self.resolve, gateway_pb2.ResolveImageConfigRequest),
        }
        if method not in known:
            return None
        behaviour, request = known[method]
        return grpc.unary_unary_rpc_method_handler(behaviour, request.FromString, _encoded)

    def solve(self, request: control_pb2.SolveRequest, context: grpc.ServicerContext) -> Any:
        self.solves.append(request)
        if self.refuse:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, self.refuse)
        context.add_callback(self._ended)
        self._result.wait(20)
        return control_pb2.SolveResponse(ExporterResponse={"containerimage.digest": "sha256:1"})

    def _ended(self) -> None:
        if not self._result.is_set():
            self.cancelled.set()
            self._result.set()

    def ping(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._note(context)
        if self.refuse:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such job")
        caps = [caps_pb2.APICap(ID="mergeop", Enabled=True), caps_pb2.APICap(ID="old", Enabled=False)]
        return gateway_pb2.PongResponse(LLBCaps=caps)

    def give_back(self, request: gateway_pb2.ReturnRequest, context: grpc.ServicerContext) -> Any:
        self._note(context)
        self.returned.append(request)
        self._result.set()
        return gateway_pb2.ReturnResponse()

    def resolve(self, request: gateway_pb2.ResolveImageConfigRequest, context: grpc.ServicerContext) -> Any:
        if "busybox" not in request.Ref:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{request.Ref}: not found")
        return gateway_pb2.ResolveImageConfigResponse(
            Digest="sha256:" + "1" * 64, Config=CONFIG, Ref=request.Ref
        )

    def _note(self, context: grpc.ServicerContext) -> None:
        metadata = dict(context.invocation_metadata())
        self.builds.add(str(metadata.get("buildkit-controlapi-buildid", "")))


def _encoded(answer: Any) -> bytes:
    return answer.SerializeToString()


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool, [engine])
        server.add_insecure_port(f"unix:{folder}/s")
        server.start()
        with connect(f"unix://{folder}/s") as client:
            yield client
        server.stop(0).wait()


def test_a_result_that_is_returned_ends_the_build(client: Client, engine: Engine) -> None:
    gateway = client.gateway(
        session="s", exports=[Export("image", {"name": "x"}), Export("tar")], internal=True
    )
    with gateway as bridge:
        assert bridge.ping().result().llb_caps == {"mergeop"}
        assert gateway.finish(Result(Ref("r"))) == {"containerimage.digest": "sha256:1"}
    [request] = engine.solves
    assert not request.HasField("Definition")
    assert (request.Ref, request.Session, request.Internal) == (gateway.ref, "s", True)
    assert [one.Type for one in request.Exporters] == ["image", "tar"]
    assert request.ExporterDeprecated == "image"
    assert engine.builds == {gateway.ref}
    assert engine.returned[0].result.ref.id == "r"


def test_a_gateway_that_returns_nothing_ends_with_nothing(client: Client, engine: Engine) -> None:
    with client.gateway() as bridge:
        bridge.ping().result()
    assert engine.returned[0].result.ref.id == ""
    assert not engine.cancelled.is_set()


def test_an_exception_cancels_the_build(client: Client, engine: Engine) -> None:
    def build() -> None:
        with client.gateway() as bridge:
            bridge.ping().result()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build()
    assert engine.cancelled.wait(10)
    assert engine.returned == []


def test_why_a_build_was_refused_is_told_rather_than_that_there_is_none(
    client: Client, engine: Engine
) -> None:
    engine.refuse = "granting entitlement is not allowed"
    gateway = client.gateway(entitlements=["network.host"])

    def build() -> None:
        with gateway as bridge:
            with suppress(RpcError):
                gateway.response()  # until it is refused
            bridge.ping().result()

    with pytest.raises(RpcError, match="granting entitlement is not allowed"):
        build()


def test_a_resolver_asks_once_for_each_base(client: Client) -> None:
    with client.gateway() as bridge:
        resolver = EngineResolver(bridge)
        assert resolver.capabilities == {"mergeop"}
        resolver.prefetch([("docker.io/library/busybox:latest", LINUX_AMD64)])
        base = resolver.base("docker.io/library/busybox:latest", LINUX_AMD64)
        assert (base.digest, base.config) == ("sha256:" + "1" * 64, CONFIG)
        with pytest.raises(BaseError, match=r"gone:1 was not found"):
            resolver.base("docker.io/library/gone:1", LINUX_AMD64)


def test_an_input_stands_for_a_named_context(client: Client, tmp_path: Path) -> None:
    from llb import graph
    from llb.errors import InvalidError

    given = ResolvedContext(graph.marshal(graph.image("busybox")), CONFIG)
    with client.gateway() as bridge:
        resolver = EngineResolver(bridge, tmp_path, inputs={"base": given})
        assert resolver.named("debian", "input:base", LINUX_AMD64) is given
        assert resolver.named("debian", "local:x", LINUX_AMD64) is None
        with pytest.raises(InvalidError, match="which was not given"):
            resolver.named("debian", "input:other", LINUX_AMD64)
    assert isinstance(resolver, Resolver)
