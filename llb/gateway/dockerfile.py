"""BuildKit's own Dockerfile frontend, asked through the gateway.

It reads the Dockerfile and looks up the images that it names; nothing is built for the answer, not even what
the Dockerfile is based on.
"""

from __future__ import annotations

from llb import _json, graph
from llb._value import Value
from llb.errors import DockerfileError, RemoteError
from llb.gateway.status import decode_detail, decode_status
from llb.gateway.transport import RpcError
from llb.graph import Definition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from llb.gateway.bridge import Bridge, Pending
    from llb.gateway.messages import Result
    from llb.graph import Platform

BASE = "base"
"""What a Dockerfile calls the image that it was given."""
_BUILT_IN = "dockerfile.v0"
_INPUT = "llb-base"
_NOT_PASSED = (
    "build-arg:BUILDKIT_SYNTAX",  # who that names may be the one that asks
    "cache-from",
    "cache-imports",
    "cmdline",
    "context",
    "contextkey",
    "contextsubdir",
    "dockerfilekey",  # with it, a Dockerfile that is given as input is not looked at
    "filename",
    "frontend.caps",
    "multi-platform",
    "no-cache",
    "platform",
    "requestid",
    "source",
    "target",
)
"""Options of a build that are about its own definition, not about a Dockerfile in it."""
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")


class SolvedDockerfile(Value):
    """What a Dockerfile has become."""

    definition: Definition
    config: bytes
    """The image config, JSON."""
    base_config: bytes
    """The config of the image that it starts from; empty if that is not known."""


class RefusedDockerfileError(RpcError, DockerfileError):
    """The Dockerfile frontend's refusal, with the line of the Dockerfile."""


class AskedDockerfile:
    """A question to the Dockerfile frontend that is under way."""

    def __init__(self, pending: Pending[Result], filename: str) -> None:
        self._pending = pending
        self._filename = filename

    def result(self) -> SolvedDockerfile:
        """Waits for the answer.

        Raises:
            RefusedDockerfileError: the frontend refuses the Dockerfile.
        """
        try:
            found = self._pending.result()
        except RpcError as error:
            refused = RefusedDockerfileError(error.code, error.message, error.status)
            refused.line = _line(error, self._filename)
            raise refused from None
        ref, suffix = found.ref, ""
        if found.refs is not None:
            if len(found.refs) != 1:
                raise RemoteError(f"the Dockerfile frontend gave {len(found.refs)} images instead of one")
            ref, suffix = found.refs[0][1], f"/{found.refs[0][0]}"
        metadata = dict(found.metadata)
        encoded = ref.definition if ref is not None else b""
        return SolvedDockerfile(
            Definition.from_bytes(encoded) if encoded else Definition(),
            metadata.get(f"containerimage.config{suffix}", b""),
            metadata.get(f"containerimage.base.config{suffix}", b""),
        )


def ask_dockerfile(
    bridge: Bridge,
    *,
    data: bytes,
    filename: str,
    platform: Platform,
    base: Definition | None = None,
    base_config: bytes = b"",
    context: Definition | None = None,
    ignore_file: bytes = b"",
    syntax: str = "",
    options: Mapping[str, str],
    build: Mapping[str, str],
    inputs: Mapping[str, bytes] | None = None,
    prefix: bool = False,
) -> AskedDockerfile:
    """Asks what a Dockerfile becomes.

    Args:
        bridge: an open gateway.
        data: the Dockerfile.
        filename: what errors and lints call it.
        platform: what it is for.
        base: what `FROM base` and `COPY --from=base` stand for in it.
        base_config: the image config of that.
        context: what COPY and ADD read. None: the session's local context, as far as COPY and ADD name it,
            without what its `.dockerignore` names.
        ignore_file: what to apply instead of that `.dockerignore`.
        syntax: an image that is the frontend instead of the built-in one.
        options: options of the Dockerfile frontend for this Dockerfile, such as `target`.
        build: options of the build that it belongs to. Those that are about the build's own definition are
            left out of them, and so are build arguments that the Dockerfile does not declare.
        inputs: further inputs, for named contexts.
        prefix: whether vertices are named by their platform.
    """
    given = {key: value for key, value in (inputs or {}).items() if key != "dockerfile"}
    asked = _build_options(build, data) | dict(options)
    asked["filename"] = filename
    asked["platform"] = str(platform)
    # With a command line given, a `# syntax=` line is not followed: it may name us.
    asked["cmdline"] = syntax or _BUILT_IN
    if prefix:
        asked["multi-platform"] = "true"
    if syntax:
        asked["source"] = syntax
    given["dockerfile"] = _file(filename, data, ignore_file).to_bytes()
    if context is not None:
        given["context"] = context.to_bytes()
    if base is not None:
        given[_INPUT] = base.to_bytes()
        asked[f"context:{BASE}"] = f"input:{_INPUT}"
        asked[f"input-metadata:{_INPUT}"] = input_metadata(base_config)
    frontend = "gateway.v0" if syntax else _BUILT_IN
    return AskedDockerfile(bridge.solve(frontend=frontend, options=asked, inputs=given), filename)


def _line(error: RpcError, filename: str) -> int:
    """The first line of a file that an error quotes; 0 if it quotes none."""
    for encoded in decode_status(error.status)[2] if error.status else ():
        found = decode_detail(encoded)
        if found is None or found[0] != "errdefs.Source":
            continue
        info: dict[str, str] = found[1].get("info") or {}
        ranges: list[dict[str, dict[str, int]]] = found[1].get("ranges") or []
        if info.get("filename") == filename and ranges:
            return ranges[0]["start"]["line"]
    return 0


def _build_options(options: Mapping[str, str], data: bytes) -> dict[str, str]:
    """The options of a build that hold for a Dockerfile in it."""
    declared = declared_arguments(data)
    kept: dict[str, str] = {}
    for name, value in options.items():
        kind, colon, argument = name.partition(":")
        if name in _NOT_PASSED or (colon and kind in ("attest", "label")):
            continue
        if kind == "build-arg" and argument not in declared and not is_predefined(argument):
            continue
        kept[name] = value
    return kept


def is_predefined(argument: str) -> bool:
    """Whether a build argument means something without being declared."""
    return argument.startswith("BUILDKIT_") or argument == "SOURCE_DATE_EPOCH" or argument.lower() in _PROXIES


def _file(name: str, data: bytes, ignore_file: bytes) -> Definition:
    """A filesystem with a Dockerfile, and what is to be ignored beside it."""
    state = graph.scratch()
    meta = graph.Meta(name=f"[internal] load build definition from {name}")
    directory = name.rpartition("/")[0]
    if directory:
        state = state.file(graph.mkdir(f"/{directory}", parents=True), meta=meta)
    actions = [graph.mkfile(f"/{name}", data=data)]
    if ignore_file:
        actions.append(graph.mkfile(f"/{name}.dockerignore", data=ignore_file))
    return graph.marshal(state.file(*actions, meta=meta))


def input_metadata(config: bytes) -> str:
    """What the option `input-metadata:NAME` says of an input with an image config."""
    from binascii import b2a_base64

    return _json.dumps({"containerimage.config": b2a_base64(config, newline=False).decode()})


def declared_arguments(data: bytes) -> frozenset[str]:
    """The names that the ARG lines of a Dockerfile may declare: rather too many than too few."""
    names: set[str] = set()
    for line in data.decode("utf-8", "replace").split("\n"):
        words = line.split()
        if words[:1] and words[0].upper() in ("ARG", "ONBUILD"):
            names.update([word.partition("=")[0] for word in words[1:]])
    return frozenset(names)
