"""Checks of what methods are given. Each refusal names the argument, what came, and what to write instead."""

from __future__ import annotations

import os
from _collections_abc import Mapping  # what collections.abc gives; loaded at every start

from llb.errors import InvalidError, InvalidTypeError


def wrong_type(name: str, value: object, example: str) -> InvalidTypeError:
    """The refusal of what is not a string."""
    return InvalidTypeError(
        f"{name} must be a string, not {kind(value)}: {shown(value)}", hint=f"Write {example}."
    )


def text(name: str, value: object, example: str) -> str:
    """A string that is not empty."""
    if not isinstance(value, str):
        raise wrong_type(name, value, example)
    if not value.strip():
        raise InvalidError(f"{name} is empty", hint=f"Write {example}.")
    return checked(name, value)


def texts(name: str, values: tuple[object, ...], example: str) -> tuple[str, ...]:
    """Arguments that are strings, or flat lists of strings, one after the other."""
    flat: list[str] = []
    for value in values:
        members: list[object] = value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
        for one in members:
            if not isinstance(one, str):
                where = "a list with " if isinstance(value, list) else ""
                raise InvalidTypeError(
                    f"{name} must only contain strings, not {where}{kind(one)}: {shown(one)}",
                    hint=f"Write {example}; the members of a sequence are given with a star: *{name}.",
                )
            flat.append(text(f"one of {name}", one, example))
    return tuple(flat)


def words(name: str, value: object, example: str) -> tuple[str, ...]:
    """A list of strings, which may be empty."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):  # pyright: ignore[reportUnknownVariableType]
        raise InvalidTypeError(
            f"{name} must be a list of strings, not {shown(value)}",  # pyright: ignore[reportUnknownArgumentType]
            hint=f"Write {example}.",
        )
    return tuple([checked(name, one) for one in value])  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def flag(name: str, value: object) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise InvalidTypeError(
            f"{name} must be True or False, not {shown(value)}", hint=f"Write {name}=True or leave it out."
        )
    return value


def optional_text(name: str, value: object, example: str) -> str:
    """A string or None, which gives the empty string."""
    return "" if value is None else text(name, value, example)


def environment(
    name: str, value: Mapping[str, str | None] | None, *, optional: bool
) -> tuple[tuple[str, str], ...]:
    """Names and values of variables. With `optional`, those whose value is None are left out."""
    example = f'{name}={{"KEY": "value"}}'
    if value is None and optional:
        return ()
    pairs: list[tuple[str, str]] = []
    for key, one in dictionary(name, value, example):
        if optional and one is None:
            continue
        if not isinstance(one, str):
            raise InvalidTypeError(
                f"Image ENV variables must be strings: {key} is {kind(one)}",  # its value may be a secret
                hint=f'Write {{"{key}": "{shown(one)}"}}.'
                if isinstance(one, int | float)
                else f"Write {example}.",
            )
        if not key or "=" in key:
            raise InvalidError(f"{shown(key)} cannot name an environment variable", hint=f"Write {example}.")
        pairs.append((checked(name, key), checked(name, one)))
    return tuple(pairs)


def dictionary(name: str, value: object, example: str) -> list[tuple[str, object]]:
    """The items of a mapping with string keys."""
    if not isinstance(value, Mapping):
        raise InvalidTypeError(
            f"{name} must be a dictionary, not {kind(value)}: {shown(value)}", hint=f"Write {example}."
        )
    pairs: list[tuple[str, object]] = list(value.items())  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    for key, _ in pairs:
        if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTypeError(
                f"{name} must have strings as keys, not {kind(key)}: {shown(key)}", hint=f"Write {example}."
            )
    return pairs


def path(name: str, value: object, example: str) -> str:
    """A path as text."""
    try:
        found = os.fspath(value)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType]
    except TypeError:
        found = None
    if not isinstance(found, str):
        raise InvalidTypeError(
            f"{name} must be a path, not {kind(value)}: {shown(value)}", hint=f"Write {example}."
        )
    if not found:
        raise InvalidError(f"{name} is empty", hint=f"Write {example}.")
    return checked(name, found)


def remote_path(name: str, value: object, example: str) -> str:
    """An absolute path in the image."""
    found = path(name, value, example)
    if not found.startswith("/"):
        raise InvalidError(
            f"{name} must be absolute: only absolute paths are places, not {shown(found)}",
            hint=f'Write "/{found[:_SHOWN].removeprefix("./")}", or {example}.',
        )
    return found


def checked(name: str, value: str) -> str:
    """Text that an image can hold: UTF-8, without NUL."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidError(
                f"{name} has a character that is not Unicode text: {shown(value)}",
                hint="Images hold UTF-8 only.",
            ) from None
    if "\0" in value:
        raise InvalidError(f"{name} has a NUL character: {shown(value)}", hint="No program can be given one.")
    return value


_SHOWN = 80


def shown(value: object) -> str:
    """A value in a message: short, whatever it is."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a refusal must not fail with what it refuses
        return "…"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def kind(value: object) -> str:
    """What a value is, for a message."""
    return type(value).__name__
