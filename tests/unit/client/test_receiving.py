"""Exports that arrive: whole or not at all, and never beside their folder, whatever an engine sends."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from llb.client.http2 import CANCELLED, CallError
from llb.client.packets import DIR, FIN, PIPE, SETUID, SYMLINK, data_packet, error_packet, stat_packet
from llb.client.receiving import receive_file, receive_folder
from llb.errors import LocalFileError, RemoteError
from llb.pb.filesync_pb2 import BytesMessage
from llb.pb.fsutil_pb2 import Packet, Stat


def file(path: str, mode: int = 0o644) -> bytes:
    return stat_packet(Stat(path=path, mode=mode, modTime=1_000_000_000_000_000_000))


def directory(path: str, mode: int = 0o755) -> bytes:
    return file(path, DIR | mode)


def link(path: str, target: str) -> bytes:
    return stat_packet(Stat(path=path, mode=SYMLINK | 0o777, linkname=target))


def hard_link(path: str, target: str) -> bytes:
    return stat_packet(Stat(path=path, mode=0o644, linkname=target))


END = stat_packet(None)


def received(folder: Path, *packets: bytes) -> list[Packet]:
    """What the client answers; the engine's final FIN comes by itself."""
    return [Packet.FromString(answer) for answer in receive_folder(str(folder), [*packets, FIN])]


def test_a_tree_arrives_with_kinds_modes_and_times(tmp_path: Path) -> None:
    answers = received(
        tmp_path / "out",
        directory("d", 0o750),
        file("d/a", 0o600),
        file("d/s", SETUID | 0o755),
        link("l", "d/a"),
        file("p", PIPE | 0o640),
        END,
        data_packet(1, b"one "),
        data_packet(2, b"tool"),
        data_packet(1, b"two"),
        data_packet(1),
        data_packet(2),
    )
    assert [(one.type, one.ID) for one in answers] == [
        (Packet.PACKET_REQ, 1),
        (Packet.PACKET_REQ, 2),
        (Packet.PACKET_FIN, 0),
    ]
    out = tmp_path / "out"
    assert (out / "d/a").read_bytes() == b"one two"
    assert stat.S_IMODE((out / "d").stat().st_mode) == 0o750
    assert stat.S_IMODE((out / "d/s").stat().st_mode) == 0o4755
    assert (out / "d/a").stat().st_mtime == 1_000_000_000
    assert os.readlink(out / "l") == "d/a"
    assert stat.S_ISFIFO((out / "p").stat().st_mode)
    assert sorted(os.listdir(out / "d")) == ["a", "s"]


def test_hard_links_stay_so_even_before_the_contents_are_there(tmp_path: Path) -> None:
    received(tmp_path, file("a"), hard_link("b", "a"), END, data_packet(0, b"x"), data_packet(0))
    assert (tmp_path / "a").stat().st_ino == (tmp_path / "b").stat().st_ino
    assert (tmp_path / "b").read_bytes() == b"x"


def test_what_is_there_already_stays_or_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "same").write_text("before")
    received(tmp_path, file("same"), END, data_packet(0, b"after"), data_packet(0))
    assert (tmp_path / "old").read_text() == "old"
    assert (tmp_path / "same").read_text() == "after"


HOSTILE = {
    "upwards": [file("../evil")],
    "upwards within": [directory("d"), file("d/../../evil")],
    "absolute": [file("/evil")],
    "empty": [file("")],
    "itself": [directory(".")],
    "a double slash": [directory("d"), file("d//evil")],
    "a NUL": [file("a\0b")],
    "out of order": [file("b"), file("a")],
    "twice": [file("a"), file("a")],
    "no parent": [file("d/evil")],
    "through its own link": [link("d", ".."), file("d/evil")],
    "a hard link upwards": [hard_link("a", "../../secret")],
    "a hard link through a link": [link("a", "/"), hard_link("b", "a/etc/passwd")],
    "after the end": [END, file("evil")],
    "data that nobody asked for": [file("a"), data_packet(7, b"x")],
    "data of a directory": [directory("a"), data_packet(0, b"x")],
    "an unknown kind": [file("a", 1 << 19 | 0o644)],
    "a device in disguise": [file("a", 1 << 24 | 0o644)],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_written_beside_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in/side/out"
    folder.mkdir(parents=True)
    secret = tmp_path / "in/secret"
    secret.write_text("secret")
    with pytest.raises((RemoteError, LocalFileError, OSError)):
        received(folder, *HOSTILE[name], END)
    assert sorted(
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if folder not in path.parents
    ) == [
        "in",
        "in/secret",
        "in/side",
        "in/side/out",
    ]
    assert secret.stat().st_nlink == 1


def test_a_link_that_was_there_before_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/d").symlink_to("../elsewhere")
    received(tmp_path / "out", directory("d"), file("d/a"), END, data_packet(1, b"x"), data_packet(1))
    assert os.listdir(tmp_path / "elsewhere") == []
    assert (tmp_path / "out/d/a").read_text() == "x"


def test_an_export_that_breaks_off_leaves_no_half_file(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="broke off"):
        list(receive_folder(str(tmp_path), [file("a"), data_packet(0, b"half")]))
    assert os.listdir(tmp_path) == []
    with pytest.raises(RemoteError, match="no space left"):
        received(tmp_path, file("a"), data_packet(0, b"half"), error_packet("no space left"))
    assert os.listdir(tmp_path) == []


def messages(*pieces: bytes) -> Iterator[bytes]:
    for piece in pieces:
        yield BytesMessage(data=piece).SerializeToString()


def broken(*pieces: bytes) -> Iterator[bytes]:
    yield from messages(*pieces)
    raise CallError(CANCELLED, "the call was ended")


def test_a_stream_becomes_a_file_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new/image.tar"
    receive_file(str(target), messages(b"one ", b"two"))
    assert target.read_bytes() == b"one two"
    with pytest.raises(CallError):
        receive_file(str(target), broken(b"half"))
    assert target.read_bytes() == b"one two"
    assert os.listdir(target.parent) == ["image.tar"]


def test_a_stream_does_not_replace_a_directory(tmp_path: Path) -> None:
    with pytest.raises(LocalFileError, match="is a directory"):
        receive_file(str(tmp_path), messages(b"x"))
