"""What a gateway needs of a connection: unary gRPC calls, many at a time."""

from __future__ import annotations

from llb.errors import RemoteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Call(Protocol):
        """A call under way."""

        def result(self) -> bytes:
            """Waits for the response message.

            Raises:
                RpcError: the call failed, or the connection did.
            """
            ...

        def ready(self) -> bool:
            """Whether `result` would not wait."""
            ...

    class Transport(Protocol):
        """A connection that carries unary gRPC calls."""

        def start(self, method: str, request: bytes) -> Call:
            """Starts a call without waiting for it: `method` is `/package.Service/Method`."""
            ...


OK = 0
CANCELLED = 1
UNKNOWN = 2
INVALID_ARGUMENT = 3
NOT_FOUND = 5
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14


class RpcError(RemoteError):
    """A call that failed.

    Args:
        code: gRPC status code.
        message: the daemon's message.
        status: the encoded `google.rpc.Status` with its details, as sent; empty if none was.
    """

    def __init__(self, code: int, message: str, status: bytes = b"") -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class ConnectionLostError(RpcError):
    """The connection ended or broke the protocol: every call on it fails with this."""

    def __init__(self, message: str) -> None:
        super().__init__(UNAVAILABLE, message)
