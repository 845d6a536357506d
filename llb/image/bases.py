"""What a chain starts from: an image of a registry, Python on Debian, or nothing."""

from __future__ import annotations

from llb import graph
from llb.errors import BaseError, InvalidError, UnsupportedError
from llb.graph.reference import Reference
from llb.image import arguments
from llb.image.build import image_source, parse_reference, require_linux
from llb.image.chain import Chain, started, step_of
from llb.image.commands import NO_OPTIONS, run
from llb.image.config import resolved, words_text
from llb.image.packages import install_with_apt, install_with_pip
from llb.image.recipes import check_python_type
from llb.image.step import Lowered, Step
from llb.location import caller, last_line
from llb.oci import DEFAULT_PATH, ImageConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from llb.graph import Platform, State
    from llb.image.build import Build
    from llb.image.logins import RegistryLogin
    from llb.image.resolver import ResolvedBase
    from llb.image.secrets import Secret


class FromRegistry(Step):
    """An image of a registry."""

    tag: str
    force_build: bool
    secret: Secret | None = None
    """What the registry's login is made of."""
    login: str = ""
    """The kind of login; empty: the secret's keys are not known yet."""
    add_python: str = ""

    method = "from_registry"

    @property
    def vertices(self) -> int:
        return 4 if self.add_python else 1

    def reference(self, build: Build) -> Reference:  # noqa: ARG002
        return parse_reference(self.tag)

    def announce(self, build: Build) -> None:
        if self.tag == "scratch":
            raise InvalidError("scratch is no image of a registry", hint="Write Image.from_scratch().")
        reference = self.reference(build)
        if self.secret is not None:
            build.want_login(self.registry_login(reference, build))
        build.want_base(str(reference), build.platform)

    def registry_login(self, reference: Reference, build: Build) -> RegistryLogin:
        """The login for where the base is.

        Raises:
            LLBError: the secret is none for a registry, or not for this one.
        """
        from llb.image.logins import RegistryLogin, check_host, login_kind

        assert self.secret is not None
        kind = self.login
        if not kind and build.resolver.has_secret_values:
            kind = login_kind(self.secret.values())
        check_host(reference.domain, kind)
        return RegistryLogin(reference.domain, kind, self.secret)

    def lower(self, below: Lowered, build: Build) -> Lowered:  # noqa: ARG002 (there is nothing below)
        reference = self.reference(build)
        platform = build.platform
        replaced = build.named_context(reference)
        if replaced is not None:
            state, config = self._from_context(build, *replaced)
        else:
            state, config = self._from_image(build, reference)
        ignore_cache = self.force_build or build.options.no_cache
        lowered = Lowered(started_on(state, config, platform, build), config, None, ignore_cache)
        if config.on_build:
            from llb.image.dockerfile_lowering import run_triggers

            lowered = run_triggers(self, lowered, build)
        if self.add_python:
            build.documents.pop(self, None)
            from llb.image.added_python import add_python

            lowered = add_python(self, lowered, build, self.add_python)
        return lowered

    def _from_image(self, build: Build, reference: Reference) -> tuple[State, ImageConfig]:
        platform = build.platform
        known = self._known(build, reference)
        if known is not None:
            build.base_config = known.config
            config = read_config(known.config, reference)
            reference = Reference.parse(known.reference)
            if known.digest:
                reference = reference.replace(digest=known.digest)
            if config.is_empty:
                return graph.scratch(), config
        else:
            config = build.default_config(platform)
        state = graph.image(
            str(reference),
            platform,
            resolve_mode=build.options.image_resolve_mode,  # pyright: ignore[reportArgumentType]
            meta=build.meta(self, f"{self.method} {reference}"),
        )
        return state, config

    def _known(self, build: Build, reference: Reference) -> ResolvedBase | None:
        try:
            return build.base(str(reference), build.platform)
        except BaseError as error:
            if self.secret is not None and not build.resolver.has_secret_values:
                login = self.registry_login(reference, build)
                error.hint = (
                    "Only a build from Python can log in with the secret of a base. "
                    f"Log in where this build is started: {login.command}"
                )
            raise

    def _from_context(self, build: Build, name: str, source: str) -> tuple[State, ImageConfig]:
        """The base that a named context gives; not pinned by a digest, as in the Dockerfile frontend."""
        platform = build.platform
        meta = build.meta(self, f"[context {name}] {source}")
        image = image_source(source)
        if image is not None:
            known = build.base(str(image), platform)
            if known is None:
                return graph.image(str(image), platform, meta=meta), build.default_config(platform)
            build.base_config = known.config
            return graph.image(known.reference, platform, meta=meta), read_config(known.config, image)
        found = build.resolver.named(name, source, platform)
        if found is None:
            raise UnsupportedError(
                f"the named context {name}={source} cannot stand for a base image here",
                hint=f"Build with --build-context {name}=docker-image://…",
            )
        config = read_config(found.config, name) if found.config else build.default_config(platform)
        build.base_config = found.config
        return found.definition.state(), config


class FromGcpArtifactRegistry(FromRegistry):
    """An image of a registry of Google Cloud."""

    method = "from_gcp_artifact_registry"


class FromAwsEcr(FromRegistry):
    """An image of a registry of AWS."""

    method = "from_aws_ecr"


class DebianSlim(FromRegistry):
    """Python on Debian. `tag` is the Python version; empty: the build's default."""

    method = "debian_slim"

    @property
    def vertices(self) -> int:
        return 4

    def reference(self, build: Build) -> Reference:
        recipe = build.recipe
        version = recipe.python(self.tag or build.default_python(self.method))
        return parse_reference(f"python:{version}-slim-{recipe.debian}")

    def lower(self, below: Lowered, build: Build) -> Lowered:
        require_linux(build, self.method)
        recipe = build.recipe
        lowered = super().lower(below, build)
        lowered = install_with_apt(self, lowered, build, recipe.packages)
        lowered = install_with_pip(self, lowered, build, ("--upgrade", *recipe.tools))
        lowered = run(self, lowered, build, _NONINTERACTIVE, f"{self.method}: debconf asks nothing")
        return with_command(lowered, build, recipe.cmd)


_NONINTERACTIVE = "echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections"


def with_command(lowered: Lowered, build: Build, cmd: tuple[str, ...]) -> Lowered:
    """With a recipe's command, as a base's: an `entrypoint` drops it."""
    if not cmd:
        return lowered
    history = build.history(f"CMD {words_text(cmd)}", empty_layer=True)
    return lowered.configured(lowered.config.replace(cmd=cmd), history)


class FromScratch(Step):
    """Nothing at all."""

    force_build: bool

    method = "from_scratch"

    def lower(self, below: Lowered, build: Build) -> Lowered:  # noqa: ARG002 (there is nothing below)
        config = build.default_config(build.platform)
        state = started_on(graph.scratch(), config, build.platform, build)
        return Lowered(state, config, None, self.force_build or build.options.no_cache)


def read_config(data: bytes, name: object) -> ImageConfig:
    """The config of a base; PATH is never missing, but on Windows.

    Raises:
        BaseError: the registry has something that is no image config.
    """
    try:
        config = ImageConfig.from_json(data)
    except InvalidError as error:
        raise BaseError(
            f"{name} cannot be a base: {error.message}", hint="Is it a container image?"
        ) from None
    config = config.replace(created="", workdir=config.workdir and resolved("", config.workdir))
    if config.os == "windows" or "PATH" in dict(config.environment):
        return config
    return config.with_env("PATH", DEFAULT_PATH)


def started_on(state: State, config: ImageConfig, platform: Platform, build: Build) -> State:
    """A base's filesystem with the environment that its config and the build's options give to commands."""
    options = build.options
    state = state.with_platform(platform).with_envs(config.environment)
    if options.hostname:
        state = state.with_hostname(options.hostname)
    if config.workdir:
        state = state.with_dir(config.workdir)
    if config.user:
        state = state.with_user(config.user)
    if options.network != "sandbox":
        state = state.with_network(options.network)  # pyright: ignore[reportArgumentType]
    if options.extra_hosts:
        state = state.with_extra_hosts(options.extra_hosts)
    if options.ulimits and build.supports("exec.meta.ulimit"):
        state = state.with_ulimits(*options.ulimits)
    if options.cgroup_parent and build.supports("exec.meta.cgroup.parent"):
        state = state.with_cgroup_parent(options.cgroup_parent)
    return state


class Bases(Chain):
    """The factories of `Image`."""

    __slots__ = ()

    @classmethod
    @started
    def from_registry(
        cls,
        tag: str,
        secret: Secret | None = None,
        *,
        setup_dockerfile_commands: Sequence[str] = (),
        force_build: bool = False,
        add_python: str | None = None,
    ) -> Self:
        """An image of a registry.

        Its environment, working directory, user and shell hold for what follows. They come from its config,
        where the build can ask a registry or was given a file of known bases; otherwise they are assumed: the
        usual PATH, `/`, root, `/bin/sh`.

        Args:
            tag: `name[:tag][@digest]`, such as `debian:12-slim` or `ghcr.io/owner/name:1.2`; a name without a
                host is one of Docker Hub.
            secret: a login to its registry. Its keys say which kind: REGISTRY_USERNAME and REGISTRY_PASSWORD;
                SERVICE_ACCOUNT_JSON for Google's; AWS_REGION with AWS_ACCESS_KEY_ID and
                AWS_SECRET_ACCESS_KEY, or with AWS_ROLE_ARN, for AWS's (needs `llb[aws]`). A build from Python
                serves it; through the other doors log in with docker (errors name the command).
            setup_dockerfile_commands: lines of a Dockerfile for the base, after `add_python`, as
                `dockerfile_commands` takes them.
            force_build: use no cached result of any step of this chain.
            add_python: puts a standalone CPython of this series, such as `"3.12"` or `"3.14t"`, into
                `/usr/local`: the builder version says which (`docs/recipes.md`). It is for the C library that
                the base has; where no engine can be asked, for glibc.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: `tag` or `add_python` is empty, or `secret` has the keys of no login or of several.
                That `tag` is not a reference, or that there is no such Python, is found when the image is
                compiled.

        Example:
            ```python
            image = Image.from_registry("nvidia/cuda:12.4.1-devel-ubuntu22.04").run_commands("nvcc --version")
            ```
        """
        tag = arguments.text("tag", tag, 'Image.from_registry("debian:12-slim")')
        return cls._registry(
            FromRegistry, "", tag, secret, force_build, add_python, setup_dockerfile_commands
        )

    @classmethod
    @started
    def from_gcp_artifact_registry(
        cls,
        tag: str,
        secret: Secret | None = None,
        *,
        setup_dockerfile_commands: Sequence[str] = (),
        force_build: bool = False,
        add_python: str | None = None,
    ) -> Self:
        """An image of Google Cloud's Artifact Registry.

        Args:
            tag: `REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME:TAG`.
            secret: has SERVICE_ACCOUNT_JSON, the text of a service account's key (not its path).
            setup_dockerfile_commands: as in `from_registry`.
            force_build: as in `from_registry`.
            add_python: as in `from_registry`.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: `tag` is empty, or `secret` lacks the key. That `tag` is in no registry of Google's
                is found when the image is compiled.

        Example:
            ```python
            key = Secret.from_name("gcp", required_keys=["SERVICE_ACCOUNT_JSON"])
            image = Image.from_gcp_artifact_registry("us-east1-docker.pkg.dev/team/images/base:1", secret=key)
            ```
        """
        tag = arguments.text(
            "tag", tag, 'Image.from_gcp_artifact_registry("us-east1-docker.pkg.dev/p/r/n:1")'
        )
        return cls._registry(
            FromGcpArtifactRegistry, "gcp", tag, secret, force_build, add_python, setup_dockerfile_commands
        )

    @classmethod
    @started
    def from_aws_ecr(
        cls,
        tag: str,
        secret: Secret | None = None,
        *,
        setup_dockerfile_commands: Sequence[str] = (),
        force_build: bool = False,
        add_python: str | None = None,
    ) -> Self:
        """An image of AWS's Elastic Container Registry.

        Args:
            tag: `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG`.
            secret: has AWS_REGION, and either AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_ROLE_ARN: a
                role that is assumed with the machine's identity token (AWS_WEB_IDENTITY_TOKEN_FILE) or keys.
            setup_dockerfile_commands: as in `from_registry`.
            force_build: as in `from_registry`.
            add_python: as in `from_registry`.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: `tag` is empty, or `secret` lacks a key. That `tag` is in no registry of AWS's is
                found when the image is compiled.

        Example:
            ```python
            keys = Secret.from_name("ecr", required_keys=["AWS_ROLE_ARN", "AWS_REGION"])
            image = Image.from_aws_ecr("123456789012.dkr.ecr.us-east-1.amazonaws.com/base:1", secret=keys)
            ```
        """
        tag = arguments.text("tag", tag, 'Image.from_aws_ecr("123.dkr.ecr.us-east-1.amazonaws.com/base:1")')
        return cls._registry(
            FromAwsEcr, "aws", tag, secret, force_build, add_python, setup_dockerfile_commands
        )

    @classmethod
    def _registry(
        cls,
        kind: type[FromRegistry],
        login: str,
        tag: str,
        secret: Secret | None,
        force_build: bool,
        add_python: str | None,
        setup: Sequence[str],
    ) -> Self:

        force_build = arguments.flag("force_build", force_build)
        if secret is not None:
            from llb.image.logins import checked_login

            login = checked_login(secret, login)
        version = ""
        if add_python is not None:
            from llb.image.added_python import checked_series

            version = checked_series(add_python)
        image = cls._start(kind, tag, force_build, secret, login if secret is not None else "", version)
        if setup == ():
            return image
        from llb.image.dockerfile_lowering import NOTHING_GIVEN
        from llb.image.dockerfile_steps import SetupCommands, setup_lines

        lines = setup_lines(setup)
        if not lines:
            return image
        step = SetupCommands(step_of(image), caller(), NO_OPTIONS, lines, last_line(), NOTHING_GIVEN)
        return cls._of(step)

    @classmethod
    @started
    def debian_slim(cls, python_version: str | None = None, force_build: bool = False) -> Self:
        """Python on a small Debian, with compilers: the `python:…-slim` image of Docker Hub and more.

        The builder version says the rest: which Debian and which patch release (`docs/recipes.md`). On it
        gcc, gfortran and build-essential are installed, pip, wheel and uv are brought up to date, and debconf
        is told to ask nothing: one vertex each. From builder 2025.06 on, its command sleeps for two days, so
        that a container of it stays.

        Args:
            python_version: `"3.12"` for the patch release that the builder version fixes, `"3.12.4"` for that
                one, None for the series of the interpreter that evaluates the image file, so where Python or
                `llb compile` builds. The frontend container, whose interpreter is not the user's, takes 3.12
                and says so; `--build-arg LLB_PYTHON_VERSION=3.11` changes it, and the image file sees it as
                `llb.build_arg("LLB_PYTHON_VERSION")`.
            force_build: use no cached result of any step of this chain.

        Raises:
            InvalidTypeError: `python_version` is not a string: 3.10 as a number is 3.1.
            InvalidError: it is empty. That a version is not available, or free-threaded, is found when the
                image is compiled.

        Example:
            ```python
            image = Image.debian_slim("3.12").pip_install("numpy")
            ```
        """
        version = check_python_type(python_version)
        if version is not None:
            arguments.text("python_version", version, 'Image.debian_slim("3.12")')
        return cls._start(DebianSlim, version or "", arguments.flag("force_build", force_build))

    @classmethod
    @started
    def from_scratch(cls, force_build: bool = False) -> Self:
        """Nothing: no files, no shell. `add_local_dir` and `add_local_file` give it what it shall hold.

        Args:
            force_build: use no cached result of any step of this chain.

        Example:
            ```python
            image = Image.from_scratch().entrypoint(["/server"]).add_local_file("server", "/server")
            ```
        """
        return cls._start(FromScratch, arguments.flag("force_build", force_build))
