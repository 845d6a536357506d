"""buildkitd and buildctl of one version, and the daemon of a clone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import debian
from .daemons import Daemon
from .errors import UnavailableError
from .paths import Clone, cached, digest, making, write_atomic
from .registry import host as registry_host
from .report import call, timed

VERSION = "v0.32.2"
daemon = "buildkitd"
PROGRAMS = ("buildkitd", "buildctl")
# A go.mod of our own that pins BuildKit, and every module below it by go.sum: BuildKit's own go.mod has
# `exclude` lines, so `go install` refuses it. Building is the only way from source to here that is checked
# end to end; released tarballs come without a signed list of checksums, so they are not downloaded (a
# program of this version on PATH is used).
MODULE = Path(__file__).with_name("buildkit")
_TAGS = "osusergo netgo static_build seccomp"


def obtain() -> Path:
    """The directory with both programs: on PATH in this version, else from the cache, else built."""
    if found := _on_path():
        return found
    pinned = [(MODULE / name).read_bytes() for name in ("go.mod", "go.sum")]
    name = f"buildkit-{VERSION}-{debian.host_arch()}-{digest(_TAGS, *pinned)}"
    if there := cached(name):
        return there
    _check_go()
    with making(name) as (folder, fill):
        if fill:
            with timed("buildkit", f"building {VERSION} with Go (some minutes, once per machine)"):
                _build(folder)
    there = cached(name)
    assert there
    return there


def _build(folder: Path) -> None:
    package = "github.com/moby/buildkit"
    call(
        [
            *("go", "build", "-trimpath", "-buildvcs=false", "-tags", _TAGS),
            *("-ldflags", f"-s -w -X {package}/version.Version={VERSION}"),
            *("-o", f"{folder}/", *(f"{package}/cmd/{program}" for program in PROGRAMS)),
        ],
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"},
        cwd=MODULE,
    )


def _on_path() -> Path | None:
    places = {Path(found).parent for program in PROGRAMS if (found := shutil.which(program))}
    if len(places) != 1:
        return None
    (place,) = places
    if place.parent.name == ".engine":  # our own links, where an .engine/env was sourced
        return None
    versions = [call([place / program, "--version"]) for program in PROGRAMS]
    return place if all(VERSION in text.split() for text in versions) else None


def _check_go() -> None:
    wanted = re.search(r"^go (\d+)\.(\d+)\.(\d+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert wanted
    need = tuple(map(int, wanted.groups()))
    if not shutil.which("go"):
        raise UnavailableError(
            f"no BuildKit {VERSION} on PATH, and no Go to build it with ({wanted.group()} or newer)"
        )
    have = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", call(["go", "env", "GOVERSION"], cwd=Path("/")))
    version = tuple(int(number or 0) for number in have.groups()) if have else (0, 0, 0)
    may_switch = version >= (1, 21, 0) and call(["go", "env", "GOTOOLCHAIN"]).strip() != "local"
    if version < need and not may_switch:
        raise UnavailableError(
            f"Go {'.'.join(map(str, version))} is too old for BuildKit {VERSION}: {wanted.group()}"
        )


def address(clone: Clone) -> str:
    return f"unix://{clone.run / 'buildkitd.sock'}"


def variables(clone: Clone) -> dict[str, str]:
    return {"BUILDKIT_HOST": address(clone)}


def start(clone: Clone, programs: Path) -> None:
    debian.require_root("buildkitd")
    debian.need("buildkit", {"runc": "runc", "git": "git"})
    for program in PROGRAMS:
        link(clone.sub("bin") / program, programs / program)
    write_atomic(config_file(clone), config(clone))
    process = Daemon(clone, daemon)
    process.start([programs / "buildkitd", "--config", config_file(clone)])
    process.wait_ready(lambda: answers(clone))


def answers(clone: Clone) -> bool:
    program = clone.bin / "buildctl"
    if not program.exists() or not (clone.run / "buildkitd.sock").exists():
        return False
    argv = [str(program), "--addr", address(clone), "--timeout", "3", "debug", "workers"]
    return (
        subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
        == 0
    )


def link(path: Path, target: Path) -> None:
    if not (path.is_symlink() and path.readlink() == target):
        path.unlink(missing_ok=True)
        path.symlink_to(target)


def config_file(clone: Clone) -> Path:
    return clone.dir / "buildkitd.toml"


def config(clone: Clone) -> str:
    registry = registry_host(clone)
    return f'''# Written by the rig.
# Host network: no CNI plugins needed, and RUN steps reach what the host reaches.
debug = true
root = "{clone.sub("buildkit")}"
insecure-entitlements = ["network.host", "security.insecure", "device"]

[grpc]
  address = ["{address(clone)}"]

[worker.oci]
  enabled = true
  binary = "{shutil.which("runc") or "runc"}"
  snapshotter = "auto"
  networkMode = "host"
  gc = false
  defaultCgroupParent = "{clone.cgroup}"

[worker.containerd]
  enabled = false

[cdi]
  specDirs = ["{clone.sub("cdi")}"]

[registry."docker.io"]
  mirrors = ["{registry}"]

[registry."{registry}"]
  http = true
'''
