"""A session: what the engine asks its client for while it builds.

The engine is the one who calls: over the byte stream of a session it speaks HTTP/2 to a gRPC server here.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import ClassVar, NoReturn, Self, TypeVar

from google.protobuf.message import Message

from llb.client.connections import Carrier, Connection
from llb.client.http2 import FAILED_PRECONDITION, Call, CallError, Handler, Server
from llb.errors import LLBError
from llb.pb.health_pb2 import HealthCheckRequest, HealthCheckResponse
from llb.pb.services import Health, Method

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response", bound=Message)


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

    def failed(self, error: LLBError) -> NoReturn:
        """Notes an error, and ends the call with it."""
        self.errors.append(error)
        raise CallError(FAILED_PRECONDITION, error.message)


class HealthService(Service):
    """Says that we are there: an engine that hears nothing for a while ends the session."""

    name = Health.NAME

    def handlers(self) -> Mapping[str, Handler]:
        return {"Check": unary(Health.Check, _serving)}


def _serving(_request: HealthCheckRequest) -> HealthCheckResponse:
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
        self._carrier: Carrier | None = None

    @property
    def errors(self) -> list[LLBError]:
        """What went wrong on our side, in order."""
        return [error for service in self._services for error in service.errors]

    @property
    def ended(self) -> bool:
        """Whether the engine has ended it."""
        return self._carrier is not None and self._carrier.ended

    def __enter__(self) -> Self:
        handlers = {
            f"/{service.name}/{name}": handler
            for service in self._services
            for name, handler in service.handlers().items()
        }
        metadata = [
            ("x-docker-expose-session-uuid", self.id),
            ("x-docker-expose-session-sharedkey", self._shared_key),
            *[("x-docker-expose-session-grpc-method", path) for path in handlers],
        ]
        self._carrier = self._connection.carry_session(metadata, Server(handlers))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._carrier is not None:
            self._carrier.close()


def unary(method: Method[_Request, _Response], answer: Callable[[_Request], _Response]) -> Handler:
    """A method with one request and one response; `answer` may raise `CallError`."""

    def handle(call: Call) -> Iterator[Sequence[bytes]]:
        request = method.request()
        for data in call.requests():
            request.ParseFromString(data)
        yield (answer(request).SerializeToString(),)

    return handle
