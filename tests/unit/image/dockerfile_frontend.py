"""A Dockerfile frontend for tests of chains: it runs nothing and reads nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from llb import graph
from llb.errors import DockerfileError, LocalFileError
from llb.graph import Definition, SourceFile, SourceRange
from llb.image import DockerfileRequest, ResolvedDockerfile
from tests.unit.image.vertices import Answers


class Frontend(Answers):
    """Answers the compiler's questions; of every Dockerfile it makes one command, on `base` if there is one."""

    def __init__(
        self,
        config: Callable[[dict[str, Any]], object] = lambda document: None,
        refuse: DockerfileError | None = None,
        line: int = 2,
        copies: Sequence[str] = (),
        **knows: Any,
    ) -> None:
        super().__init__(**knows)
        self.requests: list[DockerfileRequest] = []
        self.order: list[str] = []
        self._config = config
        self._refuse = refuse
        self._line = line
        self._copies = copies

    def ask_dockerfile(self, request: DockerfileRequest) -> None:
        self.order.append(f"ask {request.filename}")

    def dockerfile(self, request: DockerfileRequest) -> ResolvedDockerfile:
        self.requests.append(request)
        self.order.append(f"answer {request.filename}")
        if self._refuse is not None:
            raise self._refuse
        start = request.base.state() if request.base is not None else graph.image("made:1", request.platform)
        file = SourceFile(request.filename, request.data, "Dockerfile")
        meta = graph.Meta(name="RUN made", locations=(SourceRange(file, self._line),))
        made = start.run(["/bin/sh", "-c", "made"], env={"PATH": "/bin"}, meta=meta).root
        if self._copies:
            context = request.context.state() if request.context is not None else graph.local("context")
            made = made.file(*[graph.copy(context, path, "/") for path in self._copies])
        document: dict[str, Any] = json.loads(request.base_config or b'{"os":"linux","architecture":"amd64"}')
        document.setdefault("history", []).append({"created_by": "RUN made"})
        document.setdefault("config", {})
        self._config(document)
        definition = Definition.from_bytes(graph.marshal(made, platform=request.platform).to_bytes())
        return ResolvedDockerfile(definition, json.dumps(document).encode(), b'{"os":"linux"}')

    @property
    def request(self) -> DockerfileRequest:
        """The one, or of two about one Dockerfile the last."""
        assert len({request.data for request in self.requests}) == 1
        return self.requests[-1]

    @property
    def text(self) -> str:
        return self.request.data.decode()

    def read(self, context: str, path: str) -> bytes:
        if path not in (self.tree or {}):
            raise LocalFileError(f"no {path}")
        return super().read(context, path)
