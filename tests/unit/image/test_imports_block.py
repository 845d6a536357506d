"""`with image.imports():` — imports of what only containers of the image have."""

from __future__ import annotations

import warnings

import pytest

from llb import Image

IMAGE = Image.from_scratch()


def test_a_module_that_is_not_here_ends_the_block_silently() -> None:
    reached = [1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with IMAGE.imports():
            import nowhere_at_all  # pyright: ignore[reportMissingImports, reportUnusedImport]  # noqa: F401

            reached.append(2)
    assert reached == [1]


def test_what_is_here_is_imported() -> None:
    with IMAGE.imports():
        import colorsys
    assert colorsys.ONE_THIRD  # pyright: ignore[reportPossiblyUnboundVariable]


def test_another_exception_ends_the_block_with_a_warning() -> None:
    with (
        pytest.warns(
            UserWarning, match=r"the rest of this `with image\.imports\(\)` is skipped: KeyError: 'x'"
        ),
        IMAGE.imports(),
    ):
        raise KeyError("x")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_no_mistake_goes_on(error: type[BaseException]) -> None:
    with pytest.raises(error), IMAGE.imports():
        raise error
