"""The modules beside the image file, fetched from the client when they are imported.

Only what is imported is transferred: `NAME.py` or the Python files of the package `NAME`. What the files' own
import lines name comes in one transfer before anything runs, the rest when it is asked for.
"""

from __future__ import annotations

import posixpath

from frontend.loading import CONTEXT, DEFINITION, local_definition, read_if_there
from llb._value import Value
from llb.gateway import RpcError
from llb.gateway.questions import is_missing
from llb.imagefile import ModuleFile, Modules
from llb.imagefile.modules import imported_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from frontend.environment import Environment
    from frontend.loading import Loaded
    from frontend.resolver import GatewayResolver
    from frontend.scriptfiles import ScriptFiles
    from llb.gateway import Bridge, Pending, Ref, Stat


class _Fetched:
    """What may be a module's files, on their way: of one name."""

    def __init__(self, bridge: Bridge, ref: Ref, path: str) -> None:
        self.ref = ref
        self.file = bridge.read_file(ref, f"{path}.py")
        self.init = bridge.read_file(ref, f"{path}/__init__.py")
        self.listing = bridge.read_dir(ref, path)


class _Place(Value):
    """A directory of a local source, where modules are looked for."""

    local: str
    """Empty for the definition that the build was given as input."""
    directory: str
    shown: str
    """Put before the paths of the source, as locations and `__file__` name its files."""


class GatewayModules(Modules):
    """Modules in the directory of a file that was loaded through the gateway."""

    def __init__(self, bridge: Bridge, environment: Environment, loaded: Loaded) -> None:
        self._bridge = bridge
        self._environment = environment
        self._loaded = loaded
        self._own = _Place(loaded.local, posixpath.dirname(loaded.filename), "")
        self._prefetched: dict[str, None] = {}
        self._fetched: dict[tuple[_Place, str], _Fetched | None] = {}
        self._files: dict[tuple[_Place, str], ModuleFile | None] = {}
        self._script: ScriptFiles | None = None
        self.resolver: Callable[[], GatewayResolver] | None = None
        """Makes who answers a script that looks for files."""

    @property
    def sources(self) -> dict[str, bytes]:
        """The files that were found, by their display names."""
        return {file.filename: file.data for file in self._files.values() if file is not None and file.data}

    def prefetch(self, names: Sequence[str]) -> None:
        wanted = [name for name in names if (self._own, name) not in self._fetched]
        self._prefetched |= dict.fromkeys(wanted)
        while wanted:
            self._fetch(self._own, wanted)
            found: dict[str, None] = {}
            for name in wanted:
                file = self.find(name)
                if file is not None:
                    found |= dict.fromkeys(imported_names(file.data))
            wanted = [name for name in found if (self._own, name) not in self._fetched]

    def find(self, name: str) -> ModuleFile | None:
        return self._found(self._own, name)

    def find_in(self, directory: str, name: str) -> ModuleFile | None:
        place = self._place(directory)
        if place is None:
            return None
        if directory == "." and (place, name) not in self._fetched and name in self._prefetched:
            # What the import lines name and is not beside the file: all of it at once.
            self._fetch(place, [one for one in self._prefetched if self.find(one) is None])
        return self._found(place, name)

    def enter_script(self) -> None:
        if self._script is None and self.resolver is not None:
            from frontend.scriptfiles import ScriptFiles

            self._script = ScriptFiles(self.resolver, self._loaded)
        if self._script is not None:
            self._script.enter()

    def leave_script(self) -> None:
        if self._script is not None:
            self._script.leave()

    def _place(self, directory: str) -> _Place | None:
        if directory == ".":
            return _Place("context", "", f"{CONTEXT}/")
        if not directory.startswith("/"):
            return _Place(self._loaded.local, directory, "")
        for start, local, shown in (
            (DEFINITION, self._loaded.local, ""),
            (CONTEXT, "context", f"{CONTEXT}/"),
        ):
            if directory == start or directory.startswith(f"{start}/"):
                return _Place(local, posixpath.normpath(directory[len(start) + 1 :]).strip("."), shown)
        return None

    def _found(self, place: _Place, name: str) -> ModuleFile | None:
        if (place, name) not in self._files:
            self._files[place, name] = self._find(place, name)
        return self._files[place, name]

    def _find(self, place: _Place, name: str) -> ModuleFile | None:
        top, _, rest = name.partition(".")
        if (place, top) not in self._fetched:
            self._fetch(place, [top])
        fetched = self._fetched[place, top]
        if fetched is None:
            return None
        path = self._path(place, name)
        if rest:
            parent = self._found(place, name.rpartition(".")[0])
            if parent is None or not parent.package:
                return None
            fetched = _Fetched(self._bridge, fetched.ref, path)
        shown = place.shown + path
        data = read_if_there(fetched.init)
        if data is not None:
            return ModuleFile(f"{shown}/__init__.py", data, True)
        data = read_if_there(fetched.file)
        if data is not None:
            return ModuleFile(f"{shown}.py", data)
        return ModuleFile(shown, b"", True) if _entries(fetched.listing) else None

    @staticmethod
    def _path(place: _Place, name: str) -> str:
        return posixpath.join(place.directory, name.replace(".", "/"))

    def _fetch(self, place: _Place, names: Sequence[str]) -> None:
        ref: Ref | None = self._loaded.ref
        if place.local:
            try:
                ref = self._transfer(place, names)
            except RpcError:
                if place.local == self._loaded.local:
                    raise
                ref = None  # the client serves no such directory
        for name in names:
            fetched = _Fetched(self._bridge, ref, self._path(place, name)) if ref is not None else None
            self._fetched[place, name] = fetched

    def _transfer(self, place: _Place, names: Sequence[str]) -> Ref | None:
        """Brings the files of some modules here; None if there are none."""
        from llb.image.patterns import escape

        include: list[str] = []
        for name in sorted(names):
            path = escape(self._path(place, name))
            include += [f"{path}.py", f"{path}/**/*.py"]
        local = place.local
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
