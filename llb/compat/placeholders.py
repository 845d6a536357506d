"""Stand-ins for modules that are not installed while a script is evaluated, and for their values.

A placeholder does as decorator, base class, annotation, subscript, default argument, context manager. What it
cannot do is have a value: where one is needed (a truth test, a number, text in an image), it refuses.
"""

from __future__ import annotations

from abc import ABCMeta
from types import ModuleType

from llb.errors import ImageFileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

MARK = "\u2063"
"""Around the text of a placeholder: unseen where it is printed, found where it would be built in."""

_FUNCTION = type(lambda: None)
_VALUES = (str, bytes, int, float, tuple, list, dict, type(None))
_DEPTH = 6


class Placeholder:
    """A value that nobody knows here.

    Args:
        name: what to call it in a message, as the script writes it: `torch.cuda.is_available()`.
        why: why it is not known.
    """

    __slots__ = ("_llb_name", "_llb_why")

    _llb_name: str
    _llb_why: str
    _llb_shapes_images = True
    """Whether a step must not be given it."""

    def __init__(self, name: str, why: str) -> None:
        object.__setattr__(self, "_llb_name", name)
        object.__setattr__(self, "_llb_why", why)

    def _llb_derived(self, name: str) -> Placeholder:
        return Placeholder(name if len(name) < 200 else f"{name[:200]}…", self._llb_why)

    def _llb_unknown(self, use: str) -> NoReturn:
        raise unknown(self, use)

    # -- what a missing thing can be used as

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name != "__version__":
            raise AttributeError(f"{self._llb_name} has no attribute {name!r}", name=name)
        return self._llb_derived(f"{self._llb_name}.{name}")

    def __setattr__(self, name: str, value: object) -> None: ...
    def __delattr__(self, name: str) -> None: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and decorated(args[0]):
            return args[0]
        return self._llb_derived(f"{self._llb_name}()")

    def __getitem__(self, key: object) -> Any:
        return self._llb_derived(f"{self._llb_name}[…]")

    def __setitem__(self, key: object, value: object) -> None: ...
    def __delitem__(self, key: object) -> None: ...

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        name = self._llb_name.rpartition(".")[2]
        return (_Derived(name, (DerivedFromMissing,), {"_llb_why": self._llb_why}),)

    def __enter__(self) -> Any:
        return self._llb_derived(self._llb_name)

    def __exit__(self, *_: object) -> None: ...

    def __copy__(self) -> Placeholder:
        return self

    def __deepcopy__(self, memo: object) -> Placeholder:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self._llb_name} cannot be pickled: {self._llb_why}")

    # -- text: marked, so that it is found where it matters

    def __str__(self) -> str:
        return f"{MARK}{self._llb_name}{MARK}"

    __repr__ = __str__
    __fspath__ = __str__

    def __format__(self, spec: str) -> str:
        return str(self)

    # -- values: derived ones where nothing is decided, refused where something is

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        # Only values can be equal to what is not known; typing compares classes too.
        if self is other or not isinstance(other, _VALUES):
            return self is other
        return self._llb_derived(f"{self._llb_name} == …")

    def __ne__(self, other: object) -> Any:
        if self is other or not isinstance(other, _VALUES):
            return self is not other
        return self._llb_derived(f"{self._llb_name} != …")

    def __bool__(self) -> bool:
        self._llb_unknown("is tested")

    def __iter__(self) -> Any:
        self._llb_unknown("is gone through")

    def __len__(self) -> int:
        self._llb_unknown("is measured")

    def __contains__(self, item: object) -> bool:
        self._llb_unknown("is searched")

    def __int__(self) -> int:
        self._llb_unknown("is needed as a number")

    def __float__(self) -> float:
        self._llb_unknown("is needed as a number")

    def __index__(self) -> int:
        self._llb_unknown("is needed as a number")

    def __instancecheck__(self, instance: object) -> bool:
        return False

    def __subclasscheck__(self, subclass: type) -> bool:
        return False


def _operator(sign: str) -> Callable[..., Any]:
    def apply(self: Placeholder, *_: object) -> Any:
        return self._llb_derived(f"{self._llb_name} {sign} …")  # pyright: ignore[reportPrivateUsage]

    return apply


for _name, _sign in (
    *[("add", "+"), ("sub", "-"), ("mul", "*"), ("truediv", "/"), ("floordiv", "//"), ("mod", "%")],
    *[
        ("pow", "**"),
        ("matmul", "@"),
        ("or", "|"),
        ("and", "&"),
        ("xor", "^"),
        ("lshift", "<<"),
        ("rshift", ">>"),
    ],
):
    setattr(Placeholder, f"__{_name}__", _operator(_sign))
    setattr(Placeholder, f"__r{_name}__", _operator(_sign))
for _name, _sign in (
    ("lt", "<"),
    ("le", "<="),
    ("gt", ">"),
    ("ge", ">="),
    ("neg", "-"),
    ("pos", "+"),
    ("invert", "~"),
):
    setattr(Placeholder, f"__{_name}__", _operator(_sign))


class Decorated:
    """Base of what decorators give that further decorators pass on."""

    __slots__ = ()


def decorated(value: object) -> bool:
    """Whether a value is what a decorator is given: a function, a class, or one that is decorated already."""
    return isinstance(value, (_FUNCTION, type, Decorated, staticmethod, classmethod, property))


class _Derived(ABCMeta):
    """Of classes that derive from a missing one; their unknown attributes are placeholders."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith(("__", "_abc_")):
            raise AttributeError(f"{cls.__name__} has no attribute {name!r}", name=name)
        return Placeholder(f"{cls.__name__}.{name}", cls._llb_why)


class DerivedFromMissing(metaclass=_Derived):
    """Base of classes whose base is missing. What its fields would hold is not known."""

    _llb_why = "its base class is not installed where this file is evaluated"

    def __init__(self, *_: object, **given: object) -> None:
        cls = type(self)
        for name in (*[name for base in cls.__mro__ for name in _fields(base)], *given):
            object.__setattr__(self, name, Placeholder(f"{cls.__name__}().{name}", cls._llb_why))

    def __init_subclass__(cls, **_: object) -> None: ...

    def __class_getitem__(cls, key: object) -> Any:
        return cls

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}", name=name)
        return Placeholder(f"{type(self).__name__}().{name}", self._llb_why)


def _fields(cls: type) -> tuple[str, ...]:
    """The names that a class annotates."""
    try:
        return tuple(cls.__annotations__)
    except Exception:  # noqa: BLE001 - from Python 3.14 on they are evaluated only now, and may fail
        return ()


class MissingModule(ModuleType):
    """A module that is not installed."""

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            raise ImageFileError(
                f"from {self.__name__} import *: what it has is not known, as it is not installed here",
                hint="Name what is imported.",
            )
        if name.startswith("__") and name != "__version__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name)
        return Placeholder(f"{self.__name__}.{name}", not_installed(self.__name__))


def not_installed(module: str) -> str:
    """Why nothing is known of a module's values."""
    return f"{module.partition('.')[0]} is not installed where this file is evaluated"


def unknown(value: Placeholder, use: str) -> ImageFileError:
    """The refusal where the value of a placeholder is needed."""
    name, why = value._llb_name, value._llb_why  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
    return ImageFileError(f"{name} {use}, but its value is not known: {why}", hint=_WAY_OUT)


_WAY_OUT = (
    "Move it into the function that needs it, give the value itself, "
    "or evaluate the file with `llb compile` in an environment that has what it imports."
)


def refuse_unknown(values: tuple[object, ...], step: str) -> None:
    """Refuses placeholders, and text made of them, among what a step is given.

    Raises:
        ImageFileError: there is one.
    """
    for value in values:
        _refuse(value, step, 0)


def _refuse(value: object, step: str, depth: int) -> None:
    if isinstance(value, str):
        if MARK in value:
            name = value.split(MARK)[1]
            raise ImageFileError(
                f"{step} is given text with {name}, whose value is not known here",
                hint=_WAY_OUT,
                step=step,
            )
    elif isinstance(value, Placeholder):
        if value._llb_shapes_images:  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
            error = unknown(value, f"is given to {step}")
            error.step = step
            raise error
    elif depth < _DEPTH:
        if isinstance(value, (list, tuple, set, frozenset)):
            for one in value:  # pyright: ignore[reportUnknownVariableType]
                _refuse(one, step, depth + 1)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, dict):
            for key, one in value.items():  # pyright: ignore[reportUnknownVariableType]
                _refuse(key, step, depth + 1)  # pyright: ignore[reportUnknownArgumentType]
                _refuse(one, step, depth + 1)  # pyright: ignore[reportUnknownArgumentType]
        elif hasattr(value, "__fspath__"):
            _refuse(str(value), step, depth + 1)
