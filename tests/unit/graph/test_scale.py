"""Graphs of a size that recursion and repeated walks would not survive."""

from __future__ import annotations

from llb.graph import Definition, State, copy, image, marshal, merge

DEPTH = 20_000


def test_a_deep_chain() -> None:
    state = image("a")
    for number in range(DEPTH):
        state = state.run(["step", str(number)]).root
    definition = marshal(state)
    assert len(definition.ops) == DEPTH + 2
    again = Definition.from_bytes(definition.to_bytes())
    assert marshal(again.state()).digests() == definition.digests()


def test_a_deep_ladder_has_as_many_vertices_as_steps() -> None:
    left, right = image("a"), image("b")
    for _ in range(500):
        left, right = left.file(copy(right, "/", "/")), right.file(copy(left, "/", "/"))
    assert len(marshal(merge([left, right])).ops) == 2 + 2 * 500 + 1 + 1


def test_values_are_shared_between_steps() -> None:
    state: State = image("a").with_env("A", "b")
    first = state.run(["1"]).root
    assert first.values is state.values
    assert first.run(["2"]).root.values is state.values
