"""Image references, in the full form that BuildKit names sources by."""

from __future__ import annotations

from llb._value import Value
from llb.errors import InvalidError

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_DIGITS = frozenset("0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")
_LOWER_HEX = frozenset("0123456789abcdef")
_TAG = _LETTERS | _DIGITS | {"_", ".", "-"}
_DIGEST_SIZES = {"sha256": 64, "sha384": 96, "sha512": 128}


class Reference(Value):
    """The name of an image: `domain/path[:tag][@digest]`, always with its domain.

    Source: https://pkg.go.dev/github.com/distribution/reference
    """

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @staticmethod
    def parse(text: str) -> Reference:
        """A reference as people write it: `python:3.12` is `docker.io/library/python:3.12`.

        Raises:
            InvalidError: not a reference.
        """
        if len(text) == 64 and _LOWER_HEX.issuperset(text):
            raise _invalid(text, "it is a bare digest", f"Write name@sha256:{text}.")
        login, _, named = text.rpartition("@")
        if login and "/" in named and "://" not in text:
            raise _invalid(
                f"…@{named}",
                "it names a user",
                f"Write {named}, and log in with `docker login` or from_registry(…, secret=…).",
            )
        domain, rest = _split_domain(text)
        remote = rest.partition(":")[0]
        if remote != remote.lower():
            rest = text[len(text) - (len(rest) - len(remote)) :]
            name = text.removesuffix(rest).lower() + rest
            raise _invalid(text, "a repository name must be lowercase", f"Write {name}.")
        name, at, digest = rest.partition("@")
        path, colon, tag = name.partition(":")
        if not _is_path(path) or not _is_domain(domain):
            raise _invalid(text)
        if len(path) > 255:
            raise _invalid(text, "a repository name has at most 255 characters")
        if colon and (not 0 < len(tag) <= 128 or not _TAG.issuperset(tag) or tag[0] in ".-"):
            raise _invalid(text, f"{tag!r} is not a tag")
        if at and not is_digest(digest):
            raise _invalid(
                text, f"{digest!r} is not a digest", "A digest is sha256: and 64 hexadecimal digits."
            )
        return Reference(domain, path, tag, digest)

    @property
    def name(self) -> str:
        """The repository: domain and path."""
        return f"{self.domain}/{self.path}"

    def tagged(self) -> Reference:
        """With the tag `latest`, if it has neither tag nor digest."""
        return self if self.tag or self.digest else self.replace(tag="latest")

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.domain}/{self.path}{tag}{digest}"


def normalize_reference(text: str) -> str:
    """The full form of a reference, `:latest` if it has neither tag nor digest."""
    return str(Reference.parse(text).tagged())


def is_digest(text: str) -> bool:
    """Whether it is a digest such as `sha256:…` with as many digits as its algorithm gives."""
    algorithm, _, encoded = text.partition(":")
    return len(encoded) == _DIGEST_SIZES.get(algorithm) and _LOWER_HEX.issuperset(encoded)


def _invalid(text: str, why: str = "", hint: str = "") -> InvalidError:
    return InvalidError(
        f"{text!r} is not an image reference" + (f": {why}" if why else ""),
        hint=hint or 'Write it as name[:tag][@digest], such as "debian:12-slim" or "ghcr.io/owner/name:1.2".',
    )


def _split_domain(text: str) -> tuple[str, str]:
    domain, slash, rest = text.partition("/")
    if not slash:
        return "docker.io", "library/" + text
    if domain != "localhost" and "." not in domain and ":" not in domain and domain == domain.lower():
        domain, rest = "docker.io", text
    elif domain == "index.docker.io":
        domain = "docker.io"
    if domain == "docker.io" and "/" not in rest:
        rest = "library/" + rest
    return domain, rest


def _is_domain(text: str) -> bool:
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or not host or not (_HEX | {":"}).issuperset(host):
            return False
        return not port or (port[0] == ":" and len(port) > 1 and _DIGITS.issuperset(port[1:]))
    host, colon, port = text.partition(":")
    if colon and (not port or not _DIGITS.issuperset(port)):
        return False
    allowed = _LETTERS | _DIGITS | {"-"}
    return all(
        part and allowed.issuperset(part) and part[0] != "-" and part[-1] != "-" for part in host.split(".")
    )


def _is_path(text: str) -> bool:
    return all(_is_component(part) for part in text.split("/"))


def _is_component(text: str) -> bool:
    """Lower-case words, between each two of them one `.`, one or two `_`, or any number of `-`."""
    if not text or text[0] not in _LOWER or text[-1] not in _LOWER:
        return False
    separator = ""
    for character in text:
        if character not in _LOWER:
            separator += character
        elif separator:
            if separator not in (".", "_", "__") and separator.strip("-"):
                return False
            separator = ""
    return True
