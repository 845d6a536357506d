"""Where the values of secrets come from, and what stands for a value without showing it."""

from __future__ import annotations

import os

from llb._value import Value
from llb.errors import LocalFileError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn


class Source(Value):
    """Where the values of a secret are."""

    @property
    def words(self) -> str:
        raise NotImplementedError

    def look_up(self, keys: tuple[str, ...] | None) -> Mapping[str, str]:
        raise NotImplementedError

    def way_out(self, key: str) -> str:
        return f"Add {key} to it."

    def __repr__(self) -> str:  # values are among the fields
        return f"<{self.words}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled: it would show its values")


class Given(Source):
    values: Mapping[str, str]

    @property
    def words(self) -> str:
        return "the dictionary"

    def look_up(self, keys: tuple[str, ...] | None) -> Mapping[str, str]:  # noqa: ARG002
        return self.values


class Environ(Source):
    values: Mapping[str, str]

    @property
    def words(self) -> str:
        return "the environment"

    def look_up(self, keys: tuple[str, ...] | None) -> Mapping[str, str]:  # noqa: ARG002
        return self.values


class Dotenv(Source):
    start: str
    filename: str

    @property
    def words(self) -> str:
        return f"the secret of the file {self.filename}"

    def look_up(self, keys: tuple[str, ...] | None) -> Mapping[str, str]:  # noqa: ARG002
        directory = os.path.abspath(os.path.expanduser(self.start or "."))
        if os.path.isfile(directory):
            return _read_dotenv(directory)
        at = directory
        while True:
            candidate = os.path.join(at, self.filename)
            if os.path.isfile(candidate):
                return _read_dotenv(candidate)
            above = os.path.dirname(at)
            if above == at:
                raise LocalFileError(
                    f"there is no {self.filename} in {self.start or 'the working directory'} nor above it",
                    hint="Say where it is: Secret.from_dotenv(path).",
                )
            at = above


class Named(Source):
    name: str
    environment: str
    required: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"the secret {self.name!r}"

    @property
    def _prefix(self) -> str:
        return f"LLB_SECRET_{_variable(self.name)}_"

    @property
    def _file(self) -> str:
        return os.path.join(config_directory(), "secrets", self.environment, f"{self.name}.env")

    def look_up(self, keys: tuple[str, ...] | None) -> Mapping[str, str]:
        prefix, file = self._prefix, self._file
        values = dict(_read_dotenv(file)) if os.path.isfile(file) else {}
        for key in keys or ():
            if prefix + _variable(key) in os.environ:
                values[key] = os.environ[prefix + _variable(key)]
            elif key not in values:
                found = _from_keyring(f"llb.{self.name}", key)
                found = os.environ.get(key) if found is None else found
                if found is not None:
                    values[key] = found
        if keys is None:
            values |= {
                name[len(prefix) :]: value for name, value in os.environ.items() if name.startswith(prefix)
            }
            if not values:
                raise NotFoundError(
                    f"nobody knows {self.words}",
                    hint=f"Write KEY=value lines into {self._file}, or say required_keys=[…].",
                )
        return values

    def way_out(self, key: str) -> str:
        return f"Set {self._prefix}{_variable(key)} or {key}, or write {key}=… into {self._file}."


def _read_dotenv(path: str) -> Mapping[str, str]:
    from dotenv import dotenv_values

    try:
        return {key: value or "" for key, value in dotenv_values(path, interpolate=False).items()}
    except (OSError, UnicodeDecodeError) as error:
        raise LocalFileError(f"the file {path} cannot be read: {_reason(error)}") from None


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "") if isinstance(error, OSError) else "it is not UTF-8"


def _from_keyring(service: str, key: str) -> str | None:
    try:
        import keyring  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    try:
        return keyring.get_password(service, key)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    except Exception:  # noqa: BLE001 - no keyring to ask on this machine: its errors are of any class
        return None


def config_directory() -> str:
    """Where a user's settings for this library are."""
    given = os.environ.get("LLB_CONFIG_DIR")
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return given or os.path.join(base, "llb")


def _variable(name: str) -> str:
    return "".join([character if character.isalnum() else "_" for character in name.upper()])


def keyed_digest(identifier: str, value: str) -> str:
    """What shows that a value has changed, and is of no use to one who guesses at it without the key."""
    import hmac

    key = os.environ.get("LLB_SECRET_KEY", "").encode() or _own_key()
    return hmac.new(key, f"{len(identifier)}:{identifier}{value}".encode(), "sha256").hexdigest()[:16]


def _own_key() -> bytes:
    """The user's own key, made when it is first needed."""
    directory = config_directory()
    path = os.path.join(directory, "secret-key")
    os.makedirs(directory, 0o700, exist_ok=True)
    made = f"{path}.{os.getpid()}"
    if not os.path.exists(path):
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32).hex().encode())
        try:
            os.link(made, path)  # of two that make it at once, one wins
        except FileExistsError:
            pass
        finally:
            os.unlink(made)
    with open(path, "rb") as file:
        return file.read()
