"""The compiler's questions, answered by an engine and the disk."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from llb.errors import InvalidError
from llb.gateway import Bridge, ImageMeta, Pending, RpcError
from llb.gateway.bases import base_error
from llb.graph import Platform
from llb.image.resolver import LocalDirectory, ResolvedBase, ResolvedContext


class EngineResolver(LocalDirectory):
    """Bases and capabilities from an engine, local files from the disk.

    One serves all platforms of a build: what was asked once is known. A question that only an engine can
    answer is a method of `Resolver` that this class overrides, with `self.bridge` to ask.

    Args:
        bridge: an open gateway to the engine.
        root: the build's context directory.
        contexts: directories of named contexts, by the name of their local source.
        inputs: what `input:NAME` stands for in named contexts.
        resolve_mode: how bases are looked up: `default`, `pull` or `local`.

    Example:
        ```python
        with connect() as client, client.gateway() as bridge:
            definition = compile_to_llb(image, resolver=EngineResolver(bridge, "project"))
        ```
    """

    def __init__(
        self,
        bridge: Bridge,
        root: str | os.PathLike[str] = ".",
        contexts: Mapping[str, str | os.PathLike[str]] | None = None,
        *,
        inputs: Mapping[str, ResolvedContext] | None = None,
        resolve_mode: str = "",
    ) -> None:
        super().__init__(root, contexts=contexts, capabilities=bridge.ping().result().llb_caps)
        self.bridge = bridge
        self._inputs = dict(inputs or {})
        self._resolve_mode = resolve_mode
        self._asked: dict[tuple[str, Platform], Pending[ImageMeta]] = {}

    def prefetch(self, bases: Sequence[tuple[str, Platform]]) -> None:
        for reference, platform in bases:
            self._ask(reference, platform)

    def _ask(self, reference: str, platform: Platform) -> Pending[ImageMeta]:
        key = (reference, platform)
        if key not in self._asked:
            self._asked[key] = self.bridge.resolve_image(
                reference,
                platform=platform,
                mode=self._resolve_mode,
                log_name=f"[internal] load metadata for {reference}",
            )
        return self._asked[key]

    def base(self, reference: str, platform: Platform) -> ResolvedBase:
        try:
            meta = self._ask(reference, platform).result()
        except RpcError as error:
            raise base_error(reference, platform, error) from None
        return ResolvedBase(meta.reference.partition("@")[0], meta.digest, meta.config, platform)

    def named(self, name: str, source: str, platform: Platform) -> ResolvedContext | None:
        kind, _, given = source.partition(":")
        if kind != "input":
            return super().named(name, source, platform)
        if given not in self._inputs:
            raise InvalidError(f"the named context {name} is the input {given}, which was not given")
        return self._inputs[given]
