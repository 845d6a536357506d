"""What is in volumes: looked at, filled and emptied by small builds, as nothing else can see them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from llb import graph
from llb.client.client import Client
from llb.client.gateway import Export
from llb.client.receiving import ExportService, ToFolder
from llb.client.sending import FileService
from llb.client.session import Service
from llb.errors import LocalFileError, NotFoundError, RemoteError
from llb.gateway import Bridge, Ref, Result, RpcError
from llb.gateway.channel import rpc_error
from llb.graph.paths import clean
from llb.image.patterns import escape
from llb.image.volumes import KEY_TARGET, Volume
from llb.pb.control_pb2 import DiskUsageRequest, DiskUsageResponse, PruneRequest, UsageRecord
from llb.pb.services import Control

if TYPE_CHECKING:
    from llb.graph import State
    from llb.graph.mounts import Mount

BASE = "docker.io/library/busybox:latest"
"""The image whose `cp`, `ls` and `rm` do the work."""

_DEADLINE = 60.0
_VOLUME = "/dev/.llb-volume"
_OUT = "/dev/.llb-out"
_IN = "/dev/.llb-in"
_ID = re.compile(r' with id "((?:[^"\\]|\\.)*)"$')

_LIST = """\
if [ -e "$1" ] || [ -L "$1" ]; then ls -lA "$1" >/dev/.llb-out/list; else : >/dev/.llb-out/missing; fi
"""
_TAKE = """\
if [ -d "$1" ]; then cp -a "$1/." /dev/.llb-out/; else cp -a "$1" /dev/.llb-out/; fi
"""
_PUT = """\
set -e
from="/dev/.llb-in/$4"
case "$3 $2" in
  tree*) mkdir -p "$1"; cp -a /dev/.llb-in/. "$1/"; exit ;;
  */) mkdir -p "$1" ;;
  *) mkdir -p "$(dirname "$1")" ;;
esac
if [ -d "$1" ]; then cp -a "$from" "$1/"; else cp -a "$from" "$1"; fi
"""
_REMOVE = """\
if [ -e "$1" ] || [ -L "$1" ]; then rm -rf "$1"; else : >/dev/.llb-out/missing; fi
"""


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """A cache mount that the engine keeps."""

    id: str
    """As `Volume.from_id` takes it."""
    size: int
    """Bytes."""
    in_use: bool
    last_used: float | None
    """Seconds since 1970."""
    record: str
    """What the engine calls it."""

    @property
    def name(self) -> str:
        """What `Volume.from_name` calls it, after its environment if it has one; empty for other ids."""
        return self.id.removeprefix("llb-volume/") if self.id.startswith("llb-volume/") else ""


class Volumes:
    """The volumes of an engine.

    Args:
        client: the engine.
        base: an image with a shell, `cp`, `ls` and `rm`.
        namespace: what builds put before the ids of cache mounts (BUILDKIT_CACHE_MOUNT_NS).

    Example:
        ```python
        with connect() as client:
            Volumes(client).put(Volume.from_name("weights"), "model.bin", "/")
        ```
    """

    def __init__(self, client: Client, *, base: str = BASE, namespace: str = "") -> None:
        self._client = client
        self._base = base
        self._prefix = f"{namespace}/"

    def list(self) -> tuple[VolumeRecord, ...]:
        """All cache mounts of the namespace, volumes among them.

        The engine says in words which mount a record is of; an older one does not say the id, and its volumes
        are not found.

        Raises:
            RpcError: it does not answer.
        """
        method = Control.DiskUsage
        call = self._client.channel.unary_unary(
            method.path, DiskUsageRequest.SerializeToString, DiskUsageResponse.FromString
        )
        try:
            answer: DiskUsageResponse = call(DiskUsageRequest(), timeout=_DEADLINE)
        except grpc.RpcError as error:
            raise rpc_error(error) from None
        found: list[VolumeRecord] = []
        for one in answer.record:
            match = _ID.search(one.Description) if one.RecordType == "exec.cachemount" else None
            if match is None or not match[1].startswith(self._prefix):
                continue
            last = one.LastUsedAt.seconds + one.LastUsedAt.nanos / 1e9 if one.HasField("LastUsedAt") else None
            found.append(VolumeRecord(match[1].removeprefix(self._prefix), one.Size, one.InUse, last, one.ID))
        return tuple(sorted(found, key=lambda one: (one.id, one.record)))

    def files(self, volume: Volume, path: str = "/") -> str:
        """What is in a directory of a volume, as `ls -lA` prints it.

        Raises:
            NotFoundError: the volume has no such path.
            RemoteError: the engine failed.
        """
        with self._client.gateway(internal=True) as bridge:
            ref = self._run(bridge, volume, _LIST, path)
            try:
                return bridge.read_file(ref, "list").result().decode(errors="replace")
            except RpcError:
                raise _missing(volume, path) from None

    def put(self, volume: Volume, source: str | os.PathLike[str], target: str = "/") -> None:
        """Copies a file, or what is in a directory, into a volume. What is there already and not in it stays.

        Args:
            volume: which one.
            source: a file or directory of this machine.
            target: where it goes: for a directory the directory to be; for a file its name, or with a final
                slash the directory that it goes into.

        Raises:
            LocalFileError: there is no such file.
            RemoteError: the engine failed.
        """
        place = Path(source)
        if not place.exists():
            raise LocalFileError(f"there is no file {place}")
        is_tree = place.is_dir()
        directory = place if is_tree else place.absolute().parent
        service = FileService({"put": directory})
        with (
            self._client.session(service) as session,
            self._client.gateway(session=session.id, internal=True) as bridge,
        ):
            files = graph.local(
                "put",
                include=() if is_tree else (escape(place.name),),
                session=session.id,
                meta=graph.Meta(name=f"[internal] read {place}"),
            )
            words = (target, "tree" if is_tree else "file", place.name)
            try:
                self._run(bridge, volume, _PUT, target, *words, files=files)
            except RemoteError:
                if service.errors:
                    raise service.errors[0] from None
                raise

    def get(self, volume: Volume, source: str, target: str | os.PathLike[str]) -> None:
        """Copies a file, or what is in a directory, out of a volume into a directory of this machine.

        Raises:
            NotFoundError: the volume has no such path.
            RemoteError: the engine failed.
        """
        self.files(volume, source)
        service: Service = ExportService({0: ToFolder(os.fspath(target))})
        with self._client.session(service) as session:
            gateway = self._client.gateway(session=session.id, exports=[Export("local")], internal=True)
            with gateway as bridge:
                gateway.finish(Result(self._run(bridge, volume, _TAKE, source)))

    def remove(self, volume: Volume, path: str = "") -> None:
        """Removes a file or directory of a volume, or the volume with all that is in it.

        Raises:
            NotFoundError: there is no such volume, or path in it.
            RemoteError: the engine failed, or a step uses the volume.
        """
        if path.strip("/"):
            with self._client.gateway(internal=True) as bridge:
                ref = self._run(bridge, volume, _REMOVE, path)
                if [one.path for one in bridge.read_dir(ref, ".").result()]:
                    raise _missing(volume, path)
            return
        records = [one for one in self.list() if one.id == volume.id]
        if not records:
            raise NotFoundError(f"the engine has no volume {volume.id}", hint="`llb volume ls` lists them.")
        for one in records:
            self._prune(one)
        if [one for one in self.list() if one.id == volume.id]:
            raise RemoteError(
                f"the volume {volume.id} is in use", hint="Wait until the builds that use it end."
            )

    def _prune(self, record: VolumeRecord) -> None:
        method = Control.Prune
        call = self._client.channel.unary_stream(
            method.path, PruneRequest.SerializeToString, UsageRecord.FromString
        )
        try:
            list(call(PruneRequest(filter=[f"id=={record.record}"], all=True), timeout=_DEADLINE))
        except grpc.RpcError as error:
            raise rpc_error(error) from None

    def _run(
        self, bridge: Bridge, volume: Volume, script: str, path: str, *words: str, files: State | None = None
    ) -> Ref:
        """Runs a script with the volume, whatever is cached, and gives what it wrote.

        Not by `ignore_cache` of the command, which would empty the volume.
        """
        forced = graph.scratch().file(
            graph.mkdir("/key"), meta=graph.Meta(name="[internal] now", ignore_cache=True)
        )
        mounts: list[Mount] = [
            graph.cache(_VOLUME, id=f"{self._prefix}{volume.id}"),
            graph.bind(_OUT, graph.scratch()),
            graph.bind(KEY_TARGET, forced, source="/key"),  # by its definition: a part, and writable
        ]
        if files is not None:
            mounts.append(graph.bind(_IN, files, readonly=True))
        platform = self._client.workers()[0].platforms[0]
        inside = clean(f"/{volume.sub_path}/{path}")
        command = graph.image(self._base, platform).run(
            ("/bin/sh", "-c", script, "sh", f"{_VOLUME}{inside}", *words),
            mounts=mounts,
            network="none",
            meta=graph.Meta(name=f"volume {volume.id}"),
        )
        definition = graph.marshal(command.mounted(_OUT), platform=platform)
        try:
            ref = bridge.solve(definition.to_bytes(), evaluate=True).result().ref
        except RpcError as error:
            raise RemoteError(f"the volume {volume.id} cannot be used: {error.message}") from None
        if ref is None:
            raise RemoteError("the engine gave nothing back")
        return ref


def _missing(volume: Volume, path: str) -> NotFoundError:
    return NotFoundError(
        f"the volume {volume.id} has no {path}", hint="`llb volume ls NAME` lists what it has."
    )
