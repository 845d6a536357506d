"""Definitions: bytes and back, embedding, and what is refused."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from llb import wire
from llb.errors import DefinitionError
from llb.graph import (
    Definition,
    Meta,
    SourceFile,
    SourceRange,
    bind,
    copy,
    image,
    local,
    marshal,
    merge,
    mkdir,
    mkfile,
    scratch,
)
from llb.pb import ops_pb2
from tests.unit.graph.programs import PROGRAMS, Program, state_of


@given(PROGRAMS)
def test_the_same_program_gives_the_same_bytes(program: Program) -> None:
    assert marshal(state_of(program)).to_bytes() == marshal(state_of(program)).to_bytes()


@given(PROGRAMS)
def test_every_input_comes_before_what_is_built_on_it(program: Program) -> None:
    definition = marshal(state_of(program))
    known: set[str] = set()
    for digest, op in zip(definition.digests(), definition.ops, strict=True):
        assert {one.digest for one in ops_pb2.Op.FromString(op).inputs} <= known
        assert digest not in known
        known.add(digest)
    assert set(definition.metadata) == known


@given(PROGRAMS)
def test_bytes_are_read_back(program: Program) -> None:
    definition = marshal(state_of(program))
    again = Definition.from_bytes(definition.to_bytes())
    assert again == definition
    assert (again.digest, again.head, again.head_index) == (
        definition.digest,
        definition.head,
        definition.head_index,
    )


@given(PROGRAMS)
def test_protobuf_reads_the_same(program: Program) -> None:
    definition = marshal(state_of(program))
    message = ops_pb2.Definition.FromString(definition.to_bytes())
    assert tuple(getattr(message, "def")) == definition.ops
    assert set(message.metadata) == set(definition.metadata)
    for digest, one in definition.metadata.items():
        found = message.metadata[digest]
        assert dict(found.description) == dict(one.description)
        assert sorted(found.caps) == list(one.capabilities)
        assert found.ignore_cache == one.ignore_cache
    assert [info.filename for info in message.Source.infos] == [file.filename for file in definition.sources]
    for digest, ranges in definition.locations.items():
        located = message.Source.locations[digest].locations
        assert [one.start.line for location in located for one in location.ranges] == [
            one.start_line for one in ranges
        ]
    for op in definition.ops:
        parsed = ops_pb2.Op.FromString(op)
        assert sorted(parsed.SerializeToString()) == sorted(op)  # the same fields, in another order


@given(PROGRAMS)
def test_embedding_changes_no_vertex(program: Program) -> None:
    definition = marshal(state_of(program))
    for given_definition in (definition, Definition.from_bytes(definition.to_bytes())):
        embedded = marshal(given_definition.state())
        assert set(embedded.digests()) == set(definition.digests())
        assert embedded.metadata == definition.metadata
        assert embedded.locations == definition.locations


@given(PROGRAMS, PROGRAMS)
def test_two_definitions_meet_in_one(first: Program, second: Program) -> None:
    one, two = marshal(state_of(first)), marshal(state_of(second))
    together = marshal(merge([one.state(), two.state()]))
    wanted = {*one.digests()[:-1], *two.digests()[:-1]}
    assert wanted <= set(together.digests())
    assert len(together.sources) == len({*one.sources, *two.sources})


@given(PROGRAMS)
def test_names_and_lines_are_not_in_a_digest(program: Program) -> None:
    meta = Meta("another", {"a": "b"}, ignore_cache=True, locations=[SourceRange(SourceFile("f", b"x"), 1)])
    plain = state_of(program).run(["x"]).root
    named = state_of(program).run(["x"], meta=meta).root
    assert marshal(plain).digests() == marshal(named).digests()


def test_an_empty_filesystem_is_an_empty_definition() -> None:
    definition = marshal(scratch().with_env("A", "b"))
    assert definition == Definition() == Definition.from_bytes(b"")
    assert (definition.to_bytes(), definition.digest, definition.head, definition.digests()) == (
        b"",
        "",
        "",
        (),
    )
    assert definition.state().vertex is None


def test_a_vertex_that_is_made_twice_is_one() -> None:
    definition = marshal(
        merge(
            [image("x", meta=Meta("first", {"k": "v"})), image("x", meta=Meta("second", ignore_cache=True))]
        )
    )
    assert len(definition.ops) == 3
    metadata = definition.metadata[definition.digests()[0]]
    assert metadata.name == "second"
    assert dict(metadata.description)["k"] == "v"
    assert metadata.ignore_cache


def test_sources_of_an_embedded_definition_are_appended() -> None:
    dockerfile, own = SourceFile("Dockerfile", b"FROM a\n", "Dockerfile"), SourceFile("image.py", b"x\n")
    inner = marshal(image("a", meta=Meta(locations=[SourceRange(dockerfile, 1)])))
    outer = merge([image("b", meta=Meta(locations=[SourceRange(own, 1)])), inner.state()])
    definition = marshal(outer)
    assert definition.sources == (own, dockerfile)
    assert definition.locations[inner.head] == (SourceRange(dockerfile, 1),)


def test_fields_that_this_version_does_not_know_stay() -> None:
    definition = marshal(image("a"))
    op = definition.ops[0] + wire.string(99, "new")
    digest = Definition(ops=(op,)).digests()[0]
    metadata = definition.encoded_metadata[definition.head] + wire.string(98, "new")
    data = (
        wire.message(1, op)
        + wire.message(1, wire.message(1, wire.string(1, digest)))
        + wire.mapping(2, {digest: metadata})
    )
    embedded = marshal(Definition.from_bytes(data).state().run(["x"]).root)
    assert embedded.ops[0] == op
    assert embedded.encoded_metadata[digest] == metadata


def test_the_platform_of_an_embedded_state() -> None:
    on_arm = marshal(image("a").run(["x"]).root, platform="linux/arm64")
    assert str(on_arm.state().platform) == "linux/arm64"
    assert str(on_arm.state("linux/386").platform) == "linux/386"
    assert marshal(image("a").file(mkdir("/a"))).state().platform is None


def test_a_subclass_takes_over_a_definition() -> None:
    class Labelled(Definition):
        label: str = ""

    definition = marshal(image("a"))
    labelled = Labelled.of(definition, label="x")
    assert (labelled.label, labelled.digests(), labelled.to_bytes()) == (
        "x",
        definition.digests(),
        definition.to_bytes(),
    )


WHOLE = marshal(
    image(
        "a",
        meta=Meta("name", locations=[SourceRange(SourceFile("f", b"x", definition=marshal(local("c"))), 1)]),
    )
    .run(["x"], mounts=[bind("/m", scratch().file(mkfile("/a", data=b"b")))])
    .root.file(copy(local("c"), "/", "/"))
).to_bytes()


def refused(data: bytes) -> bool:
    try:
        definition = Definition.from_bytes(data)
    except DefinitionError:
        return True
    marshal(definition.state())
    _ = definition.metadata, definition.locations, definition.capabilities
    return False


@given(st.binary(max_size=200))
@example(b"\x0a\x00")
@example(b"\x0a\x02\x0a\x00")
def test_garbage_is_refused(data: bytes) -> None:
    if not refused(data):
        ops_pb2.Definition.FromString(data)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_truncated_definition_is_refused_or_whole(end: int) -> None:
    # Cut between two fields, it may still be one: without metadata or sources, say.
    if not refused(WHOLE[:end]):
        ops_pb2.Definition.FromString(WHOLE[:end])


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_damaged_definition_is_refused_or_harmless(at: int, change: int) -> None:
    data = bytearray(WHOLE)
    data[at] ^= change
    if not refused(bytes(data)):
        try:
            ops_pb2.Definition.FromString(bytes(data))
        except DecodeError as error:  # what upb checks within ops and sources that nothing here reads
            assert "UTF-8" in str(error) or "Definition" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (wire.message(1, b""), "its last op has 0 inputs"),
        (wire.message(1, wire.message(1, wire.string(1, "sha256:0"))), "of sha256:0: there is none"),
        (b"\x0a\xff", "ends within a field"),
        (wire.mapping(2, {"x": b"\x0a"}), "ends within a field"),
        (wire.message(3, wire.message(2, wire.data(1, b"\xff"))), "invalid start byte"),
        (
            wire.message(3, wire.mapping(1, {"x": wire.message(1, wire.integer(1, 4))})),
            "no source file 4",
        ),
    ],
)
def test_why_a_definition_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Definition.from_bytes(data)


def test_a_hostile_depth_of_source_files_is_refused() -> None:
    data = b""
    for _ in range(2000):
        data = wire.message(3, wire.message(2, wire.message(3, data)))
    with pytest.raises(DefinitionError, match="nested too deep"):
        Definition.from_bytes(data)
