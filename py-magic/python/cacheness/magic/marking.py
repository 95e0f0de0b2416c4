"""Marked cells as text and as syntax trees: what IPython is given in place of `%%cacheness`."""

from __future__ import annotations

import ast
import re
from typing import Any

MARKER = "_cacheness_cell"
RESTORE = "_cacheness_restore"
RAISE = "_cacheness_raise"
END = "_cacheness_end"
VALUE = "__cacheness_value__"
_DIRECTIVE = re.compile(r"^(?:# ?)?%%cacheness(?:[ \t]+([^?\n]*?))?[ \t]*\r?\n?$")


def is_marked(raw: str) -> bool:
    """Whether the cell begins with the directive itself, not with another magic around it."""
    return option_line(raw) is not None


def option_line(raw: str) -> str | None:
    """The options of a marked cell; `None` for a cell that is not marked."""
    match = _DIRECTIVE.match(raw.lstrip().partition("\n")[0])
    return None if match is None else match.group(1) or ""


def mentions_mark(raw: str) -> bool:
    """Whether any line of the cell is the directive."""
    return any(_DIRECTIVE.match(line) is not None for line in raw.splitlines())


def mark_cell(lines: list[str]) -> list[str]:
    """Replaces the directive on the first line by the marker call; the number of lines stays."""
    match = _DIRECTIVE.match(lines[0]) if len(lines) > 1 else None
    if match is None or not any(line.strip() for line in lines[1:]):
        return lines
    options = match.group(1) or ""
    marker = f"get_ipython().run_line_magic({MARKER!r}, {options!r})\n"
    rest = lines[1:]
    if rest[0].startswith("%%"):
        name, _, line = rest[0][2:].rstrip("\r\n").partition(" ")
        body = "".join(rest[1:])
        rest = [f"get_ipython().run_cell_magic({name!r}, {line!r}, {body!r})\n"]
    return [marker, *rest]


# IPython asks a transformer like this less often whether a half-typed cell is complete.
mark_cell.has_side_effects = True  # type: ignore[attr-defined]


def marker_line(tree: Any) -> str | None:
    """The option line, if the first statement of `tree` is the marker call."""
    if not isinstance(tree, ast.Module) or not tree.body:
        return None
    match tree.body[0]:
        case ast.Expr(
            ast.Call(
                ast.Attribute(ast.Call(ast.Name("get_ipython")), "run_line_magic"),
                [ast.Constant(name), ast.Constant(line)],
            )
        ) if name == MARKER and isinstance(line, str):
            return line
    return None


def call(magic: str) -> ast.Module:
    """A cell that does nothing but call one of our magics."""
    tree = ast.parse(f"get_ipython().run_line_magic({magic!r}, '')")
    return ast.Module(tree.body, [])


def interrupted() -> ast.Module:
    """A cell that was interrupted on its first line."""
    return ast.parse("raise KeyboardInterrupt")


def with_end(body: ast.Module) -> ast.Module:
    """The body with a call at its end, whose value is that of the last expression."""
    statements = list(body.body)
    if statements and isinstance(statements[-1], ast.Expr):
        last = statements[-1]
        target = ast.Name(VALUE, ast.Store())
        statements[-1] = ast.copy_location(ast.Assign([target], last.value), last)
    tree = ast.Module([*statements, *call(END).body], body.type_ignores)
    return ast.fix_missing_locations(tree)
