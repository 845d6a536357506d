"""Values in a normal form: the same value gives the same form in every process and from every Python.

`pickle` and cloudpickle do not: their bytes depend on which equal strings are one object, on the order of
sets, on the interpreter's bytecode. Here strings and tuples go by what they hold, sets are sorted, functions
and classes are syntax trees (`llb/function/taking.py`); what has an identity of its own (lists, instances…)
is in a table, each once. How an object is taken apart is what `pickle` asks it too (`__reduce_ex__`).
"""

# Trees, payloads and other people's objects are what they are.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import copyreg
import enum
import functools
import json
import sys
import types

from llb.function import syntax
from llb.function.sources import Sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


ATOMS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))
_OWN_NAMES = frozenset(
    [
        "__builtins__",
        "__cached__",
        "__doc__",
        "__file__",
        "__loader__",
        "__name__",
        "__package__",
        "__path__",
        "__spec__",
    ]
)
_WIDTH = 60


class CannotTakeError(Exception):
    """A value that no other process can be given. Its text says what it is: `a socket.socket`."""


class Values:
    """Takes values apart: data, and objects as `pickle` would.

    Args:
        sources: the user's modules.
        guard: calls code of the user's, such as a `__reduce__`.
    """

    def __init__(
        self,
        sources: Sources,
        guard: Callable[[Callable[[], Any]], Any] = lambda function: function(),
    ) -> None:
        self.table: list[Any] = []
        self.notes: list[str] = []
        self._sources = sources
        self._guard = guard
        self._numbers: dict[int, int] = {}
        self._kept: list[object] = []
        self._queue: list[Callable[[], None]] = []

    def note(self, text: str) -> None:
        """Tells the user something, once."""
        if text not in self.notes:
            self.notes.append(text)

    # -- what only the user's modules can tell

    def module(self, module: types.ModuleType) -> Any:
        """The form of a module."""
        raise NotImplementedError

    def function(self, function: types.FunctionType) -> Any:
        """The form of a function."""
        raise NotImplementedError

    def class_(self, cls: type) -> Any:
        """The form of a class."""
        raise NotImplementedError

    # -- values

    def encode(self, value: Any) -> Any:
        """A value's form; what it needs besides is in the table after `finish`.

        Raises:
            CannotTakeError: it, or something in it, cannot be taken along.
        """
        kind = type(value)
        if kind in ATOMS:
            return syntax.encode_atom(value)
        if kind is tuple:
            return ["t", *[self.encode(one) for one in value]]
        if kind is frozenset:
            return ["fs", *self._sorted(value)]
        number = self._numbers.get(id(value))
        if number is not None:
            return ["r", number]
        if kind is list:
            return self._entered(value, "list", lambda: [self.encode(one) for one in value])
        if kind is dict:
            return self._entered(value, "dict", lambda: self._items(value.items()))
        if kind is set:
            return self._entered(value, "set", lambda: self._sorted(value))
        if kind is bytearray:
            return self._entered(value, "bytearray", lambda: [self.encode(bytes(value))])
        if isinstance(value, types.ModuleType):
            return self.module(value)
        if kind is types.FunctionType:
            return self.function(value)
        if isinstance(value, type):
            return self.class_(value)
        if kind is types.CellType:
            return self.cell(value)
        return self._object(value)

    def _entered(self, value: object, kind: str, parts: Callable[[], Iterable[Any]]) -> Any:
        number = self.enter(value)
        self.table[number] = [kind]
        self.table[number] += parts()
        return ["r", number]

    def enter(self, value: object) -> int:
        number = len(self.table)
        self.table.append(None)
        self._numbers[id(value)] = number
        self._kept.append(value)  # or another object could get its id
        return number

    def _items(self, items: Iterable[tuple[Any, Any]]) -> list[Any]:
        return [[self.encode(key), self.encode(one)] for key, one in items]

    def _sorted(self, members: Iterable[Any]) -> list[Any]:
        return [self.encode(one) for one in sorted(members, key=self._order)]

    def _order(self, member: Any) -> str:
        """What a set's members are sorted by: the form that each has alone."""
        if type(member) in ATOMS:
            return json.dumps(syntax.encode_atom(member))
        alone = type(self)(self._sources, self._guard)
        form = alone.encode(member)
        return json.dumps([form, alone.table if not isinstance(member, type) else member.__qualname__])

    def cell(self, cell: types.CellType, reader: str = "it") -> Any:
        number = self.enter(cell)
        self.table[number] = ["cell"]

        def fill() -> None:
            try:
                content = cell.cell_contents
            except ValueError:  # not set yet
                return
            try:
                self.table[number].append(self.tolerant(content))
            except CannotTakeError as error:
                self.note(f"a variable of a function around {reader} is not taken along: it is {error}")

        self._queue.append(fill)
        return ["r", number]

    def tolerant(self, value: Any) -> Any:
        """A value; what cannot be taken is told and left out."""
        before = (len(self.table), dict(self._numbers), len(self._queue))
        try:
            return self.encode(value)
        except (CannotTakeError, RecursionError) as error:
            del self.table[before[0] :]
            del self._queue[before[2] :]
            self._numbers = before[1]
            raise CannotTakeError(str(error)) from None

    # -- objects

    def _object(self, value: Any) -> Any:
        kind = type(value)
        owner = kind.__module__.partition(".")[0]
        if owner == "llb":
            if hasattr(kind, "get_raw_f"):  # a function that a script has registered
                return self.encode(value.get_raw_f())
            raise CannotTakeError(f"llb's {kind.__name__}")
        if isinstance(value, enum.Enum):
            name = value.name
            if name is not None and name in kind.__members__:  # pyright: ignore[reportUnnecessaryComparison]
                return ["a", self.encode(kind), name]
            return self._made(value, kind, (value.value,))
        if owner == "pathlib":
            import pathlib

            if isinstance(value, pathlib.PurePath):
                public = "PurePath" if not isinstance(value, pathlib.Path) else "Path"
                return self._call(value, ["g", "pathlib", public], (str(value),))
        if isinstance(value, functools._lru_cache_wrapper):  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
            return self._cached(value)
        if kind.__name__ in ("TypeVar", "ParamSpec", "TypeVarTuple", "NewType") and owner == "typing":
            raise CannotTakeError(f"a {kind.__name__}")
        if isinstance(value, (types.BuiltinFunctionType, types.BuiltinMethodType)) and (
            value.__self__ is None or isinstance(value.__self__, types.ModuleType)
        ):
            return self.named(value, getattr(value, "__module__", None), value.__qualname__)
        return self._reduced(value)

    def _cached(self, value: Any) -> Any:
        parameters = value.cache_parameters()
        decorator = self._call(
            object(), ["g", "functools", "lru_cache"], (parameters["maxsize"], parameters["typed"])
        )
        return self._call(value, decorator, (value.__wrapped__,))

    def _reduced(self, value: Any) -> Any:
        reduced = self._reduce(value)
        if isinstance(reduced, str):
            return self.named(value, getattr(value, "__module__", None), reduced)
        function, args, state, members, items = (*reduced, None, None, None, None)[:5]
        if len(reduced) > 5 and reduced[5] is not None:
            raise CannotTakeError(_described(value))
        return self._made(value, function, args, state, members, items)

    def _reduce(self, value: Any) -> Any:
        def reduce() -> Any:
            known = copyreg.dispatch_table.get(type(value))
            return known(value) if known is not None else value.__reduce_ex__(4)

        try:
            if self._sources.is_own(type(value).__module__, globals_of(type(value))):
                return self._guard(reduce)
            return reduce()
        except CannotTakeError:
            raise
        except Exception:  # noqa: BLE001 - whatever the object's own code does
            raise CannotTakeError(_described(value)) from None

    def _made(
        self, value: Any, function: Any, args: Any, state: Any = None, members: Any = None, items: Any = None
    ) -> Any:
        if function is copyreg.__newobj_ex__:  # pyright: ignore[reportAttributeAccessIssue]
            cls, args, kwargs = args
            number = self.enter(value)
            self.table[number] = [
                "object", self.encode(cls.__new__), [self.encode(one) for one in (cls, *args)],
                {name: self.encode(one) for name, one in kwargs.items()}, None, [], [],
            ]  # fmt: skip
        else:
            number = self.enter(value)
            self.table[number] = [
                "object", self.encode(function), [self.encode(one) for one in args], {}, None, [], [],
            ]  # fmt: skip
        entry = self.table[number]
        if state is not None:
            entry[4] = [self.encode(state)]
        entry[5] = [self.encode(one) for one in members or ()]
        entry[6] = self._items(items or ())
        return ["r", number]

    def _call(self, value: Any, function: Any, args: tuple[Any, ...]) -> Any:
        """A value that a call gives; `function` is a form already."""
        number = self.enter(value)
        self.table[number] = ["object", function, [self.encode(one) for one in args], {}, None, [], []]
        return ["r", number]

    def named(self, value: Any, module: str | None, name: str) -> Any:
        """Something of a module that every Python has, or that the image is to have."""
        if module is None:
            module = next(
                (
                    known
                    for known, loaded in sorted(sys.modules.items())
                    if loaded is not None and attribute_at(loaded, name) is value  # pyright: ignore[reportUnnecessaryComparison]
                ),
                None,
            )
        loaded = sys.modules.get(module or "")
        if module is None or loaded is None or attribute_at(loaded, name) is not value:
            raise CannotTakeError(_described(value))
        if module.partition(".")[0] == "llb":
            raise CannotTakeError(f"llb's {name}")
        if self._sources.is_own(module, loaded.__dict__):
            raise CannotTakeError(_described(value))
        # A public module that has it too: private ones differ between versions.
        parts = module.split(".")
        for end in range(1, len(parts)):
            if parts[end].startswith("_"):
                public = sys.modules.get(".".join(parts[:end]))
                if public is not None and attribute_at(public, name) is value:
                    return ["g", ".".join(parts[:end]), name]
                break
        return ["g", module, name]


def shown(value: object) -> str:
    """A value in a line."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - the user's own code
        return f"a {type(value).__name__}"
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


def globals_of(value: Any) -> Mapping[str, Any]:
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    return module.__dict__ if module is not None else {}


def _described(value: object) -> str:
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"a {module}{kind.__qualname__}"


def attribute_at(module: Any, name: str) -> Any:
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
