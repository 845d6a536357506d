"""What a filesystem has, asked of a daemon."""

from __future__ import annotations

from typing import Any

import pytest

from llb.gateway import Bridge, RpcError
from llb.gateway.questions import existing
from llb.gateway.transport import NOT_FOUND, UNAVAILABLE, UNKNOWN
from llb.pb import gateway_pb2


class Daemon:
    """Answers a solve, then a question about each path."""

    def __init__(self, errors: dict[str, RpcError], *, empty: bool = False) -> None:
        self.errors = errors
        self.empty = empty

    def start(self, method: str, request: bytes) -> Any:
        error: RpcError | None = None
        answer: Any = gateway_pb2.SolveResponse()
        if method.endswith("/Solve"):
            if not self.empty:
                answer.result.ref.id = "r"
        else:
            asked = gateway_pb2.StatFileRequest.FromString(request)
            assert asked.Ref == "r"
            error = self.errors.get(asked.Path)
            answer = gateway_pb2.StatFileResponse()
            answer.stat.path = asked.Path

        class Call:
            def result(self) -> bytes:
                if error is not None:
                    raise error
                return answer.SerializeToString()

        return Call()


def ask(daemon: Daemon, *paths: str) -> tuple[bool, ...]:
    return existing(Bridge(daemon), b"", paths)  # pyright: ignore[reportArgumentType]


def test_a_path_is_there_or_not_whatever_words_say_so() -> None:
    errors = {
        "/gone": RpcError(UNKNOWN, "lstat /tmp/x/gone: no such file or directory"),
        "/file/below": RpcError(UNKNOWN, "lstat /tmp/x/file/below: not a directory"),
        "/coded": RpcError(NOT_FOUND, "?"),
    }
    assert ask(Daemon(errors), "/there", "/gone", "/file/below", "/coded") == (True, False, False, False)


def test_an_empty_filesystem_has_nothing() -> None:
    assert ask(Daemon({}, empty=True), "/a", "/b") == (False, False)


def test_another_error_is_none_of_the_answers() -> None:
    with pytest.raises(RpcError, match="no disk"):
        ask(Daemon({"/a": RpcError(UNAVAILABLE, "no disk")}), "/a")
