"""Python packages and projects with uv: `uv_pip_install`, `uv_sync`.

uv comes from its wheel on PyPI, in the version that the recipe pins, fetched by the image's own pip: where
pip gets packages from, uv comes from too, whatever mirror that is. It is mounted for the commands that need
it, and is in no layer. Where there is no pip, `uv_version` names an image to take it from.
"""

from __future__ import annotations

from llb import graph
from llb.errors import InvalidError, without_credentials
from llb.image import arguments
from llb.image.build import parse_reference, require_linux
from llb.image.chain import Chain, chained
from llb.image.commands import RunStep, cache_mount, run, run_options
from llb.image.packages import (
    PIP_CACHE,
    ROOM,
    as_root,
    files_state,
    installer_options,
    joined,
    mounted_files,
    names,
    quote,
    refuse_options,
    runs_as_root,
    tool_options,
)
from llb.image.pip import REQUIREMENTS
from llb.image.step import Lowered

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Mapping, Sequence
    from typing import Self

    from llb.graph import State
    from llb.graph.mounts import Mount
    from llb.image.build import Build
    from llb.image.secrets import Secret

_TOOL = f"{ROOM}/uv"
_TEMPORARY = f"{ROOM}/tmp"  # noqa: S108 (a mount)
_CACHE = "/root/.cache/uv"
_PROJECT = "/.uv"
_FLAGS = ("--find-links", "--default-index", "--index", "--prerelease allow")
_VERSION = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+!-_")

_START = f"""#!/bin/sh
# What uv writes beside its work, such as locks, is not to be in the image.
export TMPDIR={_TEMPORARY}
"""
_INDEXES = r"""# The indexes that pip is told of, where nobody tells uv of any.
# (`pip config get` would read one file only.)
pip_says() {
  python -m pip config list 2>/dev/null |
    sed -n -e "s/^global\.$1=['\"]\(.*\)['\"]$/\1/p" -e "s/^install\.$1=['\"]\(.*\)['\"]$/\1/p" |
    sed -e 's/\\n/ /g' -e 's/^ *//' | tail -n 1
}
if ! grep -qs index "${UV_CONFIG_FILE:-/etc/uv/uv.toml}" "$HOME/.config/uv/uv.toml"; then
  if [ -z "$UV_DEFAULT_INDEX$UV_INDEX_URL" ]; then
    found=${PIP_INDEX_URL:-$(pip_says index-url)}
    if [ -n "$found" ]; then export UV_DEFAULT_INDEX="$found"; fi
  fi
  if [ -z "$UV_INDEX$UV_EXTRA_INDEX_URL" ]; then
    found=${PIP_EXTRA_INDEX_URL:-$(pip_says extra-index-url)}
    if [ -n "$found" ]; then export UV_INDEX="$found"; fi
  fi
fi
"""
_END = f'exec {_TOOL}/bin/uv "$@"\n'


class UvStep(RunStep):
    """A step that runs uv."""

    uv_version: str
    """Empty: what the recipe says. With a slash: an image."""

    @property
    def vertices(self) -> int:
        return 1

    def announce(self, build: Build) -> None:
        build.want_tool(f"uv {self._wanted(build)}")
        if "/" in self.uv_version:
            build.want_base(str(parse_reference(self.uv_version)), build.platform)

    def run_uv(
        self,
        below: Lowered,
        build: Build,
        words: str,
        text: str,
        *,
        mounts: Sequence[Mount] = (),
        indexes: bool = True,
    ) -> Lowered:
        """A command of uv's as one vertex.

        Args:
            below: what it runs on.
            build: the compilation.
            words: the command, without `uv`.
            text: how the progress calls it.
            mounts: what is mounted for it besides uv itself.
            indexes: pip's indexes are uv's, where nobody says otherwise.
        """
        script = _START + (_INDEXES if indexes else "") + _END
        cached = runs_as_root(below)
        command = joined(f"{ROOM}/bin/uv", words, "" if cached else "--no-cache")
        given = (
            graph.bind(
                f"{ROOM}/bin", files_state([("uv", script.encode())], "how uv starts", 0o755), readonly=True
            ),
            self._tool(below, build),
            graph.tmpfs(_TEMPORARY),
            *((cache_mount(build, _CACHE),) if cached else ()),
        )
        return run(self, below, build, command, text, mounts=(*given, *mounts), options=self.options)

    def _wanted(self, build: Build) -> str:
        return self.uv_version or build.recipe.uv

    def _tool(self, below: Lowered, build: Build) -> Mount:
        """uv, mounted."""
        version = self._wanted(build)
        state = build.tool(f"uv {version}", lambda: self._fetched(below, build))
        if "/" in version:
            return graph.bind(f"{_TOOL}/bin/uv", state, source="/uv", readonly=True)
        return graph.bind(_TOOL, state, source=_TOOL, readonly=True)

    def _fetched(self, below: Lowered, build: Build) -> State:
        version = self._wanted(build)
        if "/" in version:
            from llb.image.bases import FromRegistry  # which knows about named contexts and digests

            base_config = build.base_config
            found = FromRegistry(None, self.location, version, False).lower(below, build)
            build.base_config = base_config
            return found.state
        wanted = "uv" if version == "latest" else f"uv=={version}"
        command = (
            "python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps "
            f"--target {_TOOL} {quote(wanted)}"
        )
        text = f"{self.method}: {wanted} from the index of pip"
        # By root, who has a cache and may make the folder.
        options = tool_options(self.options)
        mounts = (cache_mount(build, PIP_CACHE),)
        return run(self, as_root(below), build, command, text, mounts=mounts, options=options).state


class UvPipInstall(UvStep):
    """Python packages, by one command."""

    packages: tuple[str, ...]
    requirements: tuple[str, ...]
    flags: str

    method = "uv_pip_install"

    def lower(self, below: Lowered, build: Build) -> Lowered:
        require_linux(build, self.method)
        mounts: tuple[Mount, ...] = ()
        if self.requirements:
            from llb.image.requirement_files import read_requirements

            files = read_requirements(build, self.requirements)
            mounts = (mounted_files(files, REQUIREMENTS, " ".join(self.requirements)),)
        words = joined(
            'pip install --python "$(command -v python)" --compile-bytecode --link-mode=copy',
            self.flags,
            f"--requirements {REQUIREMENTS}/requirements.txt" if self.requirements else "",
            *[quote(one) for one in self.packages],
        )
        text = without_credentials(" ".join([self.method, *self.requirements, *self.packages]))
        return self.run_uv(below, build, words, text, mounts=mounts)


class UvSync(UvStep):
    """The locked dependencies of a project, in a virtual environment."""

    directory: str
    groups: tuple[str, ...]
    extras: tuple[str, ...]
    frozen: bool
    extra_options: str

    method = "uv_sync"

    @property
    def vertices(self) -> int:
        return 2

    def lower(self, below: Lowered, build: Build) -> Lowered:
        from llb.image.uv_projects import read_project  # only chains that need it pay for it

        require_linux(build, self.method)
        project = read_project(build, self.directory, frozen=self.frozen, options=self.extra_options)
        below = below.forced(self.options.force_build)
        owner, time = below.config.user or None, build.created_time
        made: list[graph.Action] = []
        known: set[str] = set()
        for name, data in project.files:
            path = f"{_PROJECT}/{name}"
            parent = path.rpartition("/")[0]
            if parent not in known:
                known.add(parent)
                made.append(graph.mkdir(parent, 0o755, parents=True, owner=owner, created_time=time))
            made.append(graph.mkfile(path, 0o644, data, owner=owner, created_time=time))
        named = " ".join([name for name, _ in project.files])
        meta = build.meta(self, f"{self.method}: {named}", ignore_cache=below.ignore_cache)
        state = below.state.file(*made, meta=meta)
        below = below.then(state, build.history(f"COPY {named} {_PROJECT}/ # buildkit"))
        words = joined(
            f"sync --project={_PROJECT} --no-install-workspace --compile-bytecode --link-mode=copy",
            *[f"--group={quote(group)}" for group in self.groups],
            *[f"--extra={quote(extra)}" for extra in self.extras],
            self.extra_options,
            "--frozen" if self.frozen and project.is_locked else "",
        )
        text = f"{self.method} {self.directory}"
        below = self.run_uv(below, build, words, text, indexes=not project.has_index)
        path = f"{_PROJECT}/.venv/bin:{dict(below.config.environment).get('PATH', '')}"
        history = build.history(f"ENV PATH={path}", empty_layer=True)
        return below.configured(
            below.config.with_env("PATH", path), history, below.state.with_env("PATH", path)
        )


def _version(value: str | None) -> str:
    """The version of uv that was asked for, or an image that has it.

    Raises:
        InvalidTypeError: it is not a string.
        InvalidError: it is neither.
    """
    if value is None:
        return ""
    example = 'uv_version="0.13.9"'
    found = arguments.text("uv_version", value, example)
    if "/" in found:
        parse_reference(found)
    elif not _VERSION.issuperset(found) or found.startswith("-"):
        raise InvalidError(
            f"uv_version is no version: {arguments.shown(found)}",
            hint=f'Write {example}, or an image that has /uv: "ghcr.io/astral-sh/uv:0.13.9".',
        )
    return found


class Uv(Chain):
    """The methods of `Image` that install with uv."""

    __slots__ = ()

    @chained
    def uv_pip_install(
        self,
        *packages: str | list[str],
        requirements: list[str] | None = None,
        find_links: str | None = None,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
        uv_version: str | None = None,
        env: Mapping[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
        force_build: bool = False,
    ) -> Self:
        """Install Python packages with uv, into the `python` on PATH.

        uv itself is not in the image: it is mounted for the command. Downloads stay on the builder for the
        next time; after `user`, they are not kept at all. All packages of one call are installed together;
        their order does not matter. Without packages and requirements, the image is returned as it is.

        Indexes: `UV_DEFAULT_INDEX`, `UV_INDEX` and uv's config files count, of the image, `env` and
        `secrets`; where they say nothing, those that pip is told of (`PIP_INDEX_URL`, pip.conf) do.

        Args:
            *packages: requirements such as `numpy`, `httpx~=0.27` or `git+https://github.com/owner/repo`, or
                lists of them.
            requirements: requirement files, relative to the build's context directory. Files that they
                include come along; comments, blank lines and order are no change.
            find_links: uv's `--find-links`: where else archives are.
            index_url: uv's `--default-index`: the index instead of PyPI. It is quoted: no variable is
                replaced.
            extra_index_url: uv's `--index`: an index before it.
            pre: uv's `--prerelease allow`: also take pre-releases.
            extra_options: further options, put in the command as they are.
            uv_version: a version of uv on the index that pip uses, `"latest"` for whichever that has, or an
                image with uv as `/uv`, such as `"ghcr.io/astral-sh/uv:0.13.9"`, for bases without pip.
                Default: the version that the builder version pins.
            env: environment variables of this step only; those whose value is None are left out.
            secrets: given to this step only, as environment variables; later ones win.
            gpu: a GPU of the builder for this step: `"any"`, or a type such as `"A100"` or `"A100:1"`.
            force_build: install even if cached, and run all steps that follow.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: a package is empty or an option, or the version is none. What is wrong with files is
                found when the image is compiled or built.

        Example:
            ```python
            image = Image.debian_slim().uv_pip_install("numpy", requirements=["requirements.txt"])
            ```
        """
        example = 'uv_pip_install("numpy", requirements=["requirements.txt"])'
        found = arguments.texts("packages", packages, example)
        found = tuple(sorted(refuse_options(found)))
        files = names("requirements", requirements, example)
        flags = installer_options(_FLAGS, find_links, index_url, extra_index_url, pre, extra_options)
        version = _version(uv_version)
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        if not found and not files:
            return self
        return self._then(UvPipInstall, options, version, found, files, flags)

    @chained
    def uv_sync(
        self,
        uv_project_dir: str | os.PathLike[str] = "./",
        *,
        groups: list[str] | None = None,
        extras: list[str] | None = None,
        frozen: bool = True,
        extra_options: str = "",
        uv_version: str | None = None,
        env: Mapping[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
        force_build: bool = False,
    ) -> Self:
        """Install the dependencies of a project that uv manages. Not the project itself.

        `pyproject.toml`, those of the workspace's members, and `uv.lock`, if there is one, go to `/.uv`; the
        packages go to the virtual environment `/.uv/.venv`, which is put first on PATH. Of a `pyproject.toml`
        only that goes along which uv reads: other edits are no change. Files of members are found by
        `[tool.uv.workspace]`; the packages of the workspace themselves are not installed: add them with
        `add_local_python_source` or `add_local_dir`.

        Args:
            uv_project_dir: the directory of the project, or of the root of its workspace, relative to the
                build's context directory.
            groups: names of dependency groups to install as well.
            extras: names of optional dependencies to install as well.
            frozen: install what `uv.lock` says, without asking whether it is still up to date. False: uv
                brings it up to date in the image. Without a lock, uv makes one.
            extra_options: further options of `uv sync`, put in the command as they are.
            uv_version: a version of uv on the index that pip uses, `"latest"` for whichever that has, or an
                image with uv as `/uv`, such as `"ghcr.io/astral-sh/uv:0.13.9"`, for bases without pip.
                Default: the version that the builder version pins.
            env: environment variables of this step only; those whose value is None are left out.
            secrets: given to this step only, as environment variables; later ones win.
            gpu: a GPU of the builder for this step: `"any"`, or a type such as `"A100"` or `"A100:1"`.
            force_build: install even if cached, and run all steps that follow.

        Raises:
            InvalidTypeError: an argument is of a wrong type. That the project is missing, is no TOML, or that
                its lock is another project's is found when the image is compiled or built.

        Example:
            ```python
            image = Image.debian_slim("3.12").uv_sync(groups=["server"]).add_local_dir("app", "/root/app")
            ```
        """
        example = 'uv_sync("backend", groups=["server"])'
        directory = arguments.path("uv_project_dir", uv_project_dir, example)
        more = ""
        if not isinstance(extra_options, str) or extra_options:  # pyright: ignore[reportUnnecessaryIsInstance]
            more = arguments.text("extra_options", extra_options, 'extra_options="--all-packages"')
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        return self._then(
            UvSync,
            options,
            _version(uv_version),
            directory,
            names("groups", groups, example),
            names("extras", extras, example),
            arguments.flag("frozen", frozen),
            more,
        )
