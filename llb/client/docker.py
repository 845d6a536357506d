"""The Docker Engine's own BuildKit: the control API and the session over connections that HTTP upgrades.

Source: https://docs.docker.com/reference/api/engine/ (`POST /grpc`, `POST /session`)
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit

import grpc

from llb.client.carrying import SocketCarrier
from llb.client.connections import CHANNEL_OPTIONS, TLS, Carrier, Connection, unreachable
from llb.client.http2 import Server
from llb.errors import EngineError

DOCKER_SOCKET = "/var/run/docker.sock"

_TIMEOUT = 30.0
_MAX_ANSWER = 64 << 10
_PIECE = 1 << 18
_MAX_PATH = 100
"""How long the name of a unix socket may be, nearly."""


class DockerConnection(Connection):
    """`docker://` (the engine of DOCKER_HOST, else the local one), `docker:///run/docker.sock`, `docker://host:2375`."""

    schemes = ("docker",)
    image_exporter = "moby"

    def __init__(
        self, address: str, channel: grpc.Channel, place: str | tuple[str, int], relay: _Relay
    ) -> None:
        super().__init__(address, channel)
        self._place = place
        self._relay = relay

    @classmethod
    def opened(cls, address: str, tls: TLS | None) -> Self:
        if tls is not None:
            raise EngineError(
                "a Docker Engine is reached without TLS only, so far",
                hint="Use its local socket: docker:///var/run/docker.sock.",
            )
        place = _place(address)
        connection, ahead = _upgraded(address, place, "/grpc", ())
        relay = _Relay(connection, ahead)
        return cls(address, relay.channel, place, relay)

    def carry_session(self, metadata: Sequence[tuple[str, str]], server: Server) -> Carrier:
        return SocketCarrier(*_upgraded(self.address, self._place, "/session", metadata), server)

    def close(self) -> None:
        super().close()
        self._relay.close()


def _place(address: str) -> str | tuple[str, int]:
    """Where the engine listens: a path, or host and port."""
    given = address.removeprefix("docker:").removeprefix("//")
    text = given or os.environ.get("DOCKER_HOST", "").strip() or f"unix://{DOCKER_SOCKET}"
    if text.startswith("/"):
        return text
    if text.startswith("unix://"):
        return text.removeprefix("unix://")
    try:
        parts = urlsplit(text if "://" in text else f"tcp://{text}")
        if parts.scheme in ("tcp", "http") and parts.hostname:
            return parts.hostname, parts.port or 2375
    except ValueError:
        pass
    raise EngineError(
        f"{text} is no address of a Docker Engine that can be reached from here",
        hint="Write docker:///var/run/docker.sock or docker://host:2375.",
    )


def _upgraded(
    address: str, place: str | tuple[str, int], path: str, headers: Sequence[tuple[str, str]]
) -> tuple[socket.socket, bytes]:
    """A connection that carries HTTP/2 after an upgrade, and what came behind the answer.

    Raises:
        EngineError: there is no engine, or it does not do this.
    """
    connection = socket.socket(socket.AF_UNIX) if isinstance(place, str) else None
    try:
        if connection is None:
            connection = socket.create_connection(place, timeout=_TIMEOUT)  # pyright: ignore[reportArgumentType]
        else:
            connection.settimeout(_TIMEOUT)
            connection.connect(place)
        lines = [
            f"POST {path} HTTP/1.1",
            "Host: docker",
            "Connection: Upgrade",
            "Upgrade: h2c",
            "Content-Length: 0",
            *[f"{name}: {value}" for name, value in headers],
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = connection.recv(_PIECE)
            answer += piece
            if not piece or len(answer) > _MAX_ANSWER:
                break
    except OSError as error:
        if connection is not None:
            connection.close()
        raise unreachable(address, error, place if isinstance(place, str) else "") from None
    head, _, ahead = answer.partition(b"\r\n\r\n")
    status = head.split(b"\r\n")[0].decode("latin-1")
    if " 101 " not in f"{status} ":
        connection.close()
        raise EngineError(
            f"what listens at {address} is no Docker Engine with BuildKit: it says {status or 'nothing'!r}",
            hint="A Docker Engine from version 18.09 on has it.",
        )
    connection.settimeout(None)
    return connection, ahead


class _Relay:
    """Lets grpcio, which dials sockets by their name, talk over a connection that is open already."""

    def __init__(self, connection: socket.socket, ahead: bytes) -> None:
        self._outside = connection
        folder = tempfile.mkdtemp(prefix="llb-")
        try:
            if len(os.fsencode(folder)) > _MAX_PATH:
                shutil.rmtree(folder)
                folder = tempfile.mkdtemp(prefix="llb-", dir="/tmp")
            path = str(Path(folder, "s"))
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
                listener.listen(1)
                listener.settimeout(_TIMEOUT)
                options = (*CHANNEL_OPTIONS, ("grpc.default_authority", "localhost"))
                self.channel = grpc.insecure_channel(f"unix:{quote(path)}", options)
                ready = grpc.channel_ready_future(self.channel)
                self._inside = listener.accept()[0]
                self._inside.settimeout(None)
                ready.cancel()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if ahead:
            self._inside.sendall(ahead)
        self._threads = [
            threading.Thread(target=_pass_on, args=ends, name="llb-docker", daemon=True)
            for ends in ((self._inside, self._outside), (self._outside, self._inside))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        for end in (self._inside, self._outside):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5.0)
        self._inside.close()
        self._outside.close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
