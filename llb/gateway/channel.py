"""The same calls over a grpcio channel: what a Python client uses, and the oracle of the other's tests."""

from __future__ import annotations

from llb.gateway.transport import UNAVAILABLE, ConnectionLostError, RpcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    import grpc

    class _Future(Protocol):
        def result(self) -> bytes: ...
        def done(self) -> bool: ...

    class _Failed(Protocol):
        """What an error of a future has besides: it is also a call, which its type does not say."""

        def code(self) -> grpc.StatusCode: ...
        def details(self) -> str | None: ...
        def trailing_metadata(self) -> Sequence[tuple[str, str | bytes]] | None: ...


_DETAILS = "grpc-status-details-bin"


def rpc_error(error: Exception) -> RpcError:
    """What a failed call of a channel raised, as the error that every transport raises.

    Args:
        error: a `grpc.RpcError` of a call.
    """
    failed: _Failed = error  # pyright: ignore[reportAssignmentType]
    code: int = failed.code().value[0]
    message = failed.details() or ""
    trailers = failed.trailing_metadata() or ()
    status = next((value for key, value in trailers if key == _DETAILS), b"")
    if code == UNAVAILABLE and not trailers:
        return ConnectionLostError(message)
    return RpcError(code, message, status if isinstance(status, bytes) else b"")


class GrpcCall:
    """A call on a `GrpcTransport`."""

    __slots__ = ("_future",)

    def __init__(self, future: _Future) -> None:
        self._future = future

    def result(self) -> bytes:
        """Waits for the response message."""
        import grpc

        try:
            return self._future.result()
        except grpc.RpcError as error:
            raise rpc_error(error) from None

    def ready(self) -> bool:
        """Whether the response is here."""
        return self._future.done()


class GrpcTransport:
    """Calls over a channel that somebody else opened and closes.

    Errors with source details are large: without the channel options `grpc.max_metadata_size` and
    `grpc.absolute_max_metadata_size`, grpcio refuses those of more than 8 KiB with an error of its own.

    Args:
        channel: an open grpcio channel.
        metadata: sent with each call, such as `buildkit-controlapi-buildid`.
    """

    def __init__(self, channel: grpc.Channel, metadata: Sequence[tuple[str, str]] = ()) -> None:
        self._channel = channel
        self._metadata = tuple(metadata)

    def start(self, method: str, request: bytes) -> GrpcCall:
        """Starts a call without waiting for it."""
        call = self._channel.unary_unary(method, _same, _same)
        return GrpcCall(call.future(request, metadata=self._metadata))


def _same(message: bytes) -> bytes:
    return message
