"""The compiler's questions, answered by an engine and the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from llb.client.dockerfiles import dockerfile_options
from llb.client.logins import LoginService
from llb.errors import InvalidError
from llb.gateway import Bridge, ImageMeta, Pending, RpcError
from llb.gateway.bases import base_error
from llb.gateway.dockerfile import AskedDockerfile, ask_dockerfile, input_metadata
from llb.gateway.questions import existing
from llb.graph import Definition, Platform
from llb.image.devices import EngineDevice
from llb.image.logins import RegistryLogin
from llb.image.resolver import (
    DockerfileRequest,
    LocalDirectory,
    ResolvedBase,
    ResolvedContext,
    ResolvedDockerfile,
)


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
        logins: what the session serves to registries.
        devices: lists the engine's devices; default: nobody does.

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
        logins: LoginService | None = None,
        devices: Callable[[], tuple[EngineDevice, ...]] | None = None,
    ) -> None:
        super().__init__(root, contexts=contexts, capabilities=bridge.ping().result().llb_caps)
        self.bridge = bridge
        self.logins = logins
        self._inputs = dict(inputs or {})
        self._resolve_mode = resolve_mode
        self._list_devices = devices
        self._devices: tuple[EngineDevice, ...] | None = None
        self._asked: dict[tuple[str, Platform], Pending[ImageMeta]] = {}
        self._dockerfiles: dict[DockerfileRequest, AskedDockerfile] = {}

    def login(self, login: RegistryLogin) -> None:
        if self.logins is not None:
            self.logins.offer(login)

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

    def ask_dockerfile(self, request: DockerfileRequest) -> None:
        self._ask_dockerfile(request)

    def _ask_dockerfile(self, request: DockerfileRequest) -> AskedDockerfile:
        if request not in self._dockerfiles:
            self._dockerfiles[request] = ask_dockerfile(
                self.bridge,
                data=request.data,
                filename=request.filename,
                platform=request.platform,
                base=request.base,
                base_config=request.base_config,
                context=request.context,
                ignore_file=request.ignore_file,
                syntax=request.syntax,
                options=dict(request.options),
                build=self._input_metadata() | dockerfile_options(request.build),
                inputs={name: one.definition.to_bytes() for name, one in self._inputs.items()},
                prefix=bool(request.build.progress_prefix),
            )
        return self._dockerfiles[request]

    def _input_metadata(self) -> dict[str, str]:
        return {
            f"input-metadata:{name}": input_metadata(one.config)
            for name, one in self._inputs.items()
            if one.config
        }

    def dockerfile(self, request: DockerfileRequest) -> ResolvedDockerfile:
        solved = self._ask_dockerfile(request).result()
        return ResolvedDockerfile(solved.definition, solved.config, solved.base_config)

    def exists(self, definition: Definition, paths: Sequence[str]) -> tuple[bool, ...]:
        return existing(self.bridge, definition.to_bytes(), paths)

    def devices(self) -> tuple[EngineDevice, ...] | None:
        if self._devices is None and self._list_devices is not None:
            self._devices = self._list_devices()
        return self._devices

    def named(self, name: str, source: str, platform: Platform) -> ResolvedContext | None:
        kind, _, given = source.partition(":")
        if kind != "input":
            return super().named(name, source, platform)
        if given not in self._inputs:
            raise InvalidError(f"the named context {name} is the input {given}, which was not given")
        return self._inputs[given]
