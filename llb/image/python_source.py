"""Python modules of the build machine in the image: `add_local_python_source`."""

from __future__ import annotations

import sys

from llb.errors import InvalidError, InvalidTypeError, LocalFileError, ModuleNotMountable, UnsupportedError
from llb.image import arguments
from llb.image.chain import Chain, chained
from llb.image.files import copy_in
from llb.image.patterns import NON_PYTHON_FILES, FilePatternMatcher
from llb.image.selection import Selected, checked_ignore
from llb.image.step import Lowered, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Self

    from llb.image.build import Build
    from llb.image.resolver import LocalModule
    from llb.image.selection import Ignore

_HOME = "/root"
"""Where the modules go: it is on `sys.path` where functions of the image run."""


class AddLocalPythonSource(Step):
    """Python modules; `ignore` is None for the default: all but Python source stays out."""

    modules: tuple[str, ...]
    copy: bool
    ignore: Ignore | None

    method = "add_local_python_source"

    @property
    def closes(self) -> bool:
        return not self.copy

    @property
    def goes_on_top(self) -> bool:
        return not self.copy

    def announce(self, build: Build) -> None:
        for name in self.modules:
            found = build.resolver.module(name)
            for module in found or ():
                context, path = _place(build, name, module)
                build.total += 1
                build.check_local(context, path, module.path, directory=module.package)
                if not module.package:
                    build.want_local(context, path)

    def lower(self, below: Lowered, build: Build) -> Lowered:
        for name in self.modules:
            found = build.resolver.module(name)
            if found is None:
                raise UnsupportedError(
                    f"the module {name} cannot be looked for here",
                    hint="Add its directory: add_local_dir(path, remote_path).",
                )
            if not found:
                raise ModuleNotMountable(f"there is no module {name}", hint=_hint(name, build))
            for module in found:
                context, path = _place(build, name, module)
                directory = f"{_HOME}/{name.replace('.', '/')}"
                if module.package:
                    selected = Selected(
                        self,
                        build,
                        context,
                        path,
                        module.path,
                        self.ignore if self.ignore is not None else NON_PYTHON_FILES,
                        without_caches=True,
                    )
                    source, path = selected.source() if self.ignore is not None else selected.only_python()
                    target = f"{directory}/"
                else:
                    source = build.local(context)
                    target = f"{directory.rpartition('/')[0]}/{path.rpartition('/')[2]}"
                below = copy_in(self, below, build, source, path, target, copy=self.copy)
        return below


def _place(build: Build, name: str, module: LocalModule) -> tuple[str, str]:
    try:
        return build.locate(module.path, directory=module.package)
    except LocalFileError as error:
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names:
            hint = f"{top} belongs to the standard library, which the image's Python has."
        else:
            hint = f"Install it in the image, such as with pip_install. Or: {error.hint}"
        raise ModuleNotMountable(
            f"the module {name} is not in the build's context: {error.message}", hint=hint
        ) from None


def _hint(name: str, build: Build) -> str:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return f"{top} belongs to the standard library, which the image's Python has."
    if build.resolver.on_disk:
        return "It is looked for as `import` does, and in the build's context directory. Is the name right?"
    return (
        "It is looked for beside the image file and in the build's context directory. "
        f"What is installed elsewhere belongs into the image: pip_install({top!r})."
    )


class PythonSource(Chain):
    """The method of `Image` that adds Python modules."""

    __slots__ = ()

    @chained
    def add_local_python_source(
        self,
        *modules: str,
        copy: bool = False,
        ignore: Sequence[str] | Callable[[Path], bool] = NON_PYTHON_FILES,
    ) -> Self:
        """Add Python modules by their names, so that they can be imported in containers: below `/root`.

        A package goes to `/root/NAME/`, a single file to `/root/NAME.py`, `a.b` to `/root/a/b`; a namespace
        package with all its parts. Where they are is found out when the image is compiled, without importing
        them: as Python's `import` finds them and in the build's context directory, or, in a frontend
        container, beside the image file and in the build's context directory.

        Args:
            *modules: names, such as `"app"` or `"app.models"`. None at all: the image is returned as it is.
            copy: False: layers of their own on top, independent of the steps before; only other such adds may
                follow. True: a step like any other, on which further steps can build.
            ignore: what stays out of packages, as in `add_local_dir`, relative to each. By default all but
                `.py` files, and entries whose name begins with a dot. `__pycache__` stays out in any case.

        Raises:
            InvalidTypeError: a name is not a string.
            InvalidError: a name cannot be one. That there is no such module, or only a compiled one, is found
                when the image is compiled: `ModuleNotMountable`.

        Example:
            ```python
            image = Image.debian_slim("3.12").pip_install("six").add_local_python_source("app", "settings")
            ```
        """
        example = 'add_local_python_source("app")'
        for name in modules:
            if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                shown = getattr(name, "__name__", "") if isinstance(name, type(sys)) else "app"
                raise InvalidTypeError(
                    f"modules must be specified as strings, not {arguments.kind(name)}",
                    hint=f'Write add_local_python_source("{shown}").',
                )
            arguments.text("one of modules", name, example)
            if not all(name.split(".")) or set(name) & _NOT_IN_NAMES:
                path = name.removesuffix(".py").strip("./\\").replace("\\", "/").replace("/", ".")
                raise InvalidError(
                    f"{arguments.shown(name)} is no name of a module",
                    hint=f'Write it as an import statement has it: "{path or "app"}".',
                )
        keep = arguments.flag("copy", copy)
        given = checked_ignore(ignore)
        if given is None:
            given = FilePatternMatcher()
        elif given is NON_PYTHON_FILES:
            given = None
        return self._then(AddLocalPythonSource, modules, keep, given) if modules else self


_NOT_IN_NAMES = frozenset("/\\ \t\n\r:*?[]")
