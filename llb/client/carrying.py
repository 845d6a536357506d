"""How the bytes of a session travel: between a socket of ours and the engine."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

import grpc

from llb.pb.control_pb2 import BytesMessage
from llb.pb.services import Control

_PIECE = 1 << 18
"""How many bytes go in one message; the engine takes up to 16 MiB."""
_PIECES = 16
"""How many of them wait for a slow connection before our side is stopped."""
_JOIN_TIMEOUT = 5.0


class StreamCarrier:
    """Over `Control.Session`: each message of that call is a piece of the byte stream.

    Args:
        channel: the connection to the engine.
        metadata: what the engine is told of the session.
        end: our socket; it is closed with this.
    """

    def __init__(
        self, channel: grpc.Channel, metadata: Sequence[tuple[str, str]], end: socket.socket
    ) -> None:
        self._end = end
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_PIECES)
        self._closed = threading.Event()
        method = Control.Session
        start = channel.stream_stream(method.path, BytesMessage.SerializeToString, BytesMessage.FromString)
        self._call = start(self._outgoing(), metadata=tuple(metadata))
        self._threads = [_thread("llb-session-out", self._read), _thread("llb-session-in", self._write)]

    @property
    def ended(self) -> bool:
        return self._closed.is_set()

    def _outgoing(self) -> Iterator[BytesMessage]:
        while True:
            piece = self._pieces.get()
            if piece is None:
                return
            yield BytesMessage(data=piece)

    def _read(self) -> None:
        """From our socket to the engine."""
        with suppress(OSError):
            while piece := self._end.recv(_PIECE):
                self._put(piece)
        self._put(None)

    def _put(self, piece: bytes | None) -> None:
        while True:
            try:
                return self._pieces.put(piece, timeout=0.2)
            except queue.Full:
                if self._closed.is_set():
                    return None

    def _write(self) -> None:
        """From the engine to our socket."""
        messages: Iterable[BytesMessage] = self._call
        with suppress(OSError, grpc.RpcError):
            for message in messages:
                self._end.sendall(message.data)
        self._closed.set()
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends the session's stream, and waits until nothing of it is left."""
        self._closed.set()
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._call.cancel()
        with suppress(queue.Full):
            self._pieces.put_nowait(None)
        for thread in self._threads:
            thread.join(_JOIN_TIMEOUT)
        self._end.close()


def _thread(name: str, run: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
