"""From a chain to a definition: pure, without an engine."""

from __future__ import annotations

import os
from stat import S_ISREG

from llb import graph
from llb.errors import LLBError
from llb.graph import LINUX_AMD64, Definition, Platform, SourceFile
from llb.graph.platform import as_platform
from llb.image.build import Build, of_platform
from llb.image.chain import step_of
from llb.image.options import BuildOptions, is_forced
from llb.image.resolver import LocalDirectory, ResolvedBase, Resolver
from llb.image.step import Lowered, Step, ask_step, lower_step, root_of, steps_of
from llb.oci import ImageConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from llb.image.devices import DeviceRequest
    from llb.image.image import Image
    from llb.image.logins import RegistryLogin
    from llb.image.secrets import SecretRequest

_QUOTABLE = 4 << 20
"""How large a source file may be to go along with a definition: gRPC limits its messages."""
_NO_OPTIONS = BuildOptions()
_NOTHING = Lowered(graph.scratch(), ImageConfig())


class ImageDefinition(Definition):
    """A definition, and what the image is besides its filesystem."""

    image_config: bytes = b""
    """The OCI image config, JSON."""
    base_config: bytes = b""
    """The config of the base it starts from; empty if nobody knows it."""
    platform: Platform = LINUX_AMD64
    bases: tuple[ResolvedBase, ...] = ()
    """What was known of the bases: what a `--bases` file holds."""
    secrets: tuple[SecretRequest, ...] = ()
    """What the build will ask its client for."""
    logins: tuple[RegistryLogin, ...] = ()
    """What the client of the build answers registries with."""
    notes: tuple[str, ...] = ()
    """What the user should know, and what is no error."""
    devices: tuple[DeviceRequest, ...] = ()
    """What the build needs of the engine."""

    @property
    def entitlements(self) -> tuple[str, ...]:
        """What the build must be allowed: what a client gives `buildctl build --allow`."""
        return ("device",) if self.devices else ()


def compile_to_llb(
    image: Image,
    *,
    platform: str | Platform | None = None,
    resolver: Resolver | None = None,
    options: BuildOptions = _NO_OPTIONS,
    source_files: Callable[[str], SourceFile | None] | None = None,
) -> ImageDefinition:
    """Compile an image to the definition that BuildKit builds. No engine and no network are needed.

    The same image, platform, options and answers of the resolver give the same vertices on every machine. The
    bytes also hold the user's source files, for the engine's errors to quote; they are in no digest. Nor is
    that cached results are not to be used, as LLB_FORCE_BUILD=1 (or LLB_IGNORE_CACHE=1) in the environment
    says for all steps.

    Args:
        image: what to compile.
        platform: what it is for, such as `linux/arm64`; default `linux/amd64`.
        resolver: who knows about base images and local files. Default: local files are looked up in the
            working directory, nothing is known about bases.
        options: what the build was asked for besides the chain.
        source_files: gives the text of the user's files by the name that Python knows them by, so that
            errors of the engine can quote them; default: they are read from the disk.

    Returns:
        The definition: `.to_bytes()` for `buildctl build`, `.digest`, `.image_config`, `.bases`.

    Raises:
        InvalidTypeError: `image` is not an image.
        LLBError: a step cannot be done; the error knows the user's line.

    Example:
        ```python
        definition = compile_to_llb(Image.debian_slim("3.12").pip_install("numpy"), platform="linux/arm64")
        sys.stdout.buffer.write(definition.to_bytes())
        ```
    """
    if not options.no_cache and is_forced(os.environ):
        options = options.replace(no_cache=True)
    build, steps = _announced(
        image, platform, resolver or LocalDirectory(), options, source_files or read_source_file
    )
    build.resolver.prefetch(build.wanted_bases)
    base_config = _lower(steps, build)
    lowered = build.lowered[steps[-1]]
    document = b"" if options.labels else build.documents.get(steps[-1], b"")
    if not document:
        config = lowered.finished_config().with_labels(options.labels)
        document = of_platform(config, build.platform).to_json()
    definition = graph.marshal(lowered.state, platform=build.platform, caps=build.resolver.capabilities)
    return ImageDefinition.of(
        definition,
        image_config=document,
        base_config=base_config,
        platform=build.platform,
        bases=build.known_bases,
        secrets=build.secrets,
        logins=build.logins,
        notes=tuple(build.notes),
        devices=build.devices,
    )


def _lower(steps: list[Step], build: Build) -> bytes:
    """Lowers all steps; gives the config of the base of the last one's chain.

    A step that asks the resolver is passed over once, with all that build on it, so that the answers to
    several are under way at once.
    """
    base_config = b""
    main = root_of(steps[-1])
    lowered = build.lowered
    asked: set[Step] = set()
    while steps:
        later: list[Step] = []
        for step in steps:
            parent = step.parent
            needed = step.others if parent is None else (parent, *step.others)
            if any(one not in lowered for one in needed):
                later.append(step)
                continue
            below = lowered[parent] if parent is not None else _NOTHING
            if step not in asked and ask_step(step, below, build):
                asked.add(step)
                later.append(step)
                continue
            if parent is None:
                build.base_config = b""
            lowered[step] = lower_step(step, below, build)
            if step is main:
                base_config = build.base_config
        steps = later
    return base_config


def bases_of(
    image: Image,
    *,
    platform: str | Platform | None = None,
    options: BuildOptions = _NO_OPTIONS,
    resolver: Resolver | None = None,
) -> tuple[tuple[str, Platform], ...]:
    """What compiling an image will ask a resolver's `base` for: to ask for those of several images at once.

    Args:
        image: what will be compiled.
        platform: what for.
        options: with which options.
        resolver: who knows the project's settings; default: there are none.

    Raises:
        InvalidTypeError: `image` is not an image.
        LLBError: a base cannot be named; the error knows the user's line.
    """
    return _announced(image, platform, resolver or Resolver(), options, read_source_file, bases_only=True)[
        0
    ].wanted_bases


def _announced(
    image: Image,
    platform: str | Platform | None,
    resolver: Resolver,
    options: BuildOptions,
    source_files: Callable[[str], SourceFile | None],
    *,
    bases_only: bool = False,
) -> tuple[Build, list[Step]]:
    steps = steps_of(step_of(image))
    wanted = (as_platform(platform) if platform is not None else LINUX_AMD64).normalized()
    build = Build(wanted, resolver, options, source_files)
    for step in steps:
        if bases_only and (step.parent is not None or step.is_local):
            continue
        build.total += step.vertices
        try:
            step.announce(build)
        except LLBError as error:
            raise error.at(step.location, step.method) from None
    return build, steps


def read_source_file(name: str) -> SourceFile | None:
    """A source file of this machine, named as seen from the working directory; None if it cannot be read."""
    try:
        about = os.stat(name)
        if not S_ISREG(about.st_mode) or about.st_size > _QUOTABLE:
            return None
        with open(name, "rb") as file:
            data = file.read()
    except (OSError, ValueError):
        return None
    shown = os.path.relpath(name)
    return SourceFile(os.path.basename(name) if shown.startswith("..") else shown, data)
