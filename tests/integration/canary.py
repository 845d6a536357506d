"""The canary: a secret's value of this test run alone, and the places where it must never be found."""

from __future__ import annotations

import base64
import gzip
import os
import subprocess
import tempfile
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

CANARY = os.environ.setdefault("LLB_TEST_CANARY", f"canary{uuid.uuid4().hex}")
"""Set once for a run, worker processes included. Tests give it to every secret."""

TRANSCRIPT = Path(tempfile.gettempdir()) / f"llb-transcript-{CANARY[6:18]}"
"""What every command of the run printed."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def forms() -> list[bytes]:
    """The value as it may look: as text, and in base64 at each of the three offsets."""
    value = CANARY.encode()
    found = [value]
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + value)
        found.append(encoded[4 if offset else 0 : -4])
    return found


def note(text: bytes) -> None:
    """Keep what a command printed."""
    with TRANSCRIPT.open("ab") as file:
        file.write(text)


def hits(data: bytes) -> bool:
    return any(form in data for form in forms())


def hits_in_blob(data: bytes) -> bool:
    """In a blob of a registry or content store, and in what it holds compressed."""
    if hits(data):
        return True
    try:
        if data.startswith(_GZIP):
            return hits(gzip.decompress(data))
        if data.startswith(_ZSTD):
            done = subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=False)
            return hits(done.stdout)
    except (OSError, EOFError, zlib.error):  # a blob that only begins so
        pass
    return False


def files_below(directory: Path, newer_than: float) -> Iterator[Path]:
    """Files that this run has written: a step's files keep their own times, but not that of their change."""
    for folder, _, names in os.walk(directory):
        for name in names:
            path = Path(folder) / name
            try:
                about = path.lstat()
            except OSError:
                continue
            if path.is_file() and not path.is_symlink() and about.st_ctime >= newer_than:
                yield path
