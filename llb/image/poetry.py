"""Projects of poetry: `poetry_install_from_file`.

poetry lives in an environment of its own, made for the command and mounted: neither it nor what it needs is
in a layer, and none of that can be in the way of the project's packages.
"""

from __future__ import annotations

from llb import graph
from llb.errors import InvalidError
from llb.image import arguments
from llb.image.build import require_linux
from llb.image.chain import Chain, chained
from llb.image.commands import RunStep, cache_mount, run, run_options
from llb.image.packages import PIP_CACHE, ROOM, as_root, joined, names, quote, runs_as_root, tool_options
from llb.image.step import Lowered

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Mapping
    from typing import Self

    from llb.graph.mounts import Mount
    from llb.image.build import Build
    from llb.image.secrets import Secret

_TOOL = f"{ROOM}/poetry"
_PROJECT = "/tmp/poetry"  # noqa: S108 (a mount)
_CACHE = "/root/.cache/pypoetry"
_TEMPORARY_CACHE = f"{ROOM}/cache"
_VERSION = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+!-_*")


class PoetryInstall(RunStep):
    """The dependencies of a project, by one command."""

    project: str
    lock: str
    """Empty: beside the project."""
    ignore_lock: bool
    version: str
    """Empty: the image has poetry."""
    old_installer: bool
    with_groups: tuple[str, ...]
    without_groups: tuple[str, ...]
    only_groups: tuple[str, ...]

    method = "poetry_install_from_file"

    @property
    def vertices(self) -> int:
        return 2 if self.version else 1

    def lower(self, below: Lowered, build: Build) -> Lowered:
        from llb.image.poetry_projects import read_project  # only chains that need it pay for it

        require_linux(build, self.method)
        lock = None if self.ignore_lock else self.lock
        groups = (self.with_groups, self.without_groups, self.only_groups)
        files = read_project(build, self.project, lock, groups)
        made = [
            graph.mkdir("/project", 0o777),
            *[graph.mkfile(f"/project/{name}", 0o666, data) for name, data in files],
        ]
        state = graph.scratch().file(*made, meta=graph.Meta(name=f"[internal] {self.project}"))
        # poetry writes a lock beside the project where it has none: nobody wants it afterwards.
        mounts: list[Mount] = [graph.bind(_PROJECT, state, source="/project", no_output=True)]
        settings = ["POETRY_VIRTUALENVS_CREATE=false"]
        if runs_as_root(below):
            mounts.append(cache_mount(build, _CACHE))
        else:
            mounts.append(graph.tmpfs(_TEMPORARY_CACHE))
            settings.append(f"POETRY_CACHE_DIR={_TEMPORARY_CACHE}")
        poetry = "poetry"
        if self.version:
            mounts.append(self._tool(below, build))
            poetry = f"{_TOOL}/bin/python -m poetry"
        command = joined(
            f"cd {_PROJECT} &&",
            # An environment that `python` is of is the project's; else the interpreter's own.
            '{ [ -n "$VIRTUAL_ENV" ] || export VIRTUAL_ENV="$(python -c \'import sys; '
            "print(sys.prefix if sys.prefix != sys.base_prefix else str())')\"; } &&",
            f"{poetry} config --local experimental.new-installer false &&" if self.old_installer else "",
            *settings,
            f"{poetry} install --no-root --no-interaction",
            *[
                f"--{option} {quote(','.join(given))}"
                for option, given in zip(("with", "without", "only"), groups, strict=True)
                if given
            ],
            "" if self.old_installer else "--compile",  # it installs with pip, which compiles by itself
        )
        text = f"{self.method} {self.project}"
        return run(self, below, build, command, text, mounts=mounts, options=self.options)

    def _tool(self, below: Lowered, build: Build) -> Mount:
        """poetry in an environment of its own, mounted."""
        wanted = f"poetry{_specifier(self.version, build)}"
        python = f"{_TOOL}/bin/python"
        packages = f'"$({python} -c \'import sysconfig; print(sysconfig.get_path("purelib"))\')"'
        command = (
            # Without its own pip: Debian's Python has none to give. The file says that the environment is
            # poetry's, and that what it installs goes to the interpreter's.
            f"python -m venv --without-pip {_TOOL} && touch {_TOOL}/poetry_env && "
            "python -m pip install --quiet --disable-pip-version-check --no-compile "
            f"--target {packages} {quote(wanted)}"
        )
        text = f"{self.method}: {wanted} from the index of pip"
        options = tool_options(self.options)
        mounts = (cache_mount(build, PIP_CACHE),)
        made = run(self, as_root(below), build, command, text, mounts=mounts, options=options)
        return graph.bind(_TOOL, made.state, source=_TOOL, readonly=True)


def _specifier(version: str, build: Build) -> str:
    if version == "latest":
        return build.recipe.poetry
    return f"=={version}"


class Poetry(Chain):
    """The method of `Image` that installs projects of poetry."""

    __slots__ = ()

    @chained
    def poetry_install_from_file(
        self,
        poetry_pyproject_toml: str | os.PathLike[str],
        poetry_lockfile: str | os.PathLike[str] | None = None,
        *,
        ignore_lockfile: bool = False,
        old_installer: bool = False,
        with_: list[str] = [],  # noqa: B006 (the interface's defaults; never changed)
        without: list[str] = [],  # noqa: B006
        only: list[str] = [],  # noqa: B006
        poetry_version: str | None = "latest",
        env: Mapping[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
        force_build: bool = False,
    ) -> Self:
        """Install the dependencies of a project of poetry, into the `python` on PATH. Not the project itself.

        poetry itself is not in the image: it is mounted for the command. Of the `pyproject.toml` only that
        goes along which poetry reads for it: other edits are no change.

        Args:
            poetry_pyproject_toml: the project's file, relative to the build's context directory.
            poetry_lockfile: its lock; default: `poetry.lock` beside it.
            ignore_lockfile: install without a lock, whatever poetry finds then.
            old_installer: the installer of poetry's first versions; newer ones have none, and say so.
            with_: names of optional groups to install as well.
            without: names of groups to leave out.
            only: names of the groups to install, and no other.
            poetry_version: a version of poetry; `"latest"`: what the builder version means by it (1.7 and
                later, below 2, up to 2024.10; whichever the index has since then). None: the image has it.
            env: environment variables of this step only; those whose value is None are left out.
            secrets: given to this step only, as environment variables; later ones win.
            gpu: a GPU of the builder for this step: `"any"`, or a type such as `"A100"` or `"A100:1"`.
            force_build: install even if cached, and run all steps that follow.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: a name is empty. That the project or (NotFoundError) its lock is missing is found
                when the image is compiled or built.

        Example:
            ```python
            image = Image.debian_slim("3.12").poetry_install_from_file("pyproject.toml", without=["dev"])
            ```
        """
        example = 'poetry_install_from_file("pyproject.toml", without=["dev"])'
        project = arguments.path("poetry_pyproject_toml", poetry_pyproject_toml, example)
        lock = ""
        if poetry_lockfile is not None:
            lock = arguments.path("poetry_lockfile", poetry_lockfile, 'poetry_lockfile="poetry.lock"')
        version = ""
        if poetry_version is not None:
            version = arguments.text("poetry_version", poetry_version, 'poetry_version="2.1.4"')
            if not _VERSION.issuperset(version):
                raise InvalidError(
                    f"poetry_version is no version: {arguments.shown(version)}",
                    hint='Write poetry_version="2.1.4".',
                )
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        return self._then(
            PoetryInstall,
            options,
            project,
            lock,
            arguments.flag("ignore_lockfile", ignore_lockfile),
            version,
            arguments.flag("old_installer", old_installer),
            names("with_", with_, example),
            names("without", without, example),
            names("only", only, example),
        )
