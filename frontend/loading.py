"""Loading the image file, and the modules beside it, from what the client serves.

The file is asked for before anything large is imported, so its way through the session and our own start
overlap. It is exactly the vertex that BuildKit's Dockerfile frontend loads its file with: where that one read
the `# syntax=` line, the file is there already.
"""

from __future__ import annotations

import posixpath
import sys

from frontend import clock
from llb import wire
from llb._value import Value
from llb.errors import ImageFileError, UnsupportedError
from llb.gateway import RpcError
from llb.gateway.questions import is_missing

if sys.version_info >= (3, 12):  # not hashlib, which loads OpenSSL
    from _sha2 import sha256  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
else:
    from _sha256 import sha256  # pyright: ignore[reportMissingImports, reportUnknownVariableType]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from hashlib import sha256

    from frontend.environment import Environment
    from llb.gateway import Bridge, Pending, Ref, Result

_DEFAULT = "image.py"
DEFINITION = "/llb/definition"
"""What `__file__` is below: it leads to the directory of the definition, which need not be in the context."""
CONTEXT = "/llb/context"
"""The working directory of a script that was written for its author's machine: the build's context."""
_REMOTE = ("http://", "https://", "git://", "ssh://", "git@", "github.com/")


class Loaded(Value):
    """A file of the build definition, and where it came from."""

    filename: str
    data: bytes
    ref: Ref
    digest: str
    """The vertex that loaded it."""
    definition: bytes
    local: str
    """The local source it came from; empty if it came from elsewhere."""


class Loading:
    """The image file on its way."""

    def __init__(self, bridge: Bridge, environment: Environment) -> None:
        self._bridge = bridge
        self._environment = environment
        options = environment.options
        self._local = options.get("dockerfilekey", "dockerfile")
        if "filename" in options or "cmdline" in options:
            # With a syntax line, the Dockerfile frontend has read a file before us.
            filename = options.get("filename", "Dockerfile")
            self.candidates = [filename]
            follow = [filename, f"{filename}.dockerignore"]
            name = filename
        else:
            self.candidates = [_DEFAULT, "Dockerfile"]
            follow = list(self.candidates)
            name = " or ".join(self.candidates)
        if posixpath.basename(self.candidates[-1]) == "Dockerfile":
            lower = posixpath.join(posixpath.dirname(self.candidates[-1]), "dockerfile")
            self.candidates.append(lower)
            follow.append(lower)
        self._definition, self._digest = local_definition(
            self._local,
            follow=follow,
            session=environment.session_of(self._local),
            hint=self._local,
            differ="none",
            name=f"[internal] load build definition from {name}",
        )
        context = options.get(options.get("contextkey", "context"), "")
        self._remote = context if context.startswith(_REMOTE) else ""
        self._pending: Pending[Result] | None = None
        self._reading: Pending[bytes] | None = None
        if not self._remote:
            # Evaluated at once: the transfer begins now, and is not waited for before it is needed.
            self._pending = bridge.solve(self._definition, evaluate=True)

    @property
    def remote_dockerfile(self) -> bool:
        """Whether the definition is in a remote context, and by its name no image file."""
        return bool(self._remote) and not self.candidates[0].endswith(".py")

    def advance(self) -> bytes | None:
        """Does what is due, without waiting; the likely file's bytes if they are here."""
        try:
            if self._reading is None and self._pending is not None and self._pending.ready():
                ref = self._pending.result().ref
                if ref is not None:
                    self._reading = self._bridge.read_file(ref, self.candidates[0])
            if self._reading is not None and self._reading.ready():
                clock.tick("image file seen")
                return self._reading.result()
        except RpcError:  # `finish` tells of it
            pass
        return None

    def finish(self, inputs: dict[str, bytes]) -> Loaded:
        """Waits for the file.

        Raises:
            ImageFileError: it is not there.
            RpcError: the client or the daemon cannot load it.
        """
        if self._remote:
            # A client that reads its context from standard input serves it under a name of its own.
            piped = "://buildkit-session" in self._remote
            what = "an archive on standard input" if piped else self._remote
            raise UnsupportedError(
                f"{what} cannot be the build context of an image file",
                hint=f"{'Unpack' if piped else 'Fetch'} it, and build with the directory as context.",
            )
        local = self._local
        pending = self._pending
        if "dockerfile" in inputs and "dockerfilekey" not in self._environment.options:
            self._definition, self._digest, local = inputs["dockerfile"], _head(inputs["dockerfile"]), ""
            pending = self._bridge.solve(self._definition, evaluate=True)
            self._reading = None
        assert pending is not None
        ref = pending.result().ref
        if ref is not None:
            for filename in self.candidates:
                reading, self._reading = self._reading, None
                data = read_if_there(reading or self._bridge.read_file(ref, filename))
                if data is not None:
                    return Loaded(filename, data, ref, self._digest, self._definition, local)
        name = self.candidates[0]
        if "filename" in self._environment.options:
            hint = f"Is {name} the right name? It is relative to the directory of the build's definition."
        else:
            hint = f"Name it: `-f FILE` (docker), `--opt filename=FILE` (buildctl); default {_DEFAULT}."
        raise ImageFileError(f"there is no file {name} in the build's context", hint=hint)


def read_if_there(pending: Pending[bytes]) -> bytes | None:
    """A file's bytes; None if it does not exist or is no regular file."""
    try:
        return pending.result()
    except RpcError as error:
        if is_missing(error):
            return None
        raise


def local_definition(
    local: str,
    *,
    follow: Sequence[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    session: str = "",
    hint: str = "",
    differ: str = "",
    metadata_only: bool = False,
    name: str = "",
) -> tuple[bytes, str]:
    """A definition that only loads a local source, and the digest of its vertex.

    The same as `llb.graph.local` gives, without importing the graph (a test holds them together).
    """
    attrs: dict[str, str] = {}
    capabilities: dict[str, bytes] = {"source.local": _TRUE}
    for attr, capability, value in (
        ("session", "sessionid", session),
        ("includepattern", "includepatterns", _json_list(include)),
        ("followpaths", "followpaths", _json_list(follow)),
        ("excludepatterns", "excludepatterns", _json_list(exclude)),
        ("sharedkeyhint", "sharedkeyhint", hint),
        ("metadatatransfer", "metadatatransfer", "true" if metadata_only else ""),
    ):
        if value:
            attrs[f"local.{attr}"] = value
            capabilities[f"source.local.{capability}"] = _TRUE
    if differ:
        attrs["local.differ"] = differ
    source = wire.string(1, f"local://{local}") + wire.mapping(2, attrs)
    op = b"\x5a\x00" + wire.message(3, source)
    digest = _digest(op)
    top = wire.message(1, wire.string(1, digest))
    caps = b"".join([wire.message(5, wire.string(1, key) + b"\x10\x01") for key in sorted(capabilities)])
    metadata = wire.mapping(2, {"llb.customname": name}) + caps
    definition = b"".join(
        (
            wire.message(1, op),
            wire.message(1, top),
            wire.mapping(2, {digest: metadata, _digest(top): _TOP}),
        )
    )
    return definition, digest


_TRUE = b"\x01"
_TOP = b"".join(
    [
        wire.message(5, wire.string(1, key) + b"\x10\x01")
        for key in ("constraints", "meta.description", "platform")
    ]
)


def _digest(op: bytes) -> str:
    return f"sha256:{sha256(op).hexdigest()}"


def _json_list(values: Sequence[str]) -> str:
    if not values:
        return ""
    text = "".join(values)
    if text.isascii() and text.isprintable() and not any(special in text for special in '"\\<>&'):
        return '["' + '","'.join(values) + '"]'
    from llb.graph.goformat import json_list

    return json_list(values)


def _head(definition: bytes) -> str:
    """The digest of the vertex that a definition ends in."""
    ops = wire.Reader(definition).all_data(1)
    return wire.Reader(ops[-1]).message(1).string(1) if ops else ""
