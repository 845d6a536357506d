"""What rides on a state: the environment, directory, user and so on of the commands that run on it."""

from __future__ import annotations

from llb import wire
from llb._value import Value
from llb.errors import InvalidError, InvalidTypeError
from llb.graph.goformat import ip_address
from llb.graph.paths import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import ClassVar

    from llb.graph.platform import Platform

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The PATH of a command that has none, on anything but Windows."""

NETWORKS = {"sandbox": 0, "host": 1, "none": 2}
SECURITIES = {"sandbox": 0, "insecure": 1}


class Ulimit(Value):
    """A resource limit of a command, such as `Ulimit("nofile", 1024, 2048)`. -1 is unlimited."""

    name: str
    soft: int
    hard: int


class Encoded(Value):
    """The parts of a command's bytes that only its state's values decide."""

    before_proxy: bytes
    after_proxy: bytes
    isolation: bytes
    capabilities: frozenset[str]
    capabilities_on_base: frozenset[str]


class Values(Value):
    """The values of a state. Many states share one object; a change makes a new one."""

    env: dict[str, str]
    dir: str = "/"
    user: str = ""
    args: tuple[str, ...] = ()
    hostname: str = ""
    extra_hosts: tuple[tuple[str, str], ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    cgroup_parent: str = ""
    valid_exit_codes: tuple[int, ...] = ()
    platform: Platform | None = None
    network: str = "sandbox"
    security: str = "sandbox"

    __slots__ = ("memo",)
    if TYPE_CHECKING:
        memo: ClassVar[Encoded | None]  # not a field: these values, encoded

    def __post_init__(self) -> None:
        object.__setattr__(self, "memo", None)

    # Compared by identity: they are kept in tables, and equal ones are hardly ever made twice.
    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def with_env(self, pairs: Iterable[tuple[str, str]]) -> Values:
        """With variables set; one that was set before moves to the end, as in Go's client."""
        env = dict(self.env)
        for key, value in pairs:
            if not key or "=" in key or "\0" in key:
                raise InvalidError(f"{key!r} cannot name an environment variable")
            if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidTypeError(
                    f"the environment variable {key} needs text, not {type(value).__name__}",
                    hint=f"Write {value!r} as a string.",
                )
            env.pop(key, None)
            env[key] = value
        return self.replace(env=env)

    def with_dir(self, path: str) -> Values:
        """With another working directory; a relative one starts at the present one."""
        return self.replace(dir=path if path.startswith("/") else join(self.dir or "/", path))

    def encoded(self) -> Encoded:
        """The parts of `pb.ExecOp` and `pb.Meta` that these values decide, made once."""
        known = self.memo
        if known is None:
            known = self._encode()
            object.__setattr__(self, "memo", known)
        return known

    def _encode(self) -> Encoded:
        capabilities = {"exec.meta.base"}
        hosts = [wire.string(1, host) + wire.string(2, address) for host, address in self.extra_hosts]
        ulimits = [
            wire.string(1, one.name) + wire.integer(2, one.soft) + wire.integer(3, one.hard)
            for one in self.ulimits
        ]
        codes = b"".join([wire.varint(code) for code in self.valid_exit_codes])
        if ulimits:
            capabilities.add("exec.meta.ulimit")
        if self.valid_exit_codes:
            capabilities.add("exec.validexitcode")
        if self.network != "sandbox":
            capabilities.add("exec.meta.network")
        if self.security != "sandbox":
            capabilities.add("exec.meta.security")
        return Encoded(
            wire.strings(2, [f"{key}={value}" for key, value in self.env.items()])
            + wire.string(3, self.dir)
            + wire.string(4, self.user),
            b"".join([wire.message(6, host) for host in hosts])
            + wire.string(7, self.hostname)
            + b"".join([wire.message(9, ulimit) for ulimit in ulimits])
            + wire.string(10, self.cgroup_parent)
            + wire.integer(11, 1)  # removeMountStubsRecursive: always, in Go's client too
            + wire.data(12, codes),
            wire.integer(3, NETWORKS[self.network]) + wire.integer(4, SECURITIES[self.security]),
            frozenset(capabilities),
            frozenset(capabilities | {"exec.mount.bind"}),
        )


def checked_mode(name: str, value: str, known: Mapping[str, int]) -> str:
    """One of the known words."""
    if value not in known:
        raise InvalidError(f"{value!r} is not a {name} mode", hint=f"There are {', '.join(known)}.")
    return value


def checked_hosts(hosts: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Names and their addresses, the latter in canonical form."""
    return tuple([(host, ip_address(address)) for host, address in dict_items(hosts)])


def checked_ulimits(ulimits: Iterable[Ulimit | tuple[str, int, int]]) -> tuple[Ulimit, ...]:
    return tuple([one if isinstance(one, Ulimit) else Ulimit(*one) for one in ulimits])


def checked_args(args: Sequence[str]) -> tuple[str, ...]:
    """The words of a command."""
    if isinstance(args, str):
        raise InvalidTypeError(
            "a command is a list of words, not one text",
            hint=f"Write [{args!r}], shlex.split({args!r}) or ['/bin/sh', '-c', {args!r}].",
        )
    words = tuple(args)
    for word in words:
        if not isinstance(word, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTypeError(f"a command is a list of words, and {word!r} is {type(word).__name__}")
    return words


def dict_items(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """The pairs of a mapping, or pairs."""
    items: Callable[[], Iterable[tuple[str, str]]] | None = getattr(pairs, "items", None)
    return items() if items is not None else pairs  # pyright: ignore[reportReturnType]


NO_VALUES = Values({})
