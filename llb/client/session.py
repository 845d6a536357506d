"""A session: what the engine asks its client for while it builds.

The engine is the one who calls: over the byte stream of a session it speaks HTTP/2 to a gRPC server here.
grpcio serves sockets only, so a socket of our own, which nobody else can find, lies between.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import quote

import grpc

from llb.client.connections import CHANNEL_OPTIONS, Carrier, Connection
from llb.errors import EngineError, LLBError
from llb.pb.health_pb2 import HealthCheckRequest, HealthCheckResponse
from llb.pb.services import Health, Method

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Handler = grpc.RpcMethodHandler

_THREADS = 256
"""Calls at the same time; threads are made as they are needed. The engine's health checks need one more."""
_GRACE = 2.0


class Service(ABC):
    """Something that a session does for the engine."""

    name: ClassVar[str]
    """The gRPC service, `moby.filesync.v1.FileSync`."""

    def __init__(self) -> None:
        self.errors: list[LLBError] = []
        """What went wrong on our side; the engine only hears that something did."""

    @abstractmethod
    def handlers(self) -> Mapping[str, Handler]:
        """What answers each method, by its name."""

    def failed(self, error: LLBError, context: grpc.ServicerContext, code: grpc.StatusCode) -> None:
        """Notes an error, and ends the call with it."""
        self.errors.append(error)
        context.abort(code, error.message)


class HealthService(Service):
    """Says that we are there: an engine that hears nothing for a while ends the session."""

    name = Health.NAME

    def handlers(self) -> Mapping[str, Handler]:
        return {"Check": unary(Health.Check, _serving)}


def _serving(_request: HealthCheckRequest, _context: grpc.ServicerContext) -> HealthCheckResponse:
    return HealthCheckResponse(status=HealthCheckResponse.SERVING)


class Session:
    """Services for one build. A context manager: the engine can call between entering and leaving.

    Args:
        connection: the engine.
        services: what it may ask for. It is told of these only, so it asks for nothing else.
        shared_key: the same for builds whose local directories are the same: the engine's copies of them are
            kept by it.
    """

    def __init__(self, connection: Connection, services: Sequence[Service], *, shared_key: str = "") -> None:
        self.id = uuid.uuid4().hex
        self._connection = connection
        self._services = (*services, HealthService())
        self._shared_key = shared_key
        self._server: grpc.Server | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._carrier: Carrier | None = None

    @property
    def errors(self) -> list[LLBError]:
        """What went wrong on our side, in order."""
        return [error for service in self._services for error in service.errors]

    @property
    def ended(self) -> bool:
        """Whether the engine has ended it."""
        return self._carrier is not None and self._carrier.ended

    def _metadata(self) -> list[tuple[str, str]]:
        methods = [f"/{service.name}/{name}" for service in self._services for name in service.handlers()]
        return [
            ("x-docker-expose-session-uuid", self.id),
            ("x-docker-expose-session-sharedkey", self._shared_key),
            *[("x-docker-expose-session-grpc-method", method) for method in methods],
        ]

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="llb-session")
        self._server = grpc.server(
            self._pool,
            [
                grpc.method_handlers_generic_handler(service.name, dict(service.handlers()))
                for service in self._services
            ],
            options=CHANNEL_OPTIONS,
        )
        try:
            self._carrier = self._connection.carry_session(self._metadata(), self._listen(self._server))
        except BaseException:
            self._stop()
            raise
        return self

    @staticmethod
    def _listen(server: grpc.Server) -> socket.socket:
        """Starts to serve, on a socket with one peer: us."""
        folder = tempfile.mkdtemp(prefix="llb-")
        try:
            path = os.path.join(folder, "s")
            if len(os.fsencode(path)) > 100:  # a unix socket's name is short
                shutil.rmtree(folder)
                folder = tempfile.mkdtemp(prefix="llb-", dir="/tmp")
                path = os.path.join(folder, "s")
            try:
                server.add_insecure_port(f"unix:{quote(path)}")
            except RuntimeError as error:
                raise EngineError(f"a session cannot be served in {folder}: {error}") from None
            server.start()
            end = socket.socket(socket.AF_UNIX)
            try:
                end.connect(path)
            except OSError:
                end.close()
                raise
            return end
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _stop(self) -> None:
        if self._carrier is not None:
            self._carrier.close()
        if self._server is not None:
            self._server.stop(_GRACE).wait()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()


def unary(method: Method[Any, Any], behaviour: Any) -> Handler:
    """A method with one request and one response."""
    return grpc.unary_unary_rpc_method_handler(
        behaviour, method.request.FromString, method.response.SerializeToString
    )


def raw_streams(behaviour: Any) -> Handler:
    """A method with streams of messages both ways, as bytes."""
    return grpc.stream_stream_rpc_method_handler(behaviour)
