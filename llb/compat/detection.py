"""What a script's text says: whether it uses the service's library, and which imports it can do without."""

from __future__ import annotations

import ast

LIBRARY = "modal"
_SKIPPED = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def imports_library(source: bytes) -> bool:
    """Whether a file imports the library, wherever in it."""
    if LIBRARY.encode() not in source:
        return False
    tree = _parsed(source)
    return tree is not None and any(_names_library(node) for node in ast.walk(tree))


def optional_lines(source: bytes) -> list[range]:
    """The lines whose imports may fail, as the script goes on without: `try: … except ImportError: …`."""
    tree = _parsed(source)
    if tree is None:
        return []
    return [
        range(node.body[0].lineno, (node.body[-1].end_lineno or node.body[-1].lineno) + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try) and any(_goes_on(handler) for handler in node.handlers)
    ]


def _parsed(source: bytes) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # told when the file is compiled
        return None


def _names_library(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] == LIBRARY for alias in node.names)
    return (
        isinstance(node, ast.ImportFrom)
        and not node.level
        and (node.module or "").partition(".")[0] == LIBRARY
    )


def _goes_on(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes a missing module, and does not end the script for it."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
    if handler.type is not None and not names & _SKIPPED:
        return False
    return not any(_ends(node) for statement in handler.body for node in ast.walk(statement))


def _ends(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise):
        return True
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    return (isinstance(called, ast.Name) and called.id in ("exit", "quit")) or (
        isinstance(called, ast.Attribute) and called.attr in ("exit", "_exit")
    )
