"""Handles of what lives at the service: named freely, but the first real use ends the evaluation.

A script that makes a sandbox at module level goes on to talk to it. Here there is nothing to talk to, and
nothing that follows can change what its images are: so the evaluation ends there, quietly.
"""

from __future__ import annotations

from llb.compat.placeholders import Placeholder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

ONLY_THERE = "only the service has it"

_LAZY = (
    *("ephemeral", "lookup", "new", "objects", "options", "persist", "persisted", "read_only"),
    *("with_batching", "with_concurrency", "with_mount_options", "with_options"),
)


def _describes(method: str) -> bool:
    """Whether a method only describes: it gives another handle."""
    return method.startswith("from_") or method in _LAZY


class EndedError(BaseException):
    """The script has come to where it would start something.

    Not an `Exception`, so that it is hard to swallow.
    """


class Handle(Placeholder):
    """Something of the service's: a volume, a sandbox, a function that was deployed."""

    __slots__ = ()

    def __init__(self, name: str = "", why: str = ONLY_THERE) -> None:
        super().__init__(name or type(self).__name__, why)

    _llb_shapes_images = False
    """Steps may be given one: what it means there, they say."""

    def _llb_derived(self, name: str) -> Handle:
        if name.endswith("…"):  # an operator's result
            raise EndedError(self._llb_name)
        return Handle(name)

    def _llb_unknown(self, use: str) -> NoReturn:  # noqa: ARG002
        raise EndedError(self._llb_name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        if _describes(self._llb_name.removesuffix(".aio").rpartition(".")[2]):
            return Handle(f"{self._llb_name}()")
        raise EndedError(f"{self._llb_name}()")

    __hash__ = Placeholder.__hash__

    def __eq__(self, other: object) -> Any:
        if self is other or other is None:
            return self is other
        raise EndedError(self._llb_name)

    def __ne__(self, other: object) -> Any:
        return not self == other

    def __getitem__(self, key: object) -> Any:
        raise EndedError(f"{self._llb_name}[…]")

    def __setitem__(self, key: object, value: object) -> None:
        raise EndedError(f"{self._llb_name}[…]")

    def __enter__(self) -> Any:
        raise EndedError(self._llb_name)

    async def __aenter__(self) -> Any:
        raise EndedError(self._llb_name)

    async def __aexit__(self, *_: object) -> None: ...

    def __await__(self) -> Any:
        raise EndedError(self._llb_name)

    def __aiter__(self) -> Any:
        raise EndedError(self._llb_name)

    def __bool__(self) -> bool:
        return True


class _Described(type(Handle)):
    """Of the classes of such things: a class method that nobody wrote down gives one of them, or ends."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{cls.__name__} has no attribute {name!r}", name=name)
        return _Maker(cls, name)


class _Maker(Handle):
    """A class method of one of those classes."""

    __slots__ = ("_llb_made", "_llb_method")

    _llb_made: type[Handle]
    _llb_method: str

    def __init__(self, made: Any, method: str) -> None:
        super().__init__(f"{made.__name__}.{method}")
        object.__setattr__(self, "_llb_made", made)
        object.__setattr__(self, "_llb_method", method)

    def __getattr__(self, name: str) -> Any:
        return self if name == "aio" else super().__getattr__(name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        if not _describes(self._llb_method):
            raise EndedError(f"{self._llb_name}()")
        made = object.__new__(self._llb_made)
        Handle.__init__(made, f"{self._llb_name}()")
        return made


class Described(Handle, metaclass=_Described):
    """Base of the service's classes."""

    __slots__ = ()

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__(f"{type(self).__name__}()")
