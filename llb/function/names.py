"""What code reads from its module: Python's scoping rules on a syntax tree."""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Path = tuple[str, ...]
    """A name and the attributes that are read of it: `("pkg", "util", "f")`."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Names:
    """What a function or class reads, as a whole."""

    def __init__(self) -> None:
        self.paths: dict[Path, int] = {}
        """Global names with the attributes read of them, and the line of the first."""
        self.imports: dict[tuple[str, str, int], int] = {}
        """Modules that it imports itself: module, a name of it or nothing, level; and the line."""
        self.dynamic: dict[str, int] = {}
        """Calls that import modules by computed names."""


def read_by(node: ast.AST, skip: Iterable[ast.AST] = ()) -> Names:
    """What a function's or class's code reads from its module.

    Args:
        node: the tree of the function or class.
        skip: parts of it that do not count.
    """
    names = Names()
    reader = _Reader(names, {id(one) for one in skip})
    reader.read(node, ())
    return names


class _Reader:
    def __init__(self, names: Names, skip: set[int]) -> None:
        self._names = names
        self._skip = skip

    def read(self, node: ast.AST, scopes: tuple[frozenset[str], ...]) -> None:
        """Reads a node; `scopes` are the names of the functions around it."""
        if id(node) in self._skip:
            return
        if isinstance(node, _FUNCTIONS):
            self._function(node, scopes)
        elif isinstance(node, ast.ClassDef):
            for one in (*node.decorator_list, *node.bases, *node.keywords):
                self.read(one, scopes)
            # What a class's body reads may be its own name or a global: functions in it see only the latter.
            for one in node.body:
                self.read(one, scopes)
        elif isinstance(node, _COMPREHENSIONS):
            own = frozenset(_targets(node.generators))
            for one in ast.iter_child_nodes(node):
                self.read(one, (*scopes, own))
        elif isinstance(node, ast.Attribute):
            self._attribute(node, scopes)
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                self._path((node.id,), node.lineno, scopes)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self._import(node)
        elif isinstance(node, (ast.AnnAssign, ast.arg)):
            for field, one in ast.iter_fields(node):
                if field != "annotation" and isinstance(one, ast.AST):
                    self.read(one, scopes)
        else:
            if isinstance(node, ast.Call):
                self._call(node)
            for one in ast.iter_child_nodes(node):
                self.read(one, scopes)

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scopes: tuple[frozenset[str], ...]
    ) -> None:
        arguments = node.args
        outside: list[ast.AST] = [*arguments.defaults, *[one for one in arguments.kw_defaults if one]]
        if not isinstance(node, ast.Lambda):
            outside += node.decorator_list
        for one in outside:
            self.read(one, scopes)
        body: list[ast.stmt] | list[ast.expr] = [node.body] if isinstance(node, ast.Lambda) else node.body
        own, declared = _bound(body)
        own |= {
            one.arg
            for one in (
                *arguments.posonlyargs,
                *arguments.args,
                *arguments.kwonlyargs,
                *[one for one in (arguments.vararg, arguments.kwarg) if one],
            )
        }
        inner = tuple([scope - declared for scope in scopes]) if declared else scopes
        for one in body:
            self.read(one, (*inner, frozenset(own - declared)))

    def _attribute(self, node: ast.Attribute, scopes: tuple[frozenset[str], ...]) -> None:
        attributes: list[str] = []
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            attributes.append(base.attr)
            base = base.value
        if isinstance(base, ast.Name):
            self._path((base.id, *reversed(attributes)), base.lineno, scopes)
        else:
            self.read(base, scopes)

    def _path(self, path: Path, line: int, scopes: tuple[frozenset[str], ...]) -> None:
        if not any(path[0] in scope for scope in scopes):
            self._names.paths.setdefault(path, line)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for one in node.names:
                self._names.imports.setdefault((one.name, "", 0), node.lineno)
        else:
            for one in node.names:
                self._names.imports.setdefault((node.module or "", one.name, node.level), node.lineno)

    def _call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else ""
        if called not in ("__import__", "importlib.import_module", "import_module") or not node.args:
            return
        name = node.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            if not name.value.startswith("."):
                self._names.imports.setdefault((name.value, "", 0), node.lineno)
        else:
            self._names.dynamic.setdefault(called, node.lineno)


def _bound(body: Iterable[ast.AST]) -> tuple[set[str], set[str]]:
    """The names that a scope binds, and those that it declares as global."""
    own: set[str] = set()
    declared: set[str] = set()
    for node in _inside(body):
        if isinstance(node, ast.Global):
            declared.update(node.names)
        elif isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                own.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            own.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            own.update([(one.asname or one.name.partition(".")[0]) for one in node.names])
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
            if node.name:
                own.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            own.add(node.rest)
    return own, declared


def _inside(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of a scope, without those of the scopes in it."""
    pending = list(body)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            pending += node.decorator_list
            if isinstance(node, ast.ClassDef):
                pending += [*node.bases, *node.keywords]
        elif isinstance(node, _COMPREHENSIONS):
            # `:=` in it binds in the scope around it.
            pending += [one.target for one in ast.walk(node) if isinstance(one, ast.NamedExpr)]
        elif not isinstance(node, ast.Lambda):
            pending += ast.iter_child_nodes(node)


def _targets(generators: Iterable[ast.comprehension]) -> list[str]:
    return [
        node.id
        for generator in generators
        for node in ast.walk(generator.target)
        if isinstance(node, ast.Name)
    ]
