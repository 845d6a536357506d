"""Package installers: `apt_install`, `pip_install`."""

from __future__ import annotations

from llb.errors import InvalidError
from llb.image import arguments
from llb.image.build import require_linux
from llb.image.chain import Chain, chained
from llb.image.commands import NO_OPTIONS, RunOptions, RunStep, cache_mount, run, run_options
from llb.image.step import Lowered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Self

    from llb.image.build import Build
    from llb.image.secrets import Secret
    from llb.image.step import Step

_APT_CACHE = "/var/cache/apt"
_APT_LISTS = "/var/lib/apt/lists"
_APT_ARCHIVES = f"{_APT_CACHE}/llb"
"""Debian's container images delete what apt has put in its usual folder, as soon as it is installed."""

_PIP_CACHE = "/root/.cache/pip"


_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./-_")


def quote(text: str) -> str:
    """A word for a POSIX shell, as `shlex.quote` writes it (whose import would be felt)."""
    if text and _PLAIN.issuperset(text):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"


class AptInstall(RunStep):
    """Debian packages, by one command."""

    packages: tuple[str, ...]

    method = "apt_install"

    @property
    def vertices(self) -> int:
        return 1

    def lower(self, below: Lowered, build: Build) -> Lowered:
        require_linux(build, "apt_install")
        return install_with_apt(self, below, build, self.packages, self.options)


def install_with_apt(
    step: Step, below: Lowered, build: Build, packages: Sequence[str], options: RunOptions = NO_OPTIONS
) -> Lowered:
    """Debian packages, by one vertex."""
    # One command, not two: the lists are in a cache mount, which a cached update would not fill.
    words = " ".join([quote(one) for one in packages])
    command = (
        "apt-get update && DEBIAN_FRONTEND=noninteractive "
        f"apt-get install -y -o Dir::Cache::Archives={_APT_ARCHIVES} {words}"
    )
    mounts = (cache_mount(build, _APT_CACHE, "locked"), cache_mount(build, _APT_LISTS, "locked"))
    text = f"{step.method} {' '.join(packages)}"
    return run(step, below, build, command, text, mounts=mounts, options=options)


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
        require_linux(build, "pip_install")
        return install_with_pip(self, below, build, self.packages, self.flags, self.options)


def install_with_pip(
    step: Step,
    below: Lowered,
    build: Build,
    packages: Sequence[str],
    flags: str = "",
    options: RunOptions = NO_OPTIONS,
) -> Lowered:
    """Python packages, by one vertex; `flags` are for the shell as they are."""
    # pip's cache is in its user's home; where that is root's, it is a mount. Elsewhere there is none.
    is_root = below.config.user.partition(":")[0] in ("", "0", "root")
    start = "python -m pip install" if is_root else "python -m pip install --no-cache-dir"
    words = [start, *[quote(one) for one in packages]]
    command = " ".join([*words, flags] if flags else words)
    mounts = (cache_mount(build, _PIP_CACHE),) if is_root else ()
    text = f"{step.method} {' '.join(packages)}"
    return run(step, below, build, command, text, mounts=mounts, options=options)


def pip_options(
    find_links: str | None, index_url: str | None, extra_index_url: str | None, pre: bool, extra_options: str
) -> str:
    """pip's options as the shell takes them: values quoted, `extra_options` as given."""
    flags: list[str] = []
    for name, value in (
        ("find_links", find_links),
        ("index_url", index_url),
        ("extra_index_url", extra_index_url),
    ):
        found = arguments.optional_text(name, value, f'{name}="https://…"')
        if found:
            flags.append(f"--{name.replace('_', '-')} {quote(found)}")
    if arguments.flag("pre", pre):
        flags.append("--pre")
    if not isinstance(extra_options, str) or extra_options:  # pyright: ignore[reportUnnecessaryIsInstance]
        flags.append(arguments.text("extra_options", extra_options, 'extra_options="--no-deps"'))
    return " ".join(flags)


def refuse_options(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse options among packages.

    Raises:
        InvalidError: one starts with `-`.
    """
    options = [one for one in packages if one.lstrip().startswith("-")]
    if options:
        raise InvalidError(
            f"packages cannot hold options: {', '.join(options)}",
            hint=f'Write extra_options="{" ".join(options)}".',
        )
    return packages


class Packages(Chain):
    """The methods of `Image` that install packages."""

    __slots__ = ()

    @chained
    def apt_install(
        self,
        *packages: str | list[str],
        env: Mapping[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
        force_build: bool = False,
    ) -> Self:
        """Install Debian or Ubuntu packages with apt.

        Package lists and downloaded archives stay on the builder for the next time, not in the image. Without
        packages, the image is returned as it is.

        Args:
            *packages: names as `apt-get install` takes them, such as `git` or `libpq5=15.6-0+deb12u1`, or
                lists of them, in this order; options such as `--no-install-recommends` may be among them.
            env: environment variables of this step only; those whose value is None are left out.
            secrets: given to this step only, as environment variables; later ones win.
            gpu: a GPU of the builder for this step: `"any"`, or a type such as `"A100"` or `"A100:1"`.
            force_build: install even if cached, and run all steps that follow.

        Raises:
            InvalidTypeError: a package is not a string.
            InvalidError: a package is empty.

        Example:
            ```python
            image = Image.debian_slim().apt_install("git", "ffmpeg")
            ```
        """
        found = arguments.texts("packages", packages, 'apt_install("git", "ffmpeg")')
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        return self._then(AptInstall, options, found) if found else self

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
