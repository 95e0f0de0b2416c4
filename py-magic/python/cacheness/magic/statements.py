"""What the statements of a cell do whenever it succeeds, from its text."""

from __future__ import annotations

import ast
import types
from typing import Any


def names_surely_bound(source: str) -> set[str]:
    """The names that statements at the top level of a cell bind whenever the cell succeeds."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    found: set[str] = set()
    for statement in compile(source, "<cell>", "exec", flags).body:
        match statement:
            case ast.Assign(targets=targets):
                found.update(*map(_targets, targets))
            case ast.AnnAssign(target=target, value=value) if value is not None:
                found |= _targets(target)
            case ast.AugAssign(target=target):
                found |= _targets(target)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found |= {alias.asname or alias.name.partition(".")[0] for alias in names}
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(statement.name)
            case ast.With(items=items) | ast.AsyncWith(items=items):
                found.update(*(_targets(item.optional_vars) for item in items))
    return found


def modules_surely_loaded(source: str) -> list[str]:
    """The parts of packages that `import a.b` at the top level loads, and binds no name to."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return [
        alias.name
        for statement in compile(source, "<cell>", "exec", flags).body
        if isinstance(statement, ast.Import)
        for alias in statement.names
        if "." in alias.name and alias.asname is None
    ]


def _targets(target: ast.expr | None) -> set[str]:
    match target:
        case ast.Name(id=name):
            return {name}
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return set().union(*map(_targets, items))
        case ast.Starred(value=value):
            return _targets(value)
    return set()


def names_surely_deleted(source: str) -> set[str]:
    """The names that statements at the top level of a cell delete whenever the cell succeeds."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    found: set[str] = set()
    for statement in compile(source, "<cell>", "exec", flags).body:
        if isinstance(statement, ast.Delete):
            found.update(*map(_targets, statement.targets))
    return found


def class_attribute_set(source: str, namespace: dict[str, Any]) -> str | None:
    """An attribute that the code sets or deletes on a class of a module."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for node in ast.walk(compile(source, "<cell>", "exec", flags)):
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            owner = _named_by(node.value, namespace)
            if isinstance(owner, type) and owner.__module__ != "__main__":
                return ast.unparse(node)
    return None


def _named_by(expression: ast.expr, namespace: dict[str, Any]) -> Any:
    """The module or class that a dotted name stands for."""
    match expression:
        case ast.Name(id=name):
            return namespace.get(name)
        case ast.Attribute(value=inner, attr=name):
            owner = _named_by(inner, namespace)
            return vars(owner).get(name) if isinstance(owner, (type, types.ModuleType)) else None
    return None
