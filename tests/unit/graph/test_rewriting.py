"""Vertices of a finished definition that are changed afterwards are what they would have been from the start."""

from __future__ import annotations

from typing import Any

from llb import graph
from llb.graph import Definition, Device, Meta, SourceFile, SourceRange, State
from llb.graph.rewriting import Extras, read_paths, with_extras, with_locations

EXTRAS = Extras(
    (("E", "1"), ("A", "2")), (graph.secret_env("S", id="s"), graph.secret_env("T")), (Device("gpu"),)
)
FILE = SourceFile("Dockerfile", b"FROM x\nRUN y\n")


def base() -> State:
    return graph.image("debian:12").with_env("A", "1").with_env("B", "1").run(["old"]).root


def on(state: State, given: Extras) -> State:
    """Commands and copies of several kinds, with what each command is given."""
    arguments: dict[str, Any] = {"env": given.env, "secret_env": given.secret_env, "devices": given.devices}
    local = graph.local("context", unique="u")
    one = state.run(["one"], mounts=[graph.cache("/c"), graph.bind("/b", local)], **arguments).root
    copied = one.file(
        graph.copy(local, "/x", "/y"), meta=Meta(name="copy", locations=(SourceRange(FILE, 2),))
    )
    two = copied.run(["two"], network="host", **arguments).root
    other = graph.image("alpine").run(["three"], mounts=[graph.secret("/s", id="k")], **arguments).root
    return graph.merge([two, graph.diff(state, other)])


def marshalled(state: State) -> Definition:
    return Definition.from_bytes(graph.marshal(state).to_bytes())


def test_commands_are_as_if_they_had_been_given_it_from_the_start() -> None:
    old = graph.marshal(base()).digests()
    changed = with_extras(marshalled(on(base(), Extras())), EXTRAS, old)
    expected = marshalled(on(base(), EXTRAS))
    assert changed.digests() == expected.digests()
    assert changed.metadata == expected.metadata
    assert changed.locations == expected.locations


def test_nothing_given_changes_nothing() -> None:
    definition = marshalled(on(base(), Extras()))
    assert with_extras(definition, Extras(), ()) is definition


def test_a_commands_own_secret_of_the_same_name_stays() -> None:
    state = base().run(["one"], secret_env=[graph.secret_env("S", id="own")]).root
    changed = with_extras(marshalled(state), Extras(secret_env=(graph.secret_env("S", id="s"),)), ())
    digests = graph.marshal(base()).digests()
    assert with_extras(
        marshalled(state), Extras(secret_env=(graph.secret_env("S", id="s"),)), digests
    ).digests() == (marshalled(state).digests())
    assert changed.digests() != marshalled(state).digests()  # the command before it had none


def test_lines_are_added_behind_those_there_are() -> None:
    python = SourceFile("image.py", b"image\n")
    definition = with_locations(marshalled(on(base(), Extras())), lambda place: [SourceRange(python, 1)])
    (places,) = definition.locations.values()
    assert [(one.file.filename, one.start_line) for one in places] == [("Dockerfile", 2), ("image.py", 1)]
    assert Definition.from_bytes(definition.to_bytes()).locations == definition.locations


def read(state: State, source: State) -> tuple[str, ...] | None:
    return read_paths(marshalled(state), marshalled(source).head)


def test_what_is_read_of_a_source() -> None:
    local = graph.local("context", unique="u")
    start = base()
    assert read(start, local) == ()
    assert read(start.file(graph.copy(local, "/b", "/"), graph.copy(local, "/a*", "/")), local) == (
        "/a*",
        "/b",
    )
    assert read(start.file(graph.copy(start, "/b", "/")), local) == ()
    assert read(start.run(["x"], mounts=[graph.bind("/m", local, source="/sub")]).root, local) == ("/sub",)
    assert read(start.run(["x"], mounts=[graph.bind("/m", local)]).root, local) == ("/",)
    assert read(local.file(graph.copy(local, "/b", "/")), local) is None
    assert read(local.run(["x"]).root, local) == ("/",)
    assert read(graph.merge([start, local]), local) is None
