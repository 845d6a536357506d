"""What a chain becomes, as tests look at it: decoded with protobuf, which the compiler does not use."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llb.graph import Definition, Platform
from llb.image import (
    BuildOptions,
    Image,
    ImageDefinition,
    LocalEntry,
    ResolvedBase,
    ResolvedContext,
    Resolver,
    compile_to_llb,
)
from llb.image.logins import RegistryLogin
from llb.image.resolver import LocalModule
from llb.pb import ops_pb2 as pb

BASE = "debian:12"


class Answers(Resolver):
    """A resolver that knows what a test gives it."""

    def __init__(
        self,
        *,
        config: Mapping[str, Any] | None = None,
        digest: str = "",
        tree: Mapping[str, bytes | None] | None = None,
        lacks: Sequence[str] = (),
        named: ResolvedContext | None = None,
        present: Sequence[str] | None = None,
    ) -> None:
        self.config = config
        self.digest = digest
        self.tree = dict(tree) if tree is not None else None
        self.capabilities = (
            frozenset({"mergeop", "exec.meta.setsdefaultpath"} - set(lacks)) if lacks else None
        )
        self.context = named
        self.present = present
        self.logins: list[RegistryLogin] = []
        self.asked: list[str] = []

    def base(self, reference: str, platform: Platform) -> ResolvedBase | None:
        self.asked.append(f"{reference} {platform}")
        if self.config is None:
            return None
        return ResolvedBase(reference.partition("@")[0], self.digest, json.dumps(self.config).encode())

    def named(self, name: str, source: str, platform: Platform) -> ResolvedContext | None:
        self.asked.append(f"{name}={source} {platform}")
        return self.context

    def exists(self, definition: Definition, paths: Sequence[str]) -> tuple[bool, ...] | None:
        self.asked.append(f"exists {' '.join(paths)}")
        return None if self.present is None else tuple([path in self.present for path in paths])

    def login(self, login: RegistryLogin) -> None:
        self.logins.append(login)

    def stat(self, context: str, path: str) -> LocalEntry | None:
        self.asked.append(f"stat {context}:{path}")
        if self.tree is None:
            return None
        if path == "." or any(one.startswith(f"{path}/") for one in self.tree):
            return LocalEntry(path, "dir")
        if path not in self.tree:
            return LocalEntry(path, "missing")
        return LocalEntry(path, "dir" if self.tree[path] is None else "file")

    def module(self, name: str) -> tuple[LocalModule, ...]:
        """Packages and files of the tree; without one, a package of any name."""
        path = name.replace(".", "/")
        if self.tree is None or any(one.startswith(f"{path}/") for one in self.tree):
            return (LocalModule(path, True),)
        return (LocalModule(f"{path}.py", False),) if f"{path}.py" in self.tree else ()

    def walk(
        self, context: str, path: str, prune: Callable[[str], bool] | None = None
    ) -> Iterable[LocalEntry]:
        """Files, and directories with a content of None."""
        tree = self.tree or {}
        prefix = "" if path == "." else f"{path}/"
        found: dict[str, LocalEntry] = {}
        for name, data in sorted(tree.items()):
            if not name.startswith(prefix):
                continue
            below = name.removeprefix(prefix)
            parts = below.split("/")
            for depth in range(1, len(parts)):
                parent = "/".join(parts[:depth])
                found.setdefault(parent, LocalEntry(parent, "dir"))
            found[below] = LocalEntry(below, "dir" if data is None else "file")
        return found.values()

    def read(self, context: str, path: str) -> bytes:
        self.asked.append(f"read {context}:{path}")
        data = (self.tree or {})[path]
        assert data is not None
        return data


@dataclass(frozen=True)
class Compiled:
    definition: ImageDefinition

    @property
    def ops(self) -> list[pb.Op]:
        """The ops, inputs first, without the last one, which only names the result."""
        return [pb.Op.FromString(op) for op in self.definition.ops[:-1]]

    @property
    def execs(self) -> list[pb.ExecOp]:
        return [op.exec for op in self.ops if op.HasField("exec")]

    @property
    def commands(self) -> list[str]:
        """The last word of each command: what its shell is given."""
        return [one.meta.args[-1] for one in self.execs]

    @property
    def sources(self) -> list[str]:
        return [op.source.identifier for op in self.ops if op.HasField("source")]

    @property
    def locals(self) -> list[dict[str, str]]:
        """The attributes of local sources, and their name."""
        found = [op.source for op in self.ops if op.HasField("source")]
        return [
            {"name": one.identifier.removeprefix("local://"), **one.attrs}
            for one in found
            if one.identifier.startswith("local://")
        ]

    @property
    def actions(self) -> list[pb.FileAction]:
        return [action for op in self.ops if op.HasField("file") for action in op.file.actions]

    @property
    def merges(self) -> int:
        return sum(op.HasField("merge") for op in self.ops)

    @property
    def names(self) -> list[str]:
        """The vertices as the progress shows them."""
        metadata = self.definition.metadata
        return [metadata[digest].name for digest in self.definition.digests()[:-1]]

    @property
    def ignoring_cache(self) -> list[bool]:
        metadata = self.definition.metadata
        return [metadata[digest].ignore_cache for digest in self.definition.digests()[:-1]]

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.definition.image_config)

    @property
    def config(self) -> dict[str, Any]:
        return self.document["config"]

    @property
    def history(self) -> list[str]:
        return [entry["created_by"] for entry in self.document.get("history", [])]


def compiled(
    image: Image,
    resolver: Resolver | None = None,
    *,
    platform: str | None = None,
    options: BuildOptions | None = None,
) -> Compiled:
    """A chain, compiled without the disk."""
    return Compiled(
        compile_to_llb(
            image,
            platform=platform,
            resolver=resolver or Answers(),
            options=options or BuildOptions(),
            source_files=lambda _: None,
        )
    )


def base() -> Image:
    return Image.from_registry(BASE)
