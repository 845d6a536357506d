"""What `Image` asks of the client: build, remember, name, find again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from llb.client.build import BuildRequest, Built, Compiled, Output, build_image
from llb.client.client import Client
from llb.client.store import (
    Store,
    StoredImage,
    StoredLog,
    StoredPlatform,
    digest_of_files,
    image_id,
    local_sources,
    stored_definition,
    without_session,
)
from llb.errors import ExecutionError, ImageBuildError, InvalidError, LLBError
from llb.graph import Definition, Platform
from llb.image import BuildOptions, Image, ImageDefinition

_KINDS = ("local", "tar", "oci", "docker")


def build(
    image: Image,
    core: Image,
    *,
    engine: str | Client | None,
    platforms: Sequence[Platform],
    context: str,
    contexts: Mapping[str, str],
    tags: Sequence[str],
    push: bool,
    outputs: Sequence[str],
    no_cache: bool,
    progress: str,
    on_event: Callable[[Any], object] | None,
) -> StoredImage:
    """Builds an image, and remembers it.

    Args:
        image: what to build.
        core: the same without the files that are added lazily: what the id stands for.
        engine: address or client.
        platforms: empty: the engine's own.
        context: directory of local files.
        contexts: named contexts: directories or sources such as `docker-image://…`.
        tags: references.
        push: whether to push them.
        outputs: paths, or `KIND:PATH`.
        no_cache: ignore all cached results.
        progress: `auto`, `plain`, `quiet`.
        on_event: is told each event.

    Raises:
        ImageBuildError: a step failed.
        LLBError: whatever else is wrong.
    """
    directories = {
        name: path for name, path in contexts.items() if "://" not in path and path[:6] != "local:"
    }
    sources = [(name, f"local:{name}" if name in directories else path) for name, path in contexts.items()]
    options = BuildOptions(no_cache=no_cache, contexts=tuple(sources))
    found: list[StoredImage] = []

    def remember(compiled: Compiled) -> None:
        found.append(stored_of(compiled, lazily=core is not image))

    with ThreadPoolExecutor(1, thread_name_prefix="llb-digest") as pool:
        request = BuildRequest(
            platforms=tuple(platforms),
            context=context,
            contexts=directories,
            tags=tuple(tags),
            push=push,
            outputs=tuple([output_of(one) for one in outputs]),
            options=options,
            progress=progress,
            listeners=(on_event,) if on_event is not None else (),
            # Local files are read once more, for the id, while the engine builds.
            compiled=lambda compiled: pool.submit(remember, compiled),
        )
        try:
            built = build_image(image, request, engine=engine, also=core if core is not image else None)
        except ImageBuildError as error:
            pool.shutdown(wait=True)
            if found:
                error.image_id = found[0].id
            raise
    if not found:
        raise ExecutionError("the local files of the image changed while it was built")
    stored = replace(found[0], logs=logs_of(built), built=time.time())
    try:
        Store().save(stored)
    except ExecutionError as error:  # the image is built all the same
        sys.stderr.write(f"note: {error}\n")
    return stored


def stored_of(compiled: Compiled, *, lazily: bool) -> StoredImage:
    """What is remembered of a build: with lazily added files, what is below them."""
    platforms: dict[str, StoredPlatform] = {}
    names: set[str] = set()
    for definition in compiled.extra if lazily else compiled.definitions:
        plain = without_session(definition)
        files: list[str] = []
        for source in local_sources(plain):
            names.add(source.name)
            directory = compiled.directories.get(source.name)
            files.append(digest_of_files(directory, source.attrs) if directory is not None else "")
        platforms[str(definition.platform)] = StoredPlatform(plain, definition.image_config, tuple(files))
    directories = {name: path for name, path in compiled.directories.items() if name in names}
    return StoredImage(image_id(platforms), platforms, directories)


def logs_of(built: Built) -> tuple[StoredLog, ...]:
    """What the steps wrote, in the order of the chain."""
    record = built.record
    order: dict[str, None] = {}
    for definition in built.compiled.definitions:
        order |= dict.fromkeys(definition.digests())
    written = [digest for digest in order if record.log(digest)]
    return tuple([StoredLog(_step_name(record.vertices[one].name), record.log(one)) for one in written])


def _step_name(name: str) -> str:
    return name.partition("] ")[2] or name


def stored(identifier: str, platform: Platform, session: str) -> tuple[Definition, bytes]:
    """The graph and config of what an id stands for, for a build to go on with."""
    return stored_definition(Store().load(identifier), str(platform), session)


def load(identifier: str) -> StoredImage:
    """What is known of an id.

    Raises:
        NotFoundError: nothing of that id was built here.
    """
    return Store().load(identifier)


def publish(name: str, identifier: str) -> None:
    """Lets a name stand for an image."""
    Store().load(identifier)
    Store().publish(name, identifier)


def published(name: str) -> str:
    """The id that a name stands for.

    Raises:
        NotFoundError: no image has it.
    """
    return Store().published(name)


def output_of(text: str) -> Output:
    """`KIND:PATH`, or a path: `FILE.tar` gets the files as a tar file, any other is a folder for them.

    Raises:
        InvalidError: the path is empty.
    """
    kind, separator, path = text.partition(":")
    if not separator or kind not in _KINDS:
        kind, path = ("tar" if text.endswith(".tar") else "local"), text
    if not path:
        raise InvalidError(f"the output {text!r} has no path", hint='Write output="oci:image.tar".')
    return Output(kind, os.path.abspath(os.path.expanduser(path)))


__all__ = [
    "ImageDefinition",
    "LLBError",
    "build",
    "load",
    "publish",
    "published",
    "stored",
]
