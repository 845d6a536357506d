"""Immutable values: frozen, slotted, typed like dataclasses, without the import cost of `dataclasses`.

`dataclasses` costs about 17 ms to import (it pulls `inspect`) and 0.6 ms per frozen, slotted class: together
most of what a frontend container may spend before its first call (docs/architecture.md has the figures).
`Value` gives the same to a reader and to a type checker (PEP 681) at no cost per class.
Rooms that never run in that container use plain dataclasses.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_: object):
        return lambda cls: cls


class _ValueMeta(type):
    """Turns the annotations of a class body into slots, and remembers fields, defaults and slot setters."""

    __value_fields__: tuple[str, ...]
    __value_defaults__: dict[str, Any]
    __value_setters__: tuple[Callable[[object, Any], None], ...]

    def __new__(mcls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> _ValueMeta:
        own = tuple(
            field for field in body.get("__annotations__", {}) if field not in body.get("__classvars__", ())
        )
        fields: tuple[str, ...] = ()
        defaults: dict[str, Any] = {}
        setters: tuple[Callable[[object, Any], None], ...] = ()
        for base in bases:
            if isinstance(base, _ValueMeta):
                fields += base.__value_fields__
                defaults |= base.__value_defaults__
                setters += base.__value_setters__
        for field in own:
            if field in body:
                defaults[field] = body.pop(field)
            elif defaults and field not in defaults:
                raise TypeError(f"{name}.{field} has no default but follows fields that have one")
        body["__slots__"] = (*own, *body.get("__slots__", ()))
        cls = super().__new__(mcls, name, bases, body)
        cls.__value_fields__ = fields + own
        cls.__value_defaults__ = defaults
        cls.__value_setters__ = setters + tuple(cls.__dict__[field].__set__ for field in own)
        return cls


@dataclass_transform(frozen_default=True)
class Value(metaclass=_ValueMeta):
    """Base of immutable values: fields are the annotations of the subclass, in order, defaults included.

    A subclass may define `__post_init__` to check its fields. Fields cannot be assigned later; `replace`
    copies.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        cls = type(self)
        setters = cls.__value_setters__
        if kwargs or len(args) != len(setters):
            args = _arguments(cls, args, kwargs)
        for setter, value in zip(setters, args, strict=True):
            setter(self, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        pass

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        cls = type(self)
        names = cls.__value_fields__
        values = list(self.__value_tuple__())
        for field, value in changes.items():
            if field not in names:
                raise TypeError(f"{cls.__name__} has no field {field!r}")
            values[names.index(field)] = value
        return cls(*values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be deleted")

    def __value_tuple__(self) -> tuple[Any, ...]:
        return tuple([getattr(self, field) for field in type(self).__value_fields__])

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Value) or type(self) is not type(other):
            return NotImplemented
        return self.__value_tuple__() == other.__value_tuple__()

    def __hash__(self) -> int:
        return hash((type(self), self.__value_tuple__()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{field}={getattr(self, field)!r}" for field in type(self).__value_fields__)
        return f"{type(self).__name__}({fields})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.__value_tuple__()


def _arguments(cls: type[Value], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """A value for each field, from what was given and the defaults."""
    fields, count = cls.__value_fields__, len(args)
    if count > len(fields):
        raise TypeError(f"{cls.__name__} takes {len(fields)} arguments, not {count}")
    rest = fields[count:]
    named = cls.__value_defaults__
    if kwargs:
        named = named | kwargs
        wrong = [name for name in kwargs if name not in rest]
        if wrong:
            raise TypeError(f"{cls.__name__} got unexpected or repeated arguments {sorted(wrong)}")
    try:
        return args + tuple([named[field] for field in rest])
    except KeyError as error:
        raise TypeError(f"{cls.__name__} lacks the argument {error}") from None


def slot_setters(cls: type[Value]) -> tuple[Callable[[object, Any], None], ...]:
    """What sets each field of a new value, in order.

    For classes that are made so often that they write `__init__` by hand; nothing else may call them.
    """
    return cls.__value_setters__
