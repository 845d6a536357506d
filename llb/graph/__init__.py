"""LLB, the graph that BuildKit builds: states, what can be done with them, and definitions.

The same operation described here and with BuildKit's own Go client has the same bytes, so the same digest.

    base = image("debian:12-slim")
    built = base.run(["make"], mounts=[bind("/src", local("context"))]).root
    definition = marshal(built, platform="linux/arm64")
"""

from __future__ import annotations

from llb.graph.capabilities import SINCE, missing_capabilities, required_capabilities
from llb.graph.compose import build, diff, merge, passthrough
from llb.graph.definition import Definition, digest_of
from llb.graph.files import Action, Owner, Staged, copy, mkdir, mkfile, remove, staged, symlink
from llb.graph.marshalling import marshal, output_digests
from llb.graph.metadata import LinuxResources, Meta, OpMetadata, ProgressGroup, SourceFile, SourceRange
from llb.graph.mounts import (
    Device,
    DirectoryMount,
    ProxyEnv,
    SecretEnv,
    SecretMount,
    SSHMount,
    bind,
    cache,
    secret,
    secret_env,
    ssh,
    tmpfs,
)
from llb.graph.platform import LINUX_AMD64, LINUX_ARM64, Platform
from llb.graph.reference import Reference, normalize_reference
from llb.graph.sources import git, http, image, image_blob, local, oci_layout, oci_layout_blob, source
from llb.graph.state import Exec, State, scratch
from llb.graph.values import Ulimit
from llb.graph.vertex import Vertex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def dump_text(definition: Definition) -> str:
    """A definition for people: a line per vertex, inputs first."""
    from llb.graph import dumps

    return dumps.dump_text(definition)


def dump_json(definition: Definition) -> dict[str, Any]:
    """A definition for programs: everything in it, as JSON can hold it, keys always in the same order."""
    from llb.graph import dumps

    return dumps.dump_json(definition)


def dump_dot(definition: Definition) -> str:
    """A definition as a drawing, in Graphviz' language."""
    from llb.graph import dumps

    return dumps.dump_dot(definition)


__all__ = [
    "LINUX_AMD64",
    "LINUX_ARM64",
    "SINCE",
    "Action",
    "Definition",
    "Device",
    "DirectoryMount",
    "Exec",
    "LinuxResources",
    "Meta",
    "OpMetadata",
    "Owner",
    "Platform",
    "ProgressGroup",
    "ProxyEnv",
    "Reference",
    "SSHMount",
    "SecretEnv",
    "SecretMount",
    "SourceFile",
    "SourceRange",
    "Staged",
    "State",
    "Ulimit",
    "Vertex",
    "bind",
    "build",
    "cache",
    "copy",
    "diff",
    "digest_of",
    "dump_dot",
    "dump_json",
    "dump_text",
    "git",
    "http",
    "image",
    "image_blob",
    "local",
    "marshal",
    "merge",
    "missing_capabilities",
    "mkdir",
    "mkfile",
    "normalize_reference",
    "oci_layout",
    "oci_layout_blob",
    "output_digests",
    "passthrough",
    "remove",
    "required_capabilities",
    "scratch",
    "secret",
    "secret_env",
    "source",
    "ssh",
    "staged",
    "symlink",
    "tmpfs",
]
