"""Immutable values."""

from __future__ import annotations

import copy
import pickle

import pytest

from llb._value import Value


class Point(Value):
    x: int
    y: int = 0


class Named(Point):
    name: str = "here"

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("no name")


def test_fields_are_given_by_position_or_name() -> None:
    assert (Point(1).x, Point(1).y) == (1, 0)
    assert Point(1, 2) == Point(1, y=2) == Point(x=1, y=2) == Point(y=2, x=1)
    assert Named(1, name="there") == Named(1, 0, "there")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Point(), "lacks the argument 'x'"),  # pyright: ignore[reportCallIssue]
        (lambda: Point(1, 2, 3), "takes 2 arguments, not 3"),  # pyright: ignore[reportCallIssue]
        (lambda: Point(1, x=2), "unexpected or repeated arguments"),  # pyright: ignore[reportCallIssue]
        (lambda: Point(1, z=2), "unexpected or repeated arguments"),  # pyright: ignore[reportCallIssue]
        (lambda: Point(1).replace(z=2), "no field 'z'"),
    ],
)
def test_wrong_arguments_are_type_errors(make: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()  # pyright: ignore[reportCallIssue, reportUnknownVariableType]


def test_a_field_without_default_cannot_follow_one_with() -> None:
    with pytest.raises(TypeError, match="has no default"):
        type(Value)("Wrong", (Point,), {"__annotations__": {"z": "int"}})  # pyright: ignore[reportCallIssue]


def test_nothing_can_be_set_or_deleted() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="immutable"):
        point.x = 2  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match="immutable"):
        point.other = 2  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match="immutable"):
        del point.x  # pyright: ignore[reportAttributeAccessIssue]
    assert not hasattr(point, "__dict__")


def test_equal_are_those_of_one_class_with_equal_fields() -> None:
    assert Point(1, 2) == Point(1, 2)
    assert Point(1, 2) != Point(2, 1)
    assert Point(1, 0) != Named(1, 0)
    assert Point(1) != 1
    assert len({Point(1, 2), Point(1, 2), Point(1)}) == 2


def test_replace_copies_and_checks_again() -> None:
    named = Named(1, 2, "a")
    assert named.replace(y=3) == Named(1, 3, "a")
    assert named == Named(1, 2, "a")
    with pytest.raises(ValueError, match="no name"):
        named.replace(name="")


def test_values_are_copied_and_pickled_as_values() -> None:
    named = Named(1, 2, "a")
    assert copy.copy(named) is named
    assert copy.deepcopy([named])[0] is named
    assert pickle.loads(pickle.dumps(named)) == named
    assert repr(named) == "Named(x=1, y=2, name='a')"
