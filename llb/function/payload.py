"""A function with all that it needs, as bytes: the same function gives the same bytes everywhere."""

# Trees, payloads and other people's objects are what they are.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import os
import types

from llb._value import Value
from llb.errors import InvalidError, InvalidTypeError
from llb.function.runner import SETTINGS_START
from llb.function.sources import Sources
from llb.function.taking import Encoder
from llb.function.values import CannotTakeError, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from llb.function.taking import Part

_VERSION = 1
ARGUMENTS_LIMIT = 2 << 20
"""Bytes that a call's arguments may have."""
_SETTINGS_LIMIT = 100_000
"""Bytes that a variable of a process may have on Linux are 128 KiB."""


class Payload(Value):
    """What a step is given to run a function."""

    data: bytes
    """The function, and all that it needs: the same for the same meaning."""
    sources: Mapping[str, Sequence[Any]]
    """Where the user's text is, for tracebacks: no part of the meaning."""
    notes: tuple[str, ...]
    parts: tuple[Part, ...]
    """What `data` is made of, for people."""

    def settings(self, **others: object) -> str:
        """What is no part of the step but good to have: the user's lines, as many as there is room for."""
        sources = dict(self.sources)
        while True:
            document = {key: value for key, value in others.items() if value}
            if sources:
                document["sources"] = sources
            text = SETTINGS_START + json.dumps(document, separators=(",", ":"))
            if len(text) <= _SETTINGS_LIMIT or not sources:
                return text
            longest = max(sources, key=lambda key: (len(sources[key][2]), key))
            del sources[longest]


def payload_of(
    function: types.FunctionType,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    include_source: bool = True,
    guard: Callable[[Callable[[], Any]], Any] = lambda function: function(),
) -> Payload:
    """What is needed to call a function elsewhere.

    Raises:
        InvalidError: the function's source, or an argument, cannot be taken along.
    """
    encoder = Encoder(Sources(), guard, include_source=include_source)
    try:
        called = encoder.encode(function)
    except CannotTakeError as error:
        raise InvalidError(
            f"{function.__name__} cannot be run elsewhere: it is {error}",
            hint="Functions travel as source: define it with def in a file.",
        ) from None
    call = [
        called,
        _argument(encoder, tuple(args), "args"),
        _argument(encoder, dict(sorted((kwargs or {}).items())), "kwargs"),
    ]
    try:
        encoder.finish()
    except RecursionError:
        raise InvalidError(
            f"what {function.__name__} reads is nested too deeply", hint="Read it inside the function."
        ) from None
    for module in encoder.modules:
        module["names"] = dict(sorted(module["names"].items()))
    document: dict[str, Any] = {
        "version": _VERSION,
        "name": function.__name__,
        "call": call,
        "table": encoder.table,
        "modules": encoder.modules,
        "whole": encoder.whole,
        "skipped": encoder.skipped,
        "beside": sorted(encoder.beside),
    }
    data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return Payload(data, encoder.lines, tuple(encoder.notes), tuple(encoder.parts))


def _argument(encoder: Encoder, value: Any, name: str) -> Any:
    try:
        return encoder.encode(value)
    except (CannotTakeError, RecursionError) as error:
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in members:
            try:
                Encoder(Sources()).encode(one)
            except (CannotTakeError, RecursionError):
                name = f"{name}[{key!r}]"
                break
        what = error if isinstance(error, CannotTakeError) else "nested too deeply"
        raise InvalidError(
            f"{name} cannot be given to the function: it is {what}",
            hint="Give it what it can be made from, and make it inside the function.",
        ) from None


def check_arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuses arguments that cannot be given to a function elsewhere.

    Raises:
        InvalidError: one cannot be taken along, or all together are too large.
    """
    encoder = Encoder(Sources())
    forms = [_argument(encoder, tuple(args), "args"), _argument(encoder, dict(kwargs), "kwargs")]
    size = len(json.dumps([forms, encoder.table], separators=(",", ":")))
    if size > ARGUMENTS_LIMIT:
        raise InvalidError(
            f"the arguments have {size / (1 << 20):.1f} MiB; 2 MiB is the limit",
            hint="Add them as a file: add_local_file(path, remote_path, copy=True), and give its path.",
        )


def check_function(function: object) -> None:
    """Refuses what cannot be a step's function.

    Raises:
        InvalidTypeError: it is not a function.
        InvalidError: it is a function of a kind that cannot be run elsewhere.
    """
    from llb.errors import LocalFunctionError

    kind = type(function)
    if kind is types.FunctionType:
        _check_plain(function, LocalFunctionError)  # pyright: ignore[reportArgumentType]
        return
    name = getattr(function, "__name__", "")
    hint = "Write a def at the top of the file, and give its name: run_function(prepare)."
    if isinstance(function, type):
        raise InvalidTypeError(
            f"run_function takes a function, not the class {name}",
            hint=f"Write a function that makes one: def prepare(): {name}().",
        )
    if isinstance(function, types.MethodType):
        raise InvalidTypeError(
            f"run_function takes a function, not the method {function.__qualname__}",
            hint=f"Write a function that calls it: def prepare(): ….{name}().",
        )
    if isinstance(
        function, (types.BuiltinFunctionType, types.MethodWrapperType, types.WrapperDescriptorType)
    ):
        raise InvalidTypeError(
            f"run_function takes a function of yours, not the builtin {name}",
            hint=f"Write a function that calls it: def prepare(): {name}(…).",
        )
    if kind.__name__ == "partial" and kind.__module__ == "functools":
        inner = getattr(getattr(function, "func", None), "__name__", "function")
        raise InvalidTypeError(
            "run_function takes a function, not a functools.partial",
            hint=f"Give the function and its arguments: run_function({inner}, args=(…), kwargs={{…}}).",
        )
    if isinstance(function, str):
        hint = "Give the function itself, without quotes; shell commands are run_commands."
    raise InvalidTypeError(f"raw_f must be a function, not {kind.__name__}: {shown(function)}", hint=hint)


def _check_plain(function: types.FunctionType, local: type[InvalidError]) -> None:
    name = function.__name__
    if function.__code__.co_name == "<lambda>" and "__wrapped__" not in function.__dict__:
        raise InvalidError(
            "run_function does not support lambda",
            hint="Write a def at the top of the file, and give its name.",
        )
    if "<locals>" in function.__qualname__:
        raise local(
            f"{function.__qualname__} is defined inside another function",
            hint=f"Move def {name} to the top of the file; what it took from around it can be its arguments.",
        )
    if "." in function.__qualname__:
        raise InvalidError(
            f"{function.__qualname__} belongs to a class",
            hint=f"Write a function at the top of the file that calls it: def prepare(): "
            f"{function.__qualname__}(…).",
        )
    found = function
    while isinstance(found, types.FunctionType):
        if found.__code__.co_flags & 0x20 or found.__code__.co_flags & 0x200:
            raise InvalidError(
                f"{name} is a generator: calling it runs nothing",
                hint="Write the function without yield, or one that goes through it.",
            )
        found = found.__dict__.get("__wrapped__")


def runner_files() -> Mapping[str, bytes]:
    """The files that run functions inside steps, by name: a package."""
    if not _files:
        loader: Any = __loader__
        for name in ("syntax", "rebuilding", "remaking", "running", "explaining", "watching", "runner"):
            _files[f"{name}.py"] = loader.get_data(os.path.join(os.path.dirname(__file__), f"{name}.py"))
    return _files


_files: dict[str, bytes] = {}
