"""A fake daemon in memory: it speaks the gateway's messages by protobuf, and runs nothing.

What it knows is given to it: files of the client, images of a registry, inputs. What it was asked is kept.
"""

from __future__ import annotations

import fnmatch
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from llb.gateway.transport import NOT_FOUND, UNKNOWN, ConnectionLostError, RpcError
from llb.graph import SINCE
from llb.pb import fsutil_pb2, gateway_pb2, ops_pb2

CAPS = frozenset(SINCE) | frozenset(  # what SINCE does not list is older than all
    [
        "source.image",
        "source.image.resolvemode",
        "source.local",
        "source.local.sessionid",
        "source.local.includepatterns",
        "source.local.followpaths",
        "source.local.excludepatterns",
        "source.local.sharedkeyhint",
        "exec.meta.base",
        "exec.meta.network",
        "exec.meta.setsdefaultpath",
        "exec.mount.bind",
        "exec.mount.cache",
        "exec.mount.cache.sharing",
        "exec.mount.tmpfs",
        "file.base",
        "constraints",
        "platform",
        "meta.ignorecache",
        "meta.description",
        "source.ocilayout",
    ]
)
CONFIG = b'{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:1"]}}'
DIGEST = "sha256:" + "ab" * 32
DIR = 1 << 31 | 0o755
LINK = 1 << 27 | 0o777


class FakeCall:
    """A call that was answered already."""

    def __init__(self, answer: Message | RpcError) -> None:
        self._answer = answer

    def result(self) -> bytes:
        if isinstance(self._answer, RpcError):
            raise self._answer
        return self._answer.SerializeToString()

    def ready(self) -> bool:
        return True


class FakeDaemon:
    """A transport whose other end is this object.

    Args:
        files: the client's local sources: name → path → content (bytes), or mode and link target for others.
        images: reference → config, or the daemon's error.
        inputs: definitions that the client sent.
        frontends: answers of other frontends.
    """

    def __init__(
        self,
        files: Mapping[str, Mapping[str, bytes | tuple[int, str]]] | None = None,
        images: Mapping[str, bytes | RpcError] | None = None,
        inputs: Mapping[str, bytes] | None = None,
        frontends: Mapping[str, Callable[[gateway_pb2.SolveRequest], gateway_pb2.Result]] | None = None,
        caps: frozenset[str] = CAPS,
        gateway_caps: frozenset[str] = frozenset({"gateway.warnings"}),
    ) -> None:
        self.files = files or {}
        self.images = images or {}
        self.inputs = inputs or {}
        self.frontends = frontends or {}
        self.caps = caps
        self.gateway_caps = gateway_caps
        self.calls: list[tuple[str, Message]] = []
        self.solved: list[ops_pb2.Definition] = []
        """What was solved and is no local source."""
        self.transfers: list[dict[str, str]] = []
        """Attributes of local sources that were evaluated, with their `name`."""
        self.returned: gateway_pb2.ReturnRequest | None = None
        self.lost = False
        self.abandoned = False
        self._refs: dict[str, dict[str, bytes | tuple[int, str]]] = {}

    # -- a transport

    def start(self, method: str, request: bytes) -> FakeCall:
        if self.lost:
            return FakeCall(ConnectionLostError("gone"))
        service, _, name = method.removeprefix("/").rpartition("/")
        assert service == "moby.buildkit.v1.frontend.LLBBridge"
        message: Message = getattr(gateway_pb2, "PingRequest" if name == "Ping" else f"{name}Request")()
        message.ParseFromString(request)
        assert not _unknown(message), f"fields that nobody knows in {name}"
        self.calls.append((name, message))
        try:
            return FakeCall(getattr(self, f"on_{name}")(message))
        except RpcError as error:
            return FakeCall(error)

    def abandon(self) -> None:
        self.abandoned = True

    def take_over(self) -> None: ...

    # -- what a test asks

    def asked(self, method: str) -> list[Any]:
        return [request for name, request in self.calls if name == method]

    @property
    def result(self) -> gateway_pb2.Result:
        assert self.returned is not None
        assert not self.returned.HasField("error"), self.error
        return self.returned.result

    @property
    def error(self) -> str:
        assert self.returned is not None
        return self.returned.error.message

    @property
    def sources(self) -> list[tuple[str, int, bytes]]:
        """The excerpts that come with the error: file, line, data."""
        assert self.returned is not None
        found: list[tuple[str, int, bytes]] = []
        for detail in self.returned.error.details:
            assert detail.type_url == "github.com/moby/buildkit/errdefs.Source+json"
            source = json.loads(detail.value)
            import base64

            data = base64.b64decode(source["info"]["data"])
            found.append((source["info"]["filename"], source["ranges"][0]["start"]["line"], data))
        return found

    def metadata(self, key: str) -> Any:
        return json.loads(self.result.metadata[key])

    def vertex_names(self, definition: ops_pb2.Definition) -> list[str]:
        return [
            definition.metadata[key].description.get("llb.customname", "") for key in _digests(definition)
        ]

    # -- what the daemon does

    def on_Ping(self, _request: gateway_pb2.PingRequest) -> Message:
        answer = gateway_pb2.PongResponse()
        for caps, known in ((answer.FrontendAPICaps, self.gateway_caps), (answer.LLBCaps, self.caps)):
            for name in sorted(known):
                caps.add(ID=name, Enabled=True)
            caps.add(ID="switched.off", Enabled=False)
        return answer

    def on_Inputs(self, _request: gateway_pb2.InputsRequest) -> Message:
        answer = gateway_pb2.InputsResponse()
        for name, definition in self.inputs.items():
            answer.Definitions[name].ParseFromString(definition)
        return answer

    def on_Solve(self, request: gateway_pb2.SolveRequest) -> Message:
        assert request.allowResultReturn
        assert request.allowResultArrayRef
        answer = gateway_pb2.SolveResponse()
        if request.Frontend:
            answer.result.CopyFrom(self.frontends[request.Frontend](request))
            return answer
        ref = f"ref{len(self._refs)}"
        answer.result.ref.id = ref
        getattr(answer.result.ref, "def").CopyFrom(request.Definition)
        ops = ops_of(request.Definition)
        op = ops[0] if ops else None
        if op is not None and len(ops) == 2 and op.source.identifier.startswith("local://"):
            name = op.source.identifier.removeprefix("local://")
            attrs = dict(op.source.attrs)
            self.transfers.append({"name": name, **attrs})
            if name not in self.files:
                raise RpcError(UNKNOWN, f"failed to load: no access allowed to dir {name!r}")
            self._refs[ref] = _transferred(self.files[name], attrs)
        else:
            self.solved.append(request.Definition)
            self._refs[ref] = {}
        return answer

    def on_ResolveImageConfig(self, request: gateway_pb2.ResolveImageConfigRequest) -> Message:
        known = self.images.get(request.Ref, RpcError(NOT_FOUND, f"{request.Ref}: not found"))
        if isinstance(known, RpcError):
            raise known
        return gateway_pb2.ResolveImageConfigResponse(Ref=request.Ref, Digest=DIGEST, Config=known)

    def on_ReadFile(self, request: gateway_pb2.ReadFileRequest) -> Message:
        content = self._refs[request.Ref].get(request.FilePath)
        if not isinstance(content, bytes):
            raise RpcError(UNKNOWN, f"open /tmp/x/{request.FilePath}: no such file or directory")
        if request.HasField("Range"):
            content = content[request.Range.Offset : request.Range.Offset + request.Range.Length]
        return gateway_pb2.ReadFileResponse(Data=content)

    def on_ReadDir(self, request: gateway_pb2.ReadDirRequest) -> Message:
        prefix = f"{request.DirPath}/"
        names = {
            path.removeprefix(prefix).partition("/")[0]
            for path in self._refs[request.Ref]
            if path.startswith(prefix)
        }
        if not names:
            raise RpcError(UNKNOWN, f"{request.DirPath}: no such file or directory")
        answer = gateway_pb2.ReadDirResponse()
        for name in sorted(names):
            answer.entries.add(path=name)
        return answer

    def on_Warn(self, _request: gateway_pb2.WarnRequest) -> Message:
        return gateway_pb2.WarnResponse()

    def on_Return(self, request: gateway_pb2.ReturnRequest) -> Message:
        assert self.returned is None, "returned twice"
        self.returned = request
        return gateway_pb2.ReturnResponse()


def ops_of(definition: ops_pb2.Definition) -> list[ops_pb2.Op]:
    """A definition's vertices; the last one only names the result."""
    return [ops_pb2.Op.FromString(op) for op in getattr(definition, "def")]


def _unknown(message: Message) -> bool:
    """Whether a message, reserialized, lacks what came: fields that its type does not have."""
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    return known.SerializeToString(deterministic=True) != message.SerializeToString(deterministic=True)


def _digests(definition: ops_pb2.Definition) -> list[str]:
    import hashlib

    return [f"sha256:{hashlib.sha256(op).hexdigest()}" for op in getattr(definition, "def")]


def _transferred(
    files: Mapping[str, bytes | tuple[int, str]], attrs: Mapping[str, str]
) -> dict[str, bytes | tuple[int, str]]:
    """What of the client's files a local source asks for."""
    wanted = [
        *json.loads(attrs.get("local.followpaths", "[]")),
        *json.loads(attrs.get("local.includepattern", "[]")),
    ]
    unwanted = json.loads(attrs.get("local.excludepatterns", "[]"))
    chosen: dict[str, bytes | tuple[int, str]] = {}
    for path, content in files.items():
        matches = not wanted or any(
            path == one or path.startswith(f"{one}/") or fnmatch.fnmatch(path, one.replace("**/", "*"))
            for one in wanted
        )
        if matches and not any(fnmatch.fnmatch(path, one) for one in unwanted):
            chosen[path] = content
    for link, content in files.items():
        if (
            isinstance(content, tuple)
            and content[0] & LINK == LINK
            and link in chosen
            and content[1] in files
        ):
            chosen[content[1]] = files[content[1]]
    if "local.metadatatransfer" not in attrs:
        return {path: content for path, content in chosen.items() if isinstance(content, bytes)}
    parents = {
        "/".join(path.split("/")[:depth]) for path in chosen for depth in range(1, path.count("/") + 1)
    }
    listing = b""
    for path in sorted({*chosen, *parents}, key=lambda path: path.encode().split(b"/")):
        content = chosen.get(path, (DIR, ""))
        mode, link = (0o644, "") if isinstance(content, bytes) else content
        entry = fsutil_pb2.Stat(path=path, mode=mode, linkname=link).SerializeToString()
        listing += struct.pack("<I", len(entry)) + entry
    return {".fsutil-metadata": listing}
