"""One compilation: what steps may ask while they are lowered, and what they share."""

from __future__ import annotations

import os
import sys

from llb import graph
from llb.errors import InvalidError, UnsupportedError
from llb.graph import Meta, Platform, ProgressGroup, SourceRange
from llb.graph.reference import Reference
from llb.image.local import LocalFiles
from llb.image.recipes import PYTHON_ARGUMENT, recipe_of
from llb.image.resolver import ResolvedBase
from llb.image.settings import read_settings
from llb.oci import DEFAULT_PATH, History, ImageConfig, timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from llb.graph import SecretEnv, SourceFile, State
    from llb.image.devices import DeviceRequest
    from llb.image.logins import RegistryLogin
    from llb.image.options import BuildOptions
    from llb.image.recipes import Recipe
    from llb.image.resolver import DockerfileRequest, Resolver
    from llb.image.secrets import Secret, SecretRequest
    from llb.image.step import Lowered, Step
    from llb.location import Location


class Build(LocalFiles):
    """What the steps of one compilation ask, and where vertices get their names and lines from.

    Steps `announce` first, so that bases are asked for at once and adds share one transfer; then they are
    lowered in order.
    """

    def __init__(
        self,
        platform: Platform,
        resolver: Resolver,
        options: BuildOptions,
        source_files: Callable[[str], SourceFile | None],
    ) -> None:
        super().__init__(resolver, options)
        self.platform = platform
        self.total = 0
        self.base_config = b""
        """The config of the base that was resolved last."""
        self.lowered: dict[Step, Lowered] = {}
        """What each step has become so far, of all chains."""
        self.questions: dict[Step, tuple[State, DockerfileRequest]] = {}
        """What each step has asked about a Dockerfile, and on top of what."""
        self.documents: dict[Step, bytes] = {}
        """Image configs as BuildKit has written them, of the steps after which nothing has changed them."""
        self._secrets: dict[str, SecretRequest] = {}
        self._devices: dict[str, Step] = {}
        self._source_files = source_files
        self._index = 0
        self._bases: dict[tuple[str, Platform], ResolvedBase | None] = {}
        self._tools: dict[str, State | None] = {}
        self._files: dict[str, SourceFile | None] = {}
        self._ranges: dict[tuple[str, int], tuple[SourceRange, ...]] = {}
        self._logins: dict[str, RegistryLogin] = {}
        self._recipe: Recipe | None = None
        self._project: Mapping[str, str] | None = None
        self._created = "" if options.source_date_epoch is None else timestamp(options.source_date_epoch)

    # -- the engine ------------------------------------------------------------------------------------------

    def supports(self, capability: str) -> bool:
        """Whether the engine can do something; an engine that nobody knows is a current one."""
        known = self.resolver.capabilities
        return known is None or capability in known

    # -- settings --------------------------------------------------------------------------------------------

    @property
    def recipe(self) -> Recipe:
        """What this build's builder version says.

        Raises:
            VersionError: it is unknown.
            InvalidError: the project's settings cannot be read.
        """
        if self._recipe is None:
            self._recipe = recipe_of(self)
        return self._recipe

    def setting(self, option: str, variables: Sequence[str], name: str) -> tuple[str, str]:
        """A setting, and where it comes from: the build's option, the environment now, the project's file.

        Raises:
            InvalidError: the project's settings cannot be read.
        """
        value: str = getattr(self.options, option)
        if value:
            return value, ""
        for variable in variables:
            if os.environ.get(variable):
                return os.environ[variable], variable
        if self._project is None:
            self._project = read_settings(self.resolver.project())
        return self._project.get(name, ""), "pyproject.toml"

    def default_python(self, method: str) -> str:
        """The series of Python of a base that names none."""
        if self.options.python_version:
            return self.options.python_version
        series = self.resolver.default_python
        if not series:
            return f"{sys.version_info[0]}.{sys.version_info[1]}"
        self.note(
            f"{method}() names no Python version: {series} is taken. Name one, "
            f"or build with --build-arg {PYTHON_ARGUMENT}=…"
        )
        return series

    # -- tools -----------------------------------------------------------------------------------------------

    def want_tool(self, name: str) -> None:
        """Announce a tool that several commands may use: its one vertex is counted once."""
        if name not in self._tools:
            self._tools[name] = None
            self.total += 1

    def tool(self, name: str, make: Callable[[], State]) -> State:
        """A tool's filesystem, made for the first command that uses it."""
        state = self._tools.get(name)
        if state is None:
            state = self._tools[name] = make()
        return state

    # -- secrets ---------------------------------------------------------------------------------------------

    def secret_env(self, step: Step, secrets: Sequence[Secret]) -> list[SecretEnv]:
        """The variables that a command gets from secrets; of those with one name, the last one's.

        Raises:
            InvalidError: two different secrets have the same id.
        """
        if not secrets:
            return []
        wanted: dict[str, SecretRequest] = {}
        for secret in secrets:
            for request in secret.requests(self):
                wanted.pop(request.key, None)
                wanted[request.key] = request
        for request in wanted.values():
            known = self._secrets.setdefault(request.id, request)
            if not known.secret.same_as(request.secret):
                raise InvalidError(
                    f"two different secrets of this build have the id {request.id}",
                    hint='Give one of them a name: Secret.from_dict({…}, name="other").',
                    step=step.method,
                )
        return [graph.secret_env(request.key, id=request.id) for request in wanted.values()]

    @property
    def secrets(self) -> tuple[SecretRequest, ...]:
        """What the build's client will be asked for, in the order of the ids."""
        return tuple([self._secrets[identifier] for identifier in sorted(self._secrets)])

    # -- devices ---------------------------------------------------------------------------------------------

    def want_devices(self, step: Step, names: Sequence[str]) -> None:
        """Note that a step needs devices."""
        for name in names:
            self._devices.setdefault(name, step)

    @property
    def devices(self) -> tuple[DeviceRequest, ...]:
        """What the build needs of the engine, in the order of the steps."""
        if not self._devices:
            return ()
        from llb.image.devices import DeviceRequest

        return tuple(
            [DeviceRequest(name, step.location, step.method) for name, step in self._devices.items()]
        )

    # -- names, lines, history -------------------------------------------------------------------------------

    def meta(self, step: Step, text: str, *, ignore_cache: bool = False) -> Meta:
        """The metadata of the step's next vertex: `[2/7] pip_install numpy`, and the user's line."""
        self._index += 1
        name = self._name(self._index, text)
        return Meta(name, (), ignore_cache, None, None, self.locations(step.location))

    def joined_meta(self, step: Step, text: str, *, ignore_cache: bool = False) -> tuple[Meta, Meta]:
        """The metadata of the step's next vertex, and of those beside the chain that it joins."""
        last = self.meta(step, text, ignore_cache=ignore_cache)
        # The group's id must tell it from others of the same build, and be the same each time.
        group = f"{last.name} {self.platform} {self.options.progress_prefix}"
        return last, last.replace(progress_group=ProgressGroup(group, last.name, weak=True))

    def _name(self, index: int, text: str) -> str:
        prefix = self.options.progress_prefix
        total = str(self.total)
        return f"[{prefix + ' ' if prefix else ''}{index:{len(total)}}/{total}] {text}"

    def locations(self, location: Location) -> tuple[SourceRange, ...]:
        """The user's line for the engine's errors; nothing if its file cannot be read."""
        key = (location.filename, location.line)
        known = self._ranges.get(key)
        if known is None:
            name = location.filename
            if name not in self._files:
                self._files[name] = self._source_files(name)
            file = self._files[name]
            known = self._ranges[key] = (SourceRange(file, location.line),) if file is not None else ()
        return known

    def history(self, created_by: str, *, empty_layer: bool = False) -> History:
        """A history entry of this build."""
        return History(created_by, empty_layer, created=self._created)

    @property
    def created_time(self) -> int | None:
        """The time of what file actions make, where it is to be reproducible; nanoseconds."""
        epoch = self.options.source_date_epoch
        return None if epoch is None else epoch * 1_000_000_000

    # -- bases -----------------------------------------------------------------------------------------------

    def want_login(self, login: RegistryLogin) -> None:
        """Announce a login that a base needs.

        Raises:
            InvalidError: one registry is to be logged in to with two secrets.
        """
        known = self._logins.setdefault(login.host, login)
        if not known.secret.same_as(login.secret):
            raise InvalidError(
                f"two different secrets of this build log in to {login.host}",
                hint="Give the bases of one registry one secret.",
            )
        self.resolver.login(login)

    @property
    def logins(self) -> tuple[RegistryLogin, ...]:
        return tuple([self._logins[host] for host in sorted(self._logins)])

    def want_base(self, reference: str, platform: Platform) -> None:
        """Announce a base: `reference` is its full name."""
        replaced = self.named_context(Reference.parse(reference))
        if replaced is not None:
            reference = _image_of(replaced[1])
        if reference:
            self._bases.setdefault((reference, platform), None)

    @property
    def wanted_bases(self) -> tuple[tuple[str, Platform], ...]:
        return tuple(self._bases)

    def base(self, reference: str, platform: Platform) -> ResolvedBase | None:
        """What the resolver knows of a base, asked once."""
        known = self._bases.get((reference, platform))
        if known is None:
            known = self.resolver.base(reference, platform)
            if known is not None and known.platform is None:
                known = known.replace(platform=platform)
            self._bases[reference, platform] = known
        return known

    @property
    def known_bases(self) -> tuple[ResolvedBase, ...]:
        return tuple([base for base in self._bases.values() if base is not None])

    def named_context(self, reference: Reference) -> tuple[str, str] | None:
        """The named context that replaces a base: its name and source."""
        name = _familiar(reference)
        for key in (f"{name}::{self.platform.normalized()}", name):
            if key in self._contexts:
                return key, self._contexts[key]
        return None

    def default_config(self, platform: Platform) -> ImageConfig:
        """The config of an image that has none, or that nobody knows."""
        return ImageConfig(
            os=platform.os,
            architecture=platform.architecture,
            variant=platform.variant,
            os_version=platform.os_version,
            os_features=platform.os_features,
            env=() if platform.os == "windows" else (f"PATH={DEFAULT_PATH}",),
            workdir="/",
        )


def of_platform(config: ImageConfig, platform: Platform) -> ImageConfig:
    """The config for the platform that was asked for, whatever its base says."""
    same = (config.os, config.architecture) == (platform.os, platform.architecture)
    wanted = Platform(
        platform.os,
        platform.architecture,
        platform.variant or (config.variant if same else ""),
        platform.os_version or (config.os_version if same else ""),
        platform.os_features or config.os_features,
    ).normalized()
    return config.replace(
        os=wanted.os,
        architecture=wanted.architecture,
        variant=wanted.variant,
        os_version=wanted.os_version,
        os_features=wanted.os_features,
    )


def require_linux(build: Build, what: str) -> None:
    """Refuse what has no meaning on other systems."""
    if build.platform.os == "windows":
        raise UnsupportedError(f"{what} needs a Linux image, not one for {build.platform}")


def parse_reference(text: str) -> Reference:
    """The full name of a base, tagged.

    Raises:
        InvalidError: it is not a reference.
    """
    return Reference.parse(text).tagged()


def image_source(source: str) -> Reference | None:
    """The image that a named context of the kind `docker-image://` names; None for another kind.

    Raises:
        InvalidError: what it names is not a reference.
    """
    if not source.startswith("docker-image:"):
        return None
    name = source.removeprefix("docker-image:").removeprefix("//")
    if name == "scratch":
        raise InvalidError(
            "a named context that replaces a base with scratch", hint="Write Image.from_scratch()."
        )
    return parse_reference(name)


def _image_of(source: str) -> str:
    try:
        reference = image_source(source)
    except InvalidError:
        return ""
    return str(reference) if reference is not None else ""


def _familiar(reference: Reference) -> str:
    """The short form that people write, without `:latest`."""
    name = str(reference)
    if reference.domain == "docker.io":
        name = name.removeprefix("docker.io/")
        if reference.path.count("/") == 1:
            name = name.removeprefix("library/")
    return name.removesuffix(":latest")
