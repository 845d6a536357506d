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

    def find_in(self, directory: str, name: str) -> ModuleFile | None:  # noqa: ARG002
        """A module in another directory: as `__file__` names it, or relative to where display names start.

        `.` is the working directory.
        """
        return None

    def enter_script(self) -> None:
        """Told that a script begins to run which was written for its author's machine."""

    def leave_script(self) -> None:
        """Told that it ends."""


class DirectoryModules(Modules):
    """The modules of a directory on disk."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def find(self, name: str) -> ModuleFile | None:
        return self.find_in(self._directory, name)

    def find_in(self, directory: str, name: str) -> ModuleFile | None:
        path = os.path.join("" if directory == "." else directory, *name.split("."))
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


PACKAGE = "__image_package__"
_DOT = "\u2024"
"""Stands for a dot in the name of a directory."""


class Finder:
    """Imports the modules beside an image file, as `sys.path[0]` would, from wherever they are."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.loaded: list[str] = []
        directory = os.path.normpath(os.path.dirname(run.filename) or ".").replace(os.sep, "/")
        self._directory = [] if directory == "." else directory.split("/")
        self.package = ".".join([PACKAGE, *[part.replace(".", _DOT) for part in self._directory]])
        """What relative imports of the image file start from: its directory, by names of our own, as the
        real ones may be no names (`06-web.d`) or those of installed packages."""
        self._path = list(sys.path)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        top = fullname.partition(".")[0]
        if _elsewhere(top) or not self._asked_by_user():
            return None
        run = self._run
        if top == "modal" and run.evaluation is not None:
            return run.evaluation.library_spec(fullname)
        run.busy += 1
        try:
            file = self._package_file(fullname) if top == PACKAGE else self._file(fullname)
        finally:
            run.busy -= 1
        if file is None:
            return None
        from importlib.machinery import ModuleSpec

        run.look_at(file.data)
        self.loaded.append(fullname)
        run.sources[file.filename] = file.data
        loader = Loader(
            file, self._run.directory, self._run.modules
        )  # deriving from importlib's would import it
        spec = ModuleSpec(fullname, loader, origin=file.filename, is_package=file.package)  # pyright: ignore[reportArgumentType]
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(
                os.path.dirname(file.filename) if file.data else file.filename
            )
        return spec

    def _file(self, name: str) -> ModuleFile | None:
        """A module beside the image file; a script's may also be in the working directory, or on its path."""
        find = self._run.modules.find_in
        file = self._run.modules.find(name)
        if file is not None or self._run.evaluation is None:
            return file
        for directory in (".", *[str(entry) for entry in sys.path if entry not in self._path]):
            file = find(directory, name)
            if file is not None:
                break
        return file

    def _package_file(self, name: str) -> ModuleFile | None:
        """What a relative import names: a module beside the image file or above, or one of its packages."""
        parts = [part.replace(_DOT, ".") for part in name.split(".")[1:]]
        own, modules = self._directory, self._run.modules
        if own[: len(parts)] == parts:  # a directory above, or its own: run as package, if it is one
            init = modules.find("__init__")
            if init is not None and len(parts) < len(own):
                init = modules.find_in("/".join(parts), "__init__")
            directory = "/".join(parts)
            return ModuleFile(init.filename if init else directory, init.data if init else b"", True)
        if parts[: len(own)] == own:
            return modules.find(".".join(parts[len(own) :]))
        return modules.find_in("/".join(parts[:-1]), parts[-1])

    def _asked_by_user(self) -> bool:
        """Whether it is the user's code that imports, not a library on its own behalf."""
        frame = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        while (frame := frame.f_back) is not None:
            name = frame.f_code.co_filename
            if "importlib" not in name:
                return name in self._run.sources
        return False


class Loader:
    """Loads a module of the user's. What takes functions along asks it for source, also of other modules."""

    def __init__(self, file: ModuleFile, directory: str, modules: Modules) -> None:
        self._file = file
        self._modules = modules
        self.prefetch = modules.prefetch
        self.beside = modules.find
        self.path = os.path.join(directory, file.filename)

    def create_module(self, spec: ModuleSpec) -> None:  # noqa: ARG002
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self.path
        exec(compile_file(self._file.data, self._file.filename), module.__dict__)  # noqa: S102

    def get_source(self, name: str) -> str:  # noqa: ARG002
        return self._file.data.decode("utf-8", "replace")
