"""Images that are built: `build`, their ids, names and logs, and chains that start from one of them."""

from __future__ import annotations

from llb import graph
from llb.errors import ExecutionError, ImageBuildError, InvalidError, InvalidTypeError, UnsupportedError
from llb.graph.platform import as_platform
from llb.graph.reference import normalize_reference
from llb.image import arguments
from llb.image.bases import read_config, started_on
from llb.image.chain import Chain, chained, started, step_of
from llb.image.step import Lowered, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType
    from typing import Any, Literal, Self

    from llb.client import Client, Event
    from llb.graph import Platform
    from llb.image.build import Build

_NAME_LENGTH = 64
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_APP_ID = 25
"""How long `ap-…` is, which names an app elsewhere."""
_PROGRESS = ("auto", "plain", "quiet")

_built: dict[Step, str] = {}
"""The ids of what this process has built, by the last step that is not a lazily added file."""
_failed: dict[Step, ImageBuildError] = {}


def _client() -> ModuleType:
    """The Python client. The one place where images need it; the frontend container has none.

    Raises:
        UnsupportedError: it is not there.
    """
    try:
        from llb.client import images
    except ImportError as error:
        raise UnsupportedError(
            f"images are built from Python where its client is: {error}",
            hint="Here an image file only says what the image is; whoever builds it names and keeps it.",
        ) from None
    return images


class FromId(Step):
    """An image that was built on this machine."""

    image_id: str

    method = "from_id"

    def identifier(self) -> str:
        return self.image_id

    def lower(self, below: Lowered, build: Build) -> Lowered:  # noqa: ARG002 (there is nothing below)
        definition, data = _client().stored(self.identifier(), build.platform, build.options.session)
        build.base_config = data
        config = read_config(data, self.identifier())
        state = definition.state() if definition.ops else graph.scratch()
        return Lowered(started_on(state, config, build.platform, build), config, None, build.options.no_cache)


class FromName(FromId):
    """An image that was built on this machine and given a name: `image_id` is that name in full."""

    method = "from_name"

    def identifier(self) -> str:
        return _client().published(self.image_id)


def _core(step: Step) -> Step:
    """The step whose id an image has: files that are added lazily are no part of it."""
    while step.closes and step.parent is not None:
        step = step.parent
    return step


def _id_of(image: Chain) -> str:
    """The id of what was built; empty if it was not."""
    core = _core(step_of(image))
    if isinstance(core, FromId) and not isinstance(core, FromName):
        return core.image_id
    return _built.get(core, "")


class ImageLogs:
    """What the steps of an image wrote when they were built."""

    __slots__ = ("_image",)

    def __init__(self, image: Chain) -> None:
        self._image = image

    def fetch(self, layers: int = 1) -> str:
        """The output of the newest steps that wrote something, the oldest of them first.

        Args:
            layers: of how many steps.

        Raises:
            ExecutionError: the image was not built.
        """
        if isinstance(layers, bool) or not isinstance(layers, int) or layers < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTypeError(
                f"layers must be a number from 1 on, not {layers!r}", hint="Write fetch(2)."
            )
        step = _core(step_of(self._image))
        failed = _failed.get(step)
        if failed is not None:
            return "".join([f"{line}\n" for line in failed.log])
        identifier = _id_of(self._image)
        if not identifier:
            raise ExecutionError("an image has no logs before it is built", hint="Build it: image.build().")
        logs = _client().load(identifier).logs
        return "".join([log.text for log in logs[-layers:]])

    def tail(self, lines: int = 20, layers: int = 1) -> str:
        """The last lines of the same.

        Args:
            lines: how many.
            layers: of how many steps.

        Raises:
            ExecutionError: the image was not built.
        """
        return "".join(self.fetch(layers).splitlines(keepends=True)[-lines:])

    def __repr__(self) -> str:
        return f"<logs of {self._image!r}>"


def full_name(name: object, environment_name: object, example: str) -> str:
    """`[prefix/…]name[:tag]` with its tag and environment.

    Raises:
        InvalidTypeError: it is not a string.
        InvalidError: it is no such name.
    """
    text = arguments.text("name", name, example)
    environment = arguments.optional_text("environment_name", environment_name, 'environment_name="dev"')
    prefix, separator, last = text.rpartition("/")
    parts = prefix.split("/") if separator else []
    if parts and environment:
        raise InvalidError(
            f"the name {text!r} says its environment, and environment_name={environment!r} is given too",
            hint=f'Write "{last}", or leave environment_name out.',
        )
    parts = [environment] if environment else parts
    base, colon, tag = last.partition(":")
    if not base or "" in parts or (colon and not tag):
        raise InvalidError(f"the name {text!r} has an empty part", hint=f"Write {example}.")
    for part in (*parts, base, tag or "latest"):
        if len(part) > _NAME_LENGTH or not _NAME.issuperset(part):
            raise InvalidError(
                f"{arguments.shown(part)} in the name {arguments.shown(text)} is no name: "
                f"up to {_NAME_LENGTH} of the characters A-Z a-z 0-9 . _ - are",
                hint=f"Write {example}.",
            )
    if base.startswith("im-"):
        raise InvalidError(f"the name {base!r} looks like an image id", hint="Image.from_id(id) takes ids.")
    if base.startswith("ap-") and len(base) == _APP_ID and base[3:].isalnum():
        raise InvalidError(f"the name {base!r} looks like the id of an app", hint=f"Write {example}.")
    return "/".join([*parts, f"{base}:{tag or 'latest'}"])


class Builds(Chain):
    """The methods of `Image` that build, and that know what was built."""

    __slots__ = ()

    @chained
    def build(
        self,
        app: object = None,  # noqa: ARG002 - scripts that were written for a service give one
        *,
        engine: str | Client | None = None,
        platform: str | Platform | Sequence[str | Platform] | None = None,
        context: str | os.PathLike[str] = ".",
        contexts: Mapping[str, str | os.PathLike[str]] | None = None,
        tags: str | Sequence[str] = (),
        push: bool = False,
        output: str | os.PathLike[str] | Sequence[str] | None = None,
        no_cache: bool = False,
        progress: Literal["auto", "plain", "quiet"] = "auto",
        on_event: Callable[[Event], object] | None = None,
    ) -> Self:
        """Build the image now, on a BuildKit engine.

        Local files and secrets go to the engine as it asks for them; registry logins are those of
        `docker login`. Without `tags` and `output` the result stays in the engine's cache.

        Args:
            app: ignored.
            engine: the engine's address (`unix:///run/buildkit/buildkitd.sock`, `tcp://host:1234`, `docker://`
                for the Docker Engine) or a client. Default: `BUILDKIT_HOST`, else a buildkitd that listens
                where it does by default, else the Docker Engine.
            platform: what to build for, such as `"linux/arm64"`, or several. Default: the engine's own.
            context: the directory that local paths are relative to.
            contexts: named contexts: directories, or sources such as `docker-image://…`.
            tags: references of the image: `"registry.example.com/app:1.0"`.
            push: push it to them.
            output: where else it goes: a folder for its files, `FILE.tar` for its files as a tar file,
                `oci:FILE` or `docker:FILE` for the image as a tar file; or several.
            no_cache: use no cached result.
            progress: `auto` and `plain`: lines on standard error; `quiet`: none.
            on_event: is called with each event of the engine, in another thread.

        Returns:
            The image; `.object_id` tells its id.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: an argument has a wrong value, or a step has.
            EngineError: there is no engine.
            ImageBuildError: a step failed: the error has its line, its last output and its exit code.

        Example:
            ```python
            image = Image.debian_slim().pip_install("httpx").build(tags="localhost:5000/app", push=True)
            print(image.object_id)
            ```
        """
        if progress not in _PROGRESS:
            raise InvalidError(f"progress is one of {', '.join(_PROGRESS)}, not {arguments.shown(progress)}")
        named = [normalize_reference(tag) for tag in _strings("tags", tags, 'tags="registry/name:tag"')]
        core = _core(step_of(self))
        client = _client()
        _failed.pop(core, None)
        try:
            found = client.build(
                self,
                self if core is step_of(self) else self._of(core),
                engine=engine,
                platforms=_platforms(platform),
                context=arguments.path("context", context, 'context="."'),
                contexts={
                    name: arguments.path(f"the context {name}", path, 'contexts={"src": "../src"}')
                    for name, path in arguments.dictionary(
                        "contexts", contexts or {}, 'contexts={"src": "../src"}'
                    )
                },
                tags=named,
                push=arguments.flag("push", push),
                outputs=_strings("output", output, 'output="dist"'),
                no_cache=arguments.flag("no_cache", no_cache),
                progress=progress,
                on_event=on_event,
            )
        except ImageBuildError as error:
            _failed[core] = error
            raise
        _built[core] = found.id
        return self

    @chained
    def hydrate(self, client: object = None) -> Self:  # noqa: ARG002 - the interface's argument
        """Make sure that the image was built, or is known by its id or name.

        Args:
            client: ignored.

        Raises:
            ExecutionError: it was not built: images are not built on demand.
            NotFoundError: no image of this id or name was built on this machine.

        Example:
            ```python
            print(Image.from_name("base").hydrate().object_id)
            ```
        """
        core = _core(step_of(self))
        if isinstance(core, FromId):
            identifier = core.identifier()
            _client().load(identifier)
            _built[core] = identifier
        elif core not in _built:
            raise ExecutionError(
                "an image cannot be hydrated on demand: it has not been built",
                hint="Build it: image.build().",
            )
        return self

    @property
    def object_id(self) -> str:
        """The id of the built image: `im-` and a digest of what it is made of.

        Files that are added without `copy=True` are no part of it: with them an image has the id of what they
        are added to.

        Raises:
            NotBuiltError: (also an AttributeError) it was not built.

        Example:
            ```python
            image_id = Image.debian_slim().build().object_id
            ```
        """
        found = _id_of(self)
        if not found:
            raise AttributeError("object_id")  # Chain.__getattr__ says more
        return found

    @property
    def logs(self) -> ImageLogs:
        """What the steps wrote when they were built, also when one of them failed.

        Example:
            ```python
            print(Image.debian_slim().pip_install("numpy").build().logs.fetch())
            ```
        """
        return ImageLogs(self)

    @chained
    def publish(
        self,
        name: str,
        *,
        environment_name: str | None = None,
        experimental_options: Mapping[str, Any] | None = None,  # noqa: ARG002 - the interface's argument
        client: object = None,  # noqa: ARG002 - the interface's argument
    ) -> Self:
        """Give the built image a name on this machine, for `Image.from_name`.

        Args:
            name: `[environment/]name[:tag]`, each of up to 64 letters, digits and `.`, `_`, `-`; the tag is
                `latest` by default. A name that another image has moves to this one.
            environment_name: the environment, if the name does not say it.
            experimental_options: ignored.
            client: ignored.

        Raises:
            InvalidError: it is no such name.
            ExecutionError: the image was not built.

        Example:
            ```python
            Image.debian_slim().pip_install("numpy").build().publish("science:2025")
            ```
        """
        full = full_name(name, environment_name, 'publish("base:1.0")')
        identifier = _id_of(self)
        if not identifier:
            raise ExecutionError(
                f"the image has not been created, so it cannot be published as {full}",
                hint=f'Build it first: image.build().publish("{name}").',
            )
        _client().publish(full, identifier)
        return self

    @classmethod
    @started
    def from_id(cls, image_id: str, client: object = None) -> Self:  # noqa: ARG003 - the interface's argument
        """An image that was built on this machine, by its id.

        Args:
            image_id: what `object_id` told.
            client: ignored.

        Raises:
            InvalidTypeError: `image_id` is not a string.
            InvalidError: it is no id. That there is no such image is found when the image is compiled.

        Example:
            ```python
            image = Image.from_id(image_id).pip_install("numpy")
            ```
        """
        example = 'Image.from_id("im-…")'
        text = arguments.text("image_id", image_id, example)
        if not text.startswith("im-"):
            raise InvalidError(
                f"{arguments.shown(text)} is no image id", hint=f"Write {example}; from_name takes names."
            )
        return cls._start(FromId, text)

    @classmethod
    @started
    def from_name(
        cls,
        name: str,
        *,
        environment_name: str | None = None,
        client: object = None,  # noqa: ARG003 - the interface's argument
    ) -> Self:
        """An image that was built on this machine and published under a name. It is never built for this.

        Args:
            name: `[environment/]name[:tag]`; the tag is `latest` by default.
            environment_name: the environment, if the name does not say it.
            client: ignored.

        Raises:
            InvalidError: it is no such name. That no image has it is found when the image is compiled
                (`NotFoundError`).

        Example:
            ```python
            image = Image.from_name("science:2025").pip_install("pandas")
            ```
        """
        return cls._start(FromName, full_name(name, environment_name, 'Image.from_name("base:1.0")'))


def _platforms(value: str | Platform | Sequence[str | Platform] | None) -> list[Platform]:
    if value is None:
        return []
    members = [*value] if isinstance(value, list | tuple) else [value]
    return [as_platform(one).normalized() for one in members]  # pyright: ignore[reportArgumentType]


def _strings(name: str, value: object, example: str) -> list[str]:
    """A path or text, several of them, or None for none."""
    if value is None:
        return []
    members: list[object] = [*value] if isinstance(value, list | tuple) else [value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return [arguments.path(name, one, example) for one in members]
