"""The project's pyproject.toml, fetched while the image file is executed: it can say what bases mean."""

from __future__ import annotations

from frontend.loading import local_definition, read_if_there
from llb.gateway import RpcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from frontend.environment import Environment
    from llb.gateway import Bridge, Pending, Result

_FILE = "pyproject.toml"
_ASKING = (b".debian_slim(", b".micromamba(", b"add_python")
"""Calls that depend on the project's settings."""


class Project:
    """The file of the build's context."""

    def __init__(self, bridge: Bridge, environment: Environment) -> None:
        self._bridge = bridge
        self._environment = environment
        self._solved: Pending[Result] | None = None
        self._data: bytes | None = None
        self._read = False

    def guess(self, image_file: bytes) -> None:
        """Begins to fetch it, if it is clear from an image file's text that it is needed."""
        if any(call in image_file for call in _ASKING):
            self._start()

    def data(self) -> bytes | None:
        """Its text; None if there is none, or the client serves no context."""
        if not self._read:
            self._read = True
            self._start()
            try:
                ref = self._solved.result().ref if self._solved is not None else None
                self._data = read_if_there(self._bridge.read_file(ref, _FILE)) if ref is not None else None
            except RpcError:  # whoever needs the context's files hears of it
                self._data = None
        return self._data

    def _start(self) -> None:
        if self._solved is not None:
            return
        definition, _ = local_definition(
            "context",
            follow=[_FILE],
            session=self._environment.session_of("context"),
            hint="context-project",
            differ="none",
            name=f"[internal] load {_FILE}",
        )
        self._solved = self._bridge.solve(definition, evaluate=True)
