"""Images as OCI layouts on disk, and their way into the registry."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .registry import Client

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CREATED = "2025-01-01T00:00:00Z"


@dataclass(frozen=True)
class Config:
    arch: str
    env: list[str]
    cmd: list[str]
    labels: dict[str, str]


class Layout:
    """A directory in the OCI image layout: blobs by digest, and index.json as the root."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._blobs = path / "blobs/sha256"

    def begin(self) -> None:
        self._blobs.mkdir(parents=True)
        (self.path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def add_image(self, layer_tar: Path, config: Config) -> dict[str, Any]:
        """One layer and its config; returns the manifest's descriptor. The tar is not kept."""
        diff_id, layer = self._add_layer(layer_tar)
        body = {
            "created": _CREATED,
            "architecture": config.arch,
            "os": "linux",
            **({"variant": "v8"} if config.arch == "arm64" else {}),
            "config": {"Env": config.env, "Cmd": config.cmd, "Labels": config.labels},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [{"created": _CREATED, "created_by": "stand-in made from Debian packages"}],
        }
        platform = {"architecture": config.arch, "os": "linux"}
        if config.arch == "arm64":
            platform["variant"] = "v8"
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._add_json(_CONFIG, body),
            "layers": [layer],
        }
        return {**self._add_json(MANIFEST, manifest), "platform": platform}

    def finish(self, manifests: list[dict[str, Any]]) -> None:
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        (self.path / "index.json").write_text(json.dumps(index, indent=1))

    def index(self) -> tuple[str, bytes]:
        data = (self.path / "index.json").read_bytes()
        return _digest(data), data

    def push(self, client: Client, repository: str, tags: list[str]) -> bool:
        """Uploads what the registry lacks. False when every tag was there already."""
        root, data = self.index()
        absent = [tag for tag in tags if client.tag_digest(repository, tag, INDEX) != root]
        if not absent:
            return False
        for descriptor in json.loads(data)["manifests"]:
            manifest = self._read(descriptor["digest"])
            parts = json.loads(manifest)
            for blob in (parts["config"], *parts["layers"]):
                client.push_blob(repository, blob["digest"], self._blobs / blob["digest"].partition(":")[2])
            client.push_manifest(repository, descriptor["digest"], MANIFEST, manifest)
        for tag in absent:
            client.push_manifest(repository, tag, INDEX, data)
        return True

    def _read(self, digest: str) -> bytes:
        return (self._blobs / digest.partition(":")[2]).read_bytes()

    def _add_json(self, media_type: str, value: object) -> dict[str, Any]:
        data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
        digest = _digest(data)
        (self._blobs / digest.partition(":")[2]).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def _add_layer(self, tar: Path) -> tuple[str, dict[str, Any]]:
        """Compressed with no time in the header, so that the same tar gives the same blob."""
        temporary = self._blobs / "layer.part"
        diff = hashlib.sha256()
        with (
            tar.open("rb") as source,
            temporary.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", compresslevel=5, fileobj=raw, mtime=0) as packed,
        ):
            while chunk := source.read(1 << 20):
                diff.update(chunk)
                packed.write(chunk)
        with temporary.open("rb") as blob:
            digest = hashlib.file_digest(blob, "sha256").hexdigest()
        size = temporary.stat().st_size
        temporary.rename(self._blobs / digest)
        tar.unlink()
        layer = {"mediaType": _LAYER, "digest": f"sha256:{digest}", "size": size}
        return f"sha256:{diff.hexdigest()}", layer


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
