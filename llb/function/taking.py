"""The user's functions, classes and modules in a normal form, with all that they read."""

# Trees, payloads and other people's objects are what they are.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import sys
import types

from llb.errors import InvalidError
from llb.function import syntax
from llb.function.names import read_by
from llb.function.sources import MAIN, Sources, absolute
from llb.function.values import ATOMS, CannotTakeError, Values, attribute_at, globals_of, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Mapping
    from typing import Any

    from llb.function.names import Names
    from llb.function.sources import Definition, Source

_OWN_NAMES = frozenset(
    "__builtins__ __cached__ __doc__ __file__ __loader__ __name__ __package__ __path__ __spec__".split()  # noqa: SIM905
)
_PLACEHOLDERS = "llb.compat.placeholders"
"""What stands for modules that are not installed here, and for what is of them."""


class Part:
    """One of the things that a payload is made of."""

    def __init__(self, kind: str, name: str, text: str = "") -> None:
        self.kind = kind
        self.name = name
        self.text = text

    def __repr__(self) -> str:
        return f"{self.kind} {self.name}: {self.text}"


class Encoder(Values):
    """Takes apart functions and classes of the user's with all that they read.

    Args:
        sources: the user's modules.
        guard: calls code of the user's, such as a `__reduce__`.
        include_source: whether modules that functions import by themselves are taken along.
    """

    def __init__(
        self,
        sources: Sources,
        guard: Callable[[Callable[[], Any]], Any] = lambda function: function(),
        *,
        include_source: bool = True,
    ) -> None:
        super().__init__(sources, guard)
        self.modules: list[dict[str, Any]] = []
        self.whole: dict[str, Any] = {}
        self.skipped: dict[str, str] = {}
        self.parts: list[Part] = []
        self.lines: dict[str, list[Any]] = {}
        """Where the user's text is: by number in the table, or name of a whole module."""
        self.beside: set[str] = set()
        """Modules that lie beside, and are not taken along."""
        self._include = include_source
        self._module_numbers: dict[str, int] = {}
        self._imports: list[tuple[Names, Source, Mapping[str, Any]]] = []

    # -- modules

    def module(self, module: types.ModuleType) -> Any:
        name = module.__name__
        if name.partition(".")[0] == "llb":
            raise CannotTakeError("a module of llb")
        source = self._sources.of(module.__dict__)
        if source is None:
            return ["m", name]
        self._take_whole([source.name], module.__dict__)
        return ["m", source.name]

    def _module_number(self, source: Source) -> int:
        number = self._module_numbers.get(source.name)
        if number is None:
            number = self._module_numbers[source.name] = len(self.modules)
            self.modules.append({"name": source.name, "file": source.file, "names": {}})
        return number

    def _read(self, names: Names, namespace: Mapping[str, Any], source: Source, reader: str) -> None:
        """Takes along what code reads from its module."""
        self._module_number(source)
        for path in sorted(names.paths):
            self._take(path, namespace, source, reader)
        for call, line in names.dynamic.items():
            self.note(
                f"{reader} imports a module by a computed name ({source.file}:{line}, {call}): "
                "it is not taken along, and edits in it do not make the step run again"
            )
        if names.imports:
            self._imports.append((names, source, namespace))

    def _take(
        self,
        path: tuple[str, ...],
        namespace: Mapping[str, Any],
        source: Source,
        reader: str,
    ) -> None:
        name = path[0]
        taken: dict[str, Any] = self.modules[self._module_number(source)]["names"]
        imported = source.imports.get(name)
        if name in _OWN_NAMES or (name in taken and not isinstance(namespace.get(name), types.ModuleType)):
            return
        value = namespace.get(name)
        missing = value is None or type(value).__module__ == _PLACEHOLDERS
        if name not in namespace or (missing and imported is not None):
            if imported is None or imported[0].partition(".")[0] == "llb":
                return  # a builtin, or an error when it is run
            taken[name] = ["g", *imported] if imported[1] else ["m", imported[0]]
            return
        try:
            if isinstance(value, types.ModuleType):
                self._take_module(path, value, name, taken)
            else:
                taken[name] = self._global(value, imported)
                self._tell(name, value, source)
        except CannotTakeError as error:
            taken.pop(name, None)
            self.skipped[name] = str(error)
            self.note(f"{reader} reads {name} ({source.file}), which is not taken along: it is {error}")

    def _global(self, value: Any, imported: tuple[str, str] | None) -> Any:
        if imported is not None and imported[1]:
            module = sys.modules.get(imported[0])
            own = module is not None and self._sources.is_own(imported[0], module.__dict__)
            if imported[0].partition(".")[0] == "llb":
                raise CannotTakeError(f"llb's {imported[1]}")
            if module is not None and not own and getattr(module, imported[1], None) is value:
                return ["g", *imported]  # by the name that the user imports it by
        return self.tolerant(value)

    def _take_module(
        self,
        path: tuple[str, ...],
        module: types.ModuleType,
        name: str,
        taken: dict[str, Any],
    ) -> None:
        """A module that is read: of the user's own only what is read of them."""
        source = self._sources.of(module.__dict__)
        if source is None:
            if module.__name__.partition(".")[0] == "llb":
                raise CannotTakeError("a module of llb")
            taken[name] = ["m", module.__name__]
            # `import a.b` binds `a`, and `a.b` is what is read.
            at: Any = module
            for part in path[1:]:
                at = getattr(at, part, None)
                if not isinstance(at, types.ModuleType) or f"{module.__name__}.{part}" != at.__name__:
                    break
                module = at
                extra = f"{name}.{part}"
                taken.setdefault(f"__llb_import_{extra}", ["m", at.__name__])
            return
        if len(path) == 1 or path[1] not in module.__dict__:
            taken[name] = self.module(module)
            return
        taken[name] = ["u", self._module_number(source)]
        self._take(path[1:], module.__dict__, source, source.name)

    def _take_whole(self, names: list[str], namespace: Mapping[str, Any]) -> None:
        """Modules that are imported while the function runs: all of them, as they are."""
        pending = names
        while pending:
            found = self._sources.beside(pending, namespace)
            pending = []
            for source in found:
                if source.name in self.whole:
                    continue
                if not self._include:
                    self.beside.add(source.name.partition(".")[0])
                    continue
                about = {"file": source.file, "tree": syntax.encode_node(source.tree), "name": source.name}
                if source.package:
                    about["package"] = 1
                self.whole[source.name] = about
                self.lines[source.name] = [source.file, 1, source.text]
                self.parts.append(Part("module", source.name, source.file))
                pending += self._wanted(read_by(source.tree), source)

    def _wanted(self, names: Names, source: Source) -> list[str]:
        found: list[str] = []
        for module, name, level in names.imports:
            full = absolute(module, level, source.name, source.package)
            found.append(full)
            if name and name != "*":
                found.append(f"{full}.{name}")
        return found

    # -- functions and classes

    def function(self, function: types.FunctionType) -> Any:
        source = self._sources.of(function.__globals__)
        if source is None:
            return self._foreign_function(function)
        owner = self._owner(function)
        if owner is not None:
            return ["a", self.encode(owner), function.__name__]
        tree = source.function(function.__code__)
        if tree is None:
            raise CannotTakeError(
                f"the function {function.__qualname__}, whose source cannot be found in {source.file}"
            )
        number = self.enter(function)
        about: dict[str, Any] = {}
        self.table[number] = ["function", about]
        code = function.__code__
        bare = syntax.bare_function(tree)
        about |= {
            "module": self._module_number(source),
            "name": function.__name__,
            "qualname": function.__qualname__,
            "tree": syntax.encode_node(bare),
        }
        self.lines[str(number)] = [source.file, *source.segment(tree)]
        if code.co_freevars and function.__closure__:
            about["cells"] = {
                name: self._numbers[id(cell)]
                if id(cell) in self._numbers
                else self.cell(cell, code.co_name)[1]
                for name, cell in zip(code.co_freevars, function.__closure__, strict=True)
            }
        self.parts.append(Part("function", function.__qualname__, source.file))
        self._queue.append(lambda: self._function_rest(function, about, bare, source))
        return ["r", number]

    def _function_rest(
        self, function: types.FunctionType, about: dict[str, Any], tree: Definition, source: Source
    ) -> None:
        name = function.__qualname__
        if function.__defaults__:
            about["defaults"] = [
                self._or_refuse(one, f"a default of {name}") for one in function.__defaults__
            ]
        if function.__kwdefaults__:
            about["kwdefaults"] = {
                key: self._or_refuse(one, f"the default {key} of {name}")
                for key, one in function.__kwdefaults__.items()
            }
        if function.__doc__ != _doc(tree):
            about["doc"] = function.__doc__
        attributes: dict[str, Any] = {}
        for key, one in function.__dict__.items():
            try:
                attributes[key] = self.tolerant(one)
            except CannotTakeError as error:
                self.note(f"{name}.{key} is not taken along: it is {error}")
        if attributes:
            about["attributes"] = attributes
        skip = [*tree.decorator_list] if not _is_lambda(tree) else []  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        self._read(read_by(tree, skip), function.__globals__, source, name)

    def _or_refuse(self, value: Any, what: str) -> Any:
        try:
            return self.tolerant(value)
        except CannotTakeError as error:
            raise InvalidError(
                f"{what} cannot be taken along: it is {error}", hint="Make it inside the function."
            ) from None

    def _foreign_function(self, function: types.FunctionType) -> Any:
        module, name = function.__module__, function.__qualname__
        try:
            return self.named(function, module, name)
        except CannotTakeError:
            own = self._sources.is_own(str(module), function.__globals__)
            raise CannotTakeError(
                f"the function {name}, whose source cannot be found"
                if own
                else f"the function {name} of {module}, which cannot be imported by this name"
            ) from None

    def _owner(self, function: types.FunctionType) -> type | None:
        """The class that a function is a method of."""
        parent, _, name = function.__qualname__.rpartition(".")
        if not parent or "<locals>" in parent or name != function.__name__:
            return None
        found: Any = function.__globals__.get(parent.partition(".")[0])
        for part in parent.split(".")[1:]:
            found = getattr(found, part, None)
        return found if isinstance(found, type) and getattr(found, name, None) is function else None

    def class_(self, cls: type) -> Any:
        module = sys.modules.get(cls.__module__)
        namespace = module.__dict__ if module is not None else {}
        source = self._sources.of(namespace)
        if source is None:
            if cls.__module__ == "builtins" and cls.__name__ not in dir(sys.modules["builtins"]):
                return self._builtin_type(cls)
            return self.named(cls, cls.__module__, cls.__qualname__)
        parent, _, name = cls.__qualname__.rpartition(".")
        if parent and "<locals>" not in parent:
            owner = attribute_at(module, parent)
            if isinstance(owner, type) and getattr(owner, name, None) is cls:
                return ["a", self.encode(owner), name]
        if issubclass(cls, tuple) and hasattr(cls, "_fields") and source.class_(cls.__qualname__) is None:
            return self._named_tuple(cls)
        tree = source.class_(cls.__qualname__) if "<locals>" not in cls.__qualname__ else None
        if tree is None:
            raise CannotTakeError(
                f"the class {cls.__qualname__}, which is made inside a function"
                if "<locals>" in cls.__qualname__
                else f"the class {cls.__qualname__}, whose source cannot be found in {source.file}"
            )
        number = self.enter(cls)
        about: dict[str, Any] = {"class": 1, "name": cls.__name__, "module": self._module_number(source)}
        self.table[number] = ["class", about]
        variables: dict[str, Any] = {}
        for statement in tree.body:
            key = syntax.assigned_name(statement)
            value = cls.__dict__.get(key) if key else None
            if key and key in cls.__dict__ and _plain(value) and not _is_constant(statement):
                variables[key] = self.encode(value)
        if variables:
            about["variables"] = variables
        bare = syntax.bare_class(tree, list(variables))
        about["tree"] = syntax.encode_node(bare)
        self.lines[str(number)] = [source.file, *source.segment(tree)]
        self.parts.append(Part("class", cls.__qualname__, source.file))
        replaced = [one for one in tree.body if syntax.assigned_name(one) in variables]
        self._queue.append(lambda: self._read(read_by(tree, replaced), namespace, source, cls.__qualname__))
        return ["r", number]

    def _builtin_type(self, cls: type) -> Any:
        for name in dir(types):
            if getattr(types, name) is cls:
                return ["g", "types", name]
        raise CannotTakeError(f"the type {cls.__name__}")

    def _named_tuple(self, cls: Any) -> Any:
        defaults = cls._field_defaults
        number = self.enter(cls)
        self.table[number] = [
            "object", ["g", "collections", "namedtuple"], [cls.__name__, self.encode(tuple(cls._fields))],
            {"defaults": self.encode(tuple(defaults.values())), "module": MAIN}, None, [], [],
        ]  # fmt: skip
        return ["r", number]

    # -- to the end

    def finish(self) -> None:
        """Takes along what the functions and classes so far read, and what that reads."""
        while self._queue or self._imports:
            while self._queue:
                self._queue.pop(0)()
            wanted: list[str] = []
            namespace: Mapping[str, Any] = {}
            for names, source, found in self._imports:
                wanted += self._wanted(names, source)
                namespace = found
            self._imports.clear()
            if wanted:
                self._take_whole(wanted, namespace)

    def _tell(self, name: str, value: Any, source: Source) -> None:
        if isinstance(value, (types.FunctionType, type)) and self._sources.is_own(
            value.__module__, globals_of(value)
        ):
            return  # told by itself
        self.parts.append(Part("global", f"{name} ({source.file})", shown(value)))


def _doc(tree: Any) -> str | None:
    import ast

    return None if _is_lambda(tree) else ast.get_docstring(tree, clean=False)


def _is_lambda(tree: Any) -> bool:
    return type(tree).__name__ == "Lambda"


def _is_constant(statement: ast.stmt) -> bool:
    return type(getattr(statement, "value", None)).__name__ == "Constant"


def _plain(value: object) -> bool:
    """Whether a value is data: the same wherever it is made."""
    if type(value) in (*ATOMS, bytearray):
        return True
    if type(value) in (tuple, list, set, frozenset):
        return all(_plain(one) for one in value)  # pyright: ignore[reportUnknownVariableType, reportGeneralTypeIssues]
    if type(value) is dict:
        return all(_plain(key) and _plain(one) for key, one in value.items())
    return type(value).__module__.partition(".")[0] == "pathlib"
