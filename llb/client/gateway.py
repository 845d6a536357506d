"""The gateway in the client: a build in which this process asks, solves and returns, as a frontend does."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

import grpc

from llb.errors import RemoteError
from llb.gateway import Bridge, Result, RpcError
from llb.gateway.channel import GrpcCall, GrpcTransport, rpc_error
from llb.pb.control_pb2 import CacheOptions, CacheOptionsEntry, Exporter, SolveRequest, SolveResponse
from llb.pb.services import Control

_BUILD_ID = "buildkit-controlapi-buildid"


class _Solving(Protocol):
    """`Control.Solve` under way."""

    def result(self, timeout: float | None = None) -> SolveResponse: ...
    def done(self) -> bool: ...
    def cancel(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Export:
    """What becomes of a result: one of BuildKit's exporters and its attributes."""

    type: str
    """`image`, `oci`, `docker`, `tar`, `local`."""
    attrs: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache to import from, or to export to."""

    type: str
    """`registry`, `local`, `inline`, `gha`, `s3`, `azblob`."""
    attrs: Mapping[str, str] = field(default_factory=dict[str, str])


class Gateway:
    """A build whose frontend is this process. As a context manager it gives the `Bridge` to ask.

    Leaving it without having returned a result ends the build with nothing; leaving it by an exception
    cancels it.

    Args:
        channel: the connection to the engine.
        session: id of the session that serves local files, secrets and logins; empty for none.
        exports: what becomes of the result.
        cache_from: caches to import.
        cache_to: caches to export.
        entitlements: what the build may do beyond the usual, such as `network.host`.
        internal: keep the build out of the engine's history.
        ref: the build's name; default: a new one.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        *,
        session: str = "",
        exports: Sequence[Export] = (),
        cache_from: Sequence[Cache] = (),
        cache_to: Sequence[Cache] = (),
        entitlements: Sequence[str] = (),
        internal: bool = False,
        ref: str = "",
    ) -> None:
        self.ref = ref or uuid.uuid4().hex
        self._channel = channel
        self._request = SolveRequest(
            Ref=self.ref,
            Session=session,
            Exporters=[Exporter(Type=one.type, Attrs=one.attrs) for one in exports],
            Cache=CacheOptions(
                Exports=[CacheOptionsEntry(Type=one.type, Attrs=one.attrs) for one in cache_to],
                Imports=[CacheOptionsEntry(Type=one.type, Attrs=one.attrs) for one in cache_from],
            ),
            Entitlements=entitlements,
            Internal=internal,
        )
        if exports:  # daemons before 0.13 know one
            self._request.ExporterDeprecated = exports[0].type
            self._request.ExporterAttrsDeprecated.update(exports[0].attrs)
        self._calls = _Noting(channel, [(_BUILD_ID, self.ref)])
        self._solving: _Solving | None = None
        self.bridge = Bridge(self._calls)

    def __enter__(self) -> Bridge:
        method = Control.Solve
        call = self._channel.unary_unary(
            method.path, SolveRequest.SerializeToString, SolveResponse.FromString
        )
        self._solving = call.future(self._request)  # pyright: ignore[reportAttributeAccessIssue]
        return self.bridge

    def finish(self, result: Result) -> dict[str, str]:
        """Returns a result, and waits until it is exported.

        Returns:
            What the exporters say, such as `containerimage.digest`.

        Raises:
            RpcError: the daemon's error; that of the build rather than that of the call.
        """
        try:
            self.bridge.return_result(result).result()
        except RpcError as error:
            raise self.failure() or error from None
        return self.response()

    def response(self) -> dict[str, str]:
        """Waits for the end of the build: what the exporters say.

        Raises:
            RpcError: the build failed.
        """
        if self._solving is None:
            raise RemoteError("the build was not started")
        try:
            return dict(self._solving.result().ExporterResponse)
        except grpc.RpcError as error:
            raise rpc_error(error) from None

    def failure(self) -> RpcError | None:
        """Why the build itself has ended, if it has: calls after that only say that there is none."""
        if self._solving is None or not self._solving.done():
            return None
        try:
            self._solving.result()
        except grpc.RpcError as error:
            return rpc_error(error)
        except grpc.FutureCancelledError:
            return None
        return None

    def cancel(self) -> None:
        """Ends the build now."""
        if self._solving is not None:
            self._solving.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._solving is None:
            return
        if kind is None:
            if not self._solving.done():
                if not self._calls.returned:
                    self.finish(Result())
                else:
                    self.response()
            return
        known = self.failure() if isinstance(error, RpcError) else None
        self.cancel()
        if known is not None and known is not error:
            raise known from None


class _Noting(GrpcTransport):
    """Notes whether the build was told its result."""

    returned = False

    def start(self, method: str, request: bytes) -> GrpcCall:
        if method.endswith("/Return"):
            self.returned = True
        return super().start(method, request)
