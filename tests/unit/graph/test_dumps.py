"""Definitions as text, JSON and a drawing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given

from llb.graph import (
    LinuxResources,
    Meta,
    ProgressGroup,
    SourceFile,
    SourceRange,
    bind,
    cache,
    copy,
    diff,
    dump_dot,
    dump_json,
    dump_text,
    image,
    local,
    marshal,
    mkfile,
    scratch,
    secret,
)
from llb.graph.decoding import MESSAGES, decode_op
from llb.pb import ops_pb2
from tests.unit.graph.programs import PROGRAMS, Program, state_of

META = Meta(
    "[2/3] make",
    ignore_cache=True,
    export_cache=True,
    progress_group=ProgressGroup("g", "group"),
    locations=[SourceRange(SourceFile("image.py", b"a\nb\n"), 1, 2)],
    linux_resources=LinuxResources(memory=5),
)
BASE = image("alpine:3.20")
MADE = BASE.with_env("A", "b").run(
    ["make", "all"],
    mounts=[
        bind("/src", local("src"), source="/sub", readonly=True),
        cache("/c", sharing="locked"),
        secret("/s"),
    ],
    cwd="/w",
    user="me",
    meta=META,
)
DEFINITION = marshal(
    diff(BASE, MADE.root.file(copy(MADE.root, "/a", "/b", mode=0o600, owner="me:1"), mkfile("/f")))
)


def test_text() -> None:
    digests = [digest[7:19] for digest in DEFINITION.digests()]
    assert (
        dump_text(DEFINITION)
        == f"""\
#1 {digests[0]}
    source docker-image://docker.io/library/alpine:3.20  (linux/amd64)
#2 {digests[1]}
    source local://src
#3 {digests[2]} [2/3] make
    exec ["make", "all"]  (linux/amd64)
      cwd=/w user=me
      env A=b
      mount / from #1 as .0
      mount /c cache /c locked from scratch
      mount /src from #2 /sub readonly
      mount /s secret /s
    ignores the cache, always exported to caches, in group group, limited to 5 bytes
    at image.py:1-2
#4 {digests[3]}
    file
      copy #3 /a to /b on #3 (owner=me:1, mode=0600)
      mkfile /f (mode=0644)
#5 {digests[4]}
    diff #1 -> #4
= #5
"""
    )
    assert dump_text(marshal(scratch())) == "an empty filesystem\n"


def test_dot() -> None:
    drawing = dump_dot(DEFINITION)
    assert drawing.startswith("digraph llb {")
    assert 'n3 [label="[2/3] make\\n' in drawing
    assert "  n1 -> n3;\n  n2 -> n3;\n" in drawing
    assert "  n5 -> result;\n" in drawing


def test_json_holds_everything() -> None:
    dump = dump_json(DEFINITION)
    assert [one["digest"] for one in dump["vertices"]] == list(DEFINITION.digests()[:-1])
    assert dump["result"] == {"digest": DEFINITION.head, "index": 0}
    made = dump["vertices"][2]
    assert made["op"]["exec"]["meta"]["args"] == ["make", "all"]
    assert made["metadata"]["description"] == {"llb.customname": "[2/3] make"}
    assert made["metadata"]["linux_resources"] == {"memory": 5}
    assert made["locations"] == [
        {"source": 0, "start": {"line": 1, "character": 0}, "end": {"line": 2, "character": 0}}
    ]
    assert dump["sources"] == [{"filename": "image.py", "language": "python", "text": "a\nb\n"}]
    assert dump_json(marshal(scratch())) == {"vertices": [], "sources": []}


@given(PROGRAMS)
def test_every_definition_can_be_dumped(program: Program) -> None:
    definition = marshal(state_of(program))
    assert json.dumps(dump_json(definition)) == json.dumps(dump_json(definition))
    assert dump_text(definition).count("\n#") == max(0, len(definition.ops) - 2)
    assert dump_dot(definition).count("[label=") >= len(definition.ops) - 1


@pytest.mark.parametrize("name", MESSAGES)
def test_the_table_of_fields_is_that_of_the_proto_file(name: str) -> None:
    descriptor: Descriptor = ops_pb2.DESCRIPTOR.message_types_by_name[name]
    found: dict[int, tuple[str, str]] = {
        field.number: (field.name, _kind(field)) for field in descriptor.fields
    }
    assert dict(sorted(MESSAGES[name].items())) == dict(sorted(found.items()))


def _kind(field: Any) -> str:
    entry = field.message_type if field.type == FieldDescriptor.TYPE_MESSAGE else None
    if entry is not None and entry.GetOptions().map_entry:
        return _kind(entry.fields_by_name["value"]) + "{}"
    if entry is not None:
        kind = "bytes" if entry.name == "Definition" else entry.name
    elif field.type == FieldDescriptor.TYPE_ENUM:
        kind = "|".join(value.name for value in field.enum_type.values)
    elif field.type == FieldDescriptor.TYPE_STRING:
        kind = "str"
    elif field.type == FieldDescriptor.TYPE_BYTES:
        kind = "bytes"
    else:
        kind = "bool" if field.type == FieldDescriptor.TYPE_BOOL else "int"
    return kind + ("*" if field.is_repeated else "")


def test_unknown_fields_and_kinds_are_shown() -> None:
    op = ops_pb2.Op(platform=ops_pb2.Platform(OS="linux")).SerializeToString() + b"\x4a\x01x\x60\x05"
    assert decode_op(op) == {"platform": {"OS": "linux"}, "unknown": {"12": [5], "9": ["eA=="]}}
