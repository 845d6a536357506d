"""The packets by which directories travel, in both directions: kinds, modes and names.

Source: https://github.com/tonistiigi/fsutil (the protocol of BuildKit's clients)
"""

from __future__ import annotations

import os
import stat as modes

from llb.pb.fsutil_pb2 import Packet, Stat

DIR = 1 << 31
SYMLINK = 1 << 27
DEVICE = 1 << 26
PIPE = 1 << 25
SETUID = 1 << 23
SETGID = 1 << 22
CHAR_DEVICE = 1 << 21
STICKY = 1 << 20
KINDS = DIR | SYMLINK | DEVICE | PIPE | CHAR_DEVICE | 1 << 24 | 1 << 19

_KINDS_OF_STAT = {
    modes.S_IFDIR: DIR,
    modes.S_IFLNK: SYMLINK,
    modes.S_IFBLK: DEVICE,
    modes.S_IFCHR: DEVICE | CHAR_DEVICE,
    modes.S_IFIFO: PIPE,
    # A socket is sent as an empty file, as BuildKit's own client does.
}


def go_mode(mode: int) -> int:
    """`st_mode` as Go's `FileMode`."""
    found = mode & 0o777 | _KINDS_OF_STAT.get(modes.S_IFMT(mode), 0)
    if mode & modes.S_ISUID:
        found |= SETUID
    if mode & modes.S_ISGID:
        found |= SETGID
    if mode & modes.S_ISVTX:
        found |= STICKY
    return found


def permissions(mode: int) -> int:
    """The 12 bits of `chmod` of Go's `FileMode`."""
    found = mode & 0o777
    if mode & SETUID:
        found |= modes.S_ISUID
    if mode & SETGID:
        found |= modes.S_ISGID
    if mode & STICKY:
        found |= modes.S_ISVTX
    return found


def is_regular(mode: int) -> bool:
    return not mode & KINDS


def stat_of(path: str, relative: str, about: os.stat_result, first: dict[tuple[int, int], str]) -> Stat:
    """An entry of a local directory as the engine hears of it: everything belongs to root.

    Args:
        path: where it is.
        relative: how the engine names it.
        about: what `lstat` says.
        first: the first name of each file that has several; filled as entries go by.

    Raises:
        UnicodeEncodeError: the name is not UTF-8, which nothing here can carry.
    """
    found = Stat(path=relative, mode=go_mode(about.st_mode), modTime=about.st_mtime_ns)
    if modes.S_ISDIR(about.st_mode):
        return _with_xattrs(found, path)
    found.size = about.st_size
    if modes.S_ISLNK(about.st_mode):
        found.linkname = os.readlink(path)
    if modes.S_ISBLK(about.st_mode) or modes.S_ISCHR(about.st_mode):
        found.devmajor, found.devminor = os.major(about.st_rdev), os.minor(about.st_rdev)
    if about.st_nlink > 1:
        known = first.setdefault((about.st_dev, about.st_ino), relative)
        if known != relative:
            found.linkname = known
            found.size = 0
    return _with_xattrs(found, path)


def _with_xattrs(found: Stat, path: str) -> Stat:
    if hasattr(os, "listxattr"):
        try:
            names = os.listxattr(path, follow_symlinks=False)
        except OSError:
            return found
        for name in names:
            try:
                found.xattrs[name] = os.getxattr(path, name, follow_symlinks=False)
            except OSError:
                continue
    return found


def stat_packet(stat: Stat | None) -> bytes:
    """An entry; None: there are no more."""
    return Packet(type=Packet.PACKET_STAT, stat=stat).SerializeToString()


def request_packet(identifier: int) -> bytes:
    return Packet(type=Packet.PACKET_REQ, ID=identifier).SerializeToString()


def data_packet(identifier: int, data: bytes = b"") -> bytes:
    """A piece of a file; without data: its end."""
    return Packet(type=Packet.PACKET_DATA, ID=identifier, data=data).SerializeToString()


def error_packet(message: str) -> bytes:
    return Packet(type=Packet.PACKET_ERR, data=message.encode("utf-8", "replace")).SerializeToString()


FIN = Packet(type=Packet.PACKET_FIN).SerializeToString()
