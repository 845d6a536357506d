"""`.engine/env`: shell assignments that tell tests and people where the engines are.

from tests.rig import env
env.update(FRONTEND="127.0.0.1:5000/llbpy/frontend:dev")   # kept by later runs of `up`
env.read()["BUILDKIT_HOST"]
"""

from __future__ import annotations

import os
import shlex

from .paths import Clone, locked, write_atomic


def read(clone: Clone | None = None) -> dict[str, str]:
    """The variables as a program would see them after sourcing the file; empty when the rig was never up."""
    clone = clone or Clone()
    found: dict[str, str] = {}
    try:
        text = (clone.dir / "env").read_text()
    except FileNotFoundError:
        return found
    for line in text.splitlines():
        if line.startswith("export "):
            (assignment,) = shlex.split(line[len("export ") :])
            name, _, value = assignment.partition("=")
            found[name] = value
    path = os.environ.get("PATH", os.defpath)
    if str(clone.bin) not in path.split(os.pathsep):
        path = f"{clone.bin}{os.pathsep}{path}"
    return {**found, "PATH": path}


def update(clone: Clone | None = None, /, **variables: str | None) -> None:
    """Sets variables and keeps the others; None removes one."""
    clone = clone or Clone()
    with locked(clone.dir / "env.lock"):
        known = {name: value for name, value in read(clone).items() if name != "PATH"}
        for name, value in variables.items():
            if value is None:
                known.pop(name, None)
            else:
                known[name] = value
        quoted = shlex.quote(str(clone.bin))
        lines = [
            "# Written by `python3 -m tests.rig`; source it. Change it with tests.rig.env.update().",
            f'case ":$PATH:" in *:{quoted}:*) ;; *) PATH={quoted}:"$PATH"; export PATH ;; esac',
            *(f"export {name}={shlex.quote(value)}" for name, value in sorted(known.items())),
        ]
        write_atomic(clone.dir / "env", "\n".join(lines) + "\n")
