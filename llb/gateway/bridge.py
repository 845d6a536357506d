"""What a frontend asks of BuildKit: the calls of its `LLBBridge` service, over any transport.

Each call is started at once and gives a `Pending`; several under way at the same time cost one round trip.
"""

from __future__ import annotations

from llb import wire
from llb.gateway import messages
from llb.gateway.messages import CacheImport, Ref, Result
from llb.gateway.status import encode_status
from llb.gateway.transport import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Generic, TypeVar

    from llb.gateway.messages import ImageMeta, PlatformLike, Pong, SourceMeta, Stat, WarningSource
    from llb.gateway.transport import Call, Transport

    _T = TypeVar("_T")

    class _Generic(Generic[_T]):
        """`Generic` without importing typing at run time."""

else:

    class _Generic:
        def __class_getitem__(cls, item: object) -> object:
            return cls


_SERVICE = "/moby.buildkit.v1.frontend.LLBBridge/"


class Pending(_Generic[_T] if TYPE_CHECKING else _Generic):
    """An answer that is on its way."""

    __slots__ = ("_call", "_decode", "_value")

    def __init__(self, call: Call, decode: Callable[[bytes], _T]) -> None:
        self._call: Call | None = call
        self._decode = decode

    def result(self) -> _T:
        """Waits for the answer; the same one each time.

        Raises:
            RpcError: the daemon's error.
        """
        if self._call is not None:
            self._value = self._decode(self._call.result())
            self._call = None
        return self._value

    def ready(self) -> bool:
        """Whether `result` would not wait."""
        return self._call is None or self._call.ready()


class Bridge:
    """A build's gateway, from the frontend's side."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _call(self, method: str, request: bytes, decode: Callable[[bytes], _T]) -> Pending[_T]:
        return Pending(self._transport.start(_SERVICE + method, request), decode)

    def ping(self) -> Pending[Pong]:
        """The daemon's capabilities."""
        return self._call("Ping", b"", messages.pong)

    def inputs(self) -> Pending[dict[str, bytes]]:
        """The definitions that the client gave as inputs, encoded, by name."""
        return self._call("Inputs", b"", lambda response: wire.Reader(response).mapping(1))

    def solve(
        self,
        definition: bytes | None = None,
        *,
        frontend: str = "",
        options: Mapping[str, str] | None = None,
        inputs: Mapping[str, bytes] | None = None,
        cache_imports: Sequence[CacheImport] = (),
        evaluate: bool = False,
    ) -> Pending[Result]:
        """Solves a definition, or lets another frontend solve.

        The answer comes before anything ran, unless `evaluate`.

        Args:
            definition: an encoded `pb.Definition`.
            frontend: `dockerfile.v0` or `gateway.v0`, instead of a definition.
            options: that frontend's options.
            inputs: that frontend's inputs: encoded definitions by name.
            cache_imports: caches to look results up in.
            evaluate: compute the result before answering.
        """
        request = messages.solve_request(
            definition=definition,
            frontend=frontend,
            options=options or {},
            inputs=inputs or {},
            cache_imports=cache_imports,
            evaluate=evaluate,
        )
        return self._call("Solve", request, messages.solve_response)

    def resolve_image(
        self,
        reference: str,
        *,
        platform: PlatformLike | None = None,
        mode: str = "",
        log_name: str = "",
        store: tuple[str, str] | None = None,
    ) -> Pending[ImageMeta]:
        """Digest and config of an image.

        Args:
            reference: in full (`docker.io/library/debian:bookworm`).
            platform: which image of an index; default: the daemon's own.
            mode: `default`, `pull` (ask the registry) or `local` (prefer what the daemon has).
            log_name: how the progress shows it.
            store: session and store id, for an OCI layout that the client serves.
        """
        request = messages.resolve_image_request(reference, platform, mode, log_name, store)
        return self._call(
            "ResolveImageConfig", request, lambda answer: messages.image_meta(answer, reference)
        )

    def resolve_source(
        self,
        identifier: str,
        attrs: Mapping[str, str] | None = None,
        *,
        platform: PlatformLike | None = None,
        mode: str = "",
        log_name: str = "",
    ) -> Pending[SourceMeta]:
        """What any source stands for now: an image's digest, a git commit, a download's checksum."""
        request = messages.resolve_source_request(identifier, attrs or {}, platform, mode, log_name)
        return self._call("ResolveSourceMeta", request, messages.source_meta)

    def read_file(self, ref: Ref, path: str, *, offset: int = 0, length: int = 0) -> Pending[bytes]:
        """A regular file of a result, or `length` bytes of it."""
        request = messages.read_file_request(ref.id, path, offset, length)
        return self._call("ReadFile", request, lambda response: wire.Reader(response).data(1))

    def read_dir(self, ref: Ref, path: str, *, include: str = "") -> Pending[list[Stat]]:
        """The entries of one directory of a result."""
        request = wire.string(1, ref.id) + wire.string(2, path) + wire.string(3, include)
        return self._call("ReadDir", request, messages.read_dir_response)

    def stat_file(self, ref: Ref, path: str) -> Pending[Stat]:
        """One entry of a result, links followed."""
        request = wire.string(1, ref.id) + wire.string(2, path)
        return self._call("StatFile", request, lambda response: messages.stat(wire.Reader(response).data(1)))

    def evaluate(self, ref: Ref) -> Pending[None]:
        """Computes a result now."""
        return self._call("Evaluate", wire.string(1, ref.id), _nothing)

    def warn(
        self,
        digest: str,
        short: str,
        *,
        detail: Sequence[str] = (),
        url: str = "",
        level: int = 1,
        source: WarningSource | None = None,
    ) -> Pending[None]:
        """Shows a warning at a vertex."""
        return self._call("Warn", messages.warn_request(digest, short, detail, url, level, source), _nothing)

    def return_result(self, result: Result) -> Pending[None]:
        """Ends the build with a result."""
        return self._call("Return", wire.message(1, messages.encode_result(result)), _nothing)

    def return_error(self, status: bytes) -> Pending[None]:
        """Ends the build with an error: an encoded `google.rpc.Status`, details untouched."""
        if not wire.Reader(status).integer(1):
            status = encode_status(UNKNOWN, "", ()) + status
        return self._call("Return", wire.message(2, status), _nothing)


def _nothing(_response: bytes) -> None:
    return None
