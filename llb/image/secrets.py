"""Secrets: what a step is given without its being seen. A chain holds their ids, never their values."""

from __future__ import annotations

import os
from _collections_abc import Mapping  # what collections.abc gives; loaded at every start

from llb._value import Value
from llb.errors import InvalidError, InvalidTypeError, NotFoundError, UnsupportedError
from llb.image import arguments
from llb.image.chain import started, step_of
from llb.image.secret_sources import Dotenv, Environ, Given, Named, Source, keyed_digest
from llb.image.step import steps_of
from llb.location import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from os import PathLike
    from typing import NoReturn

    from llb.image.build import Build
    from llb.image.image import Image

__all__ = ["Secret", "SecretRequest", "checked_secrets", "read_environment"]

_EXAMPLE = 'Secret.from_dict({"TOKEN": "…"})'

_local = True


def read_environment(allowed: bool) -> None:
    """Says whether the environment of this process is the user's: the frontend container's is not."""
    global _local
    _local = allowed


class Secret:
    """Values that steps get as environment variables, and that no image, cache or log ever holds.

    A chain knows the names only. The values come from whoever starts the build: in Python from this object
    itself; with `docker build` and `buildctl` from their own `--secret id=KEY,env=KEY`, as the container that
    compiles the image file gets no values. The id of a key is `KEY`; with `name=` it is `NAME.KEY`, which two
    different secrets of one build need if they share a key.

    A changed value changes nothing by itself: a step that was built stays cached. With `refresh=True` a keyed
    digest of the value is part of the id, so that its steps run again; this works where the values are, in
    Python. The digest's key is LLB_SECRET_KEY, else one that is made once for the user.

    Make one with `from_dict`, `from_dotenv`, `from_local_environ` or `from_name`.
    """

    __slots__ = ("_keys", "_source", "_values", "name", "refresh")

    def __init__(self, *_: object, **__: object) -> None:
        raise InvalidError("Secret() makes no secret", hint=f"Write {_EXAMPLE}.", location=caller())

    @classmethod
    def _of(cls, source: Source, keys: Sequence[str] | None, name: object, refresh: object) -> Secret:
        secret = object.__new__(cls)
        secret._source = source
        secret._keys = None if keys is None else tuple(keys)
        secret._values = None
        secret.name = arguments.optional_text("name", name, 'name="database"')
        secret.refresh = arguments.flag("refresh", refresh)
        return secret

    _source: Source
    _keys: tuple[str, ...] | None
    _values: Mapping[str, str] | None
    name: str
    refresh: bool

    @classmethod
    @started
    def from_dict(
        cls, env_dict: Mapping[str, str | None], *, name: str | None = None, refresh: bool = False
    ) -> Secret:
        """A secret with the values of a dictionary.

        Args:
            env_dict: names of environment variables and their values; those that are None are left out.
            name: put before its keys in the ids: `NAME.KEY`.
            refresh: steps run again when a value changes.

        Raises:
            InvalidTypeError: a name or value is not a string. The message never shows a value.

        Example:
            ```python
            token = Secret.from_dict({"TOKEN": os.environ["TOKEN"]})
            image = image.run_commands("fetch-data", secrets=[token])
            ```
        """
        if not isinstance(env_dict, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            # Its repr may hold the values.
            _refuse(
                f"a secret is made from a dictionary, not {arguments.kind(env_dict)}", f"Write {_EXAMPLE}."
            )
        values: dict[str, str] = {}
        for key, value in env_dict.items():
            _check_key(key)
            if value is None:
                continue
            if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                _refuse(
                    f"the value of the secret {key} must be a string, not {arguments.kind(value)}",
                    f"Write {_EXAMPLE}.",
                )
            values[key] = value
        return cls._of(Given(values), list(values), name, refresh)

    @classmethod
    @started
    def from_dotenv(
        cls,
        path: str | PathLike[str] | None = None,
        *,
        filename: str = ".env",
        required_keys: Sequence[str] = (),
        name: str | None = None,
        refresh: bool = False,
    ) -> Secret:
        """A secret with the variables of a dotenv file, which is read when the image is compiled.

        Args:
            path: a file or directory from which upwards the file is looked for; default: the working
                directory.
            filename: what the file is called.
            required_keys: the variables that are taken; default: all of the file. The frontend container,
                which must not see the file, cannot do without.
            name: put before its keys in the ids: `NAME.KEY`.
            refresh: steps run again when a value changes.

        Raises:
            InvalidTypeError: an argument is of a wrong type. That there is no such file is found when the
                image is compiled.

        Example:
            ```python
            image = image.run_commands("fetch-data", secrets=[Secret.from_dotenv(required_keys=["TOKEN"])])
            ```
        """
        start = "" if path is None else arguments.path("path", path, 'Secret.from_dotenv("deploy")')
        file = arguments.text("filename", filename, 'filename=".env.local"')
        keys = _key_names("required_keys", required_keys)
        return cls._of(Dotenv(start, file), keys or None, name, refresh)

    @classmethod
    @started
    def from_local_environ(
        cls, env_keys: Sequence[str], *, name: str | None = None, refresh: bool = False
    ) -> Secret:
        """A secret with variables of the environment in which the build is started.

        Args:
            env_keys: the variables' names.
            name: put before its keys in the ids: `NAME.KEY`.
            refresh: steps run again when a value changes.

        Raises:
            InvalidTypeError: it is not a list of strings.
            InvalidError: a variable is not set. (In the frontend container that is not known: there the build
                fails if the client does not send it.)

        Example:
            ```python
            image = image.run_commands("fetch-data", secrets=[Secret.from_local_environ(["TOKEN"])])
            ```
        """
        keys = _key_names("env_keys", env_keys)
        values: dict[str, str] = {}
        if _local:
            missing = [key for key in keys if key not in os.environ]
            if missing:
                _refuse(
                    f"the environment has no variable {', '.join(missing)}",
                    f"Set it where the build is started: export {missing[0]}=…",
                    kind=InvalidError,
                )
            values = {key: os.environ[key] for key in keys}
        return cls._of(Environ(values), keys, name, refresh)

    @classmethod
    @started
    def from_name(
        cls,
        name: str,
        *,
        environment_name: str | None = None,
        required_keys: Sequence[str] = (),
        refresh: bool = False,
    ) -> Secret:
        """A secret that is kept outside of the image file, under a name. Its ids are `NAME.KEY`.

        From Python, a key is looked up in the variable `LLB_SECRET_NAME_KEY` (upper case, other characters
        than letters and digits as `_`), then in the dotenv file `secrets/NAME.env` of the configuration
        directory (`$LLB_CONFIG_DIR`, else `$XDG_CONFIG_HOME/llb`, else `~/.config/llb`), then in the system's
        keyring (service `llb.NAME`, if the package `keyring` is there), then, if it is a required key, in the
        variable `KEY` itself.

        Args:
            name: the secret's name.
            environment_name: looks in `secrets/ENVIRONMENT/NAME.env` instead.
            required_keys: the variables it has. Default: those that the variables and the file have. The
                frontend container, which cannot look, cannot do without.
            refresh: steps run again when a value changes.

        Raises:
            InvalidTypeError: an argument is of a wrong type. That nobody knows the secret is found when the
                image is compiled or built.

        Example:
            ```python
            token = Secret.from_name("huggingface", required_keys=["HF_TOKEN"])
            image = image.run_commands("fetch-weights", secrets=[token])
            ```
        """
        name = arguments.text("name", name, 'Secret.from_name("database", required_keys=["PASSWORD"])')
        environment = arguments.optional_text("environment_name", environment_name, 'environment_name="dev"')
        for what, value in (("name", name), ("environment_name", environment)):
            if "/" in value or value.startswith("."):
                raise InvalidError(
                    f"{what} names a file of its own: it cannot be {arguments.shown(value)}",
                    hint="Write it without slashes, and with no dot in front.",
                )
        keys = _key_names("required_keys", required_keys)
        return cls._of(Named(name, environment, tuple(keys)), keys or None, name, refresh)

    def __repr__(self) -> str:
        keys = "keys found when it is used" if self._keys is None else ", ".join(self._keys)
        return f"<Secret{' ' + self.name if self.name else ''}: {keys}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled: it would show its values")

    # -- for the compiler

    @property
    def known_keys(self) -> tuple[str, ...] | None:
        """Its variables, if they are known without looking."""
        return self._keys

    def requests(self, build: Build) -> tuple[SecretRequest, ...]:
        """What a build asks for: one for each key.

        Raises:
            LLBError: the keys, or with `refresh` the values, cannot be had.
        """
        keys = self._keys
        if keys is None:
            if not build.resolver.has_secret_values:
                raise UnsupportedError(
                    f"{self._source.words} has variables that cannot be looked up here",
                    hint='Name them: required_keys=["TOKEN"].',
                )
            keys = tuple(self.values())
        refresh = self.refresh and build.resolver.has_secret_values
        if self.refresh and not refresh:
            build.note(f"{self!r}: refresh=True has no effect here: the container knows no values")
        prefix = f"{self.name}." if self.name else ""
        found: list[SecretRequest] = []
        for key in keys:
            identifier = prefix + key
            if refresh:
                identifier += f"@{keyed_digest(identifier, self.value(key))}"
            found.append(SecretRequest(key, identifier, self))
        return tuple(found)

    def values(self) -> Mapping[str, str]:
        """The values, looked up once. For the build's session alone: nothing else may hold them."""
        if self._values is None:
            self._values = self._source.look_up(self._keys)
        return self._values

    def value(self, key: str) -> str:
        """One of them.

        Raises:
            NotFoundError: it has no such key.
        """
        values = self.values()
        if key not in values:
            raise NotFoundError(f"{self._source.words} has no {key}", hint=self._source.way_out(key))
        return values[key]

    def same_as(self, other: Secret) -> bool:
        """Whether it gives the same values."""
        return self is other or self._source == other._source


class SecretRequest(Value):
    """A secret that a build asks its client for."""

    key: str
    """The variable's name."""
    id: str
    secret: Secret

    def flag(self) -> str:
        """What `docker build` and `buildctl` are to be given, as one types it in a shell."""
        from llb.image.packages import quote

        fields = [f"id={self.id}", f"env={self.key}"]  # they are read as a line of CSV
        text = ",".join(
            ['"' + one.replace('"', '""') + '"' if set(one) & set(',"\n') else one for one in fields]
        )
        return f"--secret {quote(text)}"


def secrets_of(image: Image) -> list[str]:
    """The ids of all secrets of an image's steps, sorted, as far as they are known without looking."""
    found: set[str] = set()
    for step in steps_of(step_of(image)):
        for secret in step.secrets:
            prefix = f"{secret.name}." if secret.name else ""
            found |= {prefix + key for key in secret.known_keys or ()}
    return sorted(found)


# -- checks


def checked_secrets(value: Collection[Secret] | None) -> tuple[Secret, ...]:
    """What `secrets=` was given.

    Raises:
        InvalidTypeError: it is no collection of secrets.
    """
    if value is None:
        return ()
    example = f"Write secrets=[{_EXAMPLE}]."
    if isinstance(value, Secret):
        raise InvalidTypeError("secrets must be a list of secrets, not one Secret", hint="Write secrets=[…].")
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
        raise InvalidTypeError(
            f"secrets must be a list of secrets, not {arguments.kind(value)}",  # pyright: ignore[reportUnknownArgumentType]
            hint=example,
        )
    found = tuple(value)
    for one in found:
        if not isinstance(one, Secret):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTypeError(
                f"secrets need to be Secret instances, not {arguments.kind(one)}", hint=example
            )
    return found


def _key_names(name: str, value: Sequence[str]) -> list[str]:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        _refuse(f"{name} must be a list of strings, not {arguments.kind(value)}", f'Write {name}=["TOKEN"].')
    found = list(value)
    for key in found:
        _check_key(key)
    return found


def _check_key(key: object) -> None:
    if not isinstance(key, str):
        _refuse(
            f"the names of a secret's variables are strings, not {arguments.kind(key)}", f"Write {_EXAMPLE}."
        )
    if not key or "=" in key or "\0" in key or "," in key:
        _refuse(
            f"{arguments.shown(key)} cannot name a secret's variable", f"Write {_EXAMPLE}.", kind=InvalidError
        )


def _refuse(message: str, hint: str, *, kind: type[InvalidError] = InvalidTypeError) -> NoReturn:
    raise kind(message, hint=hint)
