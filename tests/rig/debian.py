"""Packages from Debian, by its ordinary tools: onto the host, as single files, or as whole root file systems."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

from .errors import RigError, Unavailable
from .report import call, timed

_apt_lock = threading.Lock()  # apt takes one lock for the whole host
EPOCH = "1735689600"  # what tars take as the newest file time, so the same packages give the same bytes

# mmdebstrap checks a Release file's Valid-Until; mirrors that lag are common behind proxies, and signatures still hold.
_APT_OPTIONS = ('Acquire::Check-Valid-Until "false"', 'Acquire::Languages "none"')


def need(part: str, **packages: str) -> None:
    """Makes sure that programs are there: need("x", runc="runc") means program runc, from the package runc."""
    absent = sorted({package for program, package in packages.items() if not shutil.which(program.replace("_", "-"))})
    if not absent:
        return
    command = f"apt-get install -y --no-install-recommends {' '.join(absent)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unavailable(f"needs {', '.join(absent)} (as root: {command})")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _apt_lock, timed(part, command):
        try:
            call(command.split(), env=environment)
        except RigError:  # an old package list, most likely
            call(["apt-get", "update"])
            call(command.split(), env=environment)


def download(package: str, into: Path) -> Path:
    """One .deb of the host's own release, not installed: installing would start its service."""
    need("registry", apt_get="apt", dpkg_deb="dpkg")
    with _apt_lock:
        try:
            call(["apt-get", "download", package], cwd=into)
        except RigError:
            call(["apt-get", "update"])
            call(["apt-get", "download", package], cwd=into)
    (file,) = into.glob(f"{package}_*.deb")
    return file


def root_fs(
    target: Path,
    *,
    suite: str,
    packages: Sequence[str],
    log: Path,
    variant: str = "minbase",
    arch: str | None = None,
    options: Sequence[str] = (),
    env: dict[str, str] | None = None,
) -> None:
    """mmdebstrap into `target`: a directory, or a tar file when the name ends so."""
    require_root("a Debian root file system")
    need("debian", mmdebstrap="mmdebstrap")
    scratch = target.parent / "scratch"
    scratch.mkdir()
    argv = [
        # Its mounts of /proc, /sys and /dev stay out of the host's sight, even when it is killed.
        *("unshare", "--mount", "--", "mmdebstrap", f"--variant={variant}", "--mode=root"),
        *(f"--aptopt={option}" for option in _APT_OPTIONS),
        f"--include={','.join(packages)}",
        *([f"--architectures={arch}"] if arch else []),
        *options,
        *(suite, str(target)),
    ]
    call(argv, log=log, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "TMPDIR": str(scratch), **(env or {})})
    scratch.rmdir()


def require_root(what: str) -> None:
    if os.geteuid() != 0:
        raise Unavailable(f"{what} needs root here; with Docker at hand, LLB_RIG=containers does not")


def host_arch() -> str:
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
