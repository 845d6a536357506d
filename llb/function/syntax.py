"""A normal form of syntax trees, and of values without parts: the same from every Python that writes it.

What writes payloads and what runs them have this in common: it needs Python 3.8 and nothing else.
"""

# Trees, payloads and other people's objects are what they are.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import _ast
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_BEFORE_3_9 = sys.hexversion < 0x030900F0
_LISTS = frozenset(
    [
        "args",
        "bases",
        "body",
        "cases",
        "cmpops",
        "comparators",
        "decorator_list",
        "defaults",
        "elts",
        "finalbody",
        "generators",
        "handlers",
        "ifs",
        "items",
        "keys",
        "keywords",
        "kw_defaults",
        "kwd_attrs",
        "kwd_patterns",
        "kwonlyargs",
        "names",
        "ops",
        "orelse",
        "patterns",
        "posonlyargs",
        "targets",
        "type_ignores",
        "type_params",
        "values",
    ]
)
_SINCE = {
    "Interpolation": "3.14",
    "Match": "3.10",
    "ParamSpec": "3.12",
    "TemplateStr": "3.14",
    "TryStar": "3.11",
    "TypeAlias": "3.12",
    "type_params": "3.12",
}
_WORDS = {
    "Match": "match",
    "TemplateStr": "t-strings",
    "TryStar": "except*",
    "TypeAlias": "type statements",
    "type_params": "type parameters",
}
_PLACE = ("lineno", "col_offset", "end_lineno", "end_col_offset")
VARIABLES = "__llb_variables__"


class TooNewError(Exception):
    """Syntax that this Python does not have; its text says what, and what has it."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"{_WORDS.get(kind, kind)}, which needs Python {_SINCE.get(kind, 'in a newer version')}"
        )


def encode_node(node: Any) -> Any:
    """The normal form of a tree: no positions, no comments, nothing that differs between versions."""
    if isinstance(node, list):
        return [encode_node(one) for one in node]
    if not isinstance(node, _ast.AST):
        return node
    kind = type(node).__name__
    if kind == "Constant":
        return {"_": kind, "value": encode_atom(node.value)}  # pyright: ignore[reportAttributeAccessIssue]
    if kind == "Index":  # before Python 3.9
        return encode_node(node.value)  # pyright: ignore[reportAttributeAccessIssue]
    fields = {"_": kind}
    if kind == "ExtSlice":
        return {"_": "Tuple", "elts": encode_node(node.dims)}  # pyright: ignore[reportAttributeAccessIssue]
    for field in node._fields:
        value = getattr(node, field, None)
        if field == "ctx":
            if type(value).__name__ != "Load":
                fields[field] = type(value).__name__
        elif value is None or (isinstance(value, list) and not value) or field in ("kind", "type_comment"):
            continue
        elif kind == "JoinedStr":
            fields[field] = _merged([encode_node(one) for one in value])  # pyright: ignore[reportArgumentType]
        else:
            fields[field] = encode_node(value)
    spec: Any = fields.get("format_spec")
    if spec and not spec.get("values"):
        del fields["format_spec"]
    return fields


def _merged(values: list[Any]) -> list[Any]:
    """The parts of an f-string, texts beside each other joined."""
    found: list[Any] = []
    for value in values:
        if value["_"] == "Constant" and found and found[-1]["_"] == "Constant":
            found[-1] = {"_": "Constant", "value": found[-1]["value"] + value["value"]}
        elif value["_"] != "Constant" or value["value"]:
            found.append(value)
    return found


def decode_node(data: Any) -> Any:
    """The tree of a normal form."""
    if isinstance(data, list):
        return [decode_node(one) for one in data]
    if not isinstance(data, dict):
        return data
    kind: str = data["_"]
    cls: Any = getattr(_ast, kind, None)
    if cls is None:
        raise TooNewError(kind)
    node = cls()
    for field in data:
        if field != "_" and field not in cls._fields:
            raise TooNewError(field)
    for field in cls._fields:
        if field == "ctx":
            value: Any = getattr(_ast, data.get(field, "Load"))()
        elif kind == "Constant" and field == "value":
            value = decode_atom(data[field])
        elif field in data:
            value = decode_node(data[field])
        else:
            value = [] if field in _LISTS else None
        if _BEFORE_3_9 and kind == "Subscript" and field == "slice":
            value = _old_slice(value)
        setattr(node, field, value)
    return node


def _old_slice(value: Any) -> Any:
    if isinstance(value, _ast.Slice):
        return value
    wrapped: Any = _ast
    if isinstance(value, _ast.Tuple) and any(isinstance(one, _ast.Slice) for one in value.elts):
        dims = [one if isinstance(one, _ast.Slice) else wrapped.Index(one) for one in value.elts]
        return wrapped.ExtSlice(dims)
    return wrapped.Index(value)


def bare_function(node: Any) -> Any:
    """A function's tree without what is kept as values: its decorators and defaults."""
    copy = type(node)(**{field: getattr(node, field, None) for field in node._fields})
    if hasattr(node, "decorator_list"):
        copy.decorator_list = []
    given = node.args
    arguments = type(given)(**{field: getattr(given, field, None) for field in given._fields})
    arguments.defaults = []
    arguments.kw_defaults = [None for _ in given.kwonlyargs]
    copy.args = arguments
    return at(copy, node)


def bare_class(node: Any, variables: Sequence[str]) -> Any:
    """A class's tree with some of its variables taken from where `VARIABLES` has them."""
    body: list[Any] = []
    for statement in node.body:
        name = assigned_name(statement)
        if name in variables:
            fields = {field: getattr(statement, field, None) for field in statement._fields}
            slot: Any = _ast.Constant(name)
            if _BEFORE_3_9:
                slot = _old_slice(slot)
            fields["value"] = _ast.Subscript(_ast.Name(VARIABLES, _ast.Load()), slot, _ast.Load())
            at(fields["value"], statement)
            statement = located(at(type(statement)(**fields), statement))
        body.append(statement)
    copy = type(node)(**{field: getattr(node, field, None) for field in node._fields})
    copy.body = body
    return at(copy, node)


def assigned_name(statement: Any) -> str:
    """The name that a statement such as `NAME = …` gives a value to; empty for any other statement."""
    if isinstance(statement, _ast.Assign) and len(statement.targets) == 1:
        target: Any = statement.targets[0]
    elif isinstance(statement, _ast.AnnAssign) and statement.value is not None:
        target = statement.target
    else:
        return ""
    return target.id if isinstance(target, _ast.Name) else ""


def at(new: Any, old: Any) -> Any:
    """Gives a node the place of another one."""
    for name in _PLACE:
        setattr(new, name, getattr(old, name, None))
    return new


def located(node: Any, place: Sequence[int] = (1, 0, 1, 0)) -> Any:
    """Gives the nodes of a tree that have no place the one of what is around them."""
    if "lineno" in node._attributes:  # noqa: SLF001
        known = [getattr(node, name, None) for name in _PLACE]
        place = [place[number] if one is None else one for number, one in enumerate(known)]
        for number, name in enumerate(_PLACE):
            setattr(node, name, place[number])
    for field in node._fields:
        value = getattr(node, field, None)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, _ast.AST):
                located(one, place)
    return node


# -- values without parts


def encode_atom(value: Any) -> Any:
    """A value without parts, as JSON can hold it."""
    if value is None or value is True or value is False or type(value) is str:
        return value
    if type(value) is int:
        return value if -(1 << 63) <= value < 1 << 63 else ["i", hex(value)]
    if type(value) is float:
        return ["f", value.hex()]
    if type(value) is complex:
        return ["c", value.real.hex(), value.imag.hex()]
    if type(value) is bytes:
        from binascii import b2a_base64

        return ["b", b2a_base64(value, newline=False).decode("ascii")]
    if value is Ellipsis:
        return ["e"]
    raise TypeError(type(value).__name__)


def decode_atom(data: Any) -> Any:
    """The value of `encode_atom`."""
    if not isinstance(data, list):
        return data
    kind: str = data[0]
    if kind == "i":
        return int(data[1], 16)
    if kind == "f":
        return float.fromhex(data[1])
    if kind == "c":
        return complex(float.fromhex(data[1]), float.fromhex(data[2]))
    if kind == "b":
        from binascii import a2b_base64

        return a2b_base64(data[1])
    return Ellipsis
