"""The rig's commands as a test uses them: build through any door, read what was pushed."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration import canary

ROOT = Path(__file__).resolve().parents[2]


_BASE = re.compile(r"\[[^]]*\] (from_registry|debian_slim|FROM) ")
_NOT_STEPS = (
    "[internal]",
    "exporting",
    "resolve image config",
    "docker-image://",
    "[auth]",
    "importing",
    "load ",
)


@dataclass(frozen=True, slots=True)
class Vertex:
    """What the engine said of a vertex."""

    digest: str
    name: str
    cached: bool
    error: str


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout.decode(errors="replace") + self.stderr

    def ok(self) -> Ran:
        assert self.status == 0, self.text
        return self

    def failed(self) -> Ran:
        assert self.status != 0, self.text
        return self

    def vertices(self) -> dict[str, Vertex]:
        """The vertices of a build run with `--progress=rawjson`, by digest."""
        found: dict[str, Vertex] = {}
        for line in self.stderr.splitlines():
            if not line.startswith("{"):
                continue
            for vertex in json.loads(line).get("vertexes", []):
                known = found.get(vertex["digest"])
                found[vertex["digest"]] = Vertex(
                    digest=vertex["digest"],
                    name=vertex["name"],
                    cached=vertex.get("cached", False) or (known is not None and known.cached),
                    error=vertex.get("error", ""),
                )
        return found

    def steps(self) -> dict[str, Vertex]:
        """The vertices that are ops of an image: not the frontend's own, nor the exporter's."""
        return {digest: v for digest, v in self.vertices().items() if not v.name.startswith(_NOT_STEPS)}

    def not_cached(self) -> list[str]:
        """Names of the steps that were run. A base image is never called cached: its digest is looked up."""
        return [v.name for v in self.steps().values() if not v.cached and not _BASE.match(v.name)]


@dataclass(frozen=True, slots=True)
class Tools:
    """Commands of the rig, run with its environment."""

    env: Mapping[str, str]
    cwd: Path = field(default=ROOT)

    def run(self, *command: str, stdin: bytes = b"", cwd: Path | None = None, timeout: float = 300) -> Ran:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            env=dict(self.env),
            cwd=cwd or self.cwd,
            timeout=timeout,
            check=False,
        )
        canary.note(done.stdout + done.stderr)
        return Ran(done.returncode, done.stdout, done.stderr.decode(errors="replace"))

    @property
    def registry(self) -> str:
        return self.env["REGISTRY"]

    @property
    def frontend(self) -> str:
        return self.env["FRONTEND"]

    def buildctl(
        self, *arguments: str, stdin: bytes = b"", cwd: Path | None = None, progress: str = "plain"
    ) -> Ran:
        return self.run("buildctl", "build", f"--progress={progress}", *arguments, stdin=stdin, cwd=cwd)

    def gateway(self, context: Path, *arguments: str, file: str = "image.py", progress: str = "plain") -> Ran:
        """`buildctl build` through our frontend container."""
        return self.buildctl(
            "--frontend=gateway.v0",
            f"--opt=source={self.frontend}",
            f"--opt=filename={file}",
            f"--local=context={context}",
            f"--local=dockerfile={context}",
            *arguments,
            progress=progress,
        )

    def docker_build(
        self,
        context: Path,
        *arguments: str,
        file: str = "image.py",
        progress: str = "plain",
        builder: str = "",
    ) -> Ran:
        """`docker build` of an image file, by the Engine or by a named builder; BUILDKIT_SYNTAX names the frontend."""
        return self.run(
            "docker",
            *(("buildx", "--builder", builder, "build") if builder else ("build",)),
            f"--progress={progress}",
            f"--build-arg=BUILDKIT_SYNTAX={self.frontend}",
            f"--file={context / file}",
            *arguments,
            str(context),
        )

    def llb(self, *arguments: str, cwd: Path | None = None) -> Ran:
        return self.run(str(ROOT / ".venv/bin/llb"), *arguments, cwd=cwd)

    def image_config(self, reference: str, platform: str = "") -> dict[str, Any]:
        """The config of an image in the rig's registry."""
        return json.loads(self._blob(reference, self.manifest(reference, platform)["config"]["digest"]))

    def manifest(self, reference: str, platform: str = "") -> dict[str, Any]:
        index = json.loads(self._get(reference, "manifests", self._tag(reference)))
        if "manifests" not in index:
            return index
        for entry in index["manifests"]:
            named = f"{entry['platform']['os']}/{entry['platform']['architecture']}"
            if platform in ("", named):
                return json.loads(self._get(reference, "manifests", entry["digest"]))
        raise AssertionError(f"{reference} has no {platform}: {index}")

    def index(self, reference: str) -> dict[str, Any]:
        return json.loads(self._get(reference, "manifests", self._tag(reference)))

    def digest(self, reference: str) -> str:
        """The digest that a registry knows a tag by."""
        return f"sha256:{hashlib.sha256(self._get(reference, 'manifests', self._tag(reference))).hexdigest()}"

    def layers(self, reference: str, platform: str = "") -> list[bytes]:
        return [
            self._blob(reference, layer["digest"]) for layer in self.manifest(reference, platform)["layers"]
        ]

    def _blob(self, reference: str, digest: str) -> bytes:
        return self._get(reference, "blobs", digest)

    @staticmethod
    def _tag(reference: str) -> str:
        return reference.rpartition("/")[2].partition(":")[2] or "latest"

    @staticmethod
    def _get(reference: str, kind: str, name: str) -> bytes:
        host, _, rest = reference.partition("/")
        repository = rest.rpartition(":")[0] or rest
        accept = ",".join(
            f"application/vnd.{kind}+json"
            for kind in (
                "oci.image.index.v1",
                "oci.image.manifest.v1",
                "docker.distribution.manifest.list.v2",
                "docker.distribution.manifest.v2",
            )
        )
        request = urllib.request.Request(
            f"http://{host}/v2/{repository}/{kind}/{name}", headers={"Accept": accept}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()
