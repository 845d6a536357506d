"""`add_python`: a standalone CPython, put into a base that has none.

It takes no shell and no tool of the base: BuildKit fetches and unpacks the archive, and copies the tree.
"""

from __future__ import annotations

from llb import graph
from llb.errors import InvalidError, UnsupportedError
from llb.image import arguments
from llb.image.build import require_linux
from llb.image.python_builds import BUILDS
from llb.image.recipes import MIRROR_VARIABLE, check_python_type, parse_python

TYPE_CHECKING = False
if TYPE_CHECKING:
    from llb.image.build import Build
    from llb.image.step import Lowered, Step

RELEASES = "https://github.com/astral-sh/python-build-standalone/releases/download"
"""What a mirror stands for."""
_MIRROR_SETTING = "python-build-mirror"

_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
_GLIBC = {"amd64": "/lib64/ld-linux-x86-64.so.2", "arm64": "/lib/ld-linux-aarch64.so.1"}
_MUSL = {"amd64": "/lib/ld-musl-x86_64.so.1", "arm64": "/lib/ld-musl-aarch64.so.1"}
_ALPINE = "/etc/alpine-release"

_ARCHIVE = "python.tar"
_TERMINFO = "/etc/terminfo:/lib/terminfo:/usr/share/terminfo:/usr/lib/terminfo"


def checked_series(value: object) -> str:
    """The argument `add_python`.

    Raises:
        InvalidTypeError: it is not a string.
        InvalidError: it is empty.
    """
    return arguments.text("add_python", check_python_type(value, "add_python"), 'add_python="3.12"')


def add_python(step: Step, below: Lowered, build: Build, series: str) -> Lowered:
    """A base with a Python in `/usr/local`: three vertices, of which two are the same on every base.

    Raises:
        InvalidError: there is no such Python, or the base has no C library for it.
        UnsupportedError: there is none for the platform.
    """
    require_linux(build, "add_python")
    found, micro = parse_python(series)
    if micro not in ("", "t"):
        raise InvalidError(
            f'add_python={series!r}: it takes a version "major.minor", not one patch release',
            hint=f'Write add_python="{found}".',
        )
    recipe = build.recipe
    builds = {name: pins for name, *pins in recipe.added}
    if series not in builds:
        raise InvalidError(
            f"Unsupported Python version {series!r} for add_python: "
            f"builder {recipe.version} has {', '.join(builds)}",
            hint="Write one of these.",
        )
    architecture = _ARCHITECTURES.get(build.platform.architecture)
    if architecture is None:
        raise UnsupportedError(
            f"add_python has no Python for {build.platform}",
            hint="Build for linux/amd64 or linux/arm64, or start from an image with Python.",
        )
    libc = _libc(below, build)
    pin = builds[series][libc == "musl"]
    triple = f"{architecture}-unknown-linux-{libc}"
    if triple not in BUILDS.get(pin, {}):
        raise UnsupportedError(
            f"add_python has no Python {series} for {build.platform} with {libc}",
            hint="Choose another series or builder version, or start from a base with another C library.",
        )
    flavor, digest = BUILDS[pin][triple]
    version, _, release = pin.partition("+")
    name = f"cpython-{version.removesuffix('t')}+{release}-{triple}-{flavor}"
    url = f"{_mirror(build)}/{release}/{name.replace('+', '%2B')}"
    archive = graph.http(
        url,
        checksum=f"sha256:{digest}",
        filename=_ARCHIVE,
        meta=build.meta(step, f"add_python: fetch {name}"),
    )
    tree = graph.scratch().file(
        graph.copy(archive, f"/{_ARCHIVE}", "/", unpack=True),
        meta=build.meta(step, f"add_python: unpack {name}"),
    )
    root = "/python/install" if flavor.endswith("full.tar.zst") else "/python"
    actions = [graph.copy(tree, root, "/usr/local", contents_only=True, create_dest=True)]
    if int(found.partition(".")[2]) < 13:
        actions.append(graph.remove("/usr/local/bin/python", allow_not_found=True))
        # As it is: copying a link copies the link, where an engine does not know how to make one.
        actions.append(graph.copy(tree, f"{root}/bin/python3", "/usr/local/bin/python"))
    meta = build.meta(step, f"add_python {series}", ignore_cache=below.ignore_cache)
    state = below.state.file(*actions, meta=meta).with_env("TERMINFO_DIRS", _TERMINFO)
    config = below.config.with_env("TERMINFO_DIRS", _TERMINFO)
    lowered = below.then(state, build.history(f"COPY {name} /usr/local # add_python"))
    return lowered.configured(config, build.history(f"ENV TERMINFO_DIRS={_TERMINFO}", empty_layer=True))


def _libc(below: Lowered, build: Build) -> str:
    """`gnu` or `musl`: what the base has; where nobody can be asked, glibc.

    Raises:
        InvalidError: it has neither.
    """
    if below.state.vertex is None:
        known = (False, False, False)
    else:
        architecture = build.platform.architecture
        definition = graph.marshal(below.state, platform=build.platform)
        known = build.resolver.exists(definition, (_GLIBC[architecture], _MUSL[architecture], _ALPINE))
    if known is None:
        return "gnu"
    glibc, musl, alpine = known
    if musl and (alpine or not glibc):
        return "musl"
    if not glibc:
        raise InvalidError(
            "the base has no C library (glibc or musl) that a Python needs",
            hint="Start from a base that has one, such as debian:12-slim or alpine.",
        )
    return "gnu"


def _mirror(build: Build) -> str:
    """Where the releases are.

    Raises:
        InvalidError: the setting is no URL, or holds a password.
    """
    mirror, where = build.setting("python_build_mirror", (MIRROR_VARIABLE,), _MIRROR_SETTING)
    if not mirror:
        return RELEASES
    where = where or "the build"
    scheme, separator, rest = mirror.partition("://")
    if not separator or scheme not in ("http", "https") or not rest.strip("/"):
        raise InvalidError(
            f"the mirror of Python builds that {where} names is not a URL",
            hint=f"Write {MIRROR_VARIABLE}=https://mirror.example.com/python-build-standalone.",
        )
    if "@" in rest.partition("/")[0]:
        raise InvalidError(
            f"the mirror of Python builds that {where} names holds a password, which every image would show",
            hint="Use one that needs none.",
        )
    return mirror.rstrip("/")
