"""Images that were built on this machine: what an image id or a published name stands for.

One file for each id, one for each name, each written whole or not at all. An id is made of what the image is:
its graph, its config, and the contents of the local files in it.
"""

from __future__ import annotations

import base64
import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from llb.client.definitions import LocalSource, local_sources, relocated
from llb.client.selecting import select
from llb.errors import ExecutionError, LocalFileError, NotFoundError
from llb.graph import Definition

_FORMAT = 1
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredPlatform:
    """An image for one platform."""

    definition: Definition
    """Its local sources belong to no session."""
    config: bytes
    files: tuple[str, ...] = ()
    """A digest of the contents of each local source, in the definition's order."""


@dataclass(frozen=True, slots=True)
class StoredLog:
    """What a step wrote when it was built last."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class StoredImage:
    """What is known of an image id."""

    id: str
    platforms: Mapping[str, StoredPlatform]
    directories: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where its local sources were, by name."""
    logs: tuple[StoredLog, ...] = ()
    built: float = 0.0
    """Seconds since 1970."""


def data_directory() -> Path:
    """Where images are remembered: `LLB_DATA_DIR`, else the user's data directory."""
    given = os.environ.get("LLB_DATA_DIR")
    if given:
        return Path(given)
    base = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(base) / "llb"


def without_session(definition: Definition) -> Definition:
    """A definition whose local sources belong to no session: the same bytes in each build."""

    def change(source: LocalSource) -> LocalSource:
        attrs = {name: value for name, value in source.attrs.items() if name != "local.session"}
        return LocalSource(source.name, attrs)

    return relocated(definition, change)


def image_id(platforms: Mapping[str, StoredPlatform]) -> str:
    """The id of an image: `im-` and a digest of all that it is made of."""
    known = [
        [platform, one.definition.digest, sha256(one.config).hexdigest(), *one.files]
        for platform, one in sorted(platforms.items())
    ]
    return "im-" + sha256(json.dumps(known).encode()).hexdigest()


def digest_of_files(directory: str, attrs: Mapping[str, str]) -> str:
    """A digest of what a local source takes from a directory: names, kinds, modes, contents; no times.

    Raises:
        LocalFileError: a file cannot be read.
    """

    def patterns(name: str) -> list[str]:
        return json.loads(attrs.get(name, "[]"))

    total = sha256()
    for entry in select(
        directory,
        include=patterns("local.includepattern"),
        exclude=patterns("local.excludepatterns"),
        follow=patterns("local.followpaths"),
    ):
        mode = entry.about.st_mode
        total.update(f"{mode:o} {len(entry.relative)} ".encode() + os.fsencode(entry.relative))
        if mode & 0o170000 == 0o120000:
            with suppress(OSError):
                total.update(os.fsencode(os.readlink(entry.path)))
        elif mode & 0o170000 == 0o100000:
            total.update(_digest_of(entry.path))
    return total.hexdigest()


def _digest_of(path: str) -> bytes:
    one = sha256()
    try:
        with open(path, "rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                one.update(block)
    except OSError as error:
        raise LocalFileError(f"the file {path} cannot be read: {error.strerror}") from None
    return one.digest()


class Store:
    """The images and names of one data directory.

    Args:
        directory: default: the user's.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self._directory = Path(directory) if directory is not None else data_directory()

    def save(self, image: StoredImage) -> None:
        """Remembers an image. Steps that were cached this time keep what they wrote before."""
        before = self._read("images", f"{image.id}.json")
        known = {log["name"]: log["text"] for log in (before or {}).get("logs", ())}
        known.update({log.name: log.text for log in image.logs})
        platforms: dict[str, Any] = {
            platform: {
                "definition": base64.b64encode(one.definition.to_bytes()).decode(),
                "config": base64.b64encode(one.config).decode(),
                "files": list(one.files),
            }
            for platform, one in image.platforms.items()
        }
        document = {
            "format": _FORMAT,
            "platforms": platforms,
            "directories": dict(image.directories),
            "logs": [{"name": name, "text": text} for name, text in known.items()],
            "built": image.built or time.time(),
        }
        self._write("images", f"{image.id}.json", document)

    def load(self, identifier: str) -> StoredImage:
        """What an id stands for.

        Raises:
            NotFoundError: nothing of that id was built here.
        """
        document = self._read("images", f"{identifier}.json") if _is_id(identifier) else None
        if document is None:
            raise NotFoundError(
                f"no image {identifier} was built on this machine",
                hint="An id is known where its image was built: .build() gives it, .object_id tells it.",
            )
        try:
            return StoredImage(
                identifier,
                {
                    platform: StoredPlatform(
                        Definition.from_bytes(base64.b64decode(one["definition"])),
                        base64.b64decode(one["config"]),
                        tuple(one["files"]),
                    )
                    for platform, one in document["platforms"].items()
                },
                document["directories"],
                tuple([StoredLog(log["name"], log["text"]) for log in document["logs"]]),
                document["built"],
            )
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ExecutionError(
                f"what is stored of {identifier} cannot be read: {error}",
                hint="Build the image again.",
            ) from None

    def publish(self, name: str, identifier: str) -> None:
        """Lets a full name stand for an image."""
        self._write("names", f"{name.replace('/', '@').replace(':', '@@')}.json", {"id": identifier})

    def published(self, name: str) -> str:
        """The id of the image that has a full name.

        Raises:
            NotFoundError: no image has it.
        """
        document = self._read("names", f"{name.replace('/', '@').replace(':', '@@')}.json")
        if document is None:
            raise NotFoundError(
                f"no image is published as {name} on this machine",
                hint=f'Build one and publish it: image.build().publish("{name}").',
            )
        return document["id"]

    def _read(self, kind: str, name: str) -> dict[str, Any] | None:
        path = self._directory / kind / name
        try:
            document: Any = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise ExecutionError(f"{path} cannot be read: {error}", hint="Remove it.") from None
        if not isinstance(document, dict):
            raise ExecutionError(f"{path} cannot be read: it is no object", hint="Remove it.")
        return document  # pyright: ignore[reportUnknownVariableType]

    def _write(self, kind: str, name: str, document: Mapping[str, Any]) -> None:
        folder = self._directory / kind
        path = folder / name
        temporary = folder / f".{uuid.uuid4().hex}.part"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(document).encode())
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise ExecutionError(
                f"what was built cannot be remembered in {folder}: {error.strerror}",
                hint="LLB_DATA_DIR names another directory.",
            ) from None


def _is_id(text: str) -> bool:
    digest = text.removeprefix("im-")
    return len(digest) == 64 and text != digest and set(digest) <= set("0123456789abcdef")


def stored_definition(image: StoredImage, platform: str, session: str) -> tuple[Definition, bytes]:
    """The graph of a stored image, for a build to go on with, and its config.

    Its local sources get names of their own, which `directory_of` knows, and the session of the new build.

    Raises:
        ExecutionError: it was not built for this platform, or its local files have changed since.
    """
    found = image.platforms.get(platform)
    if found is None:
        raise ExecutionError(
            f"the image {image.id} was built for {', '.join(image.platforms)}, not for {platform}",
            hint=f'Build it again with platform="{platform}".',
        )
    for source, digest in zip(local_sources(found.definition), found.files, strict=True):
        directory = image.directories.get(source.name, "")
        if not os.path.isdir(directory) or digest_of_files(directory, source.attrs) != digest:
            raise ExecutionError(
                f"local files of the image {image.id} have changed since it was built (in {directory})",
                hint="Build it again: the id of what is there now is another one.",
            )

    def change(source: LocalSource) -> LocalSource:
        attrs = dict(source.attrs)
        if session:
            attrs["local.session"] = session
        return LocalSource(f"{image.id}/{source.name}", attrs)

    return relocated(found.definition, change), found.config


def directory_of(name: str, store: Store) -> str:
    """The directory of a local source of a stored image.

    Raises:
        KeyError: it is none.
    """
    identifier, _, source = name.partition("/")
    try:
        return store.load(identifier).directories[source]
    except (NotFoundError, ExecutionError):
        raise KeyError(name) from None


def last_logs(image: StoredImage, layers: int) -> Sequence[StoredLog]:
    """What the newest steps wrote, the oldest of them first."""
    return image.logs[-layers:] if layers > 0 else ()
