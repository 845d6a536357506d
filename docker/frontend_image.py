"""The frontend image: defined with llb itself, built by any BuildKit, pushed to your own registry.

    python docker/frontend_image.py --push registry.example.com/llb-frontend

Needs `buildctl` on PATH and BUILDKIT_HOST (`make engine` gives both). What a target platform's Python image
holds is copied, never run, so every platform is made on any builder: `--platform linux/amd64,linux/arm64`.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from llb import graph
from llb.oci import ImageConfig

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "docker.io/library/python:3.13-slim-trixie"
HPACK = "hpack==4.1.0"
ELFTOOLS = "pyelftools==0.32"
PACKAGES = ("llb", "frontend")
NOT_IN_CONTAINER = ("llb/pb/**", "llb/cli/**", "llb/client/**", "**/__pycache__", "**/*.pyc")
CAPS = (
    "moby.buildkit.frontend.inputs",
    "moby.buildkit.frontend.subrequests",
    "moby.buildkit.frontend.contexts",
)


def state(platform: graph.Platform, builder: graph.Platform) -> graph.State:
    """The root file system of the frontend image for a platform, made on a builder of any other."""
    sources = graph.local(
        "llb",
        include=[f"{package}/**/*.py" for package in PACKAGES] + ["docker/assemble.py"],
        exclude=list(NOT_IN_CONTAINER),
        shared_key_hint="llb-frontend",
        meta=graph.Meta(name="the sources of llb"),
    )
    tools = graph.image(PYTHON, platform=builder, meta=graph.Meta(name=f"{PYTHON} ({builder})"))
    python = graph.image(PYTHON, platform=platform, meta=graph.Meta(name=f"{PYTHON} ({platform})"))
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}

    def install(requirement: str) -> graph.State:
        return tools.run(
            ["python3", "-m", "pip", "install", "--no-compile", "--no-deps", "--target=/out", requirement],
            mounts=[
                graph.bind("/out", graph.scratch()),
                graph.cache("/root/.cache/pip", id="llb-frontend-pip"),
            ],
            env=environment,
            secret_env=[graph.secret_env(name) for name in _pip_settings()],
            meta=graph.Meta(name=f"pip install {requirement}"),
        ).mounted("/out")

    packages = ["--packages=/packages/hpack"]
    mounts = [
        graph.bind("/source", sources, readonly=True),
        graph.bind("/packages/hpack", install(HPACK), readonly=True),
        graph.bind("/packages/elftools", install(ELFTOOLS), readonly=True),
        graph.bind("/target", python, readonly=True),
        graph.bind("/out", graph.scratch()),
    ]
    command = (
        "mkdir -p /packages/llb && cp -r /source/llb /source/frontend /packages/llb/"
        " && exec python3 /source/docker/assemble.py"
    )
    return tools.run(
        [
            "/bin/sh",
            "-c",
            f"{command} --target=/target --packages=/packages/llb {' '.join(packages)} --out=/out",
        ],
        mounts=mounts,
        env={**environment, "PYTHONPATH": "/packages/elftools"},
        meta=graph.Meta(name="assemble the root file system"),
    ).mounted("/out")


def config(platform: graph.Platform) -> bytes:
    """The image config: how BuildKit starts the process, and what it may give it."""
    return ImageConfig(
        architecture=platform.architecture,
        os=platform.os,
        variant=platform.variant,
        # -S and -E: no site, no PYTHON* variables; the script's own directory, /llb, is the whole path.
        entrypoint=("/usr/local/bin/python3", "-S", "-E", "/llb/frontend/__main__.py"),
        workdir="/",
        user="65532:65532",
        labels=(
            ("moby.buildkit.frontend.caps", ",".join(CAPS)),
            ("moby.buildkit.frontend.network.none", "true"),
            (
                "org.opencontainers.image.description",
                "BuildKit frontend for container images defined in Python",
            ),
            ("org.opencontainers.image.licenses", "Apache-2.0"),
            ("org.opencontainers.image.title", "llb frontend"),
        ),
    ).to_json()


def _pip_settings() -> list[str]:
    """What pip must know of this network: as secrets, as an address may hold a token."""
    return [name for name in ("PIP_CERT", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL") if name in os.environ]


def build(reference: str, platform: graph.Platform, builder: graph.Platform, *, quiet: bool = False) -> None:
    """Builds for one platform and pushes; buildctl's progress goes to stderr, if quiet only when it fails."""
    output = io.StringIO()
    csv.writer(output, lineterminator="").writerow(
        ["type=image", f"name={reference}", "push=true", "oci-mediatypes=true",
         "force-compression=true", f"containerimage.config={config(platform).decode()}"]
    )  # fmt: skip
    if reference.startswith(("127.0.0.1:", "localhost:")):
        output.write(",registry.insecure=true")
    done = subprocess.run(
        [
            *("buildctl", "build", f"--local=llb={ROOT}", f"--output={output.getvalue()}"),
            *[f"--secret=id={name},env={name}" for name in _pip_settings()],
        ],
        input=graph.marshal(state(platform, builder)).to_bytes(),
        stderr=subprocess.PIPE if quiet else None,
        check=False,
    )
    if done.returncode:
        sys.stderr.write((done.stderr or b"").decode(errors="replace"))
        raise SystemExit(done.returncode)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--push", metavar="REF", help="image reference to push to")
    parser.add_argument("--platform", default="", help="comma-separated; default: the builder's own")
    parser.add_argument(
        "--for-rig", action="store_true", help="push to the test rig's registry, and note it in .engine/env"
    )
    options = parser.parse_args()
    if options.for_rig:
        _for_rig()
        return
    if not options.push:
        parser.error("--push REF says where the image goes")
    builder = _builder()
    platforms = [graph.Platform.parse(name) for name in options.platform.split(",") if name] or [builder]
    try:
        if len(platforms) == 1:
            build(options.push, platforms[0], builder)
            return
        parts = [f"{options.push}-{platform.architecture}{platform.variant}" for platform in platforms]
        for part, platform in zip(parts, platforms, strict=True):
            build(part, platform, builder)
        subprocess.run(
            ["docker", "buildx", "imagetools", "create", "--tag", options.push, *parts], check=True
        )
    except FileNotFoundError as error:
        raise SystemExit(
            f"frontend_image: {error.filename} is not on PATH; run `make engine`, then `. .engine/env`"
        ) from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(error.returncode) from None


def _builder() -> graph.Platform:
    """The platform of the builder's first worker."""
    done = subprocess.run(
        ["buildctl", "debug", "workers", "--format={{json .}}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(
            f"frontend_image: buildctl finds no builder: {done.stderr.strip()}\n"
            "Set BUILDKIT_HOST, or run `make engine`."
        )
    platform = json.loads(done.stdout)[0]["platforms"][0]
    return graph.Platform(platform["os"], platform["architecture"])


def _for_rig() -> None:
    """Idempotent: builds only if the sources changed since the last push to this rig's registry."""
    sys.path.insert(0, str(ROOT))  # as a script, its own folder is first
    from tests.rig import env

    known = env.read()
    if "BUILDKIT_HOST" not in known or "REGISTRY" not in known:
        print("frontend image: no buildkitd here, not built", file=sys.stderr)
        return
    os.environ.update(known)
    digest = hashlib.sha256()
    for directory in (*PACKAGES, "docker"):
        for path in sorted((ROOT / directory).rglob("*.py")):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    reference = f"{known['REGISTRY']}/llbpy/frontend:{digest.hexdigest()[:12]}"
    if known.get("FRONTEND") == reference:
        return
    start = time.monotonic()
    build(reference, _builder(), _builder(), quiet=True)
    env.update(FRONTEND=reference)
    print(f"frontend image: pushed in {time.monotonic() - start:.1f} s ({reference})", file=sys.stderr)


if __name__ == "__main__":
    main()
