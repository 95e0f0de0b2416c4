"""Which cell of the session last set a variable, as far as the texts of the cells tell."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

_MUTATORS = frozenset(
    "add append clear discard extend fill insert pop popitem remove resize reverse setdefault sort"
    " update".split()
)


def last_set(name: str, shell: Any) -> int | None:
    """The execution count of the last cell before this one that bound `name` or changed it."""
    texts: Sequence[str] = shell.history_manager.input_hist_parsed
    for count in range(min(len(texts), shell.execution_count) - 1, 0, -1):
        if name in texts[count] and _sets(texts[count], name):
            return count
    return None


def _sets(text: str, name: str) -> bool:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return any(_is_set(node, name) for node in ast.walk(tree))


def _is_set(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Name(id=found, ctx=ast.Store() | ast.Del()):
            return found == name
        case (
            ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del())
        ):
            return _root(node) == name
        case ast.Call(func=ast.Attribute(attr=method), keywords=keywords):
            in_place = any(keyword.arg == "inplace" for keyword in keywords)
            return (method in _MUTATORS or in_place) and _root(node.func) == name
        case (
            ast.FunctionDef(name=found)
            | ast.ClassDef(name=found)
            | ast.AsyncFunctionDef(name=found)
        ):
            return found == name
        case ast.alias(name=found, asname=chosen):
            return (chosen or found.partition(".")[0]) == name
    return False


def _root(node: ast.expr) -> str | None:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
