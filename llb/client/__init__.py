"""A BuildKit client: connect to an engine, serve it a session, ask through its gateway, build.

    with connect() as client, client.resolver(".") as engine:
        definition = compile_to_llb(image, resolver=engine)

It needs grpcio and protobuf; nothing else of this library imports them for it.
"""

from __future__ import annotations

from llb.client.client import Client, connect
from llb.client.connections import TLS, Connection, default_address
from llb.client.gateway import Gateway
from llb.client.resolver import EngineResolver

__all__ = [
    "TLS",
    "Client",
    "Connection",
    "EngineResolver",
    "Gateway",
    "connect",
    "default_address",
]
