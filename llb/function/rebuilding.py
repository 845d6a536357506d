"""Makes a function anew from its payload. Runs inside the step, with Python 3.8 and nothing else."""

# Trees, payloads and other people's objects are what they are.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import _ast
import sys

from .syntax import at, bare_class, bare_function, decode_atom, encode_node, located

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CellType, CodeType, FunctionType, ModuleType
    from typing import Any
else:  # as `types` has them, which takes a while to load
    ModuleType = type(sys)
    FunctionType = type(lambda: None)
    CodeType = type((lambda: None).__code__)
    CellType = type((lambda one: lambda: one)(0).__closure__[0])

ROOT = "/root"
"""Where the user's files seem to be."""


class Rebuilt:
    """What a payload holds, made anew."""

    def __init__(self, payload: Any, sources: Any) -> None:
        self._table = payload["table"]
        self.made: dict[int, Any] = {}
        self.payload = payload
        self.sources = sources
        self.pending: list[dict[str, Any]] = []
        self.files: set[str] = set()
        """The names of the user's files, as tracebacks have them."""
        self.modules: list[ModuleType] = []
        for module in payload["modules"]:
            made = ModuleType(module["name"])
            made.__file__ = ROOT + "/" + module["file"]
            self.modules.append(made)
            self.pending.append(dict(module["names"]))
            sys.modules.setdefault(module["name"], made)
        if payload["whole"]:
            from .remaking import Finder

            sys.meta_path.insert(0, Finder(self))  # pyright: ignore[reportArgumentType]
            for name in payload["whole"]:
                sys.modules.pop(name, None)

    def call(self) -> Any:
        """The function, its arguments, and its arguments by name."""
        for number, pending in enumerate(self.pending):
            for name in list(pending):
                self.ensure(number, name)
        call = self.payload["call"]
        return self.value(call[0]), self.value(call[1]), self.value(call[2])

    def ensure(self, number: int, name: str) -> None:
        """Gives a module one of its names."""
        if name in self.pending[number]:
            expression = self.pending[number].pop(name)
            setattr(self.modules[number], name, self.value(expression))

    def value(self, data: Any) -> Any:
        if not isinstance(data, list):
            return data
        kind = data[0]
        rest: list[Any] = data[1:]
        if kind == "r":
            return self._entry(rest[0])
        if kind == "t":
            return tuple([self.value(one) for one in rest])
        if kind == "fs":
            return frozenset([self.value(one) for one in rest])
        if kind == "m":
            return _module(rest[0])
        if kind == "g":
            return self._imported(rest[0], rest[1])
        if kind == "a":
            return getattr(self.value(rest[0]), rest[1])
        if kind == "u":
            return self.modules[rest[0]]
        return decode_atom(data)

    @staticmethod
    def _imported(module: str, name: str) -> Any:
        found: Any = _module(module)
        for part in name.split("."):
            if not hasattr(found, part) and isinstance(found, ModuleType):
                _module(found.__name__ + "." + part)
            found = getattr(found, part)
        return found

    def _entry(self, number: int) -> Any:
        if number not in self.made:
            entry = self._table[number]
            make = getattr(self, "_make_" + entry[0], None)
            if make is not None:
                make(number, *entry[1:])
            else:
                from . import remaking

                getattr(remaking, "make_" + entry[0])(self, number, *entry[1:])
        return self.made[number]

    def _make_list(self, number: int, *members: Any) -> None:
        made: list[Any] = []
        self.made[number] = made
        made.extend([self.value(one) for one in members])

    def _make_dict(self, number: int, *items: Any) -> None:
        made: dict[Any, Any] = {}
        self.made[number] = made
        for key, value in items:
            made[self.value(key)] = self.value(value)

    def _make_cell(self, number: int, *content: Any) -> None:
        cell = CellType()
        self.made[number] = cell
        if content:
            cell.cell_contents = self.value(content[0])

    def _make_function(self, number: int, about: Any) -> None:
        namespace = self.modules[about["module"]].__dict__
        cells: dict[str, int] = about.get("cells", {})
        tree, name = self.tree(number, about)
        lambda_ = isinstance(tree, _ast.Lambda)
        if cells or lambda_:
            outer: Any = parse(f"def outer({', '.join(sorted(cells))}):\n pass")
            inner: Any = tree if lambda_ else _ast.Name(tree.name, _ast.Load())
            returned = at(_ast.Return(inner), tree)
            outer.body[0].body = [returned] if lambda_ else [tree, returned]
            located(outer)
        else:
            outer = parse("")
            outer.body = [tree]
        scope: dict[str, Any] = {}
        exec(compiled(outer, name), namespace, scope)  # noqa: S102
        made: Any = scope["outer"](*[None for _ in cells]) if "outer" in scope else scope[tree.name]
        if cells or lambda_:
            closure = tuple(
                [self._cell(cells, free) for free in made.__code__.co_freevars]  # filled in below
            )
            made = FunctionType(made.__code__, namespace, about["name"], None, closure)
        made.__name__ = about["name"]
        made.__qualname__ = about["qualname"]
        made.__module__ = namespace["__name__"]
        self.made[number] = made
        for free in sorted(cells):
            self._fill(cells[free])
        if "defaults" in about:
            made.__defaults__ = tuple([self.value(one) for one in about["defaults"]])
        if "kwdefaults" in about:
            made.__kwdefaults__ = {key: self.value(one) for key, one in about["kwdefaults"].items()}
        if "doc" in about:
            made.__doc__ = about["doc"]
        for key, one in about.get("attributes", {}).items():
            setattr(made, key, self.value(one))

    def _cell(self, cells: dict[str, int], free: str) -> CellType:
        number = cells.get(free)
        if number is None:
            return CellType()
        if number not in self.made:
            self.made[number] = CellType()
        return self.made[number]

    def _fill(self, number: int) -> None:
        content = self._table[number][1:]
        cell = self.made[number]
        if content:
            try:
                cell.cell_contents  # noqa: B018
            except ValueError:
                cell.cell_contents = self.value(content[0])

    # -- trees and lines

    def tree(self, number: int, about: Any) -> tuple[Any, str]:
        """The tree of a function or class, with the user's lines if those are known, and its file's name."""
        prepare = _preparation(about)
        module = self.payload["modules"][about["module"]] if "module" in about else about
        name: str = module["file"]
        source = self.sources.get(str(number))
        self.files.add(name)
        if source is not None:
            name, line, text = source
            self.files.add(name)
            tree = parsed(text, line)
            if tree is not None:
                tree = prepare(tree)
                if encode_node(tree) == about["tree"]:
                    remember(name, line, text)
                    return tree, name
        from .remaking import without_source

        return without_source(self, about, name)


def _preparation(about: Any) -> Callable[[Any], Any]:
    if about.get("class"):
        return lambda tree: bare_class(tree, list(about.get("variables", {})))
    return bare_function


def compiled(tree: Any, name: str) -> CodeType:
    return compile(tree, name, "exec", annotations.compiler_flag, True)


def parse(text: str, mode: str = "exec") -> Any:
    return compile(text, "<unknown>", mode, _ast.PyCF_ONLY_AST, True)


def parsed(text: str, line: int = 1) -> Any:
    """The function or class that a text is, of which a line is the first; it may be indented, or a lambda."""
    above = "\n" * (line - 1)
    try:
        if text[:1] in " \t":
            return parse(above[1:] + "if 1:\n" + text).body[0].body[0]
        if text.startswith("lambda"):
            return parse(above + "(" + text + "\n)", "eval").body
        return parse(above + text).body[0]
    except (SyntaxError, ValueError, IndexError):
        return None


def _module(name: str) -> ModuleType:
    __import__(name)
    return sys.modules[name]


def standard(name: str) -> Any:
    """A module of Python's own, even if the user has one of that name."""
    path, finders = sys.path, sys.meta_path
    sys.path = [one for one in path if one != ROOT]
    sys.meta_path = [one for one in finders if type(one).__name__ != "Finder"]
    try:
        return _module(name)
    finally:
        sys.path, sys.meta_path = path, finders


LINES: dict[str, list[str]] = {}
"""The user's lines, by file."""


def remember(name: str, line: int, text: str) -> None:
    """Lets tracebacks and `inspect.getsource` find lines."""
    lines = LINES.setdefault(name, [])
    new = [one + "\n" for one in text.split("\n")]
    lines.extend(["\n"] * (line - 1 + len(new) - len(lines)))
    lines[line - 1 : line - 1 + len(new)] = new
    known = sys.modules.get("linecache")
    if known is not None:
        known.cache[name] = (1, None, lines, name)
    elif not any(isinstance(one, _LineFinder) for one in sys.meta_path):
        sys.meta_path.insert(0, _LineFinder())  # pyright: ignore[reportArgumentType]


class _LineFinder:
    """Gives `linecache` the user's lines when it is first imported: by itself it takes a while to load."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002
        if fullname != "linecache":
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)  # pyright: ignore[reportArgumentType]
        spec: Any = find_spec(fullname)
        if spec is not None:
            self._loader = spec.loader
            spec.loader = self
        return spec

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        for name, lines in LINES.items():
            module.cache[name] = (1, None, lines, name)
