"""Requests and responses of the gateway against protobuf."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from google.protobuf.message import Message

from llb.gateway import (
    Bridge,
    CacheImport,
    Pong,
    Ref,
    Result,
    RpcError,
    Stat,
    WarningSource,
    decode_detail,
    decode_stats,
    decode_status,
    detail,
    encode_status,
    source_detail,
    subrequest_detail,
)
from llb.graph import Platform
from llb.pb import errdefs_pb2, fsutil_pb2, gateway_pb2, ops_pb2, rpc_pb2


class _Call:
    def __init__(self, answer: Message) -> None:
        self.answer = answer

    def result(self) -> bytes:
        return self.answer.SerializeToString()

    def ready(self) -> bool:
        return True


class Recorder:
    """A transport that notes the request and gives one answer."""

    def __init__(self, answer: Message) -> None:
        self.answer = answer
        self.method = ""
        self.request = b""

    def start(self, method: str, request: bytes) -> _Call:
        self.method, self.request = method, request
        return _Call(self.answer)


def same(request: bytes, expected: Message) -> bool:
    read = type(expected).FromString(request)
    return read == expected


DEFINITION = ops_pb2.Definition(metadata={"sha256:x": ops_pb2.OpMetadata(ignore_cache=True)})
getattr(DEFINITION, "def").extend([b"one", b"two"])
BYTES = DEFINITION.SerializeToString()


def bridge(answer: Message) -> tuple[Bridge, Recorder]:
    recorder = Recorder(answer)
    return Bridge(recorder), recorder


def a_result() -> gateway_pb2.Result:
    result = gateway_pb2.Result(metadata={"k": b"v", "": b""})
    result.ref.id = "r"
    getattr(result.ref, "def").CopyFrom(DEFINITION)
    return result


def test_ping() -> None:
    answer = gateway_pb2.PongResponse()
    answer.FrontendAPICaps.add(ID="readfile", Enabled=True)
    answer.FrontendAPICaps.add(ID="off", Enabled=False, DisabledReason="why")
    answer.LLBCaps.add(ID="mergeop", Enabled=True)
    answer.Workers.add(ID="w")
    asking, recorder = bridge(answer)
    pending = asking.ping()
    assert pending.result() == Pong(frozenset({"readfile"}), frozenset({"mergeop"}))
    assert pending.result() is pending.result()
    assert recorder.method == "/moby.buildkit.v1.frontend.LLBBridge/Ping"
    assert recorder.request == b""


def test_inputs() -> None:
    answer = gateway_pb2.InputsResponse(Definitions={"context": DEFINITION, "": ops_pb2.Definition()})
    assert bridge(answer)[0].inputs().result() == {"context": BYTES, "": b""}


def test_solving_a_definition() -> None:
    answer = gateway_pb2.SolveResponse(result=a_result())
    asking, recorder = bridge(answer)
    imports = [CacheImport("registry", (("ref", "r"),)), CacheImport("inline")]
    result = asking.solve(BYTES, cache_imports=imports, evaluate=True).result()
    assert result.ref == Ref("r", BYTES)
    assert dict(result.metadata) == {"k": b"v", "": b""}
    expected = gateway_pb2.SolveRequest(
        Definition=DEFINITION, allowResultReturn=True, allowResultArrayRef=True, Evaluate=True
    )
    expected.CacheImports.add(Type="registry", Attrs={"ref": "r"})
    expected.CacheImports.add(Type="inline")
    assert same(recorder.request, expected)


def test_solving_by_another_frontend() -> None:
    result = gateway_pb2.Result()
    result.refs.refs["linux/amd64"].id = "a"
    result.refs.refs["linux/arm64"].id = ""
    result.attestations["linux/amd64"].attestation.add(path="p")
    asking, recorder = bridge(gateway_pb2.SolveResponse(result=result))
    options, inputs = {"filename": "x", "empty": ""}, {"context": BYTES}
    found = asking.solve(frontend="dockerfile.v0", options=options, inputs=inputs).result()
    assert dict(found.refs or ()) == {"linux/amd64": Ref("a"), "linux/arm64": Ref()}
    expected = gateway_pb2.SolveRequest(
        Frontend="dockerfile.v0",
        FrontendOpt=options,
        FrontendInputs={"context": DEFINITION},
        allowResultReturn=True,
        allowResultArrayRef=True,
    )
    assert same(recorder.request, expected)


def test_results_of_old_daemons() -> None:
    old = gateway_pb2.SolveResponse(result=gateway_pb2.Result(refDeprecated="r"))
    assert bridge(old)[0].solve(BYTES).result().ref == Ref("r")
    several = gateway_pb2.Result(refsDeprecated=gateway_pb2.RefMapDeprecated(refs={"a": "1"}))
    assert bridge(gateway_pb2.SolveResponse(result=several))[0].solve(BYTES).result().refs == (
        ("a", Ref("1")),
    )


def test_an_empty_definition_is_still_there() -> None:
    asking, recorder = bridge(gateway_pb2.SolveResponse())
    assert asking.solve(b"").result() == Result()
    assert gateway_pb2.SolveRequest.FromString(recorder.request).HasField("Definition")


def test_resolving_an_image() -> None:
    answer = gateway_pb2.ResolveImageConfigResponse(Digest="sha256:1", Config=b"{}", Ref="other")
    asking, recorder = bridge(answer)
    platform = Platform("windows", "arm64", "v8", "10.0", ("a", "b"))
    meta = asking.resolve_image("r", platform=platform, mode="pull", log_name="l", store=("s", "t")).result()
    assert (meta.reference, meta.digest, meta.config) == ("other", "sha256:1", b"{}")
    expected = gateway_pb2.ResolveImageConfigRequest(
        Ref="r", ResolveMode="pull", LogName="l", ResolverType=1, SessionID="s", StoreID="t"
    )
    wanted = expected.Platform
    wanted.OS, wanted.Architecture, wanted.Variant, wanted.OSVersion = "windows", "arm64", "v8", "10.0"
    wanted.OSFeatures.extend(["a", "b"])
    assert same(recorder.request, expected)


def test_resolving_a_source() -> None:
    answer = gateway_pb2.ResolveSourceMetaResponse()
    answer.Source.identifier = "git://x"
    answer.Git.Checksum = "abc"
    asking, recorder = bridge(answer)
    meta = asking.resolve_source("git://x", {"git.fullurl": "u"}, log_name="l").result()
    assert (meta.identifier, meta.checksum) == ("git://x", "abc")
    expected = gateway_pb2.ResolveSourceMetaRequest(LogName="l")
    expected.Source.identifier = "git://x"
    expected.Source.attrs["git.fullurl"] = "u"
    assert same(recorder.request, expected)


def test_reading() -> None:
    asking, recorder = bridge(gateway_pb2.ReadFileResponse(Data=b"content"))
    assert asking.read_file(Ref("r"), "p", offset=5, length=7).result() == b"content"
    expected = gateway_pb2.ReadFileRequest(Ref="r", FilePath="p")
    expected.Range.Offset, expected.Range.Length = 5, 7
    assert same(recorder.request, expected)
    asking.read_file(Ref("r"), "p")
    assert same(recorder.request, gateway_pb2.ReadFileRequest(Ref="r", FilePath="p"))


ENTRIES = [
    fsutil_pb2.Stat(path="d", mode=1 << 31 | 0o755, uid=1, gid=2, modTime=3),
    fsutil_pb2.Stat(path="l", mode=1 << 27 | 0o777, linkname="d"),
    fsutil_pb2.Stat(path="f", mode=0o4644, size=5, xattrs={"a": b"b"}),
    fsutil_pb2.Stat(path="p", mode=1 << 25 | 0o644),
]
STATS = [
    Stat("d", 1 << 31 | 0o755, 1, 2, 0, 3),
    Stat("l", 1 << 27 | 0o777, linkname="d"),
    Stat("f", 0o4644, size=5),
    Stat("p", 1 << 25 | 0o644),
]


def test_directories_and_entries() -> None:
    asking, recorder = bridge(gateway_pb2.ReadDirResponse(entries=ENTRIES))
    found = asking.read_dir(Ref("r"), "p", include="*.py").result()
    assert found == STATS
    assert same(recorder.request, gateway_pb2.ReadDirRequest(Ref="r", DirPath="p", IncludePattern="*.py"))
    assert [(one.is_dir, one.is_symlink, one.is_file) for one in found] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
        (False, False, False),
    ]
    asking, recorder = bridge(gateway_pb2.StatFileResponse(stat=ENTRIES[0]))
    assert asking.stat_file(Ref("r"), "p").result() == STATS[0]
    assert same(recorder.request, gateway_pb2.StatFileRequest(Ref="r", Path="p"))
    listing = b"".join(
        struct.pack("<I", len(one)) + one for one in (entry.SerializeToString() for entry in ENTRIES)
    )
    assert list(decode_stats(listing)) == STATS


def test_evaluating() -> None:
    asking, recorder = bridge(gateway_pb2.EvaluateResponse())
    asking.evaluate(Ref("r")).result()
    assert same(recorder.request, gateway_pb2.EvaluateRequest(Ref="r"))


def test_warning() -> None:
    asking, recorder = bridge(gateway_pb2.WarnResponse())
    source = WarningSource("image.py", b"data", ((1, 2), (5, 5)), definition=BYTES)
    asking.warn("sha256:x", "short", detail=["a", ""], url="u", source=source).result()
    expected = gateway_pb2.WarnRequest(
        digest="sha256:x", level=1, short=b"short", detail=[b"a", b""], url="u"
    )
    expected.info.filename, expected.info.data, expected.info.language = "image.py", b"data", "python"
    expected.info.definition.CopyFrom(DEFINITION)
    for first, last in ((1, 2), (5, 5)):
        place = expected.ranges.add()
        place.start.line, place.end.line = first, last
    assert same(recorder.request, expected)


@pytest.mark.parametrize("several", [False, True])
def test_returning_a_result(several: bool) -> None:
    expected = gateway_pb2.ReturnRequest()
    if several:
        result = Result(refs=(("a", Ref("1", BYTES)), ("b", Ref())), metadata=(("k", b"v"),))
        expected.result.refs.refs["a"].id = "1"
        getattr(expected.result.refs.refs["a"], "def").CopyFrom(DEFINITION)
        expected.result.refs.refs["b"].id = ""
    else:
        result = Result(Ref("1"), metadata=(("k", b"v"),))
        expected.result.ref.id = "1"
    expected.result.metadata["k"] = b"v"
    asking, recorder = bridge(gateway_pb2.ReturnResponse())
    asking.return_result(result).result()
    assert same(recorder.request, expected)


def test_a_result_that_came_is_returned_as_it_came() -> None:
    came = a_result()
    came.attestations["a"].attestation.add(path="x", inTotoPredicateType="y")
    found = bridge(gateway_pb2.SolveResponse(result=came))[0].solve(BYTES).result()
    asking, recorder = bridge(gateway_pb2.ReturnResponse())
    asking.return_result(found).result()
    assert same(recorder.request, gateway_pb2.ReturnRequest(result=came))


def test_returning_an_error() -> None:
    details = [source_detail("f", b"data", [(3, 4)]), subrequest_detail("x")]
    status = encode_status(2, "message", details)
    asking, recorder = bridge(gateway_pb2.ReturnResponse())
    asking.return_error(status).result()
    request = gateway_pb2.ReturnRequest.FromString(recorder.request)
    assert (request.error.code, request.error.message, len(request.error.details)) == (2, "message", 2)
    asking.return_error(encode_status(0, "no code")).result()
    assert gateway_pb2.ReturnRequest.FromString(recorder.request).error.code == 2


def test_status_and_details() -> None:
    status = encode_status(5, "gone", [detail("errdefs.Vertex", {"digest": "d"}), b"\n\x01x\x12\x01y"])
    read: Any = rpc_pb2.Status.FromString(status)
    assert (read.code, read.message) == (5, "gone")
    assert read.details[0].type_url == "github.com/moby/buildkit/errdefs.Vertex+json"
    assert json.loads(read.details[0].value) == {"digest": "d"}
    code, message, details = decode_status(status)
    assert (code, message) == (5, "gone")
    assert decode_detail(details[0]) == ("errdefs.Vertex", {"digest": "d"})
    assert decode_detail(details[1]) is None
    assert decode_detail(b"\n\x2cgithub.com/moby/buildkit/errdefs.Vertex+json\x12\x01{") is None


def test_source_details_have_the_fields_of_buildkits_message() -> None:
    from google.protobuf import json_format

    _, value = decode_detail(source_detail("image.py", b"\xff\n", [(1, 2)])) or ("", {})
    source = json_format.ParseDict(value, errdefs_pb2.Source())
    assert source.info.filename == "image.py"
    assert source.info.data == b"\xff\n"
    assert (source.ranges[0].start.line, source.ranges[0].end.line) == (1, 2)


def test_errors_are_errors_of_the_library() -> None:
    from llb.errors import RemoteError

    assert isinstance(RpcError(2, "x"), RemoteError)
