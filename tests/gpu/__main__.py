"""The GPU tests with a real NVIDIA card: `python -m tests.gpu`, as root, on a machine that has one.

It needs the NVIDIA driver, `nvidia-ctk`, `buildctl`, and a buildkitd of the same machine (`BUILDKIT_HOST`) that
reads the directory of CDI specifications given with --specs and may grant `device`. It writes two files there,
builds small images whose steps look at their cards, and removes the files again. It is not part of `make test`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from llb.cli._gpu import types_of

FILE = """
from llb import Image
image = Image.from_registry("{base}").run_commands("{command}", gpu="{gpu}")
"""


def run(*command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=600)


def build(base: str, gpu: str, command: str, *options: str) -> tuple[int, str]:
    """Compiles an image with one step and builds it: the status, and what was said."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "image.py"
        file.write_text(FILE.format(base=base, gpu=gpu, command=command))
        llb = str(Path(sys.executable).with_name("llb"))
        definition = run(llb, "compile", str(file))
        if definition.returncode != 0:
            return definition.returncode, definition.stderr.decode()
        done = run("buildctl", "build", "--progress=plain", "--no-cache", *options, stdin=definition.stdout)
        return done.returncode, (done.stdout + done.stderr).decode()


def check(what: str, ok: bool, said: str = "") -> bool:
    print(f"{'ok  ' if ok else 'FAIL'} {what}", flush=True)
    if not ok:
        print(said)
    return ok


def main() -> int:
    """Runs all checks; the exit status is 0 if every one held."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=__doc__)
    parser.add_argument("--specs", type=Path, default=Path("/etc/cdi"), help="what the engine reads")
    parser.add_argument("--base", default="debian:bookworm-slim", help="an image with a C library")
    given = parser.parse_args()
    lacking = [one for one in ("nvidia-smi", "nvidia-ctk", "buildctl") if shutil.which(one) is None]
    if lacking:
        print(f"not on this machine: {', '.join(lacking)}; nothing was tested")
        return 2
    names = run("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").stdout.decode().splitlines()
    if not names:
        print("this machine has no NVIDIA card, or no driver: nothing was tested")
        return 2
    kind = types_of(names[0].strip())[0]
    count = len([name for name in names if kind in types_of(name.strip())])
    cards, typed = given.specs / "llb-gpu-test-cards.json", given.specs / "llb-gpu-test-types.json"
    try:
        given.specs.mkdir(parents=True, exist_ok=True)
        made = run("nvidia-ctk", "cdi", "generate", "--format=json", f"--output={cards}")
        results = [check("nvidia-ctk describes the cards", made.returncode == 0, made.stderr.decode())]
        llb = str(Path(sys.executable).with_name("llb"))
        made = run(llb, "gpu", "spec", str(cards), "-o", str(typed))
        results.append(check("llb gpu spec gives them types", made.returncode == 0, made.stderr.decode()))
        classes = [one["name"] for one in json.loads(typed.read_text())["devices"]]
        print(f"     {len(names)} x {names[0]}: {', '.join(classes)}")
        allow = "--allow=device"
        status, said = build(given.base, "any", "nvidia-smi -L | grep -c GPU", allow)
        results.append(check("a step has any card", status == 0, said))
        status, said = build(given.base, kind, "test $(nvidia-smi -L | grep -c GPU) = 1", allow)
        results.append(check(f"a step has one {kind}", status == 0, said))
        status, said = build(
            given.base, f"{kind}:{count}", f"test $(nvidia-smi -L | grep -c GPU) = {count}", allow
        )
        results.append(check(f"a step has {count} of {kind}", status == 0, said))
        status, said = build(given.base, f"{kind}:{count + 1}", "true", allow)
        results.append(check("too many are refused", status != 0 and "is not registered" in said, said))
        status, said = build(given.base, "NONE-SUCH", "true", allow)
        results.append(check("another type is refused", status != 0 and "is not registered" in said, said))
        status, said = build(given.base, kind, "true")
        results.append(check("without --allow it is refused", status != 0 and "not allowed" in said, said))
    finally:
        cards.unlink(missing_ok=True)
        typed.unlink(missing_ok=True)
    return 0 if all(results) else 1


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("the directory of CDI specifications belongs to root: run this as root")
        sys.exit(2)
    sys.exit(main())
