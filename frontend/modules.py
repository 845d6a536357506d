"""The modules beside the image file, fetched from the client when they are imported.

Only what is imported is transferred: `NAME.py` or the Python files of the package `NAME`. What the files' own
import lines name comes in one transfer before anything runs, the rest when it is asked for.
"""

from __future__ import annotations

import posixpath

from frontend.loading import local_definition, read_if_there
from llb.gateway import RpcError
from llb.gateway.questions import is_missing
from llb.imagefile import ModuleFile, Modules
from llb.imagefile.modules import imported_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from frontend.environment import Environment
    from frontend.loading import Loaded
    from llb.gateway import Bridge, Pending, Ref, Stat


class _Fetched:
    """What may be a module's files, on their way: of one name."""

    def __init__(self, bridge: Bridge, ref: Ref, path: str) -> None:
        self.ref = ref
        self.file = bridge.read_file(ref, f"{path}.py")
        self.init = bridge.read_file(ref, f"{path}/__init__.py")
        self.listing = bridge.read_dir(ref, path)


class GatewayModules(Modules):
    """Modules in the directory of a file that was loaded through the gateway."""

    def __init__(self, bridge: Bridge, environment: Environment, loaded: Loaded) -> None:
        self._bridge = bridge
        self._environment = environment
        self._loaded = loaded
        self._directory = posixpath.dirname(loaded.filename)
        self._fetched: dict[str, _Fetched | None] = {}
        self._files: dict[str, ModuleFile | None] = {}

    @property
    def sources(self) -> dict[str, bytes]:
        """The files that were found, by their display names."""
        return {file.filename: file.data for file in self._files.values() if file is not None and file.data}

    def prefetch(self, names: Sequence[str]) -> None:
        wanted = list(names)
        while wanted:
            self._fetch(wanted)
            found: dict[str, None] = {}
            for name in wanted:
                file = self.find(name)
                if file is not None:
                    found |= dict.fromkeys(imported_names(file.data))
            wanted = [name for name in found if name not in self._fetched]

    def find(self, name: str) -> ModuleFile | None:
        if name not in self._files:
            self._files[name] = self._find(name)
        return self._files[name]

    def _find(self, name: str) -> ModuleFile | None:
        top, _, rest = name.partition(".")
        if top not in self._fetched:
            self._fetch([top])
        fetched = self._fetched[top]
        if fetched is None:
            return None
        path = self._path(name)
        if rest:
            parent = self.find(name.rpartition(".")[0])
            if parent is None or not parent.package:
                return None
            fetched = _Fetched(self._bridge, fetched.ref, path)
        data = read_if_there(fetched.init)
        if data is not None:
            return ModuleFile(f"{path}/__init__.py", data, True)
        data = read_if_there(fetched.file)
        if data is not None:
            return ModuleFile(f"{path}.py", data)
        return ModuleFile(path, b"", True) if _entries(fetched.listing) else None

    def _path(self, name: str) -> str:
        return posixpath.join(self._directory, name.replace(".", "/"))

    def _fetch(self, names: Sequence[str]) -> None:
        ref: Ref | None = self._loaded.ref
        if self._loaded.local:
            ref = self._transfer(names)
        for name in names:
            self._fetched[name] = _Fetched(self._bridge, ref, self._path(name)) if ref is not None else None

    def _transfer(self, names: Sequence[str]) -> Ref | None:
        """Brings the files of some modules here; None if there are none."""
        from llb.image.patterns import escape

        include: list[str] = []
        for name in sorted(names):
            path = escape(self._path(name))
            include += [f"{path}.py", f"{path}/**/*.py"]
        local = self._loaded.local
        definition, _ = local_definition(
            local,
            include=include,
            session=self._environment.session_of(local),
            hint=f"{local}-modules",
            differ="none",  # it goes by size and time, and this is code to be executed
            name=f"[internal] load modules {', '.join(sorted(names))}",
        )
        return self._bridge.solve(definition, evaluate=True).result().ref


def _entries(pending: Pending[list[Stat]]) -> list[Stat]:
    try:
        return pending.result()
    except RpcError as error:
        if is_missing(error):
            return []
        raise
