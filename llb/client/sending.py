"""Local directories to the engine: the session's file service, as sender."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote_plus

from llb.client.http2 import NOT_FOUND, Call, CallError, Handler
from llb.client.packets import FIN, data_packet, error_packet, is_regular, stat_of, stat_packet
from llb.client.selecting import select
from llb.client.session import Service
from llb.client.validation import Validation
from llb.errors import LLBError, LocalFileError
from llb.pb.fsutil_pb2 import Packet
from llb.pb.services import FileSync

_PIECE = 1 << 18
"""How many bytes of a file go in one packet."""
_BURST = 1 << 17
"""How many bytes of packets are sent at once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the engine asks for."""

    directory: str
    """Name of the local source."""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    follow: tuple[str, ...] = ()


class FileService(Service):
    """Serves local directories.

    Args:
        directories: by the name of their local source; or a function that finds one, or raises `KeyError`.
        validation: what is done about files that change meanwhile; default: nothing.
    """

    name = FileSync.NAME

    def __init__(
        self,
        directories: Mapping[str, str | os.PathLike[str]] | Callable[[str], str | os.PathLike[str]],
        validation: Validation | None = None,
    ) -> None:
        super().__init__()
        self._validation = validation
        self._find = directories if callable(directories) else directories.__getitem__

    def handlers(self) -> Mapping[str, Handler]:
        return {"DiffCopy": self._diff_copy}

    def _diff_copy(self, call: Call) -> Iterator[Sequence[bytes]]:
        wanted = wanted_of(call.metadata)
        try:
            root = os.fspath(self._find(wanted.directory))
        except KeyError:
            raise CallError(NOT_FOUND, f"no access allowed to dir {wanted.directory!r}") from None
        validation = self._validation
        if validation is not None and not validation.covers(wanted.directory):
            validation = None
        sending = Sending(root, wanted, call.requests(), validation)
        call.on_end(sending.stop)
        try:
            yield from sending.bursts()
        except LLBError as error:
            self.errors.append(error)
            yield (error_packet(error.message),)


class Sending:
    """One transfer.

    Args:
        root: the directory.
        wanted: what of it.
        requests: the packets that come from the engine.
        validation: what is done about files that change meanwhile; None: nothing.
    """

    def __init__(
        self, root: str, wanted: Wanted, requests: Iterable[bytes], validation: Validation | None = None
    ) -> None:
        self._validation = validation
        self._root = root
        self._wanted = wanted
        self._asked: queue.SimpleQueue[int | LLBError | None] = queue.SimpleQueue()
        self._files: dict[int, tuple[str, os.stat_result]] = {}
        self._requests = requests

    def stop(self) -> None:
        """Ends the transfer: nobody listens any more."""
        self._asked.put(None)

    def bursts(self) -> Iterator[Sequence[bytes]]:
        """What is sent, as it is asked for: as many packets at once as there are.

        Raises:
            LLBError: a file cannot be read, or the engine reports that it failed.
        """
        # The engine asks for contents while it still hears of further entries.
        threading.Thread(target=self._listen, name="llb-file-requests", daemon=True).start()
        burst: list[bytes] = []
        size = 0
        for packet in self._packets():
            if packet is not None:
                burst.append(packet)
                size += len(packet)
            if burst and (packet is None or size >= _BURST):
                yield burst
                burst, size = [], 0
        if burst:
            yield burst

    def _packets(self) -> Iterator[bytes | None]:
        """The packets; None where nothing may be held back, as the next one waits for the engine."""
        yield from self._entries()
        yield stat_packet(None)
        while True:
            if self._asked.empty():
                yield None
            asked = self._asked.get()
            if asked is None:
                return
            if isinstance(asked, LLBError):
                raise asked
            if asked < 0:
                yield FIN
                return
            yield from self._contents(asked)

    def _listen(self) -> None:
        with suppress(Exception):  # whatever ends the stream ends the transfer
            for data in self._requests:
                packet = Packet.FromString(data)
                if packet.type == Packet.PACKET_REQ:
                    self._asked.put(packet.ID)
                elif packet.type == Packet.PACKET_FIN:
                    self._asked.put(-1)
                    return
                elif packet.type == Packet.PACKET_ERR:
                    message = packet.data.decode("utf-8", "replace")
                    self._asked.put(LocalFileError(f"the engine cannot take {self._root}: {message}"))
                    return
        self._asked.put(None)

    def _entries(self) -> Iterator[bytes]:
        wanted = self._wanted
        first: dict[tuple[int, int], str] = {}
        found = select(self._root, include=wanted.include, exclude=wanted.exclude, follow=wanted.follow)
        for identifier, entry in enumerate(found):
            try:
                stat = stat_of(entry.path, entry.relative, entry.about, first)
                packet = stat_packet(stat)
            except (UnicodeEncodeError, ValueError):
                shown = entry.relative.encode("utf-8", "surrogateescape")
                raise LocalFileError(
                    f"the name {shown!r} in {self._root} is not UTF-8: BuildKit cannot take it",
                    hint="Rename it, or ignore it.",
                ) from None
            except OSError as error:
                raise LocalFileError(f"{entry.path} cannot be read: {error.strerror}") from None
            if is_regular(stat.mode) and not stat.linkname:
                self._files[identifier] = (entry.path, entry.about)
                if self._validation is not None:
                    self._validation.check(entry.path, entry.about)
            yield packet

    def _contents(self, identifier: int) -> Iterator[bytes]:
        if identifier not in self._files:
            raise LocalFileError(f"the engine asks for entry {identifier} of {self._root}, which is no file")
        path, listed = self._files[identifier]
        sent = 0
        try:
            # Not a pipe's open, which would wait for somebody to write; not a link that came in between.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except PermissionError as error:
            raise LocalFileError(
                f"the file {path} cannot be read: {error.strerror}",
                hint="Make it readable for you, or ignore it.",
            ) from None
        except OSError as error:  # it was there a moment ago, or is a socket: an empty file
            if isinstance(error, FileNotFoundError) and self._validation is not None:
                self._validation.changed(path, "while it was sent")
            yield data_packet(identifier)
            return
        try:
            while piece := os.read(descriptor, _PIECE):
                sent += len(piece)
                yield data_packet(identifier, piece)
            if self._validation is not None:
                self._validation.check_same(path, listed, os.fstat(descriptor), sent)
        except OSError as error:
            raise LocalFileError(f"the file {path} cannot be read: {error.strerror}") from None
        finally:
            os.close(descriptor)
        yield data_packet(identifier)


def wanted_of(metadata: Sequence[tuple[str, str]]) -> Wanted:
    """What the metadata of a call asks for. Values that are not ASCII come encoded, and are marked so."""
    values: dict[str, list[str]] = {}
    for key, value in metadata:
        values.setdefault(key, []).append(value)

    def get(key: str) -> tuple[str, ...]:
        found = values.get(key, [])
        if f"{key}-encoded" in values:
            found = [unquote_plus(value, errors="surrogateescape") for value in found]
        return tuple(found)

    directory = (*get("dir-name"), "")[0]
    return Wanted(directory, get("include-patterns"), get("exclude-patterns"), get("followpaths"))
