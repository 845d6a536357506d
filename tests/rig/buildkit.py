"""buildkitd and buildctl of one version, and the daemon of a clone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import debian
from .daemons import Daemon
from .errors import RigError, Unavailable
from .paths import Clone, cached, digest, making, write_atomic
from .report import call, timed

VERSION = "v0.32.2"
PROGRAMS = ("buildkitd", "buildctl")
MODULE = Path(__file__).with_name("buildkit")  # a go.mod that pins BuildKit: its own has `exclude`, so no `go install`
_TAGS = "osusergo netgo static_build seccomp"


def obtain() -> Path:
    """The directory with both programs: from PATH if they are this version, else from the cache, else built."""
    if found := _on_path():
        return found
    name = f"buildkit-{VERSION}-{digest((MODULE / 'go.mod').read_bytes(), (MODULE / 'go.sum').read_bytes(), _TAGS)}"
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
        raise Unavailable(f"no BuildKit {VERSION} on PATH, and no Go >= {'.'.join(map(str, need))} to build it with")
    have = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", call(["go", "env", "GOVERSION"], cwd=Path("/")))
    version = tuple(int(number or 0) for number in have.groups()) if have else (0, 0, 0)
    may_switch = version >= (1, 21, 0) and call(["go", "env", "GOTOOLCHAIN"]).strip() != "local"
    if version < need and not may_switch:
        raise Unavailable(f"Go {'.'.join(map(str, version))} cannot build BuildKit {VERSION}: {wanted.group()} is needed")


def address(clone: Clone) -> str:
    return f"unix://{clone.run / 'buildkitd.sock'}"


def start(clone: Clone, programs: Path) -> None:
    debian.require_root("buildkitd")
    debian.need("buildkit", runc="runc", git="git")
    for program in PROGRAMS:
        link(clone.sub("bin") / program, programs / program)
    config = clone.dir / "buildkitd.toml"
    write_atomic(config, _config(clone))
    daemon = Daemon(clone, "buildkitd")
    daemon.start([programs / "buildkitd", "--config", config])
    daemon.wait_ready(lambda: answers(clone))


def answers(clone: Clone) -> bool:
    program = clone.bin / "buildctl"
    if not program.exists() or not (clone.run / "buildkitd.sock").exists():
        return False
    argv = [str(program), "--addr", address(clone), "--timeout", "3", "debug", "workers"]
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def link(path: Path, target: Path) -> None:
    if not (path.is_symlink() and path.readlink() == target):
        path.unlink(missing_ok=True)
        path.symlink_to(target)


def _config(clone: Clone) -> str:
    registry = f"127.0.0.1:{clone.registry_port()}"
    runc = shutil.which("runc") or shutil.which("crun")
    if not runc:
        raise RigError("runc vanished")
    return f'''# Written by the rig. Host network: no CNI plugins needed, and RUN steps reach what the host reaches.
debug = true
root = "{clone.sub("buildkit")}"
insecure-entitlements = ["network.host", "security.insecure", "device"]

[grpc]
  address = ["{address(clone)}"]

[worker.oci]
  enabled = true
  binary = "{runc}"
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
