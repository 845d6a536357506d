"""The evaluation of a script for the service: what it imports, where it ends, which images it asks for."""

from __future__ import annotations

import os
import sys

from llb._value import Value
from llb.compat.apps import Recording, Use
from llb.compat.detection import LIBRARY, optional_lines
from llb.compat.library import module
from llb.compat.placeholders import MissingModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from llb.image import Image


class Targets(Value):
    """What a script's images are called."""

    images: Mapping[str, Image]
    aliases: Mapping[str, str]
    """Other names of them, which are not listed: an app's name, `app.function`."""
    used: tuple[Image, ...]
    """The images that functions, classes and sandboxes ask for, each once."""


class Evaluation:
    """One script being evaluated.

    While it is entered, `import modal` gives the recorder, and a module that is nowhere is a placeholder.
    What is in `sys.modules` otherwise, the real library too, is as before when it is left.

    Args:
        source_of: the text of a file of the script's, by the name that the running code gives it.
        build_args: also set as environment variables, as a script knows no other arguments.
    """

    def __init__(self, source_of: Callable[[str], bytes | None], build_args: Mapping[str, str]) -> None:
        self._source_of = source_of
        self._recording = Recording()
        self._modules: dict[str, ModuleType] = {}
        """Ours, while it is not entered; what they hide, while it is."""
        self._path = list(sys.path)
        """The script's, while it is not entered; everybody else's, while it is."""
        self._optional: dict[str, list[range]] = {}
        self._entered = False
        for name, value in build_args.items():
            if name and "\0" not in value and not name.startswith("LLB_"):
                os.environ[name] = value

    # -- in and out

    def enter(self) -> None:
        if self._entered:
            return
        self._entered = True
        Recording.current = self._recording
        self._swap()
        sys.meta_path.append(self)  # pyright: ignore[reportArgumentType]

    def leave(self) -> None:
        if not self._entered:
            return
        self._entered = False
        sys.meta_path.remove(self)  # pyright: ignore[reportArgumentType]
        self._swap()

    def _swap(self) -> None:
        """Puts our modules in the place of those of the same names, or back."""
        ours = {
            name: found
            for name, found in sys.modules.items()
            if name.partition(".")[0] == LIBRARY or isinstance(found, MissingModule)
        }
        for name in ours:
            del sys.modules[name]
        sys.modules.update(self._modules)
        self._modules = ours
        sys.path[:], self._path = self._path, list(sys.path)

    # -- imports

    def library_spec(self, name: str) -> ModuleSpec:
        """What `import modal` finds."""
        return _spec(name, lambda: module(name))

    def find_spec(
        self,
        fullname: str,
        path: object = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """The last finder: what comes here is nowhere."""
        parent = fullname.rpartition(".")[0]
        if parent and not isinstance(sys.modules.get(parent), MissingModule):
            return None
        place = self._asking()
        if place is None or self._is_optional(*place):
            return None
        return _spec(fullname, lambda: _missing(fullname))

    def _asking(self) -> tuple[str, int] | None:
        """The line of the script that imports; None if it is a library, or only asks what there is."""
        frame = sys._getframe(2)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        while frame is not None:
            name = frame.f_code.co_filename
            if "importlib.util" in name or name.endswith(f"importlib{os.sep}util.py"):
                return None
            if "importlib" not in name:
                return (name, frame.f_lineno) if self._source_of(name) is not None else None
            frame = frame.f_back
        return None

    def _is_optional(self, filename: str, line: int) -> bool:
        if filename not in self._optional:
            self._optional[filename] = optional_lines(self._source_of(filename) or b"")
        return any(line in lines for lines in self._optional[filename])

    # -- what came of it

    def targets(self, namespace: Mapping[str, Any], images: Mapping[str, Image], filename: str) -> Targets:
        """The images by what they are called: module-level names, then functions, classes, sandboxes, apps.

        A name that is taken by another image goes to the first of these; the other is called
        `APP.NAME`, or `FILE.NAME` if it is another file's.
        """
        return _Naming(self._recording, namespace, dict(images), filename).result()


class _Naming:
    def __init__(
        self, recording: Recording, namespace: Mapping[str, Any], images: dict[str, Image], filename: str
    ) -> None:
        self._recording = recording
        self._namespace = namespace
        self._images = images
        self._aliases: dict[str, str] = {}
        self._filename = filename

    def result(self) -> Targets:
        used: dict[int, Image] = {}
        for use in self._last_uses():
            image = self._image(use)
            self._add(self._names(use), image)
            if use.kind != "attribute":
                used.setdefault(id(image), image)
        for app in self._recording.apps:
            if app.image is not None:
                name = self._held(app) or app.name or "app"
                self._add([name, app.name or f"{name}.image", f"{name}.image"], app.image)
        return Targets(self._images, self._aliases, tuple(used.values()))

    def _last_uses(self) -> list[Use]:
        """Without those that a later one of the same name and file has replaced; the script's first."""
        last = {
            (use.module, use.name, id(use.app)) if use.name else id(use): use for use in self._recording.uses
        }
        kept = list(last.values())
        return sorted(kept, key=lambda use: use.module != self._filename)

    def _image(self, use: Use) -> Image:
        image = use.image
        if image is None and use.app is not None:
            image = use.app.image
        if image is None:
            image = self._recording.default()
        if use.built and use.location is not None:
            return image.needing(use.location, use.name, use.built)
        return image

    def _held(self, thing: object) -> str:
        """The public name by which the script holds a thing."""
        for name, value in self._namespace.items():
            if value is thing and not name.startswith("_"):
                return name
        return ""

    def _names(self, use: Use) -> list[str]:
        """What a use may be called, best first."""
        name = use.name
        if use.kind == "sandbox":
            name = self._held(use.owner) or name or "sandbox"
        app = (self._held(use.app) or use.app.name or "app") if use.app is not None else ""
        names = [name]
        if app:
            names.append(f"{app}.{name}")
        if use.module != self._filename:
            stem = os.path.basename(use.module).removesuffix(".py")
            names.append(f"{stem}.{name}")
        return names

    def _add(self, names: list[str], image: Image) -> None:
        free = [name for name in names if self._images.get(name, image) is image]
        if not free:
            number = 2
            while f"{names[0]}-{number}" in self._images:
                number += 1
            free = [f"{names[0]}-{number}"]
        self._images.setdefault(free[0], image)
        for name in free[1:]:
            self._aliases.setdefault(name, free[0])


def _spec(name: str, make: Callable[[], ModuleType]) -> ModuleSpec:
    from importlib.machinery import ModuleSpec

    return ModuleSpec(name, _Made(make), is_package=True)  # pyright: ignore[reportArgumentType]


class _Made:
    """The loader of a module that is made, not read."""

    def __init__(self, make: Callable[[], ModuleType]) -> None:
        self._make = make

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002
        return self._make()

    def exec_module(self, module: ModuleType) -> None: ...


def _missing(name: str) -> ModuleType:
    made = MissingModule(name)
    made.__path__ = []
    return made
