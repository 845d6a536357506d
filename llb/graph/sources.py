"""Sources: the vertices that a graph starts from."""

from __future__ import annotations

from llb import wire
from llb._value import slot_setters
from llb.errors import InvalidError, InvalidTypeError
from llb.graph.goformat import json_list
from llb.graph.metadata import NO_META
from llb.graph.paths import join
from llb.graph.platform import as_platform
from llb.graph.reference import Reference, is_digest
from llb.graph.state import SCRATCH, State
from llb.graph.vertex import Vertex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from llb.graph.metadata import Meta
    from llb.graph.platform import Platform
    from llb.graph.vertex import Encoder

_WITH_PLATFORM = ("docker-image://", "oci-layout://")
_GIT_SCHEMES = ("http", "https", "ssh", "git")
_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class SourceOp(Vertex):
    """Something from outside the graph."""

    identifier: str
    attrs: tuple[tuple[str, str], ...]
    platform: Platform | None
    capabilities: frozenset[str]

    def __init__(
        self,
        inputs: tuple[State, ...],
        meta: Meta,
        filters: tuple[str, ...],
        identifier: str,
        attrs: tuple[tuple[str, str], ...],
        platform: Platform | None,
        capabilities: frozenset[str],
    ) -> None:
        _set_inputs(self, inputs)
        _set_meta(self, meta)
        _set_filters(self, filters)
        _set_identifier(self, identifier)
        _set_attrs(self, attrs)
        _set_platform(self, platform)
        _set_capabilities(self, capabilities)

    @property
    def output_platform(self) -> Platform | None:
        return self.platform

    def encode(self, encoder: Encoder) -> tuple[bytes, frozenset[str]]:
        attrs = dict(self.attrs)
        capabilities = self.capabilities
        if self.identifier.startswith("local://") and "local.session" not in attrs:
            unique = attrs.get("local.unique") or encoder.local_unique
            if unique:
                attrs["local.unique"] = unique
                capabilities = capabilities | {"source.local.unique"}
        op = wire.string(1, self.identifier) + wire.mapping(2, attrs)
        if self.identifier.startswith(_WITH_PLATFORM):
            constraints = encoder.platform_constraints(self.platform, self.filters)
        else:
            constraints = encoder.constraints(self.filters)
        return constraints + wire.message(3, op), capabilities


(
    _set_inputs,
    _set_meta,
    _set_filters,
    _set_identifier,
    _set_attrs,
    _set_platform,
    _set_capabilities,
) = slot_setters(SourceOp)


def source(
    identifier: str,
    attrs: Mapping[str, str] | None = None,
    *,
    capabilities: Sequence[str] = (),
    platform: Platform | str | None = None,
    filters: Sequence[str] = (),
    meta: Meta = NO_META,
) -> State:
    """Any source, by its identifier and attributes: what the functions below end in."""
    if not identifier:
        raise InvalidError("a source needs an identifier", hint='Such as "https://example.org/file".')
    wanted = as_platform(platform) if platform is not None else None
    pairs = tuple((attrs or {}).items())
    vertex = SourceOp((), meta, tuple(filters), identifier, pairs, wanted, frozenset(capabilities))
    return SCRATCH.with_output_of(State(vertex))


def image(
    ref: str,
    platform: Platform | str | None = None,
    *,
    resolve_mode: Literal["default", "pull", "local"] = "default",
    checksum: str = "",
    layer_limit: int | None = None,
    record_type: str = "",
    filters: Sequence[str] = (),
    meta: Meta = NO_META,
) -> State:
    """An image of a registry.

    Args:
        ref: `name[:tag][@digest]`; the tag is `latest` if neither is there.
        platform: which of a multi-platform image; default: the one that is marshalled for.
        resolve_mode: `pull` asks the registry even if the engine has the image, `local` prefers the engine's.
        checksum: the digest that the image must have.
        layer_limit: take only so many of its layers.
        record_type: how the engine accounts for it, such as `internal`.
        filters: of the workers that may provide it.
        meta: name, source lines and so on.
    """
    name = str(Reference.parse(ref).tagged())
    attrs: dict[str, str] = {}
    capabilities = ["source.image"]
    if resolve_mode not in ("default", "pull", "local"):
        raise InvalidError(
            f"{resolve_mode!r} is not a resolve mode", hint="There are default, pull and local."
        )
    if resolve_mode != "default":
        attrs["image.resolvemode"] = resolve_mode
        if resolve_mode == "pull":
            capabilities.append("source.image.resolvemode")
    if record_type:
        attrs["image.recordtype"] = record_type
    if layer_limit is not None:
        attrs["image.layerlimit"] = str(layer_limit)
        capabilities.append("source.image.layerlimit")
    if checksum:
        attrs["image.checksum"] = _checked_digest(checksum)
        capabilities.append("source.image.checksum")
    return source(
        "docker-image://" + name,
        attrs,
        capabilities=capabilities,
        platform=platform,
        filters=filters,
        meta=meta,
    )


def oci_layout(
    ref: str,
    platform: Platform | str | None = None,
    *,
    session: str = "",
    store: str = "",
    layer_limit: int | None = None,
    filters: Sequence[str] = (),
    meta: Meta = NO_META,
) -> State:
    """An image in an OCI layout that the client serves: `name@digest`, of the store `store` of a session."""
    attrs: dict[str, str] = {}
    if session:
        attrs["oci.session"] = session
    if store:
        attrs["oci.store"] = store
    if layer_limit is not None:
        attrs["oci.layerlimit"] = str(layer_limit)
    return source(
        "oci-layout://" + ref,
        attrs,
        capabilities=("source.ocilayout",),
        platform=platform,
        filters=filters,
        meta=meta,
    )


def image_blob(
    ref: str,
    *,
    filename: str = "",
    mode: int = 0,
    uid: int = 0,
    gid: int = 0,
    filters: Sequence[str] = (),
    meta: Meta = NO_META,
) -> State:
    """One blob of a registry as a file: `name@digest`."""
    attrs = _file_attrs(filename, mode, uid, gid)
    return source(
        "docker-image+blob://" + _blob(ref),
        attrs,
        capabilities=("source.imageblob",),
        filters=filters,
        meta=meta,
    )


def oci_layout_blob(
    ref: str,
    *,
    session: str = "",
    store: str = "",
    filename: str = "",
    mode: int = 0,
    uid: int = 0,
    gid: int = 0,
    filters: Sequence[str] = (),
    meta: Meta = NO_META,
) -> State:
    """One blob of an OCI layout as a file: `name@digest`."""
    attrs = _file_attrs(filename, mode, uid, gid)
    if session:
        attrs["oci.session"] = session
    if store:
        attrs["oci.store"] = store
    return source(
        "oci-layout+blob://" + _blob(ref),
        attrs,
        capabilities=("source.imageblob",),
        filters=filters,
        meta=meta,
    )


def git(
    url: str,
    ref: str = "",
    *,
    subdir: str = "",
    keep_git_dir: bool = False,
    checksum: str = "",
    skip_submodules: bool = False,
    mtime: Literal["", "checkout", "commit"] = "",
    fetch_by_commit: bool = False,
    auth_token_secret: str | None = None,
    auth_header_secret: str | None = None,
    known_ssh_hosts: str | Sequence[str] = (),
    ssh_socket: str = "",
    bundle: str = "",
    bundle_session: str = "",
    bundle_store: str = "",
    checkout_bundle: bool = False,
    filters: Sequence[str] = (),
    meta: Meta = NO_META,
) -> State:
    """A git repository.

    Args:
        url: `https://host/path`, `git@host:path`, `ssh://…`, `git://…`; without a scheme https is meant. What
            follows a `#` or `?` is dropped: give `ref` and `subdir`.
        ref: branch, tag or commit; default: the remote's HEAD.
        subdir: the directory of the repository to take.
        keep_git_dir: leave `.git` there.
        checksum: the commit that `ref` must be, or its beginning.
        skip_submodules: do not fetch them.
        mtime: times of the files: `checkout` (the engine's default), or the `commit`'s.
        fetch_by_commit: fetch `checksum` without resolving `ref`.
        auth_token_secret: secret with the token for https; default `GIT_AUTH_TOKEN`, `""` for none.
        auth_header_secret: secret with the Authorization header; default `GIT_AUTH_HEADER`, `""` for none.
        known_ssh_hosts: lines of a known_hosts file. Unlike Go's client, none are fetched if there are none.
        ssh_socket: id of the ssh agent for ssh; default `default`.
        bundle: import history from a blob (`docker-image+blob://…`, `oci-layout+blob://…`) instead.
        bundle_session: session of an OCI layout bundle.
        bundle_store: store of an OCI layout bundle.
        checkout_bundle: give one file `bundle` rather than a worktree.
        filters: of the workers that may fetch it.
        meta: name, source lines and so on.
    """
    remote, scheme, host, path = _git_remote(url)
    subdir = join("/", subdir).removeprefix("/")
    identifier = host + join("/", path)
    if ref or subdir:
        identifier += "#" + ref + (":" + subdir if subdir else "")
    attrs = {"git.fullurl": remote}
    capabilities = ["source.git", "source.git.fullurl"]
    token = "GIT_AUTH_TOKEN" if auth_token_secret is None else auth_token_secret
    header = "GIT_AUTH_HEADER" if auth_header_secret is None else auth_header_secret
    if (token or header) and (auth_token_secret is not None or auth_header_secret is not None):
        capabilities.append("source.git.httpauth")
    if token:
        attrs["git.authtokensecret"] = token
    if header:
        attrs["git.authheadersecret"] = header
    if scheme == "ssh":
        lines = [known_ssh_hosts] if isinstance(known_ssh_hosts, str) else known_ssh_hosts
        hosts = "".join([line.removesuffix("\n") + "\n" for line in lines if line])
        if hosts:
            attrs["git.knownsshhosts"] = hosts
        attrs["git.mountsshsock"] = ssh_socket or "default"
        capabilities += ["source.git.knownsshhosts", "source.git.mountsshsock"]
    if bundle_session:
        attrs["oci.session"] = bundle_session
    if bundle_store:
        attrs["oci.store"] = bundle_store
    for name, value in (
        ("keepgitdir", keep_git_dir),
        ("checksum", checksum),
        ("skipsubmodules", skip_submodules),
        ("mtime", mtime),
        ("fetchbycommit", fetch_by_commit),
        ("bundle", bundle),
        ("checkoutbundle", checkout_bundle),
    ):
        if value:
            attrs["git." + name] = "true" if value is True else str(value)
            capabilities.append("source.git." + name)
    return source("git://" + identifier, attrs, capabilities=capabilities, filters=filters, meta=meta)


def http(
    url: str,
    *,
    checksum: str = "",
    filename: str = "",
    mode: int = 0,
    uid: int = 0,
    gid: int = 0,
    auth_header_secret: str = "",
    accept: str = "",
    user_agent: str = "",
    pgp_public_key: str = "",
    pgp_signature: str = "",
    filters: Sequence[str] = (),
    meta: Meta = NO_META,
) -> State:
    """A file by http or https.

    Args:
        url: where it is.
        checksum: the digest that it must have.
        filename: its name; default: the last part of the URL's path.
        mode: its permission bits.
        uid: its owner.
        gid: its group.
        auth_header_secret: secret with the Authorization header.
        accept: the Accept header.
        user_agent: the User-Agent header.
        pgp_public_key: armored keys, one of which must have signed it.
        pgp_signature: the armored detached signature.
        filters: of the workers that may fetch it.
        meta: name, source lines and so on.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidError(f"{url!r} is not an http URL", hint="It starts with http:// or https://.")
    attrs = _file_attrs(filename, mode, uid, gid)
    capabilities = ["source.http"]
    if checksum:
        attrs["http.checksum"] = _checked_digest(checksum)
        capabilities.append("source.http.checksum")
    if mode:
        capabilities.append("source.http.perm")
    if uid or gid:
        capabilities.append("soruce.http.uidgid")  # as BuildKit spells it
    if auth_header_secret:
        attrs["http.authheadersecret"] = auth_header_secret
        capabilities.append("source.http.auth")
    if accept:
        attrs["http.header.accept"] = accept
    if user_agent:
        attrs["http.header.user-agent"] = user_agent
    if accept or user_agent:
        capabilities.append("source.http.header")
    if pgp_public_key:
        attrs["http.sig.pubkey"] = pgp_public_key
    if pgp_signature:
        attrs["http.sig.signature"] = pgp_signature
    if pgp_public_key or pgp_signature:
        capabilities.append("source.http.signatureverify")
    return source(url, attrs, capabilities=capabilities, filters=filters, meta=meta)


def local(
    name: str,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    follow: Sequence[str] = (),
    shared_key_hint: str = "",
    session: str = "",
    unique: str = "",
    differ: Literal["", "none", "metadata"] = "",
    differ_required: bool = False,
    metadata_only: bool = False,
    metadata_exceptions: Sequence[str] = (),
    filters: Sequence[str] = (),
    meta: Meta = NO_META,
) -> State:
    """A directory of the client, by the name that it serves it under.

    Args:
        name: the name.
        include: patterns of what is sent; default: everything.
        exclude: patterns of what is not.
        follow: paths to send together with what their symlinks point to.
        shared_key_hint: copies on the engine with the same hint are updated, not sent anew.
        session: the client's session; default: the session of the build.
        unique: keeps this vertex apart from the same one of another client. Needed where several clients
            without `session` share an engine; `marshal(local_unique=…)` sets it for all. Go's client takes a
            random one.
        differ: how changed files are found: `metadata` (the engine's default), or `none`: all are sent.
        differ_required: an engine that does not know `differ` refuses the vertex.
        metadata_only: send names and attributes of files, but no contents.
        metadata_exceptions: patterns of files whose contents are sent nevertheless.
        filters: of the workers that may receive it.
        meta: name, source lines and so on.
    """
    attrs: dict[str, str] = {}
    capabilities = ["source.local"]
    for attr, capability, value in (
        ("session", "sessionid", session),
        ("includepattern", "includepatterns", _patterns("include", include)),
        ("followpaths", "followpaths", _patterns("follow", follow)),
        ("excludepatterns", "excludepatterns", _patterns("exclude", exclude)),
        ("sharedkeyhint", "sharedkeyhint", shared_key_hint),
    ):
        if value:
            attrs["local." + attr] = value
            capabilities.append("source.local." + capability)
    if differ:
        if differ not in ("none", "metadata"):
            raise InvalidError(f"{differ!r} is not a differ", hint="There are none and metadata.")
        attrs["local.differ"] = differ
        if differ_required:
            capabilities.append("source.local.differ")
    if metadata_only:
        attrs["local.metadatatransfer"] = "true"
        exceptions = _patterns("metadata_exceptions", metadata_exceptions)
        if exceptions:
            attrs["local.metadatatransferexclude"] = exceptions
        capabilities.append("source.local.metadatatransfer")
    elif metadata_exceptions:
        raise InvalidError("metadata_exceptions need metadata_only", hint="Add metadata_only=True.")
    if unique and not session:
        attrs["local.unique"] = unique
    return source("local://" + name, attrs, capabilities=capabilities, filters=filters, meta=meta)


def _patterns(name: str, values: Sequence[str]) -> str:
    if isinstance(values, str):
        raise InvalidTypeError(f"{name} is a list of patterns, not one text", hint=f"Write [{values!r}].")
    return json_list(values) if values else ""


def _file_attrs(filename: str, mode: int, uid: int, gid: int) -> dict[str, str]:
    attrs: dict[str, str] = {}
    if filename:
        attrs["http.filename"] = filename
    if mode & 0o777:
        attrs["http.perm"] = f"0{mode & 0o777:o}"
    if uid:
        attrs["http.uid"] = str(uid)
    if gid:
        attrs["http.gid"] = str(gid)
    return attrs


def _checked_digest(text: str) -> str:
    if not is_digest(text):
        raise InvalidError(f"{text!r} is not a digest", hint="A digest is sha256: and 64 hexadecimal digits.")
    return text


def _blob(ref: str) -> str:
    reference = Reference.parse(ref)
    if reference.tag or not reference.digest:
        raise InvalidError(f"{ref!r} does not name a blob", hint="Write it as name@sha256:…, without a tag.")
    return str(reference)


def _git_remote(url: str) -> tuple[str, str, str, str]:
    """The URL that git is given, its scheme, its host with the port, and the path."""
    scheme, colon, rest = url.partition("://")
    if colon and scheme.isascii() and scheme.isalnum():
        if scheme.lower() not in _GIT_SCHEMES:
            raise InvalidError(f"git cannot fetch {scheme}://", hint=f"There are {', '.join(_GIT_SCHEMES)}.")
        rest = rest.partition("#")[0].partition("?")[0]
        authority, slash, path = rest.partition("/")
        user, at, host = authority.rpartition("@")
        if not host:
            raise InvalidError(f"{url!r} has no host", hint='Write it as "https://host/path.git".')
        from urllib.parse import unquote

        return (
            f"{scheme.lower()}://{user}{at}{host}{slash}{path}",
            scheme.lower(),
            host,
            unquote(slash + path),
        )
    user, at, rest = url.partition("@")
    host, colon, path = rest.partition(":")
    if at and colon and user and host and _WORD.issuperset(user) and _WORD.issuperset(host.replace(".", "")):
        path = path.partition("#")[0].partition("?")[0]
        return f"{user}@{host}:{path}", "ssh", host, path
    return _git_remote("https://" + url)
