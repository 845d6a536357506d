"""What an engine says while it builds, as typed events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import grpc

from llb.gateway.channel import rpc_error
from llb.pb.control_pb2 import StatusRequest, StatusResponse
from llb.pb.services import Control

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp


@dataclass(frozen=True, slots=True)
class VertexEvent:
    """A step of the engine: known, started, done. A later event of a digest replaces an earlier one."""

    digest: str
    name: str
    inputs: tuple[str, ...] = ()
    started: float | None = None
    """Seconds since 1970; None: it waits."""
    completed: float | None = None
    cached: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """How far a part of a vertex is, such as the download of a layer. Later ones replace earlier ones."""

    vertex: str
    id: str
    name: str = ""
    current: int = 0
    total: int = 0
    started: float | None = None
    completed: float | None = None


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A piece of what a command wrote; not always whole lines."""

    vertex: str
    data: bytes
    stream: int = 1
    """1: standard output, 2: standard error."""
    time: float | None = None


@dataclass(frozen=True, slots=True)
class WarningEvent:
    """Something that is no error, such as a lint of a Dockerfile."""

    vertex: str
    short: str
    detail: tuple[str, ...] = ()
    url: str = ""
    level: int = 1
    filename: str = ""
    lines: tuple[tuple[int, int], ...] = ()


Event = VertexEvent | StatusEvent | LogEvent | WarningEvent


class _Stream(Protocol):
    def __iter__(self) -> Iterator[StatusResponse]: ...
    def cancel(self) -> bool: ...


class Events:
    """The events of one build, in order, until it ends. `close` ends the iteration from another thread.

    Args:
        channel: the connection to the engine.
        ref: the build's name.
    """

    def __init__(self, channel: grpc.Channel, ref: str) -> None:
        call = channel.unary_stream(
            Control.Status.path, StatusRequest.SerializeToString, StatusResponse.FromString
        )
        self._stream: _Stream = call(StatusRequest(Ref=ref))  # pyright: ignore[reportAttributeAccessIssue]
        self._closed = False

    def __iter__(self) -> Iterator[Event]:
        try:
            for response in self._stream:
                yield from events_of(response)
        except grpc.RpcError as error:
            if not self._closed:
                raise rpc_error(error) from None

    def close(self) -> None:
        self._closed = True
        self._stream.cancel()


def events_of(response: StatusResponse) -> Iterable[Event]:
    """The events of one message: vertices first, as the others belong to them."""
    for vertex in response.vertexes:
        yield VertexEvent(
            vertex.digest,
            vertex.name,
            tuple(vertex.inputs),
            _time(vertex.started) if vertex.HasField("started") else None,
            _time(vertex.completed) if vertex.HasField("completed") else None,
            vertex.cached,
            vertex.error,
        )
    for status in response.statuses:
        yield StatusEvent(
            status.vertex,
            status.ID,
            status.name,
            status.current,
            status.total,
            _time(status.started) if status.HasField("started") else None,
            _time(status.completed) if status.HasField("completed") else None,
        )
    for log in response.logs:
        yield LogEvent(log.vertex, log.msg, log.stream, _time(log.timestamp))
    for warning in response.warnings:
        yield WarningEvent(
            warning.vertex,
            warning.short.decode("utf-8", "replace"),
            tuple([line.decode("utf-8", "replace") for line in warning.detail]),
            warning.url,
            warning.level,
            warning.info.filename,
            tuple([(one.start.line, one.end.line) for one in warning.ranges]),
        )


def _time(stamp: Timestamp) -> float:
    return stamp.seconds + stamp.nanos / 1e9
