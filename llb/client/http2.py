"""A gRPC server for one peer, over any pair of byte streams: what a session needs, and no more.

The engine is the only client of a session, and its bytes come as messages of another call. grpcio serves
sockets only, and takes 0.1 to 0.3 ms for each message of a stream; a context of 10,000 files has 30,000. Here
messages go in bursts, as many as there are.

Source: RFC 9113 (HTTP/2), RFC 7541 (HPACK), https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from urllib.parse import quote, unquote

from hpack import Decoder, HPACKError

from llb.errors import RemoteError
from llb.gateway.http2 import header_string

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_DATA, _HEADERS, _PRIORITY, _RST_STREAM, _SETTINGS, _PUSH_PROMISE = range(6)
_PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = range(6, 10)
_END_STREAM = _ACK = 0x1
_END_HEADERS = 0x4
_PADDED = 0x8
_PRIORITIZED = 0x20
_INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE, _MAX_HEADER_LIST_SIZE = 4, 5, 6
_CANCEL = 8

_WINDOW = 65535
"""How much may be sent before the peer says more."""
_STREAM_WINDOW = 4 << 20
_CONNECTION_WINDOW = 64 << 20
_FRAME_SIZE = 1 << 20
"""The longest frame we take."""
_MAX_HEADERS = 16 << 20
"""The longest header block we take: patterns of what is sent travel in one."""
_MAX_MESSAGE = 64 << 20
_QUEUED = 1 << 20
"""How many bytes of messages may wait to be taken before the peer is stopped."""

OK = 0
CANCELLED = 1
UNKNOWN = 2
NOT_FOUND = 5
FAILED_PRECONDITION = 9
UNIMPLEMENTED = 12


class CallError(Exception):
    """What ends a call with another status than OK."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ProtocolError(RemoteError):
    """The peer does not speak HTTP/2 as it is written."""


class Call:
    """One call of the peer's: its metadata, its messages, and whether it still waits for an answer."""

    def __init__(
        self, stream: int, path: str, metadata: Sequence[tuple[str, str]], grant: Callable[[int], object]
    ) -> None:
        self.stream = stream
        self.path = path
        self.metadata = tuple(metadata)
        self.window = _WINDOW
        self._grant = grant
        self._buffer = bytearray()
        self._messages: deque[bytes] = deque()
        self._queued = 0
        self._owed = 0
        self._changed = threading.Condition()
        self._complete = False
        self._ended = False
        self._callbacks: list[Callable[[], object]] = []

    @property
    def complete(self) -> bool:
        """Whether all its messages have come."""
        return self._complete

    @property
    def ended(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._ended

    def on_end(self, callback: Callable[[], object]) -> None:
        """Has something called when nobody waits for the answer any more; at once, if that is so already."""
        with self._changed:
            if not self._ended:
                self._callbacks.append(callback)
                return
        callback()

    def requests(self) -> Iterator[bytes]:
        """The messages, as they come.

        Raises:
            CallError: the call was ended before they were complete.
        """
        while True:
            with self._changed:
                while not self._messages and not self._complete and not self._ended:
                    self._changed.wait()
                if self._ended:
                    raise CallError(CANCELLED, "the call was ended")
                if not self._messages:
                    return
                message = self._messages.popleft()
                self._queued -= len(message)
                grant = self._owed if self._queued < _QUEUED else 0
                self._owed -= grant
            if grant:
                self._grant(grant)
            yield message

    # -- for the connection

    def received(self, data: bytes | memoryview, last: bool) -> int:
        """Takes a piece of the stream; gives how many bytes of it the peer may send anew at once.

        Raises:
            ProtocolError: a message is too large, compressed, or incomplete.
        """
        with self._changed:
            self._buffer += data
            while len(self._buffer) >= 5:
                size = int.from_bytes(self._buffer[1:5], "big")
                if self._buffer[0] or size > _MAX_MESSAGE:
                    raise ProtocolError(f"a message of {size} bytes, or a compressed one")
                if len(self._buffer) < 5 + size:
                    break
                self._messages.append(bytes(self._buffer[5 : 5 + size]))
                self._queued += size
                del self._buffer[: 5 + size]
            if last:
                if self._buffer:
                    raise ProtocolError("a stream that ends within a message")
                self._complete = True
            self._changed.notify_all()
            if self._queued < _QUEUED:
                return len(data)
            self._owed += len(data)
            return 0

    def end(self) -> None:
        with self._changed:
            if self._ended:
                return
            self._ended = True
            callbacks, self._callbacks = self._callbacks, []
            self._changed.notify_all()
        for callback in callbacks:
            callback()


Handler = Callable[[Call], Iterable[Sequence[bytes]]]
"""Answers a call with bursts of messages; each is sent before the next one is asked for."""


class Server:
    """Serves one connection.

    Args:
        handlers: by path, `/package.Service/Method`.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = dict(handlers)
        self._send: Callable[[bytes], object] = lambda _: None
        self._buffer = bytearray()
        self._greeted = False
        self._decoder = Decoder()
        self._decoder.max_header_list_size = _MAX_HEADERS
        self._headers: tuple[int, bool, bytearray] | None = None
        self._calls: dict[int, Call] = {}
        self._threads: set[threading.Thread] = set()
        self._flow = threading.Condition()
        """Guards what follows, and the windows of the calls."""
        self._window = _WINDOW
        self._initial_window = _WINDOW
        self._frame_size = 16384
        self._closed = False

    def attach(self, send: Callable[[bytes], object]) -> None:
        """Says where bytes for the peer go. It must not block for long."""
        self._send = send
        settings = b"".join(
            key.to_bytes(2, "big") + value.to_bytes(4, "big")
            for key, value in (
                (_INITIAL_WINDOW_SIZE, _STREAM_WINDOW),
                (_MAX_FRAME_SIZE, _FRAME_SIZE),
                (_MAX_HEADER_LIST_SIZE, _MAX_HEADERS),
            )
        )
        send(frame(_SETTINGS, 0, 0, settings))
        self._grant(0, _CONNECTION_WINDOW - _WINDOW)

    def feed(self, data: bytes) -> None:
        """Takes bytes of the peer's.

        Raises:
            ProtocolError: they are not what they should be: the connection is of no use any more.
        """
        buffer = self._buffer
        buffer += data
        if not self._greeted:
            if not PREFACE.startswith(bytes(buffer[: len(PREFACE)])):
                raise ProtocolError("the engine does not speak HTTP/2 on its session")
            if len(buffer) < len(PREFACE):
                return
            del buffer[: len(PREFACE)]
            self._greeted = True
        at = 0
        while len(buffer) - at >= 9:
            size = int.from_bytes(buffer[at : at + 3], "big")
            if size > _FRAME_SIZE:
                raise ProtocolError(f"a frame of {size} bytes")
            if len(buffer) - at < 9 + size:
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big") & 0x7FFFFFFF
            payload = bytes(buffer[at + 9 : at + 9 + size])
            at += 9 + size
            self._frame(kind, flags, stream, payload)
        del buffer[:at]

    def lost(self) -> None:
        """The connection is gone: nobody waits for anything any more."""
        with self._flow:
            self._closed = True
            calls = list(self._calls.values())
            self._flow.notify_all()
        for call in calls:
            call.end()

    def close(self, timeout: float = 5.0) -> None:
        """Ends all calls, and waits for what answers them."""
        self.lost()
        for thread in tuple(self._threads):
            thread.join(timeout)

    # -- frames

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._headers is not None and kind != _CONTINUATION:
            raise ProtocolError("a header block that is not continued")
        if kind == _DATA:
            self._data(flags, stream, payload)
        elif kind == _HEADERS:
            payload = _unpadded(flags, payload)
            block = payload[5:] if flags & _PRIORITIZED else payload
            self._block(flags, stream, block)
        elif kind == _CONTINUATION:
            if self._headers is None or self._headers[0] != stream:
                raise ProtocolError("a continuation of nothing")
            self._block(flags, stream, payload)
        elif kind == _RST_STREAM:
            with self._flow:
                call = self._calls.pop(stream, None)
                self._flow.notify_all()
            if call is not None:
                call.end()
        elif kind == _SETTINGS and not flags & _ACK:
            self._settings(payload)
        elif kind == _PING and not flags & _ACK:
            self._send(frame(_PING, _ACK, 0, payload))
        elif kind == _WINDOW_UPDATE and len(payload) == 4:
            self._window_update(stream, int.from_bytes(payload, "big") & 0x7FFFFFFF)

    def _settings(self, payload: bytes) -> None:
        with self._flow:
            for at in range(0, len(payload) - 5, 6):
                key = int.from_bytes(payload[at : at + 2], "big")
                value = int.from_bytes(payload[at + 2 : at + 6], "big")
                if key == _INITIAL_WINDOW_SIZE:
                    for call in self._calls.values():
                        call.window += value - self._initial_window
                    self._initial_window = value
                elif key == _MAX_FRAME_SIZE:
                    self._frame_size = max(16384, min(value, _FRAME_SIZE))
            self._flow.notify_all()
        self._send(frame(_SETTINGS, _ACK, 0))

    def _window_update(self, stream: int, more: int) -> None:
        with self._flow:
            if stream == 0:
                self._window += more
            elif stream in self._calls:
                self._calls[stream].window += more
            self._flow.notify_all()

    def _block(self, flags: int, stream: int, piece: bytes) -> None:
        if self._headers is None:
            self._headers = (stream, bool(flags & _END_STREAM), bytearray())
        _, last, block = self._headers
        block += piece
        if len(block) > _MAX_HEADERS:
            raise ProtocolError("a header block without end")
        if not flags & _END_HEADERS:
            return
        self._headers = None
        try:
            fields = [
                (_text(name), _text(value)) for name, value in self._decoder.decode(bytes(block), raw=True)
            ]
        except HPACKError as error:
            raise ProtocolError(f"a header block that cannot be read: {error}") from None
        if stream in self._calls:  # trailers
            self._calls[stream].received(b"", last)
            return
        path = next((value for name, value in fields if name == ":path"), "")
        metadata = [(name, value) for name, value in fields if not name.startswith(":")]
        call = Call(stream, path, metadata, lambda more: self._grant(stream, more))
        with self._flow:
            if self._closed:
                return
            call.window = self._initial_window
            self._calls[stream] = call
        if last:
            call.received(b"", True)
        thread = threading.Thread(target=self._answer, args=(call,), name=f"llb-session {path}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _data(self, flags: int, stream: int, payload: bytes) -> None:
        size = len(payload)
        call = self._calls.get(stream)
        if call is None:
            self._grant(0, size)
            return
        data = _unpadded(flags, payload)
        more = call.received(data, bool(flags & _END_STREAM)) + size - len(data)
        self._grant(0, size)  # a stream that is not taken stops itself only
        if not flags & _END_STREAM:
            self._grant(stream, more)

    def _grant(self, stream: int, more: int) -> None:
        if more:
            self._send(frame(_WINDOW_UPDATE, 0, stream, more.to_bytes(4, "big")))

    # -- answers

    def _answer(self, call: Call) -> None:
        code, message, headers = OK, "", _RESPONSE
        try:
            handler = self._handlers.get(call.path)
            if handler is None:
                raise CallError(UNIMPLEMENTED, f"{call.path} is not served")
            self._send(frame(_HEADERS, _END_HEADERS, call.stream, headers))
            headers = b""
            for burst in handler(call):
                self._write(call, burst)
        except CallError as error:
            code, message = error.code, error.message
        except Exception as error:  # noqa: BLE001 - a handler's own mistake ends its call, not the session
            code, message = UNKNOWN, f"{type(error).__name__}: {error}"
        finally:
            self._threads.discard(threading.current_thread())
        with self._flow:
            waits = self._calls.pop(call.stream, None) is not None and not self._closed
        if waits:
            with suppress(Exception):
                self._send(
                    frame(
                        _HEADERS, _END_HEADERS | _END_STREAM, call.stream, headers + _trailers(code, message)
                    )
                )
                if not call.complete:  # the rest of the requests is of no use
                    self._send(frame(_RST_STREAM, 0, call.stream, (0).to_bytes(4, "big")))
        call.end()

    def _write(self, call: Call, messages: Sequence[bytes]) -> None:
        parts: list[bytes] = []
        for message in messages:
            parts += (b"\0" + len(message).to_bytes(4, "big"), message)
        data = memoryview(b"".join(parts))
        while data:
            with self._flow:
                while not self._closed and not call.ended and min(self._window, call.window) <= 0:
                    self._flow.wait()
                if self._closed or call.ended:
                    raise CallError(CANCELLED, "nobody listens")
                size = min(len(data), self._window, call.window)
                self._window -= size
                call.window -= size
            frames: list[bytes | memoryview] = []
            for at in range(0, size, self._frame_size):
                piece = data[at : min(at + self._frame_size, size)]
                frames += (_head(_DATA, 0, call.stream, len(piece)), piece)
            self._send(b"".join(frames))
            data = data[size:]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return _head(kind, flags, stream, len(payload)) + payload


def _head(kind: int, flags: int, stream: int, size: int) -> bytes:
    return (size << 16 | kind << 8 | flags).to_bytes(5, "big") + stream.to_bytes(4, "big")


def _unpadded(flags: int, payload: bytes) -> bytes:
    if not flags & _PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ProtocolError("padding that is longer than its frame")
    return payload[1 : len(payload) - payload[0]]


def _literal(name: str, value: str) -> bytes:
    """A header that enters no table, as plain text."""
    return b"\0" + header_string(name.encode()) + header_string(value.encode())


_RESPONSE = b"\x88" + _literal("content-type", "application/grpc")  # 0x88: :status: 200


def _trailers(code: int, message: str) -> bytes:
    text = quote(message.encode("utf-8", "replace"), safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")
    return _literal("grpc-status", str(code)) + (_literal("grpc-message", text) if message else b"")


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


def message_of(trailer: str) -> str:
    """A `grpc-message` as it was meant."""
    return unquote(trailer, errors="replace")
