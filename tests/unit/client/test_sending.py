"""Local files that are sent: which, in which order, as what; and what happens when they change meanwhile."""

from __future__ import annotations

import os
import queue
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llb.client.packets import DIR, FIN, PIPE, SETUID, STICKY, SYMLINK, request_packet
from llb.client.selecting import Matcher, select
from llb.client.sending import Sending, Wanted, wanted_of
from llb.client.validation import Validation
from llb.errors import ExecutionError, LocalFileError
from llb.image.patterns import parse_patterns
from llb.pb.fsutil_pb2 import Packet


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path in ("a/b", "a-b", "a.d/x", "a0", "sub/deep/f.py", "sub/deep/f.txt", "sub/g.py", "B", "é"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    (tmp_path / "empty").mkdir()
    return tmp_path


def names(root: Path, **patterns: Sequence[str]) -> list[str]:
    return [entry.relative for entry in select(str(root), **patterns)]


def test_parents_come_first_and_siblings_in_the_order_of_their_bytes(tree: Path) -> None:
    assert names(tree) == [
        "B", "a", "a/b", "a-b", "a.d", "a.d/x", "a0", "empty",
        "sub", "sub/deep", "sub/deep/f.py", "sub/deep/f.txt", "sub/g.py", "é",
    ]  # fmt: skip


def test_what_is_included_brings_its_directories(tree: Path) -> None:
    assert names(tree, include=["sub/deep/*.py"]) == ["sub", "sub/deep", "sub/deep/f.py"]
    assert names(tree, include=["**/*.py"]) == ["sub", "sub/deep", "sub/deep/f.py", "sub/g.py"]
    assert names(tree, include=["a"]) == ["a", "a/b"]
    assert names(tree, include=["nothing"]) == []


def test_what_is_excluded_stays_unless_it_is_taken_back(tree: Path) -> None:
    assert names(tree, exclude=["sub", "a*", "é"]) == ["B", "empty"]
    assert names(tree, include=["sub"], exclude=["sub/deep", "!sub/deep/f.py"]) == [
        "sub", "sub/deep", "sub/deep/f.py", "sub/g.py",
    ]  # fmt: skip
    assert names(tree, exclude=["**", "!**/*.py"]) == ["sub", "sub/deep", "sub/deep/f.py", "sub/g.py"]


def test_links_on_the_way_to_a_path_come_with_what_they_lead_to(tree: Path) -> None:
    (tree / "link").symlink_to("sub/deep")
    (tree / "abs").symlink_to("/link/f.py")
    (tree / "loop").symlink_to("loop")
    (tree / "up").symlink_to("../../../B")
    assert names(tree, follow=["link"]) == ["link", "sub", "sub/deep", "sub/deep/f.py", "sub/deep/f.txt"]
    assert names(tree, follow=["abs"]) == ["abs", "link", "sub", "sub/deep", "sub/deep/f.py"]
    assert names(tree, follow=["loop"]) == ["loop"]
    assert names(tree, follow=["up"]) == ["B", "up"]
    assert names(tree, follow=["l*nk/f.py"]) == ["link", "sub", "sub/deep", "sub/deep/f.py"]
    assert "a/b" in names(tree, follow=["."])


def test_a_name_that_looks_like_a_pattern_is_found_by_its_escaped_form(tree: Path) -> None:
    (tree / "a[1]").mkdir()
    (tree / "a[1]/x").symlink_to("../B")
    assert names(tree, follow=["a\\[1\\]/x"]) == ["B", "a[1]", "a[1]/x"]


def matched(patterns: list[str], path: str) -> bool:
    """As the engine's own clients ask: from the top, what matched a directory matches what it holds."""
    matcher = Matcher(parse_patterns(patterns))
    parts = path.split("/")
    found, above = False, ()
    for depth in range(1, len(parts) + 1):
        found, above = matcher.matches("/".join(parts[:depth]), above)
    return found


PATTERN = st.lists(
    st.sampled_from(["a", "b", "*", "**", "a*", "[ab]", "?", "c"]), min_size=1, max_size=3
).map("/".join)


@settings(max_examples=300, deadline=None)
@given(
    include=st.lists(PATTERN, max_size=2),
    exclude=st.lists(st.tuples(st.sampled_from(["", "!"]), PATTERN).map("".join), max_size=3),
)
def test_pruning_never_changes_what_is_selected(
    tmp_path_factory: pytest.TempPathFactory, include: list[str], exclude: list[str]
) -> None:
    root = tmp_path_factory.getbasetemp() / "pruning"
    if not root.exists():
        for path in ("a/a/a", "a/b/c", "ab/c", "b/a/x", "c/ab", "x"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text("")
    everything = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    wanted = {
        path for path in everything if (not include or matched(include, path)) and not matched(exclude, path)
    }
    found = {entry.relative for entry in select(str(root), include=include, exclude=exclude)}
    assert {path for path in found if (root / path).is_file()} == wanted


class Engine:
    """The other side: says what it wants, keeps what comes."""

    def __init__(
        self, root: Path, wanted: Wanted | None = None, validation: Validation | None = None
    ) -> None:
        self.said: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.sending = Sending(str(root), wanted or Wanted("context"), self._requests(), validation)
        self.packets = (Packet.FromString(data) for burst in self.sending.bursts() for data in burst)

    def _requests(self) -> Iterator[bytes]:
        while (data := self.said.get()) is not None:
            yield data

    def entries(self) -> list[Packet]:
        found: list[Packet] = []
        for packet in self.packets:
            assert packet.type == Packet.PACKET_STAT
            if not packet.HasField("stat"):
                return found
            found.append(packet)
        raise AssertionError("the list has no end")

    def contents(self, identifier: int) -> bytes:
        self.said.put(request_packet(identifier))
        data = b""
        for packet in self.packets:
            assert (packet.type, packet.ID) == (Packet.PACKET_DATA, identifier)
            if not packet.data:
                return data
            data += packet.data
        raise AssertionError("the file has no end")


def test_files_are_sent_when_they_are_asked_for(tree: Path) -> None:
    engine = Engine(tree)
    listed = [packet.stat.path for packet in engine.entries()]
    assert engine.contents(listed.index("sub/g.py")) == b"sub/g.py"
    engine.said.put(FIN)
    assert [packet.type for packet in engine.packets] == [Packet.PACKET_FIN]


def test_entries_say_their_kind_and_belong_to_root(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "a-b").chmod(0o4711)
    (tree / "empty").chmod(0o1777)
    (tree / "link").symlink_to("nowhere")
    os.mkfifo(tree / "pipe", 0o600)
    os.link(tree / "B", tree / "hard")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tree)
        listener.bind("sock")
    stats = {packet.stat.path: packet.stat for packet in Engine(tree).entries()}
    assert stats["a-b"].mode == SETUID | 0o711
    assert stats["empty"].mode == DIR | STICKY | 0o777
    assert stats["link"].mode & SYMLINK
    assert stats["link"].linkname == "nowhere"
    assert stats["pipe"].mode == PIPE | 0o600
    assert (stats["hard"].linkname, stats["hard"].size) == ("B", 0)
    assert (stats["B"].size, stats["B"].modTime) == (1, (tree / "B").stat().st_mtime_ns)
    assert stats["sock"].mode < 0o1000
    assert {(stat.uid, stat.gid) for stat in stats.values()} == {(0, 0)}


def test_a_large_file_comes_in_pieces(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "big").write_bytes(data)
    engine = Engine(tmp_path)
    engine.entries()
    assert engine.contents(0) == data


def test_a_file_that_vanishes_is_empty(tree: Path) -> None:
    engine = Engine(tree)
    listed = [packet.stat.path for packet in engine.entries()]
    (tree / "a/b").unlink()
    assert engine.contents(listed.index("a/b")) == b""


def test_a_file_that_becomes_a_link_or_a_pipe_is_not_followed(tree: Path) -> None:
    engine = Engine(tree)
    listed = [packet.stat.path for packet in engine.entries()]
    (tree / "a/b").unlink()
    (tree / "a/b").symlink_to(tree / "B")
    (tree / "a0").unlink()
    os.mkfifo(tree / "a0")
    assert engine.contents(listed.index("a/b")) == b""
    assert engine.contents(listed.index("a0")) == b""


def test_a_name_that_is_not_utf8_is_refused_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"odd\xff")).write_text("")
    with pytest.raises(LocalFileError, match=r"b'odd\\xff'.*not UTF-8"):
        Engine(tmp_path).entries()


def test_asking_for_what_is_no_file_ends_the_transfer(tree: Path) -> None:
    engine = Engine(tree)
    engine.entries()
    with pytest.raises(LocalFileError, match="asks for entry 99"):
        engine.contents(99)


def test_an_engine_that_is_gone_ends_the_transfer(tree: Path) -> None:
    engine = Engine(tree)
    engine.entries()
    engine.said.put(None)
    assert list(engine.packets) == []


def test_patterns_that_are_not_ascii_come_encoded() -> None:
    wanted = wanted_of(
        [
            ("dir-name", "context"),
            ("include-patterns", "na%C3%AFve+name"),
            ("include-patterns", "100%25"),
            ("include-patterns-encoded", "1"),
            ("exclude-patterns", "a%20b"),
            ("followpaths", "x"),
        ]
    )
    assert wanted == Wanted("context", ("naïve name", "100%"), ("a%20b",), ("x",))


class TestFilesThatChange:
    """By LLB_BUILD_VALIDATION: an error, a note, or nothing."""

    def test_one_that_was_modified_after_the_build_began(self, tree: Path) -> None:
        engine = Engine(tree, validation=Validation("error", started=(tree / "B").stat().st_mtime_ns - 1))
        with pytest.raises(ExecutionError, match="was modified during the build") as caught:
            engine.entries()
        assert "LLB_BUILD_VALIDATION" in caught.value.hint

    def test_one_that_is_not_sent_may_change(self, tree: Path) -> None:
        validation = Validation("error")
        os.utime(tree / "B", ns=(0, validation.started + 1))
        Engine(tree, Wanted("context", exclude=("B",)), validation).entries()
        with pytest.raises(ExecutionError, match="B was modified during the build"):
            Engine(tree, validation=validation).entries()

    @pytest.mark.parametrize("change", [b"longer than before", b"", b"B"])
    def test_one_that_is_written_to_before_it_is_read(self, tree: Path, change: bytes) -> None:
        engine = Engine(tree, validation=Validation("error"))
        listed = [packet.stat.path for packet in engine.entries()]
        (tree / "B").write_bytes(change)
        os.utime(tree / "B", ns=(0, 1))
        with pytest.raises(ExecutionError, match="B was modified while it was sent"):
            engine.contents(listed.index("B"))

    def test_a_note(self, tree: Path) -> None:
        validation = Validation("warn", started=0)
        engine = Engine(tree, Wanted("context", include=("B",)), validation)
        engine.entries()
        assert validation.notes == [f"{tree}/B was modified during the build"]

    def test_nothing(self) -> None:
        assert not Validation("ignore").covers("context")
        assert not Validation("error", sources=("context",)).covers("stored")
        assert Validation("error", sources=("context",)).covers("context")

    def test_by_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LLB_BUILD_VALIDATION", "warn")
        assert Validation().policy == "warn"
        monkeypatch.setenv("LLB_BUILD_VALIDATION", "")
        monkeypatch.setenv("MODAL_BUILD_VALIDATION", "ignore")
        assert Validation().policy == "ignore"
