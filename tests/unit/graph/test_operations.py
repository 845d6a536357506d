"""File actions, sources, and what puts filesystems together. tests/golden holds the bytes against Go's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llb.errors import InvalidError, InvalidTypeError
from llb.graph import (
    State,
    build,
    copy,
    diff,
    git,
    http,
    image,
    image_blob,
    local,
    marshal,
    merge,
    missing_capabilities,
    mkdir,
    mkfile,
    passthrough,
    remove,
    required_capabilities,
    scratch,
    source,
    staged,
    symlink,
)
from llb.graph.decoding import decode_op

BASE, SRC = image("base"), local("src")


def actions(state: State) -> list[dict[str, Any]]:
    return decode_op(marshal(state).ops[-2])["file"]["actions"]


def attrs(state: State) -> dict[str, str]:
    return decode_op(marshal(state).ops[0])["source"].get("attrs", {})


def test_actions_of_one_call_are_one_vertex() -> None:
    state = BASE.with_dir("/w").file(
        mkdir("d"), mkfile("d/f", data=b"x"), symlink("f", "/w/d/l"), remove("old")
    )
    assert len(marshal(state).ops) == 3
    mkdir_, mkfile_, symlink_, remove_ = actions(state)
    assert mkdir_["mkdir"] == {"path": "/w/d", "mode": 0o755, "timestamp": -1}
    assert mkfile_["mkfile"]["path"] == "/w/d/f"
    assert symlink_["symlink"] == {"oldpath": "f", "newpath": "/w/d/l", "timestamp": -1}
    assert remove_["rm"] == {"path": "/w/old"}
    assert [one["input"] for one in (mkdir_, mkfile_, symlink_, remove_)] == [0, 1, 2, 3]
    assert [one["output"] for one in (mkdir_, mkfile_, symlink_, remove_)] == [-1, -1, -1, 0]


def test_a_copy_resolves_each_path_where_it_belongs() -> None:
    found = actions(BASE.with_dir("/to").file(copy(SRC.with_dir("/from"), "a", "b/")))[0]
    assert (found["copy"]["src"], found["copy"]["dest"]) == ("/from/a", "/to/b/")
    assert (found["input"], found["secondaryInput"]) == (0, 1)


def test_modes_are_numbers_or_rules() -> None:
    def mode(value: Any) -> tuple[int, str]:
        found = actions(BASE.file(copy(SRC, "a", "b", mode=value)))[0]["copy"]
        return found.get("mode", 0), found.get("modeStr", "")

    assert mode(None) == (-1, "")
    assert mode(0o755) == mode("755") == mode("0755") == (0o755, "")
    assert mode("u=rwX,go=rX") == (0, "u=rwX,go=rX")
    with pytest.raises(InvalidError, match="'899' is not a file mode"):
        mode("899")


def test_owners_are_numbers_or_names_in_the_base() -> None:
    def owner(value: Any, base: State = BASE) -> Any:
        return actions(base.file(copy(SRC, "a", "b", owner=value)))[0]["copy"].get("owner")

    root = {"user": {"byID": 0}}
    assert owner(None) is None
    assert owner("root") == owner("0") == owner(0) == root
    assert owner("1000:50") == owner((1000, 50)) == {"user": {"byID": 1000}, "group": {"byID": 50}}
    assert owner("me") == {"user": {"byName": {"name": "me"}}}
    assert owner("me", scratch()) == {"user": {"byName": {"name": "me", "input": -1}}}
    with pytest.raises(InvalidError, match="owner cannot be empty"):
        owner("")


def test_a_stage_is_made_once_however_often_it_is_copied_from() -> None:
    stage = staged(SRC, mkdir("/a"), mkfile("/a/f", data=b"x"))
    found = actions(BASE.file(copy(stage, "/a", "/1"), copy(stage, "/a", "/2")))
    assert [sorted(one)[0] for one in found] == ["input", "input", "copy", "copy"]
    assert [one["secondaryInput"] for one in found[2:]] == [2 + 1, 2 + 1]


def test_merging_drops_what_is_empty() -> None:
    assert merge([]).vertex is None
    assert merge([scratch(), BASE]).vertex is BASE.vertex
    assert len(decode_op(marshal(merge([BASE, scratch(), SRC])).ops[-2])["inputs"]) == 2
    assert merge([BASE.with_env("A", "1"), SRC.with_env("B", "2")]).env == (("A", "1"),)


def test_a_difference_from_nothing_is_the_thing_itself() -> None:
    assert diff(scratch(), BASE).vertex is BASE.vertex
    assert diff(scratch(), scratch()).vertex is None
    assert diff(BASE.with_env("A", "1"), SRC).env == (("A", "1"),)


def test_a_passthrough_gives_its_states_back() -> None:
    first, empty, second = passthrough("id", [BASE.with_env("A", "1"), scratch(), SRC], requires=[image("x")])
    assert (first.env, first.index, empty.vertex, second.index) == ((("A", "1"),), 0, None, 1)
    op = decode_op(marshal(second).ops[-2])
    assert op["passthrough"] == {"id": "id", "outputs": [0, 1]}
    assert len(op["inputs"]) == 3


def test_any_source_can_be_written() -> None:
    state = source("new-kind://x", {"new.attr": "1"}, capabilities=["source.new"])
    assert attrs(state) == {"new.attr": "1"}
    assert "source.new" in marshal(state).capabilities


def test_a_local_source_is_unique_only_if_told() -> None:
    assert attrs(local("x")) == {}
    assert attrs(local("x", unique="u")) == {"local.unique": "u"}
    assert attrs(local("x", session="s", unique="u")) == {"local.session": "s"}
    assert marshal(local("x"), local_unique="u").ops == marshal(local("x", unique="u")).ops


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/r.git",
        "example.org/r.git",
        "git@example.org:r.git",
        "ssh://git@example.org/r.git",
    ],
)
def test_a_git_repository_is_the_same_however_it_is_reached(url: str) -> None:
    assert (
        decode_op(marshal(git(url, "main")).ops[0])["source"]["identifier"] == "git://example.org/r.git#main"
    )


def test_capabilities_of_file_actions_count() -> None:
    definition = marshal(BASE.file(copy(SRC, "/", "/", include=["a"], mode="a+x"), symlink("a", "b")))
    assert "file.copy.modestring" not in definition.capabilities
    assert required_capabilities(definition) - definition.capabilities == {
        "file.copy.includeexcludepatterns",
        "file.copy.modestring",
        "file.symlink.create",
    }
    assert missing_capabilities(definition, definition.capabilities | {"file.symlink.create"}) == (
        "file.copy.includeexcludepatterns",
        "file.copy.modestring",
    )
    assert missing_capabilities(marshal(scratch()), frozenset()) == ()


def test_only_the_default_path_depends_on_capabilities() -> None:
    state = BASE.run(["a"]).root
    assert marshal(state).ops == marshal(state, caps=frozenset({"exec.meta.setsdefaultpath"})).ops
    assert "PATH=" in decode_op(marshal(state, caps=frozenset()).ops[-2])["exec"]["meta"]["env"][0]


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: BASE.file(), "needs an action"),
    (lambda: BASE.file(BASE), "takes actions, not State"),  # pyright: ignore[reportArgumentType]
    (lambda: mkfile("/a", data="text"), "bytes, not str"),  # pyright: ignore[reportArgumentType]
    (lambda: copy(SRC, "/", "/", include="*.py"), "list of patterns, not one text"),
    (lambda: copy(BASE.run(["a"]), "/", "/"), "State, not Exec"),  # pyright: ignore[reportArgumentType]
    (lambda: mkdir("/a", created_time=1.5), "nanoseconds, not float"),  # pyright: ignore[reportArgumentType]
    (lambda: staged(BASE), "needs actions"),
    (lambda: merge([BASE.run(["a"])]), "State, not Exec"),  # pyright: ignore[reportArgumentType]
    (lambda: marshal(BASE.run(["a"])), "State, not Exec"),  # pyright: ignore[reportArgumentType]
    (lambda: passthrough("", [BASE]), "needs an id"),
    (lambda: passthrough("x", [scratch()]), "needs a filesystem"),
    (lambda: build(scratch()), "holds no definition"),
    (lambda: image("x", resolve_mode="always"), "not a resolve mode"),  # pyright: ignore[reportArgumentType]
    (lambda: image("x", checksum="md5:1"), "not a digest"),
    (lambda: image_blob("x:tag"), "does not name a blob"),
    (lambda: http("ftp://x/y"), "not an http URL"),
    (lambda: git("ftp://x/y"), "git cannot fetch ftp"),
    (lambda: git("https:///y"), "has no host"),
    (lambda: local("x", include="*.py"), "list of patterns, not one text"),
    (lambda: local("x", differ="size"), "not a differ"),  # pyright: ignore[reportArgumentType]
    (lambda: local("x", metadata_exceptions=["a"]), "need metadata_only"),
    (lambda: source(""), "needs an identifier"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_values_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        make()


def test_wrong_types_are_type_errors() -> None:
    with pytest.raises(InvalidTypeError):
        merge([None])  # pyright: ignore[reportArgumentType]
