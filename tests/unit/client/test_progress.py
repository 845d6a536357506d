"""What an engine says: kept, shown as lines, and turned into the error that the user reads."""

from __future__ import annotations

import io
import json

import pytest

from llb import Image, compile_to_llb
from llb.client.build import BuildRequest, Output, build_error, check_worker, result_of
from llb.client.client import Client, Worker
from llb.client.events import Event, LogEvent, StatusEvent, VertexEvent, WarningEvent, events_of
from llb.client.progress import PlainProgress, Record
from llb.errors import ImageBuildError, UnsupportedError
from llb.gateway import ConnectionLostError, Ref, RpcError, detail, encode_status
from llb.pb.control_pb2 import StatusResponse, Vertex, VertexLog


def shown(*events: Event) -> list[str]:
    file = io.StringIO()
    progress = PlainProgress(file)
    for event in events:
        progress(event)
    return file.getvalue().splitlines()


def test_steps_are_numbered_and_said_once() -> None:
    assert shown(
        VertexEvent("a", "first"),
        VertexEvent("a", "first", started=1.0),
        VertexEvent("b", "second", started=1.5),
        VertexEvent("a", "first", started=1.0, completed=2.25),
        VertexEvent("a", "first", started=1.0, completed=2.25),
        VertexEvent("b", "second", started=1.5, completed=1.5, cached=True),
        VertexEvent("c", "third", started=2.0, completed=3.0, error="exit code: 1"),
        VertexEvent("d", "fourth", started=2.0, completed=3.0, error="context canceled"),
    ) == [
        "#1 first",
        "#2 second",
        "#1 DONE 1.2s",
        "#2 CACHED",
        "#3 third",
        "#3 ERROR: exit code: 1",
        "#4 fourth",
        "#4 CANCELED",
    ]


def test_output_comes_in_whole_lines() -> None:
    assert shown(
        VertexEvent("a", "step", started=1.0),
        LogEvent("a", b"on", time=1.5),
        LogEvent("a", b"e\ntwo\r\nthr", time=1.75),
        LogEvent("a", b"ee \xff", time=2.0),
        VertexEvent("a", "step", started=1.0, completed=2.0),
    ) == ["#1 step", "#1 0.750 one", "#1 0.750 two", "#1 three \ufffd", "#1 DONE 1.0s"]


def test_transfers_and_warnings_are_lines_too() -> None:
    assert shown(
        VertexEvent("a", "load", started=1.0),
        StatusEvent("a", "x", "transferring", current=10),
        StatusEvent("a", "x", "transferring", current=1_500_000, started=1.0, completed=1.5),
        StatusEvent("a", "y", "", current=5, total=2000, started=1.0, completed=1.1),
        WarningEvent("a", "shell form", ("use JSON",), filename="Dockerfile", lines=((3, 3),)),
    ) == [
        "#1 load",
        "#1 transferring: 1.50MB 0.5s done",
        "#1 y: 5B / 2.00kB 0.1s done",
        "WARNING: Dockerfile:3: shell form",
        "  use JSON",
    ]


def test_the_end_of_long_output_is_kept() -> None:
    record = Record()
    for number in range(3000):
        record.add(LogEvent("a", b"%06d " % number * 100))
    assert record.log("a").endswith("002999 ")
    assert 900_000 < len(record.log("a")) <= 1_100_000
    assert record.log("b") == ""


def test_the_step_that_failed_is_not_one_that_was_cancelled() -> None:
    record = Record()
    record.add(VertexEvent("a", "other", error="context canceled"))
    record.add(VertexEvent("b", "guilty", error="exit code: 1"))
    failed = record.failed()
    assert failed is not None
    assert failed.name == "guilty"


def test_messages_become_events() -> None:
    response = StatusResponse(
        vertexes=[Vertex(digest="a", name="step", cached=True)],
        logs=[VertexLog(vertex="a", msg=b"said", stream=2)],
    )
    response.vertexes[0].started.FromNanoseconds(1_500_000_000)
    assert list(events_of(response)) == [
        VertexEvent("a", "step", started=1.5, cached=True),
        LogEvent("a", b"said", 2, 0.0),
    ]


def failure(code: int | None, *details: bytes) -> RpcError:
    message = 'process "/bin/sh -c false" did not complete successfully: exit code: 1'
    found = [*details, *([detail("gatewayapi.ExitMessage", {"Code": code})] if code is not None else [])]
    return RpcError(2, message, encode_status(2, message, found))


def test_a_failed_step_is_told_in_the_users_words() -> None:
    image = Image.from_registry("busybox").run_commands("false")
    definition = compile_to_llb(image)
    digest = definition.head
    record = Record()
    record.add(VertexEvent(digest, "[2/2] run_commands false", started=1.0, error="exit code: 1"))
    record.add(LogEvent(digest, b"progress 1%\rprogress 99%\n\nlast\n"))
    error = build_error(failure(1, detail("errdefs.Vertex", {"digest": digest})), record, [definition])
    assert isinstance(error, ImageBuildError)
    assert error.exit_code == 1
    assert error.log == ("progress 99%", "last")
    assert error.step == "run_commands"
    assert error.location is not None
    assert error.location.filename.endswith("test_progress.py")
    assert str(error).split(": ", 1)[1] == "run_commands false: exit code 1\n  progress 99%\n  last"


def test_an_error_without_a_step_keeps_the_engines_words() -> None:
    error = build_error(RpcError(2, "failed to solve: disk full", b""), Record(), [])
    assert str(error) == "disk full"
    assert isinstance(error, ImageBuildError)
    assert error.exit_code is None


def test_a_lost_connection_is_told_as_one() -> None:
    error = build_error(ConnectionLostError("Socket closed"), Record(), [])
    assert "connection to the engine was lost" in str(error)
    assert error.hint


def test_what_is_returned_names_platforms_and_configs() -> None:
    image = Image.from_registry("busybox")
    one, two = (compile_to_llb(image, platform=platform) for platform in ("linux/amd64", "linux/arm64"))
    single = result_of([one], [Ref("r")])
    assert single.ref == Ref("r")
    assert dict(single.metadata)["containerimage.config"] == one.image_config
    several = result_of([one, two], [Ref("a"), Ref("b")])
    assert several.refs == (("linux/amd64", Ref("a")), ("linux/arm64", Ref("b")))
    known = json.loads(dict(several.metadata)["refs.platforms"])
    assert [entry["ID"] for entry in known["Platforms"]] == ["linux/amd64", "linux/arm64"]
    assert dict(several.metadata)["containerimage.config/linux/arm64"] == two.image_config


class Docker(Client):
    def __init__(self) -> None:
        pass

    @property
    def image_exporter(self) -> str:
        return "moby"


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (BuildRequest(tags=("x:1",), push=True), "cannot push an image"),
        (BuildRequest(outputs=(Output("docker", "x"),)), "cannot write an image archive"),
    ],
)
def test_what_a_classic_image_store_only_seems_to_do(request_: BuildRequest, says: str) -> None:
    with pytest.raises(UnsupportedError, match=says) as caught:
        check_worker(Docker(), Worker("w"), request_)
    assert "containerd image store" in caught.value.hint
    check_worker(
        Docker(), Worker("w", {"org.mobyproject.buildkit.worker.snapshotter": "overlayfs"}), request_
    )
    check_worker(Docker(), Worker("w"), BuildRequest(tags=("x:1",)))
