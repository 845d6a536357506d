"""What the methods of `Image` have in common: they extend a chain, and say where a mistake was made."""

from __future__ import annotations

from llb.errors import InvalidError, InvalidTypeError, LLBError, NotBuiltError, RemovedNameError
from llb.image.arguments import kind, shown
from llb.image.step import Step
from llb.location import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ParamSpec, Self, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")

_FACTORIES = 'Image.debian_slim(), Image.from_registry("debian:12") or Image.from_scratch()'

_REMOVED = {
    "conda": "Image.micromamba()",
    "conda_install": 'Image.micromamba().micromamba_install("…")',
    "conda_update_from_environment": 'Image.micromamba().micromamba_install(spec_file="…")',
    "copy_local_dir": "add_local_dir(local_path, remote_path, copy=True)",
    "copy_local_file": "add_local_file(local_path, remote_path, copy=True)",
    "copy_mount": "add_local_dir(local_path, remote_path, copy=True)",
    "extend": "the methods of the image, one after the other",
    "from_dockerhub": "Image.from_registry(tag)",
    "run_inside": 'run_commands("…")',
}
"""Names that the interface had long ago, and what does the same today."""


class _Meta(type):
    if not TYPE_CHECKING:  # a type checker must know what is missing

        def __getattr__(cls, name: str) -> object:
            raise _unknown(cls.__name__, name, cls)


class Chain(metaclass=_Meta):
    """An immutable chain of steps. `Image` adds the methods."""

    __slots__ = ("__weakref__", "_step")

    _step: Step

    def __init__(self, *_: object, **__: object) -> None:
        raise InvalidError(
            "Image() makes no image: a chain starts from a base",
            hint=f"Start with {_FACTORIES}.",
            location=caller(),
        )

    @classmethod
    def _of(cls, step: Step) -> Self:
        chain = object.__new__(cls)
        object.__setattr__(chain, "_step", step)
        return chain

    def _then(self, kind: type[Step], *fields: object) -> Self:
        """This chain with one step more, at the line of the user's call."""
        return self._of(kind(self._step, caller(), *fields))

    @classmethod
    def _start(cls, kind: type[Step], *fields: object) -> Self:
        return cls._of(kind(None, caller(), *fields))

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"an image is immutable: {name!r} cannot be deleted")

    if not TYPE_CHECKING:  # a type checker is to refuse them by itself

        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(f"an image is immutable: {name!r} cannot be set")

        def __getattr__(self, name: str) -> object:
            raise _unknown(type(self).__name__, name, self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._step.method} at {self._step.location}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def step_of(image: object) -> Step:
    """The last step of a chain.

    Raises:
        InvalidTypeError: it is not an image.
    """
    if isinstance(image, Chain):
        return image._step  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
    hint = (
        f"Call it: {image.__name__}()."
        if callable(image) and hasattr(image, "__name__")
        else f"Make one with {_FACTORIES}."
    )
    raise InvalidTypeError(f"an Image is needed, not {kind(image)}: {shown(image)}", hint=hint)


_OTHERS = ("NetworkFileSystem", "Secret", "Volume")
"""What has factories, and is no image."""


def chained(method: Callable[P, T]) -> Callable[P, T]:
    """A method of an image: its refusals tell the user's line, and calling it on the class is one."""
    name = method.__name__

    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        if not args or not isinstance(args[0], Chain):
            raise InvalidTypeError(
                f"{name} extends an image, and is not called on the class Image",
                hint=f"Start with {_FACTORIES}, then call .{name}(…) on that.",
                step=name,
                location=caller(),
            )
        return _call(method, name, args, kwargs)

    return _like(checked, method)


def started(method: Callable[P, T]) -> Callable[P, T]:
    """A factory of images: the same for what starts a chain."""
    name = method.__name__

    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        return _call(method, name, args, kwargs)

    return _like(checked, method)


def _call(method: Callable[..., T], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    try:
        return method(*args, **kwargs)
    except LLBError as error:
        raise error.at(caller(), name) from None
    except TypeError as error:
        traceback = error.__traceback__
        if traceback is None or traceback.tb_next is not None:
            raise
        # The call itself does not fit the signature.
        said = str(error).partition("() ")[2] or str(error)
        said = said.replace("positional argument", "argument")
        owner = method.__qualname__.partition(".")[0]
        shown = f"{owner if owner in _OTHERS else 'Image'}.{name}"
        raise InvalidTypeError(
            f"{name}() {said}", hint=f"help({shown}) shows what it takes.", step=name, location=caller()
        ) from None


def _like(function: Callable[P, T], method: Callable[P, T]) -> Callable[P, T]:
    for attribute in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        setattr(function, attribute, getattr(method, attribute))
    function.__wrapped__ = method  # pyright: ignore[reportFunctionMemberAccess]
    return function


def _unknown(owner: str, name: str, asked: object) -> AttributeError:
    if name in _REMOVED:
        return RemovedNameError(
            f"{owner}.{name} does not exist any more", hint=f"Write {_REMOVED[name]}.", location=caller()
        )
    if name == "object_id":  # the property had nothing to give
        return NotBuiltError(
            "an image has no object_id before it is built: it is unhydrated",
            hint="Build it first: image.build().object_id.",
            location=caller(),
        )
    return AttributeError(f"{owner} has no attribute {name!r}", name=name, obj=asked)
