"""Exported results from the engine: streams into a file, trees into a folder and never beside it."""

from __future__ import annotations

import os
import stat as modes
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from llb.client.http2 import NOT_FOUND, Call, CallError, Handler
from llb.client.packets import (
    CHAR_DEVICE,
    DEVICE,
    DIR,
    FIN,
    PIPE,
    SYMLINK,
    is_regular,
    permissions,
    request_packet,
)
from llb.client.session import Service
from llb.errors import LLBError, LocalFileError, RemoteError
from llb.pb.filesync_pb2 import BytesMessage
from llb.pb.fsutil_pb2 import Packet, Stat
from llb.pb.services import FileSend

_EXPORTER = "buildkit-attachable-exporter-id"


@dataclass(frozen=True, slots=True)
class ToFile:
    """A stream (`tar`, `oci`, `docker`) goes to this file, under another name until it is whole."""

    path: str


@dataclass(frozen=True, slots=True)
class ToFolder:
    """A tree (`local`) goes into this folder, which is made if missing; what is there already stays."""

    path: str


class ExportService(Service):
    """Takes what is exported.

    Args:
        targets: where it goes, by the position of the exporter.
    """

    name = FileSend.NAME

    def __init__(self, targets: Mapping[int, ToFile | ToFolder]) -> None:
        super().__init__()
        self._targets = targets

    def handlers(self) -> Mapping[str, Handler]:
        return {"DiffCopy": self._diff_copy}

    def _diff_copy(self, call: Call) -> Iterator[Sequence[bytes]]:
        given = dict(call.metadata).get(_EXPORTER, "0")
        target = self._targets.get(int(given)) if given.isdigit() else None
        if target is None:
            raise CallError(NOT_FOUND, f"no exporter {given!r} was asked for")
        try:
            if isinstance(target, ToFile):
                receive_file(target.path, call.requests())
            else:
                for packet in receive_folder(target.path, call.requests()):
                    yield (packet,)
        except LLBError as error:
            self.failed(error)
        except OSError as error:
            self.failed(
                LocalFileError(f"{error.filename or target.path} cannot be written: {error.strerror}")
            )


def receive_file(path: str, messages: Iterable[bytes]) -> None:
    """Writes a stream to a file. It appears under its name when it is complete, or not at all.

    Args:
        path: the file; one that exists is replaced.
        messages: the encoded `BytesMessage`s; what they raise if they break off is raised here too.
    """
    path = os.path.abspath(path)
    if os.path.isdir(path):
        raise LocalFileError(f"{path} is a directory", hint="Name a file.")
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f".{name}.{uuid.uuid4().hex[:16]}.part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for message in messages:
                file.write(BytesMessage.FromString(message).data)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def receive_folder(path: str, packets: Iterable[bytes]) -> Iterator[bytes]:
    """Writes a tree into a folder, and gives the packets to answer with.

    Every name is looked up from the folder, and no link is followed: what the engine sends cannot leave it,
    whatever it says and whatever is there.

    Raises:
        LLBError: the engine sent what a folder cannot hold, or reports that it failed.
    """
    os.makedirs(path, exist_ok=True)
    with _Tree(path) as tree:
        for data in packets:
            packet = Packet.FromString(data)
            if packet.type == Packet.PACKET_STAT:
                if packet.HasField("stat"):
                    if tree.entry(packet.stat):
                        yield request_packet(tree.count - 1)
                    continue
                tree.complete = True
            elif packet.type == Packet.PACKET_DATA:
                tree.data(packet.ID, packet.data)
            elif packet.type == Packet.PACKET_ERR:
                raise RemoteError(f"the export failed: {packet.data.decode('utf-8', 'replace')}")
            elif packet.type == Packet.PACKET_FIN:
                return
            if tree.complete and not tree.pending:
                tree.finish()
                yield FIN
        if not tree.finished:
            raise RemoteError(f"the export to {path} broke off")


@dataclass(slots=True)
class _File:
    """A file whose contents are under way."""

    folder: tuple[str, ...]
    name: str
    stat: Stat
    temporary: str = ""
    descriptor: int = -1


class _Tree:
    """A folder that is being written, through descriptors of its directories."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._directories: list[tuple[tuple[str, ...], Stat]] = []
        self._last = ""
        self.pending: dict[int, _File] = {}
        self.count = 0
        self.complete = False
        self.finished = False

    def __enter__(self) -> _Tree:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.pending.values():
            if file.descriptor >= 0:
                os.close(file.descriptor)
                with suppress(OSError), self._opened(file.folder) as folder:
                    os.unlink(file.temporary, dir_fd=folder.descriptor)
        os.close(self._root)

    def _opened(self, parts: tuple[str, ...]) -> _Folder:
        return _Folder(self._root, parts, self._path)

    def entry(self, stat: Stat) -> bool:
        """Makes an entry. Gives whether its contents must be asked for."""
        if self.complete:
            raise _hostile(stat.path, "comes after the last")
        parts = _parts(stat.path)
        if _order(stat.path) <= _order(self._last) and self._last:
            raise _hostile(stat.path, "is out of order")
        self._last = stat.path
        self.count += 1
        with self._opened(parts[:-1]) as folder:
            name, at = parts[-1], folder.descriptor
            there = _lstat(name, at)
            if stat.mode & DIR:
                if there is not None and not modes.S_ISDIR(there.st_mode):
                    os.unlink(name, dir_fd=at)
                    there = None
                if there is None:
                    os.mkdir(name, 0o700, dir_fd=at)
                self._directories.append((parts, stat))
                return False
            if there is not None and modes.S_ISDIR(there.st_mode):
                raise LocalFileError(
                    f"{os.path.join(self._path, stat.path)} is a directory, and the result has a file there",
                    hint="Remove it, or export to an empty folder.",
                )
            if is_regular(stat.mode) and not stat.linkname:
                self.pending[self.count - 1] = _File(parts[:-1], name, stat)
                return True
            if there is not None:
                os.unlink(name, dir_fd=at)
            self._special(name, at, stat)
        return False

    def _special(self, name: str, at: int, stat: Stat) -> None:
        if stat.mode & SYMLINK:
            os.symlink(stat.linkname, name, dir_fd=at)
            os.utime(name, ns=(stat.modTime, stat.modTime), dir_fd=at, follow_symlinks=False)
            return
        if stat.linkname:
            linked = _parts(stat.linkname)
            self._wait_for(linked)
            with self._opened(linked[:-1]) as folder:
                os.link(linked[-1], name, src_dir_fd=folder.descriptor, dst_dir_fd=at, follow_symlinks=False)
            return
        if stat.mode & PIPE:
            os.mkfifo(name, 0o600, dir_fd=at)
        elif stat.mode & DEVICE:
            kind = modes.S_IFCHR if stat.mode & CHAR_DEVICE else modes.S_IFBLK
            try:
                os.mknod(name, kind | 0o600, os.makedev(stat.devmajor, stat.devminor), dir_fd=at)
            except PermissionError:
                raise LocalFileError(
                    f"the device {stat.path} cannot be made: only root may",
                    hint="Export as root, or to a tar file.",
                ) from None
        else:
            raise _hostile(stat.path, f"is of an unknown kind ({stat.mode:o})")
        os.chmod(name, permissions(stat.mode), dir_fd=at)
        os.utime(name, ns=(stat.modTime, stat.modTime), dir_fd=at)

    def _wait_for(self, parts: tuple[str, ...]) -> None:
        """A hard link to a file whose contents are under way: it is made now, they follow."""
        for file in self.pending.values():
            if (*file.folder, file.name) == parts:
                self._open(file)
                with self._opened(file.folder) as folder:
                    os.replace(
                        file.temporary, file.name, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor
                    )
                file.temporary = file.name

    def _open(self, file: _File) -> None:
        if file.descriptor >= 0:
            return
        file.temporary = f".{uuid.uuid4().hex[:16]}.part"
        with self._opened(file.folder) as folder:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            file.descriptor = os.open(file.temporary, flags, 0o600, dir_fd=folder.descriptor)

    def data(self, identifier: int, data: bytes) -> None:
        """A piece of a file; without data, its end."""
        file = self.pending.get(identifier)
        if file is None:
            raise _hostile(str(identifier), "is data that nobody asked for")
        self._open(file)
        if data:
            view = memoryview(data)
            while view:
                view = view[os.write(file.descriptor, view) :]
            return
        os.fchmod(file.descriptor, permissions(file.stat.mode))
        os.utime(file.descriptor, ns=(file.stat.modTime, file.stat.modTime))
        os.close(file.descriptor)
        file.descriptor = -1
        del self.pending[identifier]
        if file.temporary != file.name:
            with self._opened(file.folder) as folder:
                os.replace(
                    file.temporary, file.name, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor
                )

    def finish(self) -> None:
        """Gives directories their modes and times, now that nothing is written into them."""
        for parts, stat in reversed(self._directories):
            with self._opened(parts) as folder:
                os.fchmod(folder.descriptor, permissions(stat.mode))
                os.utime(folder.descriptor, ns=(stat.modTime, stat.modTime))
        self.finished = True


class _Folder:
    """A directory inside the root, opened part by part without following a link."""

    def __init__(self, root: int, parts: tuple[str, ...], shown: str) -> None:
        self.descriptor = os.dup(root)
        for part in parts:
            above = self.descriptor
            try:
                self.descriptor = os.open(
                    part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above
                )
            except OSError:
                raise LocalFileError(
                    f"{os.path.join(shown, *parts)} is not a directory of this folder",
                    hint="Remove what is there, or export to an empty folder.",
                ) from None
            finally:
                os.close(above)

    def __enter__(self) -> _Folder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def _parts(path: str) -> tuple[str, ...]:
    """The names of a clean relative path."""
    parts = tuple(path.split("/"))
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise _hostile(path, "is no path inside a folder")
    return parts


def _order(path: str) -> list[bytes]:
    return [part.encode("utf-8", "surrogateescape") for part in path.split("/")]


def _lstat(name: str, at: int) -> os.stat_result | None:
    try:
        return os.lstat(name, dir_fd=at)
    except FileNotFoundError:
        return None


def _hostile(what: str, why: str) -> RemoteError:
    return RemoteError(f"the engine sent a result that is refused: {what!r} {why}")
