"""Conda packages: the base `micromamba`, and `micromamba_install`."""

from __future__ import annotations

from llb import graph
from llb.image import arguments
from llb.image.bases import FromRegistry, with_command
from llb.image.build import parse_reference, require_linux
from llb.image.chain import Chain, chained, started
from llb.image.commands import RunStep, run, run_options
from llb.image.packages import ROOM, joined, mounted_files, names, quote
from llb.image.recipes import check_python_type
from llb.image.step import Lowered

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Mapping, Sequence
    from typing import Self

    from llb.graph.mounts import Mount
    from llb.graph.reference import Reference
    from llb.image.build import Build
    from llb.image.secrets import Secret

SHELL = "/usr/local/bin/_dockerfile_shell.sh"
"""The image's own shell, which activates its environment."""
_CACHE = "/var/cache/llb/conda"
_USER = 57439
"""The user of micromamba's images (MAMBA_USER_ID)."""
_INSTALL = f'CONDA_PKGS_DIRS={_CACHE}/"$(id -u)" micromamba install'
"""Packages are unpacked in a cache mount, in a folder of the user's own: the image's user is not root."""


class Micromamba(FromRegistry):
    """Python from conda-forge. `tag` is the Python version; empty: the build's default."""

    method = "micromamba"

    @property
    def vertices(self) -> int:
        return 2

    def reference(self, build: Build) -> Reference:
        return parse_reference(f"mambaorg/micromamba:{build.recipe.micromamba}")

    def lower(self, below: Lowered, build: Build) -> Lowered:
        require_linux(build, self.method)
        version = self.tag or build.default_python(self.method)
        build.recipe.python(version)  # refuses what it does not have; conda takes a series as it is
        lowered = super().lower(below, build)
        shell = build.history(f"SHELL [{SHELL}]", empty_layer=True)
        lowered = lowered.configured(lowered.config.replace(shell=(SHELL,)), shell)  # noqa: S604 (no process)
        name, value = "MAMBA_DOCKERFILE_ACTIVATE", "1"
        env = build.history(f"ENV {name}={value}", empty_layer=True)
        state = lowered.state.with_env(name, value)
        lowered = lowered.configured(lowered.config.with_env(name, value), env, state)
        command = f"{_INSTALL} -n base {quote(f'python={version}')} pip -c conda-forge --yes"
        text = f"{self.method} python={version} pip"
        lowered = run(self, lowered, build, command, text, mounts=(_cache(build),))
        return with_command(lowered, build, build.recipe.cmd)


class MicromambaInstall(RunStep):
    """Conda packages, by one command."""

    packages: tuple[str, ...]
    spec_file: str
    channels: tuple[str, ...]

    method = "micromamba_install"

    @property
    def vertices(self) -> int:
        return 1

    def lower(self, below: Lowered, build: Build) -> Lowered:
        require_linux(build, self.method)
        mounts = [_cache(build)]
        spec = ""
        if self.spec_file:
            from llb.image.conda_specs import read_spec

            name, data = read_spec(build, self.spec_file)
            mounts.append(mounted_files([(name, data)], f"{ROOM}/conda", self.spec_file))
            spec = f"-f {quote(f'{ROOM}/conda/{name}')} -n base"
        packages = [quote(one) for one in self.packages]
        channels = [f"-c {quote(one)}" for one in self.channels]
        command = joined(_INSTALL, *packages, spec, *channels, "--yes")
        text = " ".join([self.method, *self.packages, *([self.spec_file] if self.spec_file else [])])
        return run(self, below, build, command, text, mounts=mounts, options=self.options)


def _cache(build: Build) -> Mount:
    """Where micromamba keeps packages between builds: `mode=0777,uid=57439` of a Dockerfile's mount.

    For any user; but Docker Engine's own umask takes the others' right to write, so it is its usual user's.
    """
    room = graph.scratch().file(
        graph.mkdir("/cache", 0o777, owner=(_USER, 0)),
        meta=graph.Meta(name="[internal] setting cache mount permissions"),
    )
    name = f"{build.options.cache_namespace}/{_CACHE}"
    return graph.cache(_CACHE, id=name, sharing="locked", source=room, selector="/cache")


class Conda(Chain):
    """The methods of `Image` about conda packages."""

    __slots__ = ()

    @classmethod
    @started
    def micromamba(cls, python_version: str | None = None, force_build: bool = False) -> Self:
        """Python from conda-forge, on an image with micromamba.

        The builder version says which image of micromamba it is (`docs/recipes.md`). Commands run in its
        environment `base`, which its shell activates; its user is not root. From builder 2025.06 on, its
        command sleeps for two days.

        Args:
            python_version: `"3.12"`, or `"3.12.4"` for one patch release. Default: as for `debian_slim`.
            force_build: use no cached result of any step of this chain.

        Raises:
            InvalidTypeError: `python_version` is not a string: 3.10 as a number is 3.1.
            InvalidError: it is empty. That a version is not available, or free-threaded, is found when the
                image is compiled.

        Example:
            ```python
            image = Image.micromamba("3.12").micromamba_install("numpy", channels=["conda-forge"])
            ```
        """
        version = check_python_type(python_version)
        if version is not None:
            arguments.text("python_version", version, 'Image.micromamba("3.12")')
        return cls._start(Micromamba, version or "", arguments.flag("force_build", force_build))

    @chained
    def micromamba_install(
        self,
        *packages: str | list[str],
        spec_file: str | os.PathLike[str] | None = None,
        channels: Sequence[str] | None = None,
        env: Mapping[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
        force_build: bool = False,
    ) -> Self:
        """Install conda packages with micromamba, into the environment that is active.

        All packages of one call are installed together. Packages stay on the builder for the next time, in a
        cache, and not twice in the image. Without packages and `spec_file`, the image is returned as it is.

        Args:
            *packages: specs such as `numpy`, `numpy=2.1` or `"conda-forge::numpy>=2"`, or lists of them, in
                this order; options of micromamba may be among them.
            spec_file: a local file with an environment: `environment.yml`, or a list of packages (`.txt`).
                It is read when the image is compiled, installed into `base`, and not left in the image; its
                comments are no change.
            channels: where packages are looked for, in this order.
            env: environment variables of this step only; those whose value is None are left out.
            secrets: given to this step only, as environment variables; later ones win.
            gpu: a GPU of the builder for this step: `"any"`, or a type such as `"A100"` or `"A100:1"`.
            force_build: install even if cached, and run all steps that follow.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: a package or channel is empty. That the file is not there, or names further files,
                is found when the image is compiled.

        Example:
            ```python
            image = Image.micromamba("3.12").micromamba_install("gdal=3.9", channels=["conda-forge"])
            ```
        """
        found = arguments.texts("packages", packages, 'micromamba_install("numpy", channels=["conda-forge"])')
        spec = (
            "" if spec_file is None else arguments.path("spec_file", spec_file, 'spec_file="environment.yml"')
        )
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        chosen = names(
            "channels",
            list(channels) if isinstance(channels, tuple) else channels,
            'channels=["conda-forge"]',
        )
        return self._then(MicromambaInstall, options, found, spec, chosen) if found or spec else self
