"""Both transports against a real grpcio server on a unix socket."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from llb.gateway import ConnectionLostError, GrpcTransport, RpcError, StdioTransport

if TYPE_CHECKING:
    from llb.gateway import Call, Transport

MiB = 1 << 20
OPTIONS = [
    ("grpc.max_receive_message_length", 64 * MiB),
    ("grpc.max_send_message_length", 64 * MiB),
    ("grpc.max_metadata_size", MiB),
    ("grpc.absolute_max_metadata_size", MiB),
]
STATUS = b"\x08\x05\x12\x04gone" + bytes(range(256)) * 40


class _Service(grpc.GenericRpcHandler):
    """Echoes, makes large messages, fails, sleeps: by the method's name."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        name = handler_call_details.method.rpartition("/")[2]
        behaviour: Callable[[bytes, grpc.ServicerContext], bytes] | None = getattr(self, f"on_{name}", None)
        return grpc.unary_unary_rpc_method_handler(behaviour) if behaviour else None

    def on_echo(self, request: bytes, _context: grpc.ServicerContext) -> bytes:
        return request

    def on_reverse(self, request: bytes, _context: grpc.ServicerContext) -> bytes:
        return request[::-1]

    def on_size(self, request: bytes, _context: grpc.ServicerContext) -> bytes:
        return b"%d" % len(request)

    def on_make(self, request: bytes, _context: grpc.ServicerContext) -> bytes:
        return b"x" * int(request)

    def on_fail(self, _request: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("grpc-status-details-bin", STATUS),))
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: 100 % “ja”\nsecond line")
        raise AssertionError

    def on_deny(self, _request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "")
        raise AssertionError

    def on_held(self, request: bytes, _context: grpc.ServicerContext) -> bytes:
        self.gate.wait(10)
        return request

    def on_open(self, _request: bytes, _context: grpc.ServicerContext) -> bytes:
        self.gate.set()
        return b"open"


class _Server:
    def __init__(self, directory: Path, *options: tuple[str, int]) -> None:
        self.service = _Service()
        self.path = str(directory / "s")
        self.server = grpc.server(ThreadPoolExecutor(40), options=[*OPTIONS, *options])
        self.server.add_generic_rpc_handlers((self.service,))
        self.server.add_insecure_port(f"unix:{self.path}")
        self.server.start()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[_Server]:
    made = _Server(tmp_path)
    yield made
    made.service.gate.set()
    made.server.stop(None).wait()


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


@pytest.fixture(params=["stdio", "pipes", "grpcio"])
def transport(request: pytest.FixtureRequest, server: _Server) -> Iterator[Transport]:
    if request.param == "grpcio":
        with grpc.insecure_channel(f"unix:{server.path}", options=OPTIONS) as channel:
            yield GrpcTransport(channel)
        return
    with _connect(server.path) as connection:
        if request.param == "stdio":
            yield StdioTransport(connection.fileno(), connection.fileno())
        else:
            yield from _through_pipes(connection)


def _through_pipes(connection: socket.socket) -> Iterator[Transport]:
    """As in the container: two pipes, small and slow, pumped to the socket."""
    to_read, to_fill = os.pipe()
    from_read, from_fill = os.pipe()

    def pump_out() -> None:
        while data := os.read(to_read, 700):
            with suppress(OSError):
                connection.sendall(data)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)

    def pump_in() -> None:
        with suppress(OSError):
            while data := connection.recv(5000):
                os.write(from_fill, data)
        os.close(from_fill)

    threads = [threading.Thread(target=pump) for pump in (pump_out, pump_in)]
    for thread in threads:
        thread.start()
    try:
        yield StdioTransport(from_read, to_fill)
    finally:
        os.close(to_fill)
        while os.get_blocking(from_read) or _drain(from_read):
            pass
        for thread in threads:
            thread.join()
        os.close(to_read)
        os.close(from_read)


def _drain(fd: int) -> bool:
    try:
        return bool(os.read(fd, 65536))
    except BlockingIOError:
        return True


def call(transport: Transport, name: str, request: bytes = b"") -> bytes:
    return transport.start(f"/test.Service/{name}", request).result()


@pytest.mark.parametrize("size", [0, 1, 5, 16379, 16384, 65535, 65536, 200_000, 5 * MiB + 1])
def test_messages_of_any_size(transport: Transport, size: int) -> None:
    assert call(transport, "size", b"q" * size) == b"%d" % size
    assert len(call(transport, "make", b"%d" % size)) == size


def test_content_survives(transport: Transport) -> None:
    data = random.Random(1).randbytes(MiB + 7)
    assert call(transport, "reverse", data) == data[::-1]


def test_more_than_the_connection_window_in_all(transport: Transport) -> None:
    for _ in range(4):
        assert len(call(transport, "echo", b"a" * (6 * MiB))) == 6 * MiB


def test_many_calls_at_once(transport: Transport) -> None:
    calls = [transport.start("/test.Service/echo", b"%d" % i * (1 + i * 97)) for i in range(300)]
    for i in reversed(range(300)):
        assert calls[i].result() == b"%d" % i * (1 + i * 97)


def test_large_calls_at_once(transport: Transport) -> None:
    calls = [transport.start("/test.Service/echo", bytes([i]) * (2 * MiB)) for i in range(12)]
    assert [one.result()[:1] for one in calls] == [bytes([i]) for i in range(12)]


def test_answers_come_in_any_order(transport: Transport) -> None:
    held = transport.start("/test.Service/held", b"late")
    assert call(transport, "echo", b"early") == b"early"
    assert call(transport, "open") == b"open"
    assert held.result() == b"late"
    assert held.result() == b"late"


def test_an_error_with_details(transport: Transport) -> None:
    with pytest.raises(RpcError) as caught:
        call(transport, "fail")
    assert caught.value.code == 5
    assert caught.value.message == "no such thing: 100 % “ja”\nsecond line"
    assert caught.value.status == STATUS
    assert call(transport, "echo", b"still there") == b"still there"


def test_an_error_without_details(transport: Transport) -> None:
    with pytest.raises(RpcError) as caught:
        call(transport, "deny", b"x" * MiB)
    assert caught.value.code == 7
    assert caught.value.status == b""


def test_a_method_that_nobody_knows(transport: Transport) -> None:
    with pytest.raises(RpcError) as caught:
        call(transport, "nothing")
    assert caught.value.code == 12


def test_errors_and_answers_mixed(transport: Transport) -> None:
    calls = [transport.start(f"/test.Service/{'fail' if i % 3 else 'echo'}", b"%d" % i) for i in range(90)]
    for i, one in enumerate(calls):
        if i % 3:
            with pytest.raises(RpcError):
                one.result()
        else:
            assert one.result() == b"%d" % i


def test_a_server_that_goes_away(transport: Transport, server: _Server) -> None:
    calls = [transport.start("/test.Service/held", b"x") for _ in range(5)]
    assert call(transport, "echo", b"up") == b"up"
    stopped = server.server.stop(None)
    for one in calls:
        with pytest.raises(RpcError):
            one.result()
    server.service.gate.set()
    stopped.wait()
    with pytest.raises(RpcError):
        call(transport, "echo", b"after the end")


def test_few_streams_at_once(tmp_path: Path) -> None:
    limited = _Server(tmp_path, ("grpc.max_concurrent_streams", 2))
    try:
        with _connect(limited.path) as connection:
            transport = StdioTransport(connection.fileno(), connection.fileno())
            assert call(transport, "echo", b"settings are known now") == b"settings are known now"
            calls = [transport.start("/test.Service/echo", b"%d" % i) for i in range(20)]
            assert [one.result() for one in calls] == [b"%d" % i for i in range(20)]
    finally:
        limited.server.stop(None).wait()


# -- what only a bad peer does


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


SETTINGS = frame(4, 0, 0)
OK_HEADERS = frame(1, 4, 1, b"\x88")
OK_TRAILERS = frame(1, 5, 1, b"\x40\x0bgrpc-status\x010")
MESSAGE = frame(0, 0, 1, b"\x00\x00\x00\x00\x02hi")


def _against(*sent: bytes, close: bool = True) -> Call:
    """A call to a peer that sends these bytes, whatever it is asked."""
    ours, theirs = socket.socketpair()
    _open.extend((ours, theirs))

    def send() -> None:
        with suppress(OSError):
            theirs.sendall(b"".join(sent))
            if close:
                theirs.shutdown(socket.SHUT_WR)

    threading.Thread(target=send, daemon=True).start()
    return StdioTransport(ours.fileno(), ours.fileno()).start("/test.Service/echo", b"hello")


_open: list[socket.socket] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    yield
    while _open:
        _open.pop().close()


def test_the_shortest_good_answer() -> None:
    assert _against(SETTINGS, OK_HEADERS, MESSAGE, OK_TRAILERS).result() == b"hi"


def test_frames_that_are_legal_but_rare() -> None:
    unknown = frame(0x42, 0xFF, 7, b"?")
    priority = frame(2, 0, 1, b"\x00" * 5)
    padded = frame(0, 8, 1, b"\x03\x00\x00\x00\x00\x02hi\x00\x00\x00")
    split = frame(1, 1, 1, b"\x40\x0bgrpc-st") + frame(9, 0, 1, b"atus") + frame(9, 4, 1, b"\x010")
    padded_headers = frame(1, 4 | 8 | 0x20, 1, b"\x02\x00\x00\x00\x00\x00\x88\x00\x00")
    answer = _against(SETTINGS, unknown, priority, padded_headers, frame(6, 0, 0, b"12345678"), padded, split)
    assert answer.result() == b"hi"


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ([], "closed the connection"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "HTTP/1.1 400"),
        ([b"\x00" * 64], "does not speak HTTP/2"),
        ([random.Random(2).randbytes(4096)], "does not speak HTTP/2"),
        ([OK_HEADERS], "does not speak HTTP/2"),
        ([SETTINGS, b"\xff\xff\xff\x00\x00\x00\x00\x00\x01"], "a frame of 16777215 bytes"),
        ([SETTINGS, frame(5, 4, 1, b"\x00\x00\x00\x02")], "nobody asked for"),
        ([SETTINGS, frame(9, 4, 1, b"")], "nobody asked for"),
        ([SETTINGS, frame(1, 0, 1, b"\x88"), MESSAGE], "interrupted"),
        ([SETTINGS, OK_HEADERS, MESSAGE], "closed the connection"),
        ([SETTINGS, frame(7, 0, 0, b"\x00\x00\x00\x00\x00\x00\x00\x0benough")], "enough"),
        ([SETTINGS, OK_HEADERS, MESSAGE, frame(1, 5, 1, b"\xff\xff\xff\xff\xff\xff")], "cannot be decoded"),
        ([SETTINGS, frame(1, 0, 1, b"a" * 200_000), *[frame(9, 0, 1, b"a" * 250_000)] * 5], "without end"),
    ],
)
def test_a_broken_connection_is_one_clear_error(sent: list[bytes], says: str) -> None:
    with pytest.raises(ConnectionLostError, match=says):
        _against(*sent).result()


@pytest.mark.parametrize(
    ("sent", "code", "says"),
    [
        ([OK_HEADERS, OK_TRAILERS], 13, "not one plain gRPC message"),
        ([OK_HEADERS, frame(0, 0, 1, b"<html>no</html>"), OK_TRAILERS], 13, "not one plain gRPC message"),
        (
            [OK_HEADERS, frame(0, 0, 1, b"\x01\x00\x00\x00\x02hi"), OK_TRAILERS],
            13,
            "not one plain gRPC message",
        ),
        ([OK_HEADERS, frame(0, 1, 1, b"\x00\x00\x00\x00\x02hi")], 13, "without a status"),
        ([OK_HEADERS, MESSAGE, frame(1, 5, 1, b"\x00\x01a\x01b")], 2, "without a status"),
        ([frame(1, 5, 1, b"\x08\x03503")], 14, "HTTP status 503"),
        ([frame(3, 0, n, b"\x00\x00\x00\x07") for n in range(1, 100, 2)], 14, "HTTP/2 error 7"),
        ([OK_HEADERS, frame(3, 0, 1, b"\x00\x00\x00\x0b")], 8, "HTTP/2 error 11"),
        ([frame(1, 5, 1, b"\x88\x00\x0bgrpc-status\x0212\x00\x0cgrpc-message\x05a%zzb")], 12, "a%zzb"),
    ],
)
def test_a_broken_answer_fails_its_call(sent: list[bytes], code: int, says: str) -> None:
    with pytest.raises(RpcError, match=says) as caught:
        _against(SETTINGS, *sent, close=False).result()
    assert caught.value.code == code


def test_pings_and_settings_are_answered() -> None:
    ours, theirs = socket.socketpair()
    _open.extend((ours, theirs))
    transport = StdioTransport(ours.fileno(), ours.fileno())
    call = transport.start("/test.Service/echo", b"hello")
    theirs.sendall(SETTINGS + frame(6, 0, 0, b"12345678") + OK_HEADERS + MESSAGE + OK_TRAILERS)
    assert call.result() == b"hi"
    transport.poll()
    received = theirs.recv(65536)
    assert received.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert frame(4, 1, 0) in received
    assert frame(6, 1, 0, b"12345678") in received


def test_a_window_that_shrinks_and_grows() -> None:
    """The peer allows 3 bytes a stream, later more by update and by settings: the request arrives whole."""
    ours, theirs = socket.socketpair()
    _open.extend((ours, theirs))
    transport = StdioTransport(ours.fileno(), ours.fileno())
    theirs.sendall(frame(4, 0, 0, b"\x00\x04\x00\x00\x00\x03"))
    transport.poll()
    call = transport.start("/test.Service/echo", b"0123456789")
    transport.poll()
    theirs.sendall(frame(8, 0, 1, (4).to_bytes(4, "big")))
    transport.poll()
    theirs.sendall(frame(4, 0, 0, b"\x00\x04\x00\x00\x00\x20") + OK_HEADERS + MESSAGE + OK_TRAILERS)
    transport.poll()
    assert call.result() == b"hi"
    received = theirs.recv(65536)
    frames: list[tuple[int, bytes]] = []
    at = 24
    while at < len(received):
        size = int.from_bytes(received[at : at + 3], "big")
        frames.append((received[at + 3], received[at + 9 : at + 9 + size]))
        at += 9 + size
    data = [payload for kind, payload in frames if kind == 0]
    assert [len(part) for part in data] == [3, 4, 8]
    assert b"".join(data) == b"\x00\x00\x00\x00\x0a0123456789"


def test_an_abandoned_connection_is_left_alone() -> None:
    ours, theirs = socket.socketpair()
    _open.extend((ours, theirs))
    transport = StdioTransport(ours.fileno(), ours.fileno())
    transport.abandon()
    with pytest.raises(ConnectionLostError):
        transport.start("/test.Service/echo", b"hello").result()
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
