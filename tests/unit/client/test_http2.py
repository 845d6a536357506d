"""The session's server, with grpcio as its client: the oracle of what it speaks; and what hostile bytes do to it."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llb.client.carrying import SocketCarrier
from llb.client.connections import CHANNEL_OPTIONS
from llb.client.http2 import NOT_FOUND, PREFACE, Call, CallError, ProtocolError, Server, frame

MiB = 1 << 20


class Handlers:
    """What the server does, by the method's name."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()
        self.taken = 0

    def echo(self, call: Call) -> Iterator[Sequence[bytes]]:
        yield list(call.requests())

    def each(self, call: Call) -> Iterator[Sequence[bytes]]:
        for message in call.requests():
            yield (message,)

    def size(self, call: Call) -> Iterator[Sequence[bytes]]:
        yield (b"%d" % sum(len(message) for message in call.requests()),)

    def make(self, call: Call) -> Iterator[Sequence[bytes]]:
        [count] = call.requests()
        for number in range(int(count)):
            yield (b"%d" % number, b"x" * 1000)

    def metadata(self, call: Call) -> Iterator[Sequence[bytes]]:
        yield [f"{name}={value}".encode() for name, value in call.metadata if name.startswith("x-")]

    def fail(self, call: Call) -> Iterator[Sequence[bytes]]:
        raise CallError(NOT_FOUND, "no such thing: 100 % “ja”\nsecond line")

    def late(self, call: Call) -> Iterator[Sequence[bytes]]:
        yield (b"first",)
        raise CallError(NOT_FOUND, "then")

    def broken(self, call: Call) -> Iterator[Sequence[bytes]]:
        raise ZeroDivisionError("oops")
        yield ()

    def wait(self, call: Call) -> Iterator[Sequence[bytes]]:
        call.on_end(self.ended.set)
        self.began.set()
        self.ended.wait(60)
        yield ()

    def slow(self, call: Call) -> Iterator[Sequence[bytes]]:
        for message in call.requests():
            self.taken += len(message)
            time.sleep(0.002)
        yield (b"%d" % self.taken,)


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
def channel(handlers: Handlers) -> Iterator[grpc.Channel]:
    names = [name for name in dir(handlers) if not name.startswith("_") and callable(getattr(handlers, name))]
    server = Server({f"/s/{name}": getattr(handlers, name) for name in names})
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/s")
        listener.listen()
        with grpc.insecure_channel(f"unix:{folder}/s", CHANNEL_OPTIONS) as channel:
            ready = grpc.channel_ready_future(channel)
            carrier = SocketCarrier(listener.accept()[0], b"", server)
            ready.result(10)
            yield channel
        carrier.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("llb")]


def call_of(channel: grpc.Channel, name: str, messages: Iterator[bytes], **more: Any) -> Any:
    return channel.stream_stream(f"/s/{name}", _same, _same)(messages, **more)


def _same(message: bytes) -> bytes:
    return message


def stream(channel: grpc.Channel, name: str, *messages: bytes, **metadata: str) -> list[bytes]:
    given = tuple((f"x-{key}", value) for key, value in metadata.items())
    return list(call_of(channel, name, iter(messages), metadata=given, timeout=120))


def test_messages_come_and_go(channel: grpc.Channel) -> None:
    assert stream(channel, "echo", b"a", b"", b"b" * 100) == [b"a", b"", b"b" * 100]
    assert stream(channel, "each", b"a", b"b") == [b"a", b"b"]
    assert stream(channel, "echo") == []


def test_messages_larger_than_every_window(channel: grpc.Channel) -> None:
    data = os.urandom(16 * MiB)
    assert stream(channel, "echo", data) == [data]
    assert stream(channel, "size", *[data[:MiB]] * 40) == [b"%d" % (40 * MiB)]


def test_many_messages(channel: grpc.Channel) -> None:
    found = stream(channel, "make", b"5000")
    assert len(found) == 10_000
    assert found[::2] == [b"%d" % number for number in range(5000)]


def test_many_calls_at_once(channel: grpc.Channel) -> None:
    def call(number: int) -> list[bytes]:
        return stream(channel, "each", *[b"%d" % number] * 20)

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(call, range(100)))
    assert found == [[b"%d" % number] * 20 for number in range(100)]


def test_a_slow_taker_stops_only_its_own_stream(channel: grpc.Channel, handlers: Handlers) -> None:
    def pieces() -> Iterator[bytes]:
        yield from [b"x" * (64 << 10)] * 400

    slow: Any = channel.stream_unary("/s/slow", _same, _same).future(pieces(), timeout=120)
    time.sleep(0.1)
    assert stream(channel, "echo", b"quick") == [b"quick"]
    assert not slow.done()
    assert slow.result() == b"%d" % (400 * (64 << 10))


def test_metadata_of_any_length(channel: grpc.Channel) -> None:
    patterns = "*." + "p" * 300_000
    assert stream(channel, "metadata", a="1", b=patterns) == [b"x-a=1", f"x-b={patterns}".encode()]


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("fail", grpc.StatusCode.NOT_FOUND, "no such thing: 100 % “ja”\nsecond line"),
        ("late", grpc.StatusCode.NOT_FOUND, "then"),
        ("broken", grpc.StatusCode.UNKNOWN, "ZeroDivisionError: oops"),
        ("nothing", grpc.StatusCode.UNIMPLEMENTED, "/s/nothing is not served"),
    ],
)
def test_errors_end_their_call_only(channel: grpc.Channel, name: str, code: object, says: str) -> None:
    call = call_of(channel, name, iter([b"x"]))
    with pytest.raises(grpc.RpcError):
        list(call)
    assert (call.code(), call.details()) == (code, says)
    assert stream(channel, "echo", b"a") == [b"a"]


def test_a_call_that_is_cancelled_is_told(channel: grpc.Channel, handlers: Handlers) -> None:
    call = call_of(channel, "wait", iter([b"x"]))
    assert handlers.began.wait(20)
    call.cancel()
    assert handlers.ended.wait(20)
    assert stream(channel, "echo", b"a") == [b"a"]


def test_a_connection_that_is_lost_ends_its_calls(channel: grpc.Channel, handlers: Handlers) -> None:
    call_of(channel, "wait", iter([b"x"]))
    assert handlers.began.wait(20)
    channel.close()
    assert handlers.ended.wait(20)


def fed(*pieces: bytes) -> bytes:
    """What a server says to some bytes."""
    out: list[bytes] = []
    server = Server({"/s/echo": Handlers().echo})
    server.attach(out.append)
    try:
        for piece in pieces:
            server.feed(piece)
    finally:
        server.close()
    return b"".join(out)


def test_pings_are_answered_whatever_the_pieces() -> None:
    ping = PREFACE + frame(4, 0, 0) + frame(6, 0, 0, b"12345678")
    assert frame(6, 1, 0, b"12345678") in fed(ping)
    assert frame(6, 1, 0, b"12345678") in fed(*[ping[at : at + 1] for at in range(len(ping))])


CALL = frame(1, 4, 1, b"\x83\x04\x07/s/echo")

HOSTILE = {
    "not HTTP/2": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a frame without end": PREFACE + b"\xff\xff\xff\0\0\0\0\0\1",
    "a header block that is none": PREFACE + frame(1, 4, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    "a header block that is not continued": PREFACE + frame(1, 0, 1, b"\x83") + frame(0, 0, 1, b""),
    "a continuation of nothing": PREFACE + frame(9, 4, 1, b""),
    "padding longer than its frame": PREFACE + frame(1, 4 | 8, 1, b"\x09"),
    "a compressed message": PREFACE + CALL + frame(0, 0, 1, b"\1\0\0\0\1x"),
    "a message without end": PREFACE + CALL + frame(0, 0, 1, b"\0\xff\xff\xff\xff"),
    "half a message": PREFACE + CALL + frame(0, 1, 1, b"\0\0\0\0\5x"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_http2_ends_the_session(name: str) -> None:
    with pytest.raises(ProtocolError):
        fed(HOSTILE[name])


FRAMES = st.builds(
    frame,
    st.integers(0, 12),
    st.integers(0, 255),
    st.integers(0, 5),
    st.binary(max_size=40) | st.just(b"\x83\x04\x07/s/echo"),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(FRAMES, max_size=12), st.binary(max_size=30))
def test_no_bytes_do_worse_than_end_it(frames: list[bytes], rest: bytes) -> None:
    with suppress(ProtocolError):
        fed(PREFACE + b"".join(frames) + rest)
