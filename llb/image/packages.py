"""What the package installers have in common: words for the shell, caches, options, files of a definition."""

from __future__ import annotations

from llb import graph
from llb.errors import InvalidError, without_credentials
from llb.image import arguments
from llb.image.commands import NO_OPTIONS, RunOptions, cache_mount, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llb.graph import DirectoryMount, State
    from llb.graph.mounts import Mount
    from llb.image.build import Build
    from llb.image.step import Lowered, Step

ROOM = "/.llb"
"""Where tools and files are mounted that a command needs and the image does not."""

PIP_CACHE = "/root/.cache/pip"

_APT_CACHE = "/var/cache/apt"
_APT_LISTS = "/var/lib/apt/lists"
_APT_ARCHIVES = f"{_APT_CACHE}/llb"
"""Debian's container images delete what apt has put in its usual folder, as soon as it is installed."""

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./-_")


def quote(text: str) -> str:
    """A word for a POSIX shell, as `shlex.quote` writes it (whose import would be felt)."""
    if text and _PLAIN.issuperset(text):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"


def runs_as_root(below: Lowered) -> bool:
    """Whether commands have root's home, where caches are mounted."""
    return below.config.user.partition(":")[0] in ("", "0", "root")


def as_root(below: Lowered) -> Lowered:
    """The chain so far for a command that only root can run."""
    return below if runs_as_root(below) else below.on(below.state.with_user("root"))


def pip_install(below: Lowered, build: Build) -> tuple[str, tuple[Mount, ...]]:
    """How pip is started, and what is mounted for it."""
    # pip's cache is in its user's home; where that is root's, it is a mount. Elsewhere there is none.
    if runs_as_root(below):
        return "python -m pip install", (cache_mount(build, PIP_CACHE),)
    return "python -m pip install --no-cache-dir", ()


def joined(*words: str) -> str:
    """A command of words that the shell can take as they are, without the empty ones."""
    return " ".join([word for word in words if word])


def apt_mounts(build: Build) -> tuple[Mount, ...]:
    """What is mounted for apt: its lists and archives, which stay on the builder."""
    return (cache_mount(build, _APT_CACHE, "locked"), cache_mount(build, _APT_LISTS, "locked"))


def apt_command(packages: Sequence[str]) -> str:
    """The command that installs packages of the distribution."""
    # One command, not two: the lists are in a cache mount, which a cached update would not fill.
    words = " ".join([quote(one) for one in packages])
    return (
        "apt-get update && DEBIAN_FRONTEND=noninteractive "
        f"apt-get install -y -o Dir::Cache::Archives={_APT_ARCHIVES} {words}"
    )


def install_with_apt(
    step: Step, below: Lowered, build: Build, packages: Sequence[str], options: RunOptions = NO_OPTIONS
) -> Lowered:
    """Debian packages, by one vertex."""
    text = f"{step.method} {' '.join(packages)}"
    return run(step, below, build, apt_command(packages), text, mounts=apt_mounts(build), options=options)


def install_with_pip(
    step: Step,
    below: Lowered,
    build: Build,
    packages: Sequence[str],
    flags: str = "",
    options: RunOptions = NO_OPTIONS,
    text: str = "",
) -> Lowered:
    """Python packages, by one vertex; `flags` are for the shell as they are."""
    start, mounts = pip_install(below, build)
    command = joined(start, *[quote(one) for one in packages], flags)
    text = text or without_credentials(" ".join([step.method, *packages]))
    return run(step, below, build, command, text, mounts=mounts, options=options)


def tool_options(options: RunOptions) -> RunOptions:
    """What a command that fetches a tool gets of a step's: what pip needs to reach an index, and no more.

    So that steps with other variables share the fetched tool.
    """
    env = tuple([(name, value) for name, value in options.env if _is_of_pip(name)])
    secrets = tuple(
        [one for one in options.secrets if one.known_keys is None or any(map(_is_of_pip, one.known_keys))]
    )
    return options.replace(env=env, secrets=secrets, gpu="")


def _is_of_pip(variable: str) -> bool:
    name = variable.upper()
    return name.startswith("PIP_") or name.endswith("_PROXY") or name in ("SSL_CERT_FILE", "NETRC")


def mounted_files(files: Iterable[tuple[str, bytes]], target: str, text: str) -> DirectoryMount:
    """Files that a command can read, and that are in no layer. `text` is what the progress calls them."""
    return graph.bind(target, files_state(files, text), readonly=True)


def files_state(files: Iterable[tuple[str, bytes]], text: str, modes: int = 0o644) -> State:
    """A filesystem of the definition's own files."""
    made = [graph.mkfile(f"/{name}", modes, data) for name, data in files]
    return graph.scratch().file(*made, meta=graph.Meta(name=f"[internal] {text}"))


def pip_options(
    find_links: str | None, index_url: str | None, extra_index_url: str | None, pre: bool, extra_options: str
) -> str:
    """pip's options as the shell takes them: values quoted, `extra_options` as given."""
    names = ("--find-links", "--index-url", "--extra-index-url", "--pre")
    return installer_options(names, find_links, index_url, extra_index_url, pre, extra_options)


def installer_options(
    names: tuple[str, str, str, str],
    find_links: str | None,
    index_url: str | None,
    extra_index_url: str | None,
    pre: bool,
    extra_options: str,
) -> str:
    """An installer's options, with the names that it has for them."""
    flags: list[str] = []
    for option, name, value in zip(
        names,
        ("find_links", "index_url", "extra_index_url"),
        (find_links, index_url, extra_index_url),
        strict=False,
    ):
        found = arguments.optional_text(name, value, f'{name}="https://…"')
        if found:
            flags.append(f"{option} {quote(found)}")
    if arguments.flag("pre", pre):
        flags.append(names[3])
    if not isinstance(extra_options, str) or extra_options:  # pyright: ignore[reportUnnecessaryIsInstance]
        flags.append(arguments.text("extra_options", extra_options, 'extra_options="--no-deps"'))
    return " ".join(flags)


def refuse_options(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse options among packages.

    Raises:
        InvalidError: one starts with `-`.
    """
    options = [without_credentials(one) for one in packages if one.lstrip().startswith("-")]
    if options:
        raise InvalidError(
            f"packages cannot hold options: {', '.join(options)}",
            hint=f'Write extra_options="{" ".join(options)}".',
        )
    return packages


def names(name: str, value: Sequence[str] | None, example: str) -> tuple[str, ...]:
    """A list of names that are not empty, or None.

    Raises:
        InvalidTypeError: it is no list of strings.
        InvalidError: one is empty.
    """
    if value is None:
        return ()
    found = arguments.words(name, value, example)
    return tuple([arguments.text(f"one of {name}", one, example) for one in found])
