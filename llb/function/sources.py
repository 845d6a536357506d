"""The user's own modules: whose they are, their trees, and where in them a function or class is."""

from __future__ import annotations

import ast
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import CodeType, FunctionType
    from typing import Any

MAIN = "__image__"
"""What the module of the image file is called, however it was started."""
_MAINS = ("__main__", MAIN)
_INSTALLED = ("site-packages", "dist-packages")
_STANDARD = os.path.dirname(os.__file__) + os.sep

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


class Source:
    """A module of the user's, as text and tree."""

    def __init__(self, name: str, file: str, text: str, *, package: bool = False) -> None:
        self.name = name
        self.file = file
        """As the user knows it, below the directory of the image file: `lib/helpers.py`."""
        self.text = text
        self.package = package
        self.path = ""
        """Where it is on this machine, if it was found there."""
        self.tree = ast.parse(text)
        self._lines: list[str] | None = None
        self._functions: dict[tuple[int, str], list[tuple[Definition, str]]] = {}
        self._classes: dict[str, ast.ClassDef] = {}
        self._index(self.tree, "")
        self.imports = dict(_imports(self.tree, name, package))
        """What the module's own import lines bind: name → module, and what of it."""

    def _index(self, node: ast.AST, prefix: str) -> None:
        pending: list[tuple[ast.AST, str]] = [(node, prefix)]
        while pending:
            at, name = pending.pop()
            for one in ast.iter_child_nodes(at):
                inner = name
                if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    first = min([one.lineno, *[each.lineno for each in one.decorator_list]])
                    self._functions.setdefault((first, one.name), []).append((one, name + one.name))
                    inner = f"{name}{one.name}.<locals>."
                elif isinstance(one, ast.Lambda):
                    self._functions.setdefault((one.lineno, "<lambda>"), []).append((one, f"{name}<lambda>"))
                elif isinstance(one, ast.ClassDef):
                    self._classes[name + one.name] = one
                    inner = f"{name}{one.name}."
                pending.append((one, inner))

    def function(self, code: CodeType) -> Definition | None:
        """The tree that code was compiled from."""
        found = self._functions.get((code.co_firstlineno, code.co_name), [])
        if len(found) == 1:
            return found[0][0]
        fitting = [one for one, _ in found if _fits(one, code)]
        return fitting[0] if fitting else None

    def class_(self, qualname: str) -> ast.ClassDef | None:
        """The tree of a class."""
        return self._classes.get(qualname)

    def segment(self, node: Definition) -> tuple[int, str]:
        """The user's own text of a function or class: its first line, and whole lines from there."""
        if self._lines is None:
            self._lines = self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        first = node.lineno
        if isinstance(node, ast.ClassDef):
            first = min([first, *[one.lineno for one in node.decorator_list]])
        if isinstance(node, ast.Lambda):
            return first, ast.get_source_segment(self.text, node) or ""
        return first, "\n".join(self._lines[first - 1 : node.end_lineno])


def _fits(node: Definition, code: CodeType) -> bool:
    """Whether a lambda is the one of several in its line that code was compiled from."""
    if not isinstance(node, ast.Lambda) or node.end_lineno is None:
        return False
    start, end = (node.body.lineno, node.body.col_offset), (node.body.end_lineno, node.body.end_col_offset)
    places = [
        (line, column, last, stop)
        for line, last, column, stop in code.co_positions()
        if line is not None
        and column is not None
        and last is not None
        and stop is not None
        and (line, column) != (last, stop)
    ]
    outermost = min([(line, column) for line, column, _, _ in places], default=None)
    furthest = max([(last, stop) for _, _, last, stop in places], default=None)
    return outermost == start and furthest == end


def _imports(tree: ast.Module, name: str, package: bool) -> Iterator[tuple[str, tuple[str, str]]]:
    """The names that a module's import lines bind, wherever at module level they stand."""
    pending: list[ast.AST] = list(reversed(tree.body))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            for one in node.names:
                if one.asname:
                    yield one.asname, (one.name, "")
                else:
                    top = one.name.partition(".")[0]
                    yield top, (top, "")
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node.module or "", node.level, name, package)
            for one in node.names:
                yield one.asname or one.name, (module, one.name)
        elif isinstance(node, (ast.If, ast.Try, ast.With, ast.TryStar)):
            pending += reversed(list(ast.iter_child_nodes(node)))
        elif isinstance(node, ast.ExceptHandler):
            pending += reversed(node.body)


def absolute(module: str, level: int, importer: str, package: bool) -> str:
    """The full name of what a relative import names."""
    if not level:
        return module
    parts = importer.split(".")
    keep = len(parts) - level + (1 if package else 0)
    return ".".join([*parts[: max(keep, 0)], *([module] if module else [])])


class Sources:
    """The user's modules that a payload takes from, each read once."""

    def __init__(self) -> None:
        self._known: dict[str, Source | None] = {}
        self._beside: dict[str, Source | None] = {}

    @staticmethod
    def is_own(name: str, namespace: Mapping[str, Any]) -> bool:
        """Whether a module is the user's: no part of Python, of this library or of an installed package."""
        top = name.partition(".")[0]
        if top == "llb" or top in sys.stdlib_module_names - {"__main__"}:
            return False
        if name in _MAINS or hasattr(namespace.get("__loader__"), "beside"):
            return True
        file = namespace.get("__file__")
        return isinstance(file, str) and _is_own_file(file)

    def of(self, namespace: Mapping[str, Any]) -> Source | None:
        """The source of the module with these globals; None if there is none, or it is not the user's."""
        name = namespace.get("__name__")
        if not isinstance(name, str):
            return None
        if name not in self._known:
            self._known[name] = self._read(name, namespace) if self.is_own(name, namespace) else None
        return self._known[name]

    def _read(self, name: str, namespace: Mapping[str, Any]) -> Source | None:
        loader = namespace.get("__loader__")
        text: str | None = None
        if hasattr(loader, "get_source"):
            try:
                text = loader.get_source(name)  # pyright: ignore[reportOptionalMemberAccess]
            except (ImportError, OSError, SyntaxError):
                text = None
        file = namespace.get("__file__")
        if text is None and isinstance(file, str):
            import linecache

            text = "".join(linecache.getlines(file)) or None
        if text is None:
            return None
        package = "__path__" in namespace
        return _parsed(MAIN if name in _MAINS else name, _shown(name, file), text, package)

    def beside(self, names: Sequence[str], namespace: Mapping[str, Any]) -> list[Source]:
        """The user's own modules of these names, imported or not, and the packages around them."""
        loader = namespace.get("__loader__")
        wanted: dict[str, None] = {}
        for name in names:
            top = name.partition(".")[0]
            if not name or top == "llb" or top in sys.stdlib_module_names:
                continue
            parts = name.split(".")
            wanted |= dict.fromkeys([".".join(parts[: end + 1]) for end in range(len(parts))])
        unknown = [name for name in wanted if name not in self._beside]
        if unknown and hasattr(loader, "prefetch"):
            loader.prefetch(sorted({name.partition(".")[0] for name in unknown}))  # pyright: ignore[reportOptionalMemberAccess]
        for name in unknown:
            parent = name.rpartition(".")[0]
            if parent and (self._beside.get(parent) is None):
                self._beside[name] = None
            else:
                self._beside[name] = self._find(name, loader)
        return [found for name in wanted if (found := self._beside[name]) is not None]

    def _find(self, name: str, loader: Any) -> Source | None:
        if hasattr(loader, "beside"):
            found = loader.beside(name)
            if found is None:
                return None
            text = found.data.decode("utf-8", "replace")
            return _parsed(name, _shown(name, found.filename if found.data else None), text, found.package)
        from importlib.machinery import PathFinder

        parent, _, _ = name.rpartition(".")
        path = None
        if parent:
            above = self._beside.get(parent)
            path = [os.path.dirname(above.path)] if above is not None else None
        try:
            spec = PathFinder.find_spec(name, path)
        except (ImportError, ValueError):
            return None
        if spec is None or spec.origin is None or not _is_own_file(spec.origin):
            return None
        try:
            with open(spec.origin, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError):
            return None
        package = spec.submodule_search_locations is not None
        source = _parsed(name, _shown(name, spec.origin), text, package)
        if source is not None:
            source.path = spec.origin
        return source


def _is_own_file(file: str) -> bool:
    path = os.path.abspath(file)
    return (
        path.endswith(".py")
        and not path.startswith(_STANDARD)
        and not any(part in _INSTALLED for part in path.split(os.sep))
    )


def _shown(name: str, file: object) -> str:
    """A module's file without the directories of this machine."""
    base = os.path.basename(file) if isinstance(file, str) else "__init__.py"
    parts = [] if name in _MAINS else name.split(".")[: None if base == "__init__.py" else -1]
    return "/".join([*parts, base])


_PARSED: dict[tuple[str, str, str, bool], Source | None] = {}


def _parsed(name: str, file: str, text: str, package: bool) -> Source | None:
    """A module's source, parsed once for all that is taken from it."""
    key = (name, file, text, package)
    if key not in _PARSED:
        if len(_PARSED) > 256:
            _PARSED.clear()
        try:
            _PARSED[key] = Source(name, file, text, package=package)
        except (SyntaxError, ValueError, RecursionError):
            _PARSED[key] = None
    return _PARSED[key]


def names_module(function: FunctionType) -> str:
    """The module of a function, as payloads call it."""
    name = str(function.__globals__.get("__name__", ""))
    return MAIN if name in _MAINS else name
