"""The wire format, held against protobuf's own runtime."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from llb import wire
from llb.pb.ops_pb2 import ChownOpt, FileActionCopy, Meta, Mount, SourceOp, UserOpt

INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
TEXT = st.text(max_size=300)


@given(INT64)
def test_integers(value: int) -> None:
    ours = wire.integer(1, value) + wire.integer(4, -value - 1)
    assert ours == Mount(input=value, output=-value - 1).SerializeToString()
    reader = wire.Reader(ours)
    assert (reader.integer(1), reader.integer(4)) == (value, -value - 1)


@given(st.integers(0, (1 << 64) - 1))
def test_varints_of_any_length(value: int) -> None:
    encoded = wire.varint(value)
    assert wire.VARINTS[value] == encoded
    assert len(encoded) == max(1, -(-value.bit_length() // 7))
    assert wire.fields(b"\x08" + encoded) == {1: [value]}


@given(st.lists(TEXT), st.lists(TEXT), TEXT, st.lists(INT32))
def test_texts_and_packed_integers(args: list[str], env: list[str], cwd: str, codes: list[int]) -> None:
    packed = wire.data(12, b"".join([wire.varint(code) for code in codes]))
    ours = wire.strings(1, args) + wire.strings(2, env) + wire.string(3, cwd) + packed
    assert ours == Meta(args=args, env=env, cwd=cwd, validExitCodes=codes).SerializeToString()
    reader = wire.Reader(ours)
    assert (reader.strings(1), reader.strings(2), reader.string(3)) == (args, env, cwd)
    assert reader.integers(12) == codes


@given(st.dictionaries(TEXT, TEXT))
def test_maps_are_sorted_by_the_bytes_of_their_keys(attrs: dict[str, str]) -> None:
    ours = wire.mapping(2, attrs)
    # One entry at a time: protobuf's upb sorts a longer key before its own beginning, Go (and this) does not.
    entries = [SourceOp(attrs={key: attrs[key]}).SerializeToString() for key in sorted(attrs, key=str.encode)]
    assert ours == b"".join(entries)
    assert {key: value.decode() for key, value in wire.Reader(ours).mapping(2).items()} == attrs


@given(st.integers(0, (1 << 32) - 1))
def test_a_member_of_a_oneof_is_present_even_if_zero(uid: int) -> None:
    ours = wire.message(1, wire.present_integer(2, uid))
    assert ours == ChownOpt(user=UserOpt(byID=uid)).SerializeToString()
    user = wire.Reader(ours).message(1)
    assert user.has(2)
    assert user.integer(2) == uid


@given(st.data())
def test_what_protobuf_wrote_can_be_read(data: st.DataObject) -> None:
    texts = st.lists(TEXT, max_size=3)
    message = FileActionCopy(
        src=data.draw(TEXT),
        mode=data.draw(INT32),
        followSymlink=data.draw(st.booleans()),
        timestamp=data.draw(INT64),
        include_patterns=data.draw(texts),
        required_paths=data.draw(texts),
    )
    reader = wire.Reader(message.SerializeToString())
    assert reader.string(1) == message.src
    assert reader.integer(4) == message.mode
    assert bool(reader.integer(5)) == message.followSymlink
    assert reader.integer(11) == message.timestamp
    assert reader.strings(12) == list(message.include_patterns)
    assert reader.strings(16) == list(message.required_paths)


def test_the_last_of_a_repeated_single_field_counts() -> None:
    encoded = wire.integer(1, 5) + wire.integer(1, 6) + wire.string(2, "a") + wire.string(2, "b")
    assert (wire.Reader(encoded).integer(1), wire.Reader(encoded).string(2)) == (6, "b")
    message = Mount.FromString(encoded)
    assert (message.input, message.selector) == (6, "b")


def _is_message(data: bytes) -> bool:
    try:
        UserOpt.FromString(data)
    except DecodeError:
        return False
    return True


@given(st.binary(max_size=40))
def test_bytes_are_refused_where_protobuf_refuses_them(data: bytes) -> None:
    try:
        wire.fields(data)
    except wire.WireError as error:
        # Groups (wire types 3 and 4) are the exception: protobuf knows them, BuildKit has none.
        assert "wire type" in str(error) or not _is_message(data)  # noqa: PT017
    else:
        known = wire.fields(data)
        # As fields 1 and 2 have types in a UserOpt, and protobuf looks into field 1.
        assert _is_message(data) or 1 in known or 2 in known


@given(st.lists(st.tuples(st.integers(1, 30), TEXT | INT64), min_size=1))
def test_truncated_bytes_are_never_read_past_their_end(parts: list[tuple[int, Any]]) -> None:
    data = b"".join(
        [
            wire.message(n, value.encode()) if isinstance(value, str) else wire.present_integer(n, value)
            for n, value in parts
        ]
    )
    whole = wire.fields(data)
    for cut in range(len(data)):
        try:
            found = wire.fields(data[:cut])
        except wire.WireError:
            continue
        assert all(values == whole[number][: len(values)] for number, values in found.items())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x0a", "ends within a field"),
        (b"\x0a\x05abc", "longer than its message"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "more than 10 bytes"),
        (b"\x0b", "wire type 3"),
        (b"\x00\x00", "field number 0"),
    ],
)
def test_why_bytes_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(wire.WireError, match=message):
        wire.fields(data)


def test_a_field_of_another_type_is_an_error() -> None:
    reader = wire.Reader(
        wire.integer(1, 5) + wire.string(2, "x") + wire.data(3, b"\x80") + wire.data(4, b"\xff")
    )
    with pytest.raises(wire.WireError, match="field 1 is not bytes"):
        reader.data(1)
    with pytest.raises(wire.WireError, match="field 2 is not an integer"):
        reader.integer(2)
    with pytest.raises(wire.WireError, match="field 3 ends within an integer"):
        reader.integers(3)
    with pytest.raises(UnicodeDecodeError):
        reader.string(4)
