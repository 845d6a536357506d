"""Unary gRPC over a pair of file descriptors: the frontend container's stdin and stdout.

The daemon speaks HTTP/2 with prior knowledge there. grpcio cannot dial a pipe and costs 65 to 100 ms to
import, so this is a small client of its own: many unary calls at once, no threads. Nothing happens in the
background: bytes are read, and the rest of a large request is sent, while somebody waits for any result.

Headers are sent as literals, and the peer is told to keep no header table, so each header block stands alone.
Only blocks that are not the usual ones of a success are decoded, by the `hpack` library, imported then.

Source: RFC 9113 (HTTP/2), RFC 7541 (HPACK), https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import os
from errno import EAGAIN, EINTR
from select import POLLIN, POLLOUT, poll

from llb.gateway.transport import (
    CANCELLED,
    INTERNAL,
    PERMISSION_DENIED,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    UNIMPLEMENTED,
    UNKNOWN,
    ConnectionLostError,
    RpcError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_DATA, _HEADERS, _PRIORITY, _RST_STREAM, _SETTINGS, _PUSH_PROMISE = range(6)
_PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = range(6, 10)

_END_STREAM = _ACK = 0x1
_END_HEADERS = 0x4
_PADDED = 0x8
_PRIORITIZED = 0x20

_HEADER_TABLE_SIZE, _ENABLE_PUSH, _MAX_STREAMS, _INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE = range(1, 6)

_REFUSED = 7
_ATTEMPTS = 20
_CANCEL = (8).to_bytes(4, "big")

_STREAM_WINDOW = 4 << 20
"""How much of one response the daemon may send ahead."""
_CONNECTION_WINDOW = 16 << 20
_FRAME_SIZE = 1 << 18
"""The longest frame we take."""
_MAX_HEADERS = 1 << 20
"""The longest header block we take: error details travel in one."""
_MAX_MESSAGE = 64 << 20
"""The longest response we take; BuildKit's own limit is 16 MiB."""
_READ_SIZE = 1 << 16


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    head = len(payload) << 16 | kind << 8 | flags
    return head.to_bytes(5, "big") + stream.to_bytes(4, "big") + payload


def _setting(identifier: int, value: int) -> bytes:
    return identifier.to_bytes(2, "big") + value.to_bytes(4, "big")


def header_string(text: bytes) -> bytes:
    """A string of a header block, plain. HPACK integers with a 7-bit prefix carry its length."""
    size = len(text)
    if size < 127:
        return bytes((size,)) + text
    out = bytearray((127,))
    size -= 127
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    out.append(size)
    return bytes(out) + text


def _request_headers(path: str) -> bytes:
    # Pseudo-headers come first, or the peer ends the connection. 3 and 6 are entries of the static table,
    # 4, 1 and 31 are names there; the rest is literal.
    return b"".join(
        (
            b"\x83\x86",  # :method: POST, :scheme: http
            b"\x04" + header_string(path.encode()),
            b"\x01" + header_string(b"localhost"),
            b"\x0f\x10" + header_string(b"application/grpc"),  # content-type
            b"\x00" + header_string(b"te") + header_string(b"trailers"),
        )
    )


_STATUS_OK = (
    # "grpc-status: 0" as a literal to be indexed, not, or never; the name Huffman-coded (by Go) or plain.
    *(kind + b"\x88\x9a\xca\xc8\xb2\x124\xda\x8f\x010" for kind in (b"\x40", b"\x00", b"\x10")),
    *(kind + b"\x0bgrpc-status\x010" for kind in (b"\x40", b"\x00", b"\x10")),
)


class StdioCall:
    """A call on a `StdioTransport`."""

    __slots__ = (
        "_transport",
        "body",
        "done",
        "error",
        "headers",
        "method",
        "outgoing",
        "refusals",
        "request",
        "stream",
        "unacknowledged",
        "window",
    )

    def __init__(self, transport: StdioTransport, method: str, request: bytes) -> None:
        self._transport = transport
        self.method = method
        self.request = request
        self.refusals = 0
        """How often the peer had no room for another stream."""
        self.stream = 0
        self.outgoing: memoryview | None = memoryview(request)
        """What of the request is not sent yet; None when all of it is."""
        self.window = 0
        """How much of it the peer would take now."""
        self.body = bytearray()
        self.unacknowledged = 0
        """How much of the response came since the peer last heard that it may send more."""
        self.headers = False
        """Whether the response's headers came."""
        self.done = False
        self.error: RpcError | None = None

    def result(self) -> bytes:
        """Waits for the response message."""
        self._transport.wait(self)
        if self.error is not None:
            raise self.error
        return bytes(memoryview(self.body)[5:])

    def ready(self) -> bool:
        """Whether the response is here; looks, but does not wait."""
        if not self.done:
            self._transport.poll()
        return self.done

    def fail(self, error: RpcError) -> None:
        if not self.done:
            self.error = error
            self.done = True
            self.outgoing = None
            self.body = bytearray()


class StdioTransport:
    """An HTTP/2 client over two descriptors (which may be the same, of a socket). It closes neither."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._in = read_fd
        self._out = write_fd
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)
        self._unsent = bytearray(
            _PREFACE
            + _frame(
                _SETTINGS,
                0,
                0,
                _setting(_HEADER_TABLE_SIZE, 0)
                + _setting(_ENABLE_PUSH, 0)
                + _setting(_INITIAL_WINDOW_SIZE, _STREAM_WINDOW)
                + _setting(_MAX_FRAME_SIZE, _FRAME_SIZE),
            )
            + _frame(_WINDOW_UPDATE, 0, 0, (_CONNECTION_WINDOW - 65535).to_bytes(4, "big"))
        )
        self._unread = bytearray()
        self._calls: dict[int, StdioCall] = {}
        self._queued: list[StdioCall] = []
        """Calls whose request is not sent in full, oldest first."""
        self._waiting: list[StdioCall] = []
        """Calls that wait until the peer allows another stream."""
        self._next_stream = 1
        self._window: int = 65535
        self._peer_window = 65535
        self._peer_frame = 16384
        self._peer_streams = 1 << 31
        self._unacknowledged = 0
        self._greeted = False
        self._block: tuple[int, bool, bytearray] | None = None
        """A header block that goes on in the next frame: stream, whether the stream ends with it, bytes."""
        self._lost: ConnectionLostError | None = None
        self._closing: str = ""

    # -- what a user of the transport calls

    def start(self, method: str, request: bytes) -> StdioCall:
        """Starts a call and sends what the peer takes of it at once."""
        message = b"\x00" + len(request).to_bytes(4, "big") + request
        call = StdioCall(self, method, message)
        if self._lost is not None:
            call.fail(self._lost)
        elif self._closing:
            call.fail(ConnectionLostError(self._closing))
        else:
            self._waiting.append(call)
            self._open_streams()
            self._flush()
        return call

    def poll(self) -> None:
        """Does what can be done without waiting: reads what has come, sends what the peer takes."""
        if self._lost is None:
            self._read()
            self._flush()

    def wait(self, call: StdioCall) -> None:
        """Reads and writes until a call is done."""
        while not call.done:
            self._flush()
            if self._read():
                continue
            waiter = poll()
            if self._in == self._out:
                waiter.register(self._in, POLLIN | (POLLOUT if self._unsent else 0))
            else:
                waiter.register(self._in, POLLIN)
                if self._unsent:
                    waiter.register(self._out, POLLOUT)
            waiter.poll()
        self._flush()

    def abandon(self) -> None:
        """Never touches the descriptors again: for a forked child, to whom the connection does not belong."""
        self._lose("the connection belongs to another process")

    def take_over(self) -> None:
        """Goes on in a forked child, for a parent that will never touch the connection again.

        What the parent has sent since the fork is not known, so streams begin far above its own.
        """
        self._lost = None
        self._next_stream = (1 << 30) + 1
        self._unread.clear()
        self._unsent.clear()

    # -- sending

    def _open_streams(self) -> None:
        while self._waiting and len(self._calls) < self._peer_streams:
            call = self._waiting.pop(0)
            call.stream = self._next_stream
            call.window = self._peer_window
            call.outgoing = memoryview(call.request)
            self._next_stream += 2
            self._calls[call.stream] = call
            self._unsent += _frame(_HEADERS, _END_HEADERS, call.stream, _request_headers(call.method))
            self._queued.append(call)
        self._fill()

    def _fill(self) -> None:
        """Queues as much of the requests as the windows allow."""
        for call in list(self._queued):
            while call.outgoing is not None:
                size = min(len(call.outgoing), self._window, call.window, self._peer_frame)
                if size <= 0:
                    break
                last = size == len(call.outgoing)
                flags = _END_STREAM if last else 0
                self._unsent += _frame(_DATA, flags, call.stream, bytes(call.outgoing[:size]))
                call.outgoing = None if last else call.outgoing[size:]
                call.window -= size
                self._window -= size
            if call.outgoing is None:
                self._queued.remove(call)

    def _flush(self) -> None:
        while self._unsent and self._lost is None:
            try:
                written = os.write(self._out, self._unsent)
            except OSError as error:
                if error.errno == EAGAIN:
                    return
                if error.errno != EINTR:
                    self._lose(f"the connection to BuildKit broke: {error.strerror}")
                continue
            del self._unsent[:written]

    # -- receiving

    def _read(self) -> bool:
        """Reads once without blocking; whether anything came."""
        try:
            data = os.read(self._in, _READ_SIZE)
        except OSError as error:
            if error.errno in (EAGAIN, EINTR):
                return error.errno == EINTR
            self._lose(f"the connection to BuildKit broke: {error.strerror}")
            return True
        if not data:
            self._lose(self._closing or "BuildKit closed the connection")
            return True
        self._unread += data
        self._parse()
        return True

    def _parse(self) -> None:
        buffer = self._unread
        at, end = 0, len(buffer)
        while self._lost is None and end - at >= 9:
            size = buffer[at] << 16 | buffer[at + 1] << 8 | buffer[at + 2]
            kind, flags = buffer[at + 3], buffer[at + 4]
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big") & 0x7FFFFFFF
            if not self._greeted and (kind != _SETTINGS or stream or flags & _ACK or size % 6):
                self._violated(f"it began with {bytes(buffer[:24])!r}")
                break
            if size > _FRAME_SIZE:
                self._violated(f"a frame of {size} bytes")
                break
            if end - at - 9 < size:
                break
            payload = bytes(buffer[at + 9 : at + 9 + size])
            at += 9 + size
            try:
                self._take(kind, flags, stream, payload)
            except (IndexError, ValueError) as error:
                self._violated(str(error))
        del buffer[:at]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block is not None:
            if kind != _CONTINUATION or stream != self._block[0]:
                raise ValueError("a header block that is interrupted")
            self._block[2].extend(payload)
            if len(self._block[2]) > _MAX_HEADERS:
                raise ValueError("headers without end")
            if flags & _END_HEADERS:
                _, ends, block = self._block
                self._block = None
                self._take_headers(stream, ends, bytes(block))
        elif kind == _DATA:
            self._take_data(stream, payload, flags)
        elif kind == _HEADERS:
            if flags & _PADDED:
                payload = payload[1 : len(payload) - payload[0]]
            if flags & _PRIORITIZED:
                payload = payload[5:]
            if flags & _END_HEADERS:
                self._take_headers(stream, bool(flags & _END_STREAM), payload)
            else:
                self._block = (stream, bool(flags & _END_STREAM), bytearray(payload))
        elif kind == _SETTINGS:
            self._greeted = True
            if not flags & _ACK:
                self._take_settings(payload)
        elif kind == _WINDOW_UPDATE:
            increment = int.from_bytes(payload, "big") & 0x7FFFFFFF
            if not stream:
                self._window += increment
            elif (call := self._calls.get(stream)) is not None:
                call.window += increment
            self._fill()
        elif kind == _PING:
            if not flags & _ACK:
                self._unsent += _frame(_PING, _ACK, 0, payload)
        elif kind == _RST_STREAM:
            self._take_reset(stream, int.from_bytes(payload, "big"))
        elif kind == _GOAWAY:
            self._take_goaway(payload)
        elif kind in (_PUSH_PROMISE, _CONTINUATION):
            raise ValueError(f"a frame of type {kind} that nobody asked for")

    def _take_settings(self, payload: bytes) -> None:
        for at in range(0, len(payload) - 5, 6):
            identifier = int.from_bytes(payload[at : at + 2], "big")
            value = int.from_bytes(payload[at + 2 : at + 6], "big")
            if identifier == _INITIAL_WINDOW_SIZE:
                for call in self._calls.values():
                    call.window += value - self._peer_window
                self._peer_window = value
            elif identifier == _MAX_FRAME_SIZE:
                self._peer_frame = value
            elif identifier == _MAX_STREAMS:
                self._peer_streams = value
        self._unsent += _frame(_SETTINGS, _ACK, 0)
        self._open_streams()

    def _take_data(self, stream: int, payload: bytes, flags: int) -> None:
        size = len(payload)
        self._unacknowledged += size
        if self._unacknowledged >= _CONNECTION_WINDOW // 2:
            self._unsent += _frame(_WINDOW_UPDATE, 0, 0, self._unacknowledged.to_bytes(4, "big"))
            self._unacknowledged = 0
        call = self._calls.get(stream)
        if call is None:  # it was ended on our side, and the peer does not know yet
            return
        if flags & _PADDED:
            payload = payload[1 : size - payload[0]]
        call.body += payload
        if len(call.body) > _MAX_MESSAGE:
            self._unsent += _frame(_RST_STREAM, 0, stream, _CANCEL)
            error = RpcError(RESOURCE_EXHAUSTED, f"a response of more than {_MAX_MESSAGE >> 20} MiB")
            self._finish(call, error)
        elif flags & _END_STREAM:
            self._finish(call, RpcError(INTERNAL, "a response without a status"))
        else:
            call.unacknowledged += size
            if call.unacknowledged >= _STREAM_WINDOW // 2:
                self._unsent += _frame(_WINDOW_UPDATE, 0, stream, call.unacknowledged.to_bytes(4, "big"))
                call.unacknowledged = 0

    def _take_headers(self, stream: int, ends: bool, block: bytes) -> None:
        call = self._calls.get(stream)
        if call is None:
            return
        if not call.headers:
            call.headers = True
            if not ends and (block[:1] == b"\x88" or block[:2] == b"\x20\x88"):  # ":status: 200"
                return
            headers = _decode(block)
            if headers.get(":status") != "200":
                error = RpcError(
                    UNAVAILABLE, f"the other end answered with HTTP status {headers.get(':status')}"
                )
                self._finish(call, error)
            elif ends:  # an error that has no message: its status is in these
                self._finish(call, _status(headers))
        elif ends:
            if any(known in block for known in _STATUS_OK):
                self._finish(call, _complete(call.body))
            else:
                self._finish(call, _status(_decode(block)) or _complete(call.body))

    def _take_reset(self, stream: int, code: int) -> None:
        call = self._calls.get(stream)
        if call is None:
            return
        if code == _REFUSED and not call.headers and call.refusals < _ATTEMPTS:
            # The peer still counts a stream whose end we have seen already; it has not looked at the call.
            del self._calls[stream]
            if call in self._queued:
                self._queued.remove(call)
            call.refusals += 1
            self._waiting.insert(0, call)
            if not self._calls:
                self._open_streams()
        else:
            kinds = {7: UNAVAILABLE, 8: CANCELLED, 11: RESOURCE_EXHAUSTED, 12: PERMISSION_DENIED}
            error = RpcError(kinds.get(code, INTERNAL), f"BuildKit ended the call (HTTP/2 error {code})")
            self._finish(call, error)

    def _take_goaway(self, payload: bytes) -> None:
        last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        code = int.from_bytes(payload[4:8], "big")
        reason = payload[8:].decode("utf-8", "replace")
        self._closing = f"BuildKit ended the connection (HTTP/2 error {code}{reason and ': ' + reason})"
        error = ConnectionLostError(self._closing)
        for stream, call in list(self._calls.items()):
            if stream > last:
                self._finish(call, error)
        for call in self._waiting:
            call.fail(error)
        self._waiting.clear()

    def _finish(self, call: StdioCall, error: RpcError | None) -> None:
        self._calls.pop(call.stream, None)
        if call.outgoing is not None:  # the peer answered without reading the rest of the request
            self._unsent += _frame(_RST_STREAM, 0, call.stream, _CANCEL)
            if call in self._queued:
                self._queued.remove(call)
            call.outgoing = None
        if error is not None:
            call.fail(error)
        call.done = True
        if self._waiting:
            self._open_streams()

    def _violated(self, what: str) -> None:
        self._lose(f"the other end does not speak HTTP/2 as it should: {what}")

    def _lose(self, why: str) -> None:
        self._lost = self._lost or ConnectionLostError(why)
        self._unsent.clear()
        for call in (*self._calls.values(), *self._waiting):
            call.fail(self._lost)
        self._calls.clear()
        self._waiting.clear()
        self._queued.clear()


def _complete(body: bytearray) -> RpcError | None:
    """What is wrong with a response that has status 0; None if it is one uncompressed message."""
    if len(body) >= 5 and body[0] == 0 and int.from_bytes(body[1:5], "big") == len(body) - 5:
        return None
    return RpcError(INTERNAL, "a response that is not one plain gRPC message")


def _decode(block: bytes) -> dict[str, str]:
    from hpack import Decoder
    from hpack.exceptions import HPACKError

    decoder = Decoder(max_header_list_size=_MAX_HEADERS)
    decoder.header_table_size = 0
    decoder.max_allowed_table_size = 0
    try:
        pairs: Iterable[tuple[bytes, bytes]] = decoder.decode(block, raw=True)
        return {bytes(name).decode("latin-1"): bytes(value).decode("latin-1") for name, value in pairs}
    except HPACKError as error:
        raise ValueError(f"headers that cannot be decoded ({error})") from None


def _status(headers: dict[str, str]) -> RpcError | None:
    """The error that a call's last headers tell of, if any."""
    code = headers.get("grpc-status", "")
    if not code.isdigit():
        return RpcError(UNKNOWN, "a response without a status")
    if int(code) == 0:
        return None
    from binascii import Error, a2b_base64

    details = headers.get("grpc-status-details-bin", "").split(",")[0]
    try:
        status = a2b_base64(details + "=" * (-len(details) % 4))
    except Error:
        status = b""
    message = _percent_decode(headers.get("grpc-message", ""))
    if int(code) == UNIMPLEMENTED and not message:
        message = "the daemon does not know this call"
    return RpcError(int(code), message or f"gRPC status {code}", status)


def _percent_decode(text: str) -> str:
    head, *rest = text.encode("latin-1").split(b"%")
    out = bytearray(head)
    for part in rest:
        try:
            out.append(int(part[:2], 16))
            out += part[2:]
        except ValueError:
            out += b"%" + part
    return out.decode("utf-8", "replace")
