"""Which engine: by its address, or the one that is there."""

from __future__ import annotations

import os
from pathlib import Path

from llb.client.connections import DEFAULT_ADDRESS, TLS, Connection, TcpConnection, UnixConnection
from llb.client.docker import DOCKER_SOCKET, DockerConnection
from llb.errors import EngineError

CONNECTIONS: tuple[type[Connection], ...] = (UnixConnection, TcpConnection, DockerConnection)
"""All kinds of addresses."""


def default_address() -> str:
    """The engine to use if none is named.

    In this order: `BUILDKIT_HOST`; where buildkitd listens by default, if there is something; the Docker
    Engine of `DOCKER_HOST`; the local Docker Engine, if there is one.
    """
    given = os.environ.get("BUILDKIT_HOST", "").strip()
    if given:
        return given
    if Path(DEFAULT_ADDRESS.removeprefix("unix://")).exists():
        return DEFAULT_ADDRESS
    if os.environ.get("DOCKER_HOST", "").strip() or Path(DOCKER_SOCKET).exists():
        return "docker://"
    return DEFAULT_ADDRESS


def open_connection(address: str, tls: TLS | None = None) -> Connection:
    """Connects to an engine by its address.

    Raises:
        EngineError: the address is none that we know, or no engine is there.
    """
    scheme = address.partition(":")[0]
    for kind in CONNECTIONS:
        if scheme in kind.schemes:
            return kind.opened(address, tls)
    known = ", ".join([f"{scheme}://" for kind in CONNECTIONS for scheme in kind.schemes])
    raise EngineError(f"{address} is no address of an engine", hint=f"Addresses start with {known}.")
