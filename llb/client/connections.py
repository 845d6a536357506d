"""Ways to an engine: each kind of address is one class here.

An open connection has a channel for the control API, and carries the bytes of a session.
"""

from __future__ import annotations

import errno
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, Self
from urllib.parse import quote, urlsplit

import grpc

from llb.client.carrying import StreamCarrier
from llb.client.http2 import Server
from llb.errors import EngineError

DEFAULT_ADDRESS = "unix:///run/buildkit/buildkitd.sock"
"""Where buildkitd listens if it is told nothing."""

HINT = (
    "Start BuildKit (`buildkitd`, or `docker run -d --privileged -p 127.0.0.1:1234:1234 moby/buildkit "
    "--addr tcp://0.0.0.0:1234`), or name one that runs: BUILDKIT_HOST=tcp://127.0.0.1:1234."
)

_CONNECT_TIMEOUT = 10.0
_MAX_METADATA = 16 << 20
"""Errors carry source files, and ignore lists have thousands of lines: both travel as metadata."""

CHANNEL_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", _MAX_METADATA),
    ("grpc.absolute_max_metadata_size", _MAX_METADATA),
    ("grpc.enable_retries", 0),  # a build that is sent twice is two builds
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # or a closed channel's connection would live on in the process
    ("grpc.service_config_disable_resolution", 1),
)


@dataclass(frozen=True, slots=True)
class TLS:
    """Files with what proves who is who on a `tcp://` connection. Without a CA, the system's are used."""

    ca: str | os.PathLike[str] | None = None
    """Certificates of who may have signed the engine's."""
    cert: str | os.PathLike[str] | None = None
    """Our own certificate, for an engine that asks."""
    key: str | os.PathLike[str] | None = None
    server_name: str = ""
    """The name in the engine's certificate, if it is not the address's host."""


class Carrier(Protocol):
    """What carries the bytes of a session between our server and the engine, until it is closed."""

    def close(self) -> None: ...

    @property
    def ended(self) -> bool:
        """Whether the engine, or the connection, has ended it."""
        ...


class Connection(ABC):
    """An open connection to an engine.

    A kind of address is a subclass: its `schemes`, how it is `opened`, and, where the engine does not take
    the session over the control API, how it is carried.
    """

    schemes: ClassVar[tuple[str, ...]] = ()
    image_exporter: ClassVar[str] = "image"
    """What makes a result into an image, and pushes it."""

    def __init__(self, address: str, channel: grpc.Channel) -> None:
        self.address = address
        self.channel = channel

    @classmethod
    @abstractmethod
    def opened(cls, address: str, tls: TLS | None) -> Self:
        """Connects.

        Raises:
            EngineError: there is no engine, or it cannot be used.
        """

    def carry_session(self, metadata: Sequence[tuple[str, str]], server: Server) -> Carrier:
        """Joins our end of a session to the engine.

        Args:
            metadata: what the engine is told of the session: its id, its methods.
            server: who serves it; it is closed with the carrier.
        """
        return StreamCarrier(self.channel, metadata, server)

    def close(self) -> None:
        """Closes the connection; calls that are under way fail."""
        self.channel.close()


class UnixConnection(Connection):
    """`unix:///run/buildkit/buildkitd.sock`"""

    schemes = ("unix",)

    @classmethod
    def opened(cls, address: str, tls: TLS | None) -> Self:
        path = address.removeprefix("unix:").removeprefix("//")
        if not path.startswith("/"):
            raise EngineError(
                f"the address {address} has no absolute path", hint=f"Write unix://{Path(path).absolute()}."
            )
        if tls is not None:
            raise EngineError(f"{address} is a local socket: it takes no TLS", hint="Leave tls= out.")
        with socket.socket(socket.AF_UNIX) as probe:  # grpcio's own errors say little
            probe.settimeout(_CONNECT_TIMEOUT)
            try:
                probe.connect(path)
            except OSError as error:
                raise unreachable(address, error, path) from None
        options = (*CHANNEL_OPTIONS, ("grpc.default_authority", "localhost"))
        return cls(address, grpc.insecure_channel(f"unix:{quote(path)}", options))


class TcpConnection(Connection):
    """`tcp://host:1234`, with or without TLS."""

    schemes = ("tcp",)

    @classmethod
    def opened(cls, address: str, tls: TLS | None) -> Self:
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or port is None:
            raise EngineError(f"the address {address} has no host and port", hint="Write tcp://host:1234.")
        try:
            socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT).close()
        except OSError as error:
            raise unreachable(address, error) from None
        target = f"dns:///[{host}]:{port}" if ":" in host else f"dns:///{host}:{port}"
        if tls is None:
            return cls(address, grpc.insecure_channel(target, CHANNEL_OPTIONS))
        credentials = grpc.ssl_channel_credentials(_read(tls.ca), _read(tls.key), _read(tls.cert))
        options = CHANNEL_OPTIONS
        if tls.server_name:
            options += (("grpc.ssl_target_name_override", tls.server_name),)
        connection = cls(address, grpc.secure_channel(target, credentials, options))
        try:
            grpc.channel_ready_future(connection.channel).result(timeout=_CONNECT_TIMEOUT)
        except grpc.FutureTimeoutError:
            connection.close()
            raise EngineError(
                f"{address} is there, but no TLS connection comes about",
                hint="Are the CA, the certificate and the key those of this engine, and still valid?",
            ) from None
        return connection


def _read(path: str | os.PathLike[str] | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise EngineError(f"the TLS file {path} cannot be read: {error.strerror}") from None


def unreachable(address: str, error: OSError, path: str = "") -> EngineError:
    """What a connection that does not come about means."""
    if error.errno in (errno.EACCES, errno.EPERM):
        owner = ""
        with suppress(OSError, KeyError):
            owner = f" (it belongs to {Path(path).owner()}:{Path(path).group()})"
        return EngineError(
            f"no permission to use the engine at {address}{owner}",
            hint="Run as its user or as a member of its group, or start a rootless BuildKit of your own.",
        )
    if error.errno == errno.ENOENT:
        return EngineError(f"no engine at {address}: there is no such socket", hint=HINT)
    if error.errno == errno.ECONNREFUSED:
        return EngineError(f"no engine at {address}: the connection is refused", hint=HINT)
    why = error.strerror or str(error) or type(error).__name__
    return EngineError(f"no engine at {address}: {why}", hint=HINT)
