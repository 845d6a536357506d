"""The modules beside an image file: imported as `sys.path[0]` would, from wherever they are."""

from __future__ import annotations

import os
import sys

from llb.imagefile.values import ModuleFile, compile_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from llb.imagefile.execution import Run


class Modules:
    """Where the modules beside an image file come from. This one has none; others derive from it."""

    def prefetch(self, names: Sequence[str]) -> None:
        """Told before the file is executed which modules it will ask for, as far as its import lines say."""

    def find(self, name: str) -> ModuleFile | None:  # noqa: ARG002
        """A module by its dotted name; a directory of modules is a package without data."""
        return None


class DirectoryModules(Modules):
    """The modules of a directory on disk."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def find(self, name: str) -> ModuleFile | None:
        path = os.path.join(self._directory, *name.split("."))
        for candidate, package in ((os.path.join(path, "__init__.py"), True), (f"{path}.py", False)):
            try:
                with open(candidate, "rb") as file:
                    return ModuleFile(candidate, file.read(), package)
            except OSError:
                continue
        return ModuleFile(path, b"", True) if os.path.isdir(path) else None


def imported_names(source: bytes) -> list[str]:
    """The modules that a file's own import lines name and that may lie beside it: a guess, by its lines.

    Only unindented lines count: others may never be reached, and are looked up when they are.
    """
    if b"import" not in source:
        return []
    found: dict[str, None] = {}
    for line in source.split(b"\n"):
        words = line[:1000].replace(b",", b" , ").split()
        if not words or words[0] not in (b"import", b"from") or line[:1].isspace():
            continue
        if words[0] == b"from":
            candidates = words[1:2] if b"import" in words else []
        else:
            candidates = [
                word for before, word in zip([b",", *words[1:]], words[1:], strict=False) if before == b","
            ]
        for name in candidates:
            top = name.split(b".")[0].decode("utf-8", "replace")
            if top.isidentifier() and not _elsewhere(top):
                found[top] = None
    return list(found)


def _elsewhere(top: str) -> bool:
    """Whether a module is never looked for beside the image file: the standard library and this one win."""
    return top == "llb" or top in sys.stdlib_module_names


class Finder:
    """Imports the modules beside an image file, as `sys.path[0]` would, from wherever they are."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.loaded: list[str] = []

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if _elsewhere(fullname.partition(".")[0]) or not self._asked_by_user():
            return None
        self._run.busy += 1
        try:
            file = self._run.modules.find(fullname)
        finally:
            self._run.busy -= 1
        if file is None:
            return None
        from importlib.machinery import ModuleSpec

        self.loaded.append(fullname)
        self._run.sources[file.filename] = file.data
        loader = Loader(file, self._run.directory)  # deriving from importlib's would import it
        spec = ModuleSpec(fullname, loader, origin=file.filename, is_package=file.package)  # pyright: ignore[reportArgumentType]
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(
                os.path.dirname(file.filename) if file.data else file.filename
            )
        return spec

    def _asked_by_user(self) -> bool:
        """Whether it is the user's code that imports, not a library on its own behalf."""
        frame = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        while (frame := frame.f_back) is not None:
            name = frame.f_code.co_filename
            if "importlib" not in name:
                return name in self._run.sources
        return False


class Loader:
    def __init__(self, file: ModuleFile, directory: str) -> None:
        self._file = file
        self.path = os.path.join(directory, file.filename)

    def create_module(self, spec: ModuleSpec) -> None:  # noqa: ARG002
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self.path
        exec(compile_file(self._file.data, self._file.filename), module.__dict__)  # noqa: S102

    def get_source(self, name: str) -> str:  # noqa: ARG002
        return self._file.data.decode("utf-8", "replace")
