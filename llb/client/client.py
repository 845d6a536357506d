"""`Client`: an engine, by its address."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import grpc

from llb.client.addresses import default_address, open_connection
from llb.client.connections import TLS, Connection
from llb.client.events import Events
from llb.client.gateway import Cache, Export, Gateway
from llb.client.logins import LoginService
from llb.client.resolver import EngineResolver
from llb.client.sending import FileService
from llb.client.session import Service, Session
from llb.errors import InvalidTypeError
from llb.gateway.channel import rpc_error
from llb.graph import Platform
from llb.image.devices import EngineDevice
from llb.pb.control_pb2 import ListWorkersRequest, ListWorkersResponse
from llb.pb.services import Control

_DEADLINE = 30.0
_DEVICE_CLASS = "org.mobyproject.buildkit.device.class"


@dataclass(frozen=True, slots=True)
class Worker:
    """What runs builds in an engine."""

    id: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    platforms: tuple[Platform, ...] = ()
    """The first is its own."""
    devices: tuple[EngineDevice, ...] = ()
    """What CDI specifications on its machine describe."""


def connect(engine: str | Client | None = None, *, tls: TLS | None = None) -> Client:
    """Connect to an engine.

    Args:
        engine: its address, `unix:///run/buildkit/buildkitd.sock`, `tcp://host:1234`, or `docker://` for the
            Docker Engine; a client is given back as it is. Default: see `default_address`.
        tls: the certificates of a `tcp://` engine that asks for them.

    Raises:
        EngineError: no engine is there, or it cannot be used; the hint says what to do.

    Example:
        ```python
        with connect("tcp://127.0.0.1:1234") as client:
            print(client.workers())
        ```
    """
    if isinstance(engine, Client):
        return engine
    if engine is not None and not isinstance(engine, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidTypeError(
            f"an engine is an address or a Client, not {type(engine).__name__}: {engine!r}",
            hint='Write connect("unix:///run/buildkit/buildkitd.sock").',
        )
    return Client(open_connection(engine or default_address(), tls))


class Client:
    """An engine that answers. A context manager: leaving it closes the connection.

    Args:
        connection: an open connection; `connect` makes both.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def address(self) -> str:
        return self._connection.address

    @property
    def channel(self) -> grpc.Channel:
        """For calls that this class does not have."""
        return self._connection.channel

    @property
    def image_exporter(self) -> str:
        """The exporter that makes a result into an image here."""
        return self._connection.image_exporter

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection. Builds that are under way end."""
        self._connection.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.address}>"

    def workers(self) -> tuple[Worker, ...]:
        """What the engine builds with, and for which platforms.

        Raises:
            RpcError: it does not answer.
        """
        call = self.channel.unary_unary(
            Control.ListWorkers.path, ListWorkersRequest.SerializeToString, ListWorkersResponse.FromString
        )
        try:
            answer: ListWorkersResponse = call(ListWorkersRequest(), timeout=_DEADLINE)
        except grpc.RpcError as error:
            raise rpc_error(error) from None
        return tuple(
            [
                Worker(
                    record.ID,
                    dict(record.Labels),
                    tuple(
                        [
                            Platform(one.OS, one.Architecture, one.Variant).normalized()
                            for one in record.platforms
                        ]
                    ),
                    tuple(
                        [
                            EngineDevice(one.Name, one.Annotations.get(_DEVICE_CLASS, ""), one.AutoAllow)
                            for one in record.CDIDevices
                        ]
                    ),
                )
                for record in answer.record
            ]
        )

    def session(self, *services: Service, shared_key: str = "") -> Session:
        """What the engine may ask us for while it builds: `with client.session(FileService({…})) as s: …`.

        Args:
            *services: local files, secrets, registry logins, a place for exports.
            shared_key: the same for builds whose local directories are the same: only what changed since
                then is sent.
        """
        return Session(self._connection, services, shared_key=shared_key)

    def events(self, ref: str) -> Events:
        """What the engine says of a build, from its start to its end.

        Args:
            ref: the build's name, `Gateway.ref`.
        """
        return Events(self.channel, ref)

    def devices(self) -> tuple[EngineDevice, ...]:
        """The devices that steps can have: what CDI specifications on the engine's machine describe.

        Raises:
            RpcError: the engine does not answer.
        """
        return tuple([device for worker in self.workers()[:1] for device in worker.devices])

    def gateway(
        self,
        *,
        session: str = "",
        exports: Sequence[Export] = (),
        cache_from: Sequence[Cache] = (),
        cache_to: Sequence[Cache] = (),
        entitlements: Sequence[str] = (),
        internal: bool = False,
    ) -> Gateway:
        """A build in which this process is the frontend: `with client.gateway() as bridge: …`.

        Args:
            session: id of the session that serves local files, secrets and logins; empty for none.
            exports: what becomes of the result.
            cache_from: caches to import.
            cache_to: caches to export.
            entitlements: what the build may do beyond the usual, such as `network.host`.
            internal: keep the build out of the engine's history.

        Example:
            ```python
            with client.gateway(internal=True) as bridge:
                print(bridge.resolve_image("docker.io/library/debian:12").result().digest)
            ```
        """
        return Gateway(
            self.channel,
            session=session,
            exports=exports,
            cache_from=cache_from,
            cache_to=cache_to,
            entitlements=entitlements,
            internal=internal,
        )

    @contextmanager
    def resolver(
        self, root: str | os.PathLike[str] = ".", contexts: Mapping[str, str | os.PathLike[str]] | None = None
    ) -> Generator[EngineResolver]:
        """Who answers the compiler: bases and capabilities from this engine, local files from the disk.

        Args:
            root: the build's context directory.
            contexts: directories of named contexts.

        Example:
            ```python
            with connect() as client, client.resolver("project") as engine:
                definition = compile_to_llb(image, resolver=engine)
            ```
        """
        directories = {"context": root} | dict(contexts or {})
        logins = LoginService()
        with (
            self.session(FileService(directories), logins) as session,
            self.gateway(session=session.id, internal=True) as bridge,
        ):
            yield EngineResolver(bridge, root, contexts, logins=logins, devices=self.devices)
