"""Packages from Debian, by its own tools: onto the host, as single files, or as whole root file systems."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from .errors import RigError, UnavailableError
from .paths import cache_root, locked
from .report import call, timed

_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
EPOCH = "1735689600"  # what tars take as the newest file time, so the same packages give the same bytes

# mmdebstrap checks a Release file's Valid-Until; mirrors that lag are common behind proxies, and signatures
# still hold.
_APT_OPTIONS = ('Acquire::Check-Valid-Until "false"', 'Acquire::Languages "none"')


def need(part: str, packages: Mapping[str, str]) -> None:
    """Installs what is absent of these programs (or files, by full path), each from its package."""
    absent = sorted(
        {package for name, package in packages.items() if not shutil.which(name) and not Path(name).exists()}
    )
    if not absent:
        return
    command = f"apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends {' '.join(absent)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise UnavailableError(f"needs {', '.join(absent)} (as root: {command})")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _apt(), timed(part, f"apt-get install {' '.join(absent)}"):
        try:
            call(command.split(), env=environment)
        except RigError:  # an old package list, most likely
            call(["apt-get", "update"])
            call(command.split(), env=environment)


def _apt() -> AbstractContextManager[None]:
    """apt is one for the whole host, and an `update` does not wait for another."""
    return locked(cache_root() / ".apt.lock")


def download(package: str, into: Path) -> Path:
    """One .deb of the host's own release, not installed: installing would start its service."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise UnavailableError(f"the program comes from the Debian package {package}, and this is no Debian")
    with _apt():
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
) -> None:
    """mmdebstrap into the directory `target`."""
    require_root("a Debian root file system")
    need("debian", {"mmdebstrap": "mmdebstrap", _KEYS: "debian-archive-keyring"})
    scratch = target.parent / "scratch"
    scratch.mkdir()
    argv = [
        # In namespaces of its own: killed at any moment, it leaves no process and no mount of /proc or /dev.
        *(
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--",
            "mmdebstrap",
            f"--variant={variant}",
            "--mode=root",
        ),
        *(f"--aptopt={option}" for option in _APT_OPTIONS),
        f"--include={','.join(packages)}",
        *([f"--architectures={arch}"] if arch else []),
        *options,
        *(suite, str(target)),
    ]
    call(
        argv, log=log, disposable=True, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "TMPDIR": str(scratch)}
    )
    scratch.rmdir()


def require_root(what: str) -> None:
    if os.geteuid() != 0:
        raise UnavailableError(f"{what} needs root here; with Docker at hand, LLB_RIG=containers does not")


def host_arch() -> str:
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
