"""Makes a function anew from its payload. Runs inside the step, with Python 3.8 and nothing else."""

# Trees, payloads and other people's objects are what they are.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import _ast
import sys

from .syntax import VARIABLES, at, bare_class, bare_function, decode_atom, decode_node, encode_node, located

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
        self._made: dict[int, Any] = {}
        self._payload = payload
        self._sources = sources
        self._pending: list[dict[str, Any]] = []
        self.files: set[str] = set()
        """The names of the user's files, as tracebacks have them."""
        self._modules: list[ModuleType] = []
        for module in payload["modules"]:
            made = ModuleType(module["name"])
            made.__file__ = ROOT + "/" + module["file"]
            self._modules.append(made)
            self._pending.append(dict(module["names"]))
            sys.modules.setdefault(module["name"], made)
        if payload["whole"]:
            sys.meta_path.insert(0, _Finder(self))  # pyright: ignore[reportArgumentType]
            for name in payload["whole"]:
                sys.modules.pop(name, None)

    def call(self) -> Any:
        """The function, its arguments, and its arguments by name."""
        for number, pending in enumerate(self._pending):
            for name in list(pending):
                self._ensure(number, name)
        call = self._payload["call"]
        return self.value(call[0]), self.value(call[1]), self.value(call[2])

    def _ensure(self, number: int, name: str) -> None:
        """Gives a module one of its names."""
        if name in self._pending[number]:
            expression = self._pending[number].pop(name)
            setattr(self._modules[number], name, self.value(expression))

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
            return self._modules[rest[0]]
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
        if number not in self._made:
            entry = self._table[number]
            getattr(self, "_make_" + entry[0])(number, *entry[1:])
        return self._made[number]

    def _make_list(self, number: int, *members: Any) -> None:
        made: list[Any] = []
        self._made[number] = made
        made.extend([self.value(one) for one in members])

    def _make_dict(self, number: int, *items: Any) -> None:
        made: dict[Any, Any] = {}
        self._made[number] = made
        for key, value in items:
            made[self.value(key)] = self.value(value)

    def _make_set(self, number: int, *members: Any) -> None:
        made: set[Any] = set()
        self._made[number] = made
        made.update([self.value(one) for one in members])

    def _make_bytearray(self, number: int, data: Any) -> None:
        self._made[number] = bytearray(self.value(data))

    def _make_object(
        self, number: int, function: Any, args: Any, kwargs: Any, state: Any, members: Any, items: Any
    ) -> None:
        made = self.value(function)(
            *[self.value(one) for one in args], **{name: self.value(one) for name, one in kwargs.items()}
        )
        self._made[number] = made
        if state is not None:
            _restore(made, self.value(state[0]))
        for one in members:
            made.append(self.value(one))
        for key, value in items:
            made[self.value(key)] = self.value(value)

    def _make_cell(self, number: int, *content: Any) -> None:
        cell = CellType()
        self._made[number] = cell
        if content:
            cell.cell_contents = self.value(content[0])

    def _make_function(self, number: int, about: Any) -> None:
        namespace = self._modules[about["module"]].__dict__
        cells: dict[str, int] = about.get("cells", {})
        tree, name = self._tree(number, about)
        lambda_ = isinstance(tree, _ast.Lambda)
        if cells or lambda_:
            outer: Any = _parse(f"def outer({', '.join(sorted(cells))}):\n pass")
            inner: Any = tree if lambda_ else _ast.Name(tree.name, _ast.Load())
            returned = at(_ast.Return(inner), tree)
            outer.body[0].body = [returned] if lambda_ else [tree, returned]
            located(outer)
        else:
            outer = _parse("")
            outer.body = [tree]
        scope: dict[str, Any] = {}
        exec(_compiled(outer, name), namespace, scope)  # noqa: S102
        made: Any = scope["outer"](*[None for _ in cells]) if "outer" in scope else scope[tree.name]
        if cells or lambda_:
            closure = tuple(
                [self._cell(cells, free) for free in made.__code__.co_freevars]  # filled in below
            )
            made = FunctionType(made.__code__, namespace, about["name"], None, closure)
        made.__name__ = about["name"]
        made.__qualname__ = about["qualname"]
        made.__module__ = namespace["__name__"]
        self._made[number] = made
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
        if number not in self._made:
            self._made[number] = CellType()
        return self._made[number]

    def _fill(self, number: int) -> None:
        content = self._table[number][1:]
        cell = self._made[number]
        if content:
            try:
                cell.cell_contents  # noqa: B018
            except ValueError:
                cell.cell_contents = self.value(content[0])

    def _make_class(self, number: int, about: Any) -> None:
        module = about["module"]
        namespace = self._modules[module].__dict__
        tree, name = self._tree(number, about)
        outer: Any = _parse("")
        outer.body = [tree]
        code = _compiled(outer, name)
        self._ensure_read(module, code, set())
        namespace[VARIABLES] = {key: self.value(one) for key, one in about.get("variables", {}).items()}
        scope: dict[str, Any] = {}
        try:
            exec(code, namespace, scope)  # noqa: S102
        finally:
            del namespace[VARIABLES]
        made = scope[tree.name]
        self._made.setdefault(number, made)

    def _ensure_read(self, module: int, code: CodeType, seen: set[int], deep: bool = False) -> None:
        """Makes what code reads when it runs now: bases and decorators of a class, and what those call."""
        if id(code) in seen:
            return
        seen.add(id(code))
        names = set(code.co_names)
        if deep:
            for inner in _codes(code):
                names.update(inner.co_names)
        else:
            for one in code.co_consts:
                if isinstance(one, CodeType) and not one.co_flags & 2:  # a class's body, no function
                    self._ensure_read(module, one, seen)
        for name in sorted(names):
            if name in self._pending[module]:
                self._ensure(module, name)
            found = self._modules[module].__dict__.get(name)
            if isinstance(found, FunctionType):
                owner = next(
                    (i for i, one in enumerate(self._modules) if one.__dict__ is found.__globals__), None
                )
                if owner is not None:
                    self._ensure_read(owner, found.__code__, seen, True)

    # -- trees and lines

    def _tree(self, number: int, about: Any) -> tuple[Any, str]:
        """The tree of a function or class, with the user's lines if those are known, and its file's name."""
        prepare = _preparation(about)
        module = self._payload["modules"][about["module"]] if "module" in about else about
        name: str = module["file"]
        source = self._sources.get(str(number))
        self.files.add(name)
        if source is not None:
            name, line, text = source
            self.files.add(name)
            tree = _parsed(text, line)
            if tree is not None:
                tree = prepare(tree)
                if encode_node(tree) == about["tree"]:
                    _remember(name, line, text)
                    return tree, name
        return self._without_source(about, name)

    def _without_source(self, about: Any, name: str) -> tuple[Any, str]:
        tree = decode_node(about["tree"])
        name = f"<{about['name']} of {name}>"
        self.files.add(name)
        unparse: Callable[[Any], str] | None = getattr(standard("ast"), "unparse", None)
        if unparse is not None:
            text = unparse(located(tree))
            parsed = _parsed(text) if not isinstance(tree, _ast.Module) else _parse(text)
            if parsed is not None and encode_node(parsed) == about["tree"]:
                _remember(name, 1, text)
                return parsed, name
        return located(tree), name

    def module_code(self, name: str) -> CodeType:
        """The code of a module that is imported as a whole."""
        about = self._payload["whole"][name]
        self.files.add(about["file"])
        source = self._sources.get(name)
        if source is not None:
            file, _, text = source
            try:
                tree: Any = _parse(text)
            except SyntaxError:
                tree = None
            if tree is not None and encode_node(tree) == about["tree"]:
                _remember(file, 1, text)
                return _compiled(tree, file)
        tree, file = self._without_source(about, about["file"])
        return _compiled(tree, file)


class _Finder:
    """Imports the modules of the payload."""

    def __init__(self, rebuilt: Rebuilt) -> None:
        self._rebuilt = rebuilt

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002
        about = self._rebuilt._payload["whole"].get(fullname)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if about is None:
            return None
        from importlib.machinery import ModuleSpec

        loader: Any = self
        return ModuleSpec(
            fullname, loader, origin=ROOT + "/" + about["file"], is_package=bool(about.get("package"))
        )

    def create_module(self, spec: Any) -> None:  # noqa: ARG002
        return None

    def exec_module(self, module: ModuleType) -> None:
        origin: Any = module.__spec__.origin if module.__spec__ is not None else None
        module.__file__ = origin
        exec(self._rebuilt.module_code(module.__name__), module.__dict__)  # noqa: S102


def _preparation(about: Any) -> Callable[[Any], Any]:
    if about.get("class"):
        return lambda tree: bare_class(tree, list(about.get("variables", {})))
    return bare_function


def _compiled(tree: Any, name: str) -> CodeType:
    return compile(tree, name, "exec", annotations.compiler_flag, True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes(one)


def _parse(text: str, mode: str = "exec") -> Any:
    return compile(text, "<unknown>", mode, _ast.PyCF_ONLY_AST, True)


def _parsed(text: str, line: int = 1) -> Any:
    """The function or class that a text is, of which a line is the first; it may be indented, or a lambda."""
    above = "\n" * (line - 1)
    try:
        if text[:1] in " \t":
            return _parse(above[1:] + "if 1:\n" + text).body[0].body[0]
        if text.startswith("lambda"):
            return _parse(above + "(" + text + "\n)", "eval").body
        return _parse(above + text).body[0]
    except (SyntaxError, ValueError, IndexError):
        return None


def _module(name: str) -> ModuleType:
    __import__(name)
    return sys.modules[name]


def standard(name: str) -> Any:
    """A module of Python's own, even if the user has one of that name."""
    path, finders = sys.path, sys.meta_path
    sys.path = [one for one in path if one != ROOT]
    sys.meta_path = [one for one in finders if not isinstance(one, _Finder)]
    try:
        return _module(name)
    finally:
        sys.path, sys.meta_path = path, finders


LINES: dict[str, list[str]] = {}
"""The user's lines, by file."""


def _remember(name: str, line: int, text: str) -> None:
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


def _restore(made: Any, state: Any) -> None:
    """What `pickle` does with an object's state."""
    if hasattr(made, "__setstate__"):
        made.__setstate__(state)
        return
    slots: Any = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        made.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(made, name, value)
