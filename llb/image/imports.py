"""`imports`: imports of what only containers of the image have."""

from __future__ import annotations

from llb.image.chain import Chain, chained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class _Imports:
    """The block of `with image.imports():`. Not a generator: contextlib is not loaded for it."""

    __slots__ = ()

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        if not isinstance(error, ImportError):
            from warnings import warn

            warn(
                f"the rest of this `with image.imports()` is skipped: {type(error).__name__}: {error}",
                stacklevel=2,
            )
        return True


class Imports(Chain):
    """The method of `Image` for imports of what only its containers have."""

    __slots__ = ()

    @chained
    def imports(self) -> _Imports:
        """Import what is installed in the image, but perhaps not here: `with image.imports(): import torch`.

        The block ends at its first exception, and the file goes on: an `ImportError` silently, any other
        with a warning.

        Example:
            ```python
            image = Image.debian_slim().pip_install("numpy")

            with image.imports():
                import numpy
            ```
        """
        return _Imports()
