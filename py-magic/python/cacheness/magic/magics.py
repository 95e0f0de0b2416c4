"""Which magics a cell uses, and what it depends on through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cacheness._cacheness import CellFacts, analyse_python
from cacheness.origin import code_origin

# Magics whose line or body is code of the cell.
CODE_MAGICS = frozenset("time timeit prun capture memit mprun lprun".split())
# IPython's own that do nothing to the session but what is recorded: outputs, files, programs.
_RECORDED = CODE_MAGICS | frozenset(
    "! HTML SVG bash env file html javascript js latex markdown perl pwd python python2 python3"
    " ruby script set_env sh svg sx system writefile".split()
)


class UncacheableError(Exception):
    """The cell cannot be cached, for a reason that the person should know."""


def analyse(source: str, shell: Any) -> list[CellFacts]:
    """The facts of a cell and of the code that its magics hold.

    Raises:
        UncacheableError: the cell does something that cannot be followed.
    """
    facts = analyse_python(source)
    if isinstance(facts, str):
        raise UncacheableError(facts)
    found = [facts]
    for kind, name, line, body, at in facts.magics:
        if kind in ("line", "cell"):
            _refuse_session(shell, kind, name, at)
        if name in CODE_MAGICS:
            if kind == "cell" and line.strip() and name != "capture":
                found += analyse(shell.transform_cell(_without_flags(line)), shell)
            found += analyse(shell.transform_cell(body or _without_flags(line)), shell)
    return found


def own_magics(facts: list[CellFacts], shell: Any) -> dict[str, Callable[..., Any]]:
    """The magics among those of the cell that are not installed, by name with a `%`."""
    found = {}
    for fact in facts:
        for kind, name, _line, _body, _at in fact.magics:
            function = _function(shell, kind, name)
            if function is not None and code_origin(function.__module__) is None:
                found[f"%{name}"] = function
    return found


def _function(shell: Any, kind: str, name: str) -> Any:
    if kind not in ("line", "cell"):
        return None
    return shell.find_line_magic(name) if kind == "line" else shell.find_cell_magic(name)


def _refuse_session(shell: Any, kind: str, name: str, at: int) -> None:
    """Most of IPython's magics look at the session or change it, which no restoring could do."""
    function = _function(shell, kind, name)
    home = str(getattr(function, "__module__", "")).partition(".")[0]
    # An alias runs a program, which is seen.
    builtin = home in ("IPython", "ipykernel", "cacheness") and name not in _RECORDED
    if builtin and type(function).__name__ != "Alias":
        raise UncacheableError(f"`%{name}` (line {at}) looks at the kernel or changes it")


def _without_flags(line: str) -> str:
    """The statement of `%timeit -n 3 statement`."""
    words = line.split(" ")
    while words and words[0].startswith("-"):
        flag = words.pop(0)
        if len(flag) == 2 and words and flag[1] in "nrtlTDs":
            words.pop(0)
    return " ".join(words)
