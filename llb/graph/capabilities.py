"""What an engine must be able to do for a definition, and since which version it can."""

from __future__ import annotations

from llb import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from llb.graph.definition import Definition

_BY_VERSION = {
    "0.5": "file.base exec.meta.security",
    "0.7": "file.rm.wildcard exec.mount.bind.readwrite-nooutput",
    "0.9": "file.copy.includeexcludepatterns source.local.differ source.git.subdir",
    "0.10": "mergeop diffop exec.secretenv exec.meta.ulimit exec.meta.cgroup.parent exec.mount.tmpfs.size",
    "0.11": "source.ocilayout source.policy exec.meta.removemountstubs.recursive",
    "0.13": "exec.mount.cache.content",
    "0.14": "file.copy.alwaysreplaceexistingdestpaths",
    "0.17": "exec.validexitcode file.copy.modestring",
    "0.19": "file.symlink.create",
    "0.20": "exec.meta.cdi",
    "0.21": "source.http.auth source.http.header source.local.metadatatransfer",
    "0.22": "source.git.checksum",
    "0.24": "source.git.skipsubmodules",
    "0.25": "source.image.checksum",
    "0.26": "file.copy.requiredpaths source.git.signatureverify",
    "0.28": "source.imageblob source.http.signatureverify",
    "0.29": "source.git.mtime",
    "0.30": "source.git.bundle source.git.checkoutbundle source.git.fetchbycommit",
    "0.31": "exec.meta.linux.resources passthroughop",
}
SINCE = {name: version for version, names in _BY_VERSION.items() for name in names.split()}
"""The BuildKit version that brought a capability; those of 0.4 and before are not listed."""

_FILE_OP = 4
_COPY, _SYMLINK, _REMOVE = 4, 8, 7
_COPY_FIELDS = {
    12: "file.copy.includeexcludepatterns",
    13: "file.copy.includeexcludepatterns",
    14: "file.copy.alwaysreplaceexistingdestpaths",
    15: "file.copy.modestring",
    16: "file.copy.requiredpaths",
}


def required_capabilities(definition: Definition) -> frozenset[str]:
    """All capabilities that a definition needs.

    Vertices name theirs, except those of single file actions: Go's client leaves these out, and an engine
    that lacks one ignores the field. Here they count.
    """
    names = set(definition.capabilities)
    for op in definition.ops:
        for file_op in wire.Reader(op).messages(_FILE_OP):
            for action in file_op.messages(2):
                names |= _of_action(action)
    return frozenset(names)


def _of_action(action: wire.Reader) -> set[str]:
    names: set[str] = set()
    if action.has(_SYMLINK):
        names.add("file.symlink.create")
    if action.has(_REMOVE) and action.message(_REMOVE).integer(3):
        names.add("file.rm.wildcard")
    if action.has(_COPY):
        copy = action.message(_COPY)
        names.update([name for number, name in _COPY_FIELDS.items() if copy.has(number)])
    return names


def missing_capabilities(definition: Definition, supported: AbstractSet[str]) -> tuple[str, ...]:
    """What an engine with these LLB capabilities lacks for a definition, sorted. `SINCE` says who has it."""
    return tuple(sorted(required_capabilities(definition) - supported))
