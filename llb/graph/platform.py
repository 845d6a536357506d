"""Platforms: what a vertex is built for."""

from __future__ import annotations

from llb import wire
from llb._value import Value
from llb.errors import InvalidError, InvalidTypeError

_SYSTEM_NAMES = (
    "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris "
    "windows zos"
)
_ARCHITECTURE_NAMES = (
    "386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 "
    "mips64p32le ppc riscv riscv64 s390 s390x sparc sparc64 wasm"
)
_OPERATING_SYSTEMS = frozenset(_SYSTEM_NAMES.split())
_ARCHITECTURES = frozenset(_ARCHITECTURE_NAMES.split())
_ARCHITECTURE_ALIASES = {
    "i386": ("386", ""),
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "aarch64": ("arm64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
"""Other names of an architecture, and the variant that such a name implies (None: as given)."""

_VARIANT_ALIASES = {
    "amd64": {"v1": ""},
    "arm64": {"8": "", "v8": "", "v8.0": "", "9": "v9", "9.0": "v9", "v9.0": "v9"},
    "arm": {"": "v7", "7": "v7", "5": "v5", "6": "v6", "8": "v8"},
}
_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_ESCAPES = (("%", "%25"), ("+", "%2B"), ("(", "%28"), (")", "%29"), ("/", "%2F"))


def _architecture(name: str, variant: str) -> tuple[str, str]:
    name, variant = name.lower(), variant.lower()
    name, implied = _ARCHITECTURE_ALIASES.get(name, (name, None))
    if implied is not None:
        return name, implied
    return name, _VARIANT_ALIASES.get(name, {}).get(variant, variant)


def _operating_system(name: str) -> str:
    name = name.lower()
    return "darwin" if name == "macos" else name


class Platform(Value):
    """An operating system and an architecture, as OCI images name them.

    Source: https://github.com/opencontainers/image-spec/blob/main/image-index.md (platform)
    """

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    @staticmethod
    def parse(text: str) -> Platform:
        """A platform from `os/architecture[/variant]`, or from an architecture alone (then of Linux).

        Aliases such as `x86_64` and `aarch64` are understood, an OS may carry a version and features:
        `windows(10.0.17763+win32k)/amd64`. An OS alone is refused: its architecture would be this machine's.

        Raises:
            InvalidError: not a platform.
        """
        parts = text.split("/")
        system, version, features = _system_part(text, parts[0])
        if len(parts) > 3 or any(
            not part or not _WORD.issuperset(part.replace(".", "")) for part in parts[1:]
        ):
            raise _invalid(text)
        if len(parts) == 1:
            architecture, variant = _architecture(text, "")
            if system in _OPERATING_SYSTEMS or architecture not in _ARCHITECTURES:
                raise _invalid(text)
            system = "linux"
        else:
            architecture, variant = _architecture(parts[1], parts[2] if len(parts) == 3 else "")
        # A written variant stays where one that is not written is left out, although both mean the same.
        if len(parts) == 3:
            variant = "v8" if (architecture, variant) == ("arm64", "") else variant
        elif (architecture, variant) == ("arm", "v7"):
            variant = ""
        return Platform(system, architecture, variant, version, features)

    def normalized(self) -> Platform:
        """The one form that equal platforms share: lower case, no aliases, no default variant."""
        architecture, variant = _architecture(self.architecture, self.variant)
        features = tuple(sorted(set(self.os_features), key=str.encode))
        return Platform(_operating_system(self.os), architecture, variant, self.os_version, features)

    def __str__(self) -> str:
        if not self.os:
            return "unknown"
        features = sorted({feature for feature in self.os_features if feature}, key=str.encode)
        options = "".join([_escape(self.os_version), *("+" + _escape(feature) for feature in features)])
        system = f"{self.os}({options})" if options else self.os
        return "/".join([part for part in (system, self.architecture, self.variant) if part])

    def encode(self) -> bytes:
        """The bytes of a `pb.Platform`."""
        return (
            wire.string(1, self.architecture)
            + wire.string(2, self.os)
            + wire.string(3, self.variant)
            + wire.string(4, self.os_version)
            + wire.strings(5, self.os_features)
        )

    @staticmethod
    def decode(data: bytes) -> Platform:
        """From the bytes of a `pb.Platform`."""
        reader = wire.Reader(data)
        return Platform(
            reader.string(2), reader.string(1), reader.string(3), reader.string(4), tuple(reader.strings(5))
        )


LINUX_AMD64 = Platform("linux", "amd64")
LINUX_ARM64 = Platform("linux", "arm64")


def as_platform(value: Platform | str) -> Platform:
    """A platform given as such or as text."""
    if isinstance(value, Platform):
        return value
    if isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        return Platform.parse(value)
    raise InvalidTypeError(
        f"a platform is text or a Platform, not {type(value).__name__}", hint='Write it as "linux/amd64".'
    )


def _invalid(text: str) -> InvalidError:
    return InvalidError(
        f"{text!r} is not a platform", hint='Write it as os/architecture[/variant], such as "linux/amd64".'
    )


def _system_part(text: str, part: str) -> tuple[str, str, tuple[str, ...]]:
    name, bracket, options = part.partition("(")
    if not name or not _WORD.issuperset(name) or (bracket and not options.endswith(")")):
        raise _invalid(text)
    if not bracket:
        return _operating_system(name), "", ()
    version, *features = options[:-1].split("+")
    allowed = _WORD | {".", "%"}
    if not all(allowed.issuperset(option) for option in (version, *features)) or "" in features:
        raise _invalid(text)
    return (
        _operating_system(name),
        _unescape(text, version),
        tuple([_unescape(text, one) for one in features]),
    )


def _escape(option: str) -> str:
    for character, escaped in _ESCAPES:
        option = option.replace(character, escaped)
    return option


def _unescape(text: str, option: str) -> str:
    start, *escaped = option.split("%")
    out = start.encode()
    try:
        for part in escaped:
            if len(part) < 2:
                raise _invalid(text)
            out += bytes((int(part[:2], 16),)) + part[2:].encode()
        return out.decode()
    except ValueError:
        raise _invalid(text) from None
