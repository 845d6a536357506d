"""Volumes: directories that stay on the engine between builds, and how a step mounts them."""

from __future__ import annotations

from _collections_abc import Mapping  # what collections.abc gives; loaded at every start

from llb import graph
from llb._value import Value, slot_setters
from llb.errors import InvalidError, InvalidTypeError
from llb.graph.paths import clean
from llb.image import arguments
from llb.image.buckets import CloudBucketMount
from llb.image.build import require_linux
from llb.image.chain import started
from llb.location import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal, Self

    from llb.graph import Meta, State
    from llb.graph.mounts import Mount
    from llb.image.build import Build
    from llb.image.secrets import Secret
    from llb.image.step import Lowered

    Sharing = Literal["shared", "private", "locked"]

__all__ = ["KEY_TARGET", "NetworkFileSystem", "Volume", "VolumeAt", "checked_volumes", "mount_volumes"]

KEY_TARGET = "/dev/.llb-volumes"
"""Where a step sees the file that makes its volumes part of its cache key. /dev is the container's own, in
memory: nothing of it can stay in a layer."""

_MADE = "/dev/.llb-made"

_EXAMPLE = 'volumes={"/data": Volume.from_name("data")}'
_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_LONGEST = 64
_SHARINGS = ("shared", "private", "locked")
_TAKEN = ("/", "/root", "/tmp")  # noqa: S108
_SYSTEM = ("/dev", "/proc", "/sys")


class Volume(Value):
    """A directory that stays on the engine between builds, and that steps see while they run.

    It is a cache mount of BuildKit: the same volume is the same directory in every step and every build of
    one engine that takes it, by any door; nothing of it is in a layer. As any cache it can be lost: the
    engine prunes what has not been used for long. What is in it is no part of a step's cache key; which
    volume it is, and where, is.

    A step that is forced to run (`force_build=True`, `--no-cache`) keeps what is in its volumes.

    Make one with `from_name`, `from_id` or `ephemeral`. A directory of a new volume belongs to root.

    Example:
        ```python
        weights = Volume.from_name("weights")
        image = image.run_commands("fetch --resume -o /weights/model.bin URL", volumes={"/weights": weights})
        ```
    """

    id: str
    """Id of the cache mount, without the build's namespace of ids; empty for an ephemeral one."""
    is_read_only: bool = False
    sub_path: str = ""
    sharing: str = "shared"

    def __init__(self, *_: object, **__: object) -> None:
        raise InvalidError(
            "Volume() makes no volume", hint='Write Volume.from_name("data").', location=caller()
        )

    @classmethod
    @started
    def from_name(
        cls,
        name: str,
        *,
        environment_name: str | None = None,
        create_if_missing: bool = False,
        version: int | None = None,
        sharing: Sharing = "shared",
    ) -> Volume:
        """The volume of a name. It is made when a step first uses it.

        In a Dockerfile, `RUN --mount=type=cache,id=llb-volume/NAME,target=…` mounts the same one.

        Args:
            name: up to 64 letters, digits, `.`, `_` and `-`.
            environment_name: a volume of this name for each environment: its id is
                `llb-volume/ENVIRONMENT/NAME`.
            create_if_missing: accepted, without effect: nobody can know whether a step finds it.
            version: accepted, without effect.
            sharing: what steps do that use it at once: `shared`, all of them write to it; `locked`, they wait
                for each other; `private`, each gets a directory of its own (what a later one finds in it is
                what one of them left).

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: the name cannot be one, or there is no such sharing.

        Example:
            ```python
            cache = Volume.from_name("hub-cache", sharing="locked")
            ```
        """
        arguments.flag("create_if_missing", create_if_missing)
        del version
        return _made(cls, f"llb-volume/{_named(name, environment_name)}", sharing=_sharing(sharing))

    @classmethod
    @started
    def from_id(cls, volume_id: str, *, sharing: Sharing = "shared") -> Volume:
        """A volume by the id of its cache mount: also one that only Dockerfiles have used so far.

        Args:
            volume_id: what `id=` says in `RUN --mount=type=cache,id=…`.
            sharing: as for `from_name`.

        Raises:
            InvalidTypeError: it is not a string.
            InvalidError: it is empty, or there is no such sharing.

        Example:
            ```python
            ccache = Volume.from_id("ccache")  # of RUN --mount=type=cache,id=ccache,target=/ccache make
            ```
        """
        found = arguments.text("volume_id", volume_id, 'Volume.from_id("ccache")')
        return _made(cls, found, sharing=_sharing(sharing))

    @classmethod
    @started
    def ephemeral(cls) -> Volume:
        """An empty directory for each step that takes it. It is gone, with what is in it, when the step ends.

        Also a context manager, which gives the volume.

        Example:
            ```python
            image = image.run_commands("make TMPDIR=/scratch", volumes={"/scratch": Volume.ephemeral()})
            ```
        """
        return _made(cls, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @started
    def read_only(self) -> Volume:
        """The same volume, which steps cannot write to.

        Example:
            ```python
            image = image.run_commands("ls /data", volumes={"/data": Volume.from_name("data").read_only()})
            ```
        """
        return _made(Volume, self.id, True, self.sub_path, self.sharing)

    @started
    def with_mount_options(
        self,
        *,
        read_only: bool | None = None,
        sub_path: str | None = None,
        sharing: Sharing | None = None,
    ) -> Volume:
        """The same volume, mounted in another way. What is not given stays as it is.

        Args:
            read_only: whether steps cannot write to it.
            sub_path: a directory of the volume that is mounted instead of the whole; it is made if it is not
                there, for which the image needs a shell.
            sharing: as for `from_name`. With one way of sharing in one step and another in the next, each
                does what it says.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: the path leads out of the volume, or there is no such sharing.

        Example:
            ```python
            models = Volume.from_name("data").with_mount_options(sub_path="models", read_only=True)
            ```
        """
        return _made(
            Volume,
            self.id,
            self.is_read_only if read_only is None else arguments.flag("read_only", read_only),
            self.sub_path if sub_path is None else _sub_path(sub_path),
            self.sharing if sharing is None else _sharing(sharing),
        )

    def __repr__(self) -> str:
        options = ", read-only" if self.is_read_only else ""
        return f"<Volume {self.id or 'ephemeral'}{'/' + self.sub_path if self.sub_path else ''}{options}>"

    def __reduce__(self) -> tuple[object, ...]:
        return _made, (type(self), self.id, self.is_read_only, self.sub_path, self.sharing)


class NetworkFileSystem(Value):
    """What the original's older interface calls a volume: the same, with names of its own.

    Make one with `from_name`; `run_function(network_file_systems={…})` takes it.
    """

    id: str
    """Id of the cache mount, without the build's namespace of ids."""

    def __init__(self, *_: object, **__: object) -> None:
        raise InvalidError(
            "NetworkFileSystem() makes none", hint='Write Volume.from_name("data").', location=caller()
        )

    @classmethod
    @started
    def from_name(
        cls,
        name: str,
        *,
        environment_name: str | None = None,
        create_if_missing: bool = False,
    ) -> NetworkFileSystem:
        """The file system of a name. It is made when a step first uses it. Its id is `llb-nfs/NAME`.

        Args:
            name: up to 64 letters, digits, `.`, `_` and `-`.
            environment_name: one of this name for each environment.
            create_if_missing: accepted, without effect.

        Raises:
            InvalidTypeError: an argument is of a wrong type.
            InvalidError: the name cannot be one.
        """
        arguments.flag("create_if_missing", create_if_missing)
        made = object.__new__(cls)
        _set_nfs_id(made, f"llb-nfs/{_named(name, environment_name)}")
        return made

    def __repr__(self) -> str:
        return f"<NetworkFileSystem {self.id}>"


_set_id, _set_read_only, _set_sub_path, _set_sharing = slot_setters(Volume)
(_set_nfs_id,) = slot_setters(NetworkFileSystem)


def _made(
    cls: type[Volume], identifier: str, read_only: bool = False, sub_path: str = "", sharing: str = "shared"
) -> Volume:
    volume = object.__new__(cls)
    _set_id(volume, identifier)
    _set_read_only(volume, read_only)
    _set_sub_path(volume, sub_path)
    _set_sharing(volume, sharing)
    return volume


def _named(name: object, environment: object) -> str:
    found = _checked_name("name", name)
    if environment is None:
        return found
    return f"{_checked_name('environment_name', environment)}/{found}"


def _checked_name(what: str, name: object) -> str:
    found = arguments.text(what, name, 'Volume.from_name("data")')
    if not _NAME.issuperset(found) or len(found) > _LONGEST:
        raise InvalidError(
            f"{what} cannot be {arguments.shown(found)}",
            hint=f"Use up to {_LONGEST} letters, digits, '.', '_' and '-'.",
        )
    return found


def _sharing(value: object) -> str:
    if value not in _SHARINGS:
        raise InvalidError(
            f"sharing cannot be {arguments.shown(value)}", hint=f"There are {', '.join(_SHARINGS)}."
        )
    return str(value)


def _sub_path(value: object) -> str:
    found = arguments.path("sub_path", value, 'sub_path="models"')
    if ".." in found.split("/"):
        raise InvalidError(
            f"sub_path must lead into the volume, not out of it: {arguments.shown(found)}",
            hint='Write it from the top of the volume, as in sub_path="models/v1".',
        )
    inside = clean(found).strip("/")
    return "" if inside == "." else inside


# -- what a step was given


class VolumeAt(Value):
    """A volume, or a bucket, where a step sees it."""

    path: str
    volume: Volume | NetworkFileSystem | CloudBucketMount


def checked_volumes(
    value: Mapping[str, Volume | CloudBucketMount] | None,
    network_file_systems: Mapping[str, NetworkFileSystem] | None = None,
    *,
    buckets: bool = False,
) -> tuple[VolumeAt, ...]:
    """What `volumes=` and `network_file_systems=` were given, by path.

    Raises:
        InvalidTypeError: one is no mapping, or holds something else.
        InvalidError: a path is no place for a volume, or a volume is there twice.
    """
    kinds = (Volume, CloudBucketMount) if buckets else (Volume,)
    found = [
        *_places("volumes", value, kinds, _EXAMPLE),
        *_places(
            "network_file_systems",
            network_file_systems,
            (NetworkFileSystem,),
            'network_file_systems={"/data": NetworkFileSystem.from_name("data")}',
        ),
    ]
    paths: set[str] = set()
    known: dict[str, str] = {}
    for one in found:
        if one.path in paths:
            raise InvalidError(
                f"two volumes are mounted at {one.path}", hint="Give one of them another path."
            )
        paths.add(one.path)
        if isinstance(one.volume, CloudBucketMount) or not one.volume.id:
            continue
        other = known.setdefault(one.volume.id, one.path)
        if other != one.path:
            raise InvalidError(
                f"the volume {one.volume.id} is mounted twice, at {other} and {one.path}",
                hint="Mount it once; the command can use both names through a link.",
            )
    return tuple(sorted(found, key=lambda one: one.path))


def _places(name: str, value: object, kinds: tuple[type, ...], example: str) -> Iterable[VolumeAt]:
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise InvalidTypeError(
            f"{name} must be a dictionary, not {arguments.kind(value)}: {arguments.shown(value)}",
            hint=f"Write {example}.",
        )
    pairs: list[tuple[object, object]] = list(value.items())  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    for path, volume in pairs:
        place = _mount_point(name, path, example)
        if not isinstance(volume, kinds):
            if isinstance(volume, CloudBucketMount):
                raise InvalidTypeError(
                    f"{name} cannot hold a CloudBucketMount here: {place}",
                    hint="run_function takes buckets; run_commands takes volumes only.",
                )
            raise InvalidTypeError(
                f"{name}[{place!r}] must be a {kinds[0].__name__}, not {arguments.kind(volume)}: "
                f"{arguments.shown(volume)}",
                hint=f"Write {example}.",
            )
        yield VolumeAt(place, volume)  # pyright: ignore[reportArgumentType]


def _mount_point(name: str, value: object, example: str) -> str:
    found = arguments.path(f"a path of {name}", value, example)
    place = found.rstrip("/") or "/"
    if not found.startswith("/") or clean(place) != place:
        right = clean(f"/{found}")
        raise InvalidError(
            f"{name} needs canonical, absolute paths, not {arguments.shown(found)}", hint=f'Write "{right}".'
        )
    if place in _TAKEN or any(place == one or place.startswith(f"{one}/") for one in _SYSTEM):
        raise InvalidError(
            f"a volume cannot be mounted at {place}: the command needs what is there",
            hint='Mount it somewhere else, such as "/data".',
        )
    return place


def bucket_secrets(volumes: tuple[VolumeAt, ...]) -> tuple[Secret, ...]:
    """The secrets of buckets."""
    found = [one.volume.secret for one in volumes if isinstance(one.volume, CloudBucketMount)]
    return tuple([one for one in found if one is not None])


# -- mounting


def mount_volumes(
    volumes: tuple[VolumeAt, ...], below: Lowered, build: Build, meta: Meta, command: str
) -> tuple[tuple[Mount, ...], Meta]:
    """The mounts of a step's volumes (not of its buckets), and the metadata of its vertex.

    A mounted file makes it part of the vertex' cache key which volumes they are: the engine leaves the ids of
    cache mounts out of it. What forces a vertex is `ignore_cache` of that file: set on the command, BuildKit
    would empty its cache mounts.

    Args:
        volumes: as `checked_volumes` gave them.
        below: what the command runs on.
        build: the compilation.
        meta: the vertex' metadata.
        command: what it runs.
    """
    if not volumes:
        return (), meta
    require_linux(build, "a volume")
    mounts: list[Mount] = []
    lines: list[str] = []
    directories: list[tuple[str, str]] = []
    for at in volumes:
        volume = at.volume
        if isinstance(volume, CloudBucketMount):
            continue
        if not volume.id:
            mounts.append(graph.bind(at.path, graph.scratch(), no_output=True))
            continue
        identifier = f"{build.options.cache_namespace}/{volume.id}"
        sub_path = read_only = ""
        sharing = "shared"
        if isinstance(volume, Volume):
            sub_path, sharing = volume.sub_path, volume.sharing
            read_only = volume.is_read_only
            if sub_path:
                directories.append((identifier, sub_path))
        lines.append(f"{at.path} {volume.id} {sub_path}\n")
        mounts.append(
            graph.cache(
                at.path,
                id=identifier,
                sharing=sharing,  # pyright: ignore[reportArgumentType]
                selector=sub_path,
                readonly=bool(read_only),
            )
        )
    if not lines:
        return tuple(mounts), meta
    if directories:
        lines.append(command)  # a directory is made again when the command is another: it may have been lost
    about = graph.Meta(name="[internal] volumes of the step", ignore_cache=meta.ignore_cache)
    key = graph.scratch().file(
        graph.mkdir("/key"), graph.mkfile("/key/volumes", data="".join(lines).encode()), meta=about
    )
    mounts.append(_key_mount(key, build))
    if directories:
        # The key is mounted beside it: what forces a vertex is an input that ignores the cache, not one whose
        # own input does.
        mounts.append(graph.bind(_MADE, _directories(directories, key, below, build), readonly=True))
    return tuple(mounts), meta.replace(ignore_cache=False)


def _key_mount(key: State, build: Build) -> Mount:
    """The key, by its definition and not by its content: that of a forced one is the same."""
    if build.supports("exec.mount.cache.content"):
        return graph.bind(KEY_TARGET, key, source="/key", readonly=True, content_cache="off")
    # BuildKit does not go by the content of a part of a filesystem that the command may change.
    return graph.bind(KEY_TARGET, key, source="/key")


def _directories(directories: list[tuple[str, str]], key: State, below: Lowered, build: Build) -> State:
    """Nothing, after directories were made in their volumes: the engine mounts none that is not there."""
    mounts: list[Mount] = [_key_mount(key, build), graph.bind(_MADE, graph.scratch())]
    made: list[str] = []
    for number, (identifier, path) in enumerate(directories):
        target = f"/dev/.llb-volume-{number}"
        mounts.append(graph.cache(target, id=identifier))
        made.append(f"{target}/{path}")
    command = below.state.run(
        ("/bin/sh", "-c", 'mkdir -p -- "$@"', "sh", *made),
        mounts=mounts,
        user="0",
        cwd="/",
        readonly_root=True,
        meta=graph.Meta(name="[internal] directories of volumes"),
    )
    return command.mounted(_MADE)
