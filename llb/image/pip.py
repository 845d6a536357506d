"""Python packages with pip: `pip_install`, and from requirement files and projects."""

from __future__ import annotations

from llb.image import arguments
from llb.image.build import require_linux
from llb.image.chain import Chain, chained
from llb.image.commands import RunStep, run, run_options
from llb.image.packages import (
    ROOM,
    install_with_pip,
    joined,
    mounted_files,
    names,
    pip_install,
    pip_options,
    refuse_options,
)
from llb.image.step import Lowered

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Mapping
    from typing import Self

    from llb.image.build import Build
    from llb.image.secrets import Secret

REQUIREMENTS = f"{ROOM}/requirements"


class PipInstall(RunStep):
    """Python packages, by one command."""

    packages: tuple[str, ...]
    flags: str
    """pip's options, as the shell takes them."""

    method = "pip_install"

    @property
    def vertices(self) -> int:
        return 1

    def lower(self, below: Lowered, build: Build) -> Lowered:
        require_linux(build, self.method)
        return install_with_pip(self, below, build, self.packages, self.flags, self.options)


class PipInstallFromRequirements(RunStep):
    """What a requirements file asks for, by one command."""

    path: str
    flags: str

    method = "pip_install_from_requirements"

    @property
    def vertices(self) -> int:
        return 1

    def lower(self, below: Lowered, build: Build) -> Lowered:
        from llb.image.requirement_files import read_requirements  # only chains that need it pay for it

        require_linux(build, self.method)
        files = mounted_files(read_requirements(build, [self.path]), REQUIREMENTS, self.path)
        start, mounts = pip_install(below, build)
        command = joined(start, f"-r {REQUIREMENTS}/requirements.txt", self.flags)
        text = f"{self.method} {self.path}"
        return run(self, below, build, command, text, mounts=(files, *mounts), options=self.options)


class PipInstallFromPyproject(RunStep):
    """The dependencies of a project, by one command."""

    path: str
    groups: tuple[str, ...]
    flags: str

    method = "pip_install_from_pyproject"

    @property
    def vertices(self) -> int:
        return 1

    def lower(self, below: Lowered, build: Build) -> Lowered:
        from llb.image.projects import dependencies, read_toml

        require_linux(build, self.method)
        packages = sorted(set(dependencies(read_toml(build, self.path), self.groups, self.path)))
        if not packages:
            return below
        text = f"{self.method} {self.path}"
        return install_with_pip(self, below, build, packages, self.flags, self.options, text)


class Pip(Chain):
    """The methods of `Image` that install Python packages with pip."""

    __slots__ = ()

    @chained
    def pip_install(
        self,
        *packages: str | list[str],
        find_links: str | None = None,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
        env: Mapping[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
        force_build: bool = False,
    ) -> Self:
        """Install Python packages with pip, into the `python` on PATH.

        All packages of one call are installed together; their order does not matter. Downloads stay on the
        builder for the next time, not in the image; after `user`, they are not kept at all. Without packages,
        the image is returned as it is.

        Args:
            *packages: requirements such as `numpy`, `httpx~=0.27` or `git+https://github.com/owner/repo`, or
                lists of them.
            find_links: pip's `--find-links`: where else archives are.
            index_url: pip's `--index-url`: the index instead of PyPI. It is quoted: no variable is replaced.
            extra_index_url: pip's `--extra-index-url`: an index beside it.
            pre: pip's `--pre`: also take pre-releases.
            extra_options: further options, put in the command as they are.
            env: environment variables of this step only; those whose value is None are left out.
            secrets: given to this step only, as environment variables; later ones win.
            gpu: a GPU of the builder for this step: `"any"`, or a type such as `"A100"` or `"A100:1"`.
            force_build: install even if cached, and run all steps that follow.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: a package is empty or an option.

        Example:
            ```python
            image = Image.debian_slim().pip_install("torch", index_url="https://download.pytorch.org/whl/cpu")
            ```
        """
        found = arguments.texts("packages", packages, 'pip_install("numpy", "httpx~=0.27")')
        found = tuple(sorted(refuse_options(found)))
        flags = pip_options(find_links, index_url, extra_index_url, pre, extra_options)
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        return self._then(PipInstall, options, found, flags) if found else self

    @chained
    def pip_install_from_requirements(
        self,
        requirements_txt: str | os.PathLike[str],
        find_links: str | None = None,
        *,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
        env: Mapping[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
        force_build: bool = False,
    ) -> Self:
        """Install what a requirements file asks for, with pip, into the `python` on PATH.

        Files that it includes with `-r` and `-c` come along. Another comment, blank line or order is no
        change: what is asked for decides. The files are mounted for the command, and are in no layer.

        Args:
            requirements_txt: the file, relative to the build's context directory.
            find_links: pip's `--find-links`: where else archives are.
            index_url: pip's `--index-url`: the index instead of PyPI. It is quoted: no variable is replaced.
                `${NAME}` in the file is: by pip, with what `env` and `secrets` give.
            extra_index_url: pip's `--extra-index-url`: an index beside it.
            pre: pip's `--pre`: also take pre-releases.
            extra_options: further options, put in the command as they are.
            env: environment variables of this step only; those whose value is None are left out.
            secrets: given to this step only, as environment variables; later ones win.
            gpu: a GPU of the builder for this step: `"any"`, or a type such as `"A100"` or `"A100:1"`.
            force_build: install even if cached, and run all steps that follow.

        Raises:
            InvalidTypeError: an argument is of a wrong type. What is wrong with the files is found when the
                image is compiled or built: one that is missing, includes itself, is not text, or asks for a
                local path, which is not in the image.

        Example:
            ```python
            image = Image.debian_slim().pip_install_from_requirements("requirements.txt")
            ```
        """
        path = arguments.path(
            "requirements_txt", requirements_txt, 'pip_install_from_requirements("requirements.txt")'
        )
        flags = pip_options(find_links, index_url, extra_index_url, pre, extra_options)
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        return self._then(PipInstallFromRequirements, options, path, flags)

    @chained
    def pip_install_from_pyproject(
        self,
        pyproject_toml: str | os.PathLike[str],
        optional_dependencies: list[str] = [],  # noqa: B006 (the interface's default; never changed)
        *,
        find_links: str | None = None,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
        env: Mapping[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
        force_build: bool = False,
    ) -> Self:
        """Install the dependencies of a project, with pip, into the `python` on PATH. Not the project itself.

        The dependencies decide: other edits of the file are no change.

        Args:
            pyproject_toml: the file, relative to the build's context directory.
            optional_dependencies: names of its `[project.optional-dependencies]` to install as well.
            find_links: pip's `--find-links`: where else archives are.
            index_url: pip's `--index-url`: the index instead of PyPI. It is quoted: no variable is replaced.
            extra_index_url: pip's `--extra-index-url`: an index beside it.
            pre: pip's `--pre`: also take pre-releases.
            extra_options: further options, put in the command as they are.
            env: environment variables of this step only; those whose value is None are left out.
            secrets: given to this step only, as environment variables; later ones win.
            gpu: a GPU of the builder for this step: `"any"`, or a type such as `"A100"` or `"A100:1"`.
            force_build: install even if cached, and run all steps that follow.

        Raises:
            InvalidTypeError: an argument is of a wrong type. That the file is missing, is no TOML, lists no
                dependencies or lacks a group is found when the image is compiled or built.

        Example:
            ```python
            image = Image.debian_slim().pip_install_from_pyproject("pyproject.toml", ["server"])
            ```
        """
        example = 'pip_install_from_pyproject("pyproject.toml", ["server"])'
        path = arguments.path("pyproject_toml", pyproject_toml, example)
        groups = names("optional_dependencies", optional_dependencies, example)
        flags = pip_options(find_links, index_url, extra_index_url, pre, extra_options)
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        return self._then(PipInstallFromPyproject, options, path, groups, flags)
