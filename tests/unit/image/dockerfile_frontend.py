"""A Dockerfile frontend for tests of chains: it runs nothing and reads nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from llb import graph
from llb.errors import DockerfileError
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
        **knows: Any,
    ) -> None:
        super().__init__(**knows)
        self.requests: list[DockerfileRequest] = []
        self.order: list[str] = []
        self._config = config
        self._refuse = refuse
        self._line = line

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
        document: dict[str, Any] = json.loads(request.base_config or b'{"os":"linux","architecture":"amd64"}')
        document.setdefault("history", []).append({"created_by": "RUN made"})
        document.setdefault("config", {})
        self._config(document)
        definition = Definition.from_bytes(graph.marshal(made, platform=request.platform).to_bytes())
        return ResolvedDockerfile(definition, json.dumps(document).encode(), b'{"os":"linux"}')

    @property
    def request(self) -> DockerfileRequest:
        (one,) = self.requests
        return one

    @property
    def text(self) -> str:
        return self.request.data.decode()

    def read(self, context: str, path: str) -> bytes:
        return b"FROM made:1\n" if self.tree is None else super().read(context, path)
