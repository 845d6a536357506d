"""How the bytes of a session travel between our server and the engine."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

import grpc

from llb.client.http2 import ProtocolError, Server
from llb.pb.control_pb2 import BytesMessage
from llb.pb.services import Control

_PIECE = 1 << 20
"""How many bytes go in one message; the engine takes up to 16 MiB."""
_JOIN_TIMEOUT = 5.0


class _Messages(Protocol):
    def __iter__(self) -> Iterator[BytesMessage]: ...
    def cancel(self) -> bool: ...


class StreamCarrier:
    """Over `Control.Session`: each message of that call is a piece of the byte stream.

    Args:
        channel: the connection to the engine.
        metadata: what the engine is told of the session.
        server: who serves it.
    """

    def __init__(self, channel: grpc.Channel, metadata: Sequence[tuple[str, str]], server: Server) -> None:
        # Not bounded: what the server sends ahead is bounded by the engine's windows.
        self._pieces: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._server = server
        self._ended = False
        server.attach(self._pieces.put)
        method = Control.Session
        start = channel.stream_stream(method.path, BytesMessage.SerializeToString, BytesMessage.FromString)
        self._call: _Messages = start(self._outgoing(), metadata=tuple(metadata))  # pyright: ignore[reportAttributeAccessIssue]
        self._thread = threading.Thread(target=self._receive, name="llb-session", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return self._ended

    def _outgoing(self) -> Iterator[BytesMessage]:
        while (piece := self._pieces.get()) is not None:
            pieces, size = [piece], len(piece)
            with suppress(queue.Empty):
                while size < _PIECE:
                    piece = self._pieces.get_nowait()
                    if piece is None:
                        self._pieces.put(None)
                        break
                    pieces.append(piece)
                    size += len(piece)
            for at in range(0, size, _PIECE):
                yield BytesMessage(
                    data=b"".join(pieces)[at : at + _PIECE] if size > _PIECE else b"".join(pieces)
                )

    def _receive(self) -> None:
        with suppress(grpc.RpcError, ProtocolError):
            for message in self._call:
                self._server.feed(message.data)
        self._ended = True
        self._call.cancel()
        self._server.lost()

    def close(self) -> None:
        """Ends the session's stream, and waits until nothing of it is left."""
        self._pieces.put(None)
        self._call.cancel()
        self._thread.join(_JOIN_TIMEOUT)
        self._server.close()


class SocketCarrier:
    """Over a connection of its own.

    Args:
        connection: what is left of it after the greetings.
        ahead: bytes of the engine's that were read already.
        server: who serves it.
    """

    def __init__(self, connection: socket.socket, ahead: bytes, server: Server) -> None:
        self._connection = connection
        self._server = server
        self._lock = threading.Lock()
        self._ended = False
        self._ahead = ahead
        server.attach(self._send)
        self._thread = threading.Thread(target=self._receive, name="llb-session", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return self._ended

    def _send(self, data: bytes) -> None:
        with self._lock, suppress(OSError):
            self._connection.sendall(data)

    def _pieces(self) -> Iterable[bytes]:
        if self._ahead:
            yield self._ahead
        while piece := self._connection.recv(_PIECE):
            yield piece

    def _receive(self) -> None:
        with suppress(OSError, ProtocolError):
            for piece in self._pieces():
                self._server.feed(piece)
        self._ended = True
        self._server.lost()

    def close(self) -> None:
        """Closes the connection, and waits until nothing of it is left."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(_JOIN_TIMEOUT)
        self._connection.close()
        self._server.close()
