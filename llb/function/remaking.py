"""What few payloads have: classes, objects, sets, whole modules, code without its lines. Inside the step."""

# Trees, payloads and other people's objects are what they are.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import _ast

from .rebuilding import ROOT, compiled, parse, parsed, remember, standard
from .syntax import VARIABLES, decode_node, encode_node, located

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FunctionType, ModuleType
    from typing import Any

    from .rebuilding import Rebuilt
else:
    from .rebuilding import CodeType, FunctionType


def make_set(rebuilt: Rebuilt, number: int, *members: Any) -> None:
    made: set[Any] = set()
    rebuilt.made[number] = made
    made.update([rebuilt.value(one) for one in members])


def make_bytearray(rebuilt: Rebuilt, number: int, data: Any) -> None:
    rebuilt.made[number] = bytearray(rebuilt.value(data))


def make_object(
    rebuilt: Rebuilt, number: int, function: Any, args: Any, kwargs: Any, state: Any, members: Any, items: Any
) -> None:
    made = rebuilt.value(function)(
        *[rebuilt.value(one) for one in args], **{name: rebuilt.value(one) for name, one in kwargs.items()}
    )
    rebuilt.made[number] = made
    if state is not None:
        _restore(made, rebuilt.value(state[0]))
    for one in members:
        made.append(rebuilt.value(one))
    for key, value in items:
        made[rebuilt.value(key)] = rebuilt.value(value)


def make_class(rebuilt: Rebuilt, number: int, about: Any) -> None:
    module = about["module"]
    namespace = rebuilt.modules[module].__dict__
    tree, name = rebuilt.tree(number, about)
    outer: Any = parse("")
    outer.body = [tree]
    code = compiled(outer, name)
    _ensure_read(rebuilt, module, code, set())
    namespace[VARIABLES] = {key: rebuilt.value(one) for key, one in about.get("variables", {}).items()}
    scope: dict[str, Any] = {}
    try:
        exec(code, namespace, scope)  # noqa: S102
    finally:
        del namespace[VARIABLES]
    made = scope[tree.name]
    rebuilt.made.setdefault(number, made)


def _ensure_read(rebuilt: Rebuilt, module: int, code: CodeType, seen: set[int], deep: bool = False) -> None:
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
                _ensure_read(rebuilt, module, one, seen)
    for name in sorted(names):
        if name in rebuilt.pending[module]:
            rebuilt.ensure(module, name)
        found = rebuilt.modules[module].__dict__.get(name)
        if isinstance(found, FunctionType):
            owner = next(
                (i for i, one in enumerate(rebuilt.modules) if one.__dict__ is found.__globals__), None
            )
            if owner is not None:
                _ensure_read(rebuilt, owner, found.__code__, seen, True)


def without_source(rebuilt: Rebuilt, about: Any, name: str) -> tuple[Any, str]:
    tree = decode_node(about["tree"])
    name = f"<{about['name']} of {name}>"
    rebuilt.files.add(name)
    unparse: Callable[[Any], str] | None = getattr(standard("ast"), "unparse", None)
    if unparse is not None:
        text = unparse(located(tree))
        read = parsed(text) if not isinstance(tree, _ast.Module) else parse(text)
        if read is not None and encode_node(read) == about["tree"]:
            remember(name, 1, text)
            return read, name
    return located(tree), name


def module_code(rebuilt: Rebuilt, name: str) -> CodeType:
    """The code of a module that is imported as a whole."""
    about = rebuilt.payload["whole"][name]
    rebuilt.files.add(about["file"])
    source = rebuilt.sources.get(name)
    if source is not None:
        file, _, text = source
        try:
            tree: Any = parse(text)
        except SyntaxError:
            tree = None
        if tree is not None and encode_node(tree) == about["tree"]:
            remember(file, 1, text)
            return compiled(tree, file)
    tree, file = without_source(rebuilt, about, about["file"])
    return compiled(tree, file)


class Finder:
    """Imports the modules of the payload."""

    def __init__(self, rebuilt: Rebuilt) -> None:
        self._rebuilt = rebuilt

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002
        about = self._rebuilt.payload["whole"].get(fullname)
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
        exec(module_code(self._rebuilt, module.__name__), module.__dict__)  # noqa: S102


def _codes(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes(one)


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
