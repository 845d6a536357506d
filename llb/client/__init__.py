"""A BuildKit client: connect to an engine, serve it a session, ask through its gateway, build.

    with connect() as client, client.resolver(".") as engine:
        definition = compile_to_llb(image, resolver=engine)

It needs grpcio and protobuf; nothing else of this library imports them for it.
"""

from __future__ import annotations

from llb.client.addresses import default_address
from llb.client.client import Client, connect
from llb.client.connections import TLS, Connection
from llb.client.events import Event, Events, LogEvent, StatusEvent, VertexEvent, WarningEvent
from llb.client.gateway import Cache, Export, Gateway
from llb.client.logins import Login, LoginService
from llb.client.receiving import ExportService, ToFile, ToFolder
from llb.client.resolver import EngineResolver
from llb.client.secrets import SecretService
from llb.client.sending import FileService
from llb.client.session import Service, Session

__all__ = [
    "TLS",
    "Cache",
    "Client",
    "Connection",
    "EngineResolver",
    "Event",
    "Events",
    "Export",
    "ExportService",
    "FileService",
    "Gateway",
    "LogEvent",
    "Login",
    "LoginService",
    "SecretService",
    "Service",
    "Session",
    "StatusEvent",
    "ToFile",
    "ToFolder",
    "VertexEvent",
    "WarningEvent",
    "connect",
    "default_address",
]
