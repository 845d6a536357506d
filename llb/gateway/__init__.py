"""BuildKit's gateway protocol: what a frontend asks of the daemon, over stdio or a grpcio channel."""

from __future__ import annotations

from llb.gateway.bridge import Bridge, Pending
from llb.gateway.http2 import StdioTransport
from llb.gateway.messages import (
    CacheImport,
    ImageMeta,
    Pong,
    Ref,
    Result,
    SourceMeta,
    Stat,
    WarningSource,
    decode_stats,
)
from llb.gateway.status import (
    decode_detail,
    decode_status,
    detail,
    encode_status,
    source_detail,
    subrequest_detail,
)
from llb.gateway.transport import ConnectionLostError, RpcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from llb.gateway.channel import GrpcTransport
    from llb.gateway.transport import Call, Transport

__all__ = [
    "Bridge",
    "CacheImport",
    "Call",
    "ConnectionLostError",
    "GrpcTransport",
    "ImageMeta",
    "Pending",
    "Pong",
    "Ref",
    "Result",
    "RpcError",
    "SourceMeta",
    "Stat",
    "StdioTransport",
    "Transport",
    "WarningSource",
    "decode_detail",
    "decode_stats",
    "decode_status",
    "detail",
    "encode_status",
    "source_detail",
    "subrequest_detail",
]


def __getattr__(name: str) -> object:
    if name == "GrpcTransport":  # what only a Python client uses stays out of the container's start
        from llb.gateway.channel import GrpcTransport

        return GrpcTransport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
