"""Which names of the notebook a cell reads: those in its code, and those that it hides."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cacheness._cacheness import CellFacts
from cacheness.decompose.code import dotted_names, imported_packages, text_constants
from cacheness.magic.magics import CODE_MAGICS, UncacheableError
from cacheness.magic.namespace import is_own_name
from cacheness.origin import type_home

_HISTORIES = frozenset("In Out _ih _oh _dh".split())
# Attributes by which code reaches names that it does not show.
_FRAMES = frozenset(
    "_getframe currentframe f_back f_globals f_locals user_ns user_global_ns user_module".split()
)
_SHELL_CALLS = frozenset("run_line_magic run_cell_magic system getoutput".split())
# What is called so may evaluate a text in the namespace of whoever calls it.
_EVALUATORS = frozenset("eval evaluate sql query execute from_query".split())
_QUERY = re.compile(r"@([^\W\d]\w*)")
_WORD = re.compile(r"[^\W\d]\w*")
_LONGEST = 20_000
# As the interpreter and the shell made them, before anybody put something else there.
_BUILTINS = dict(vars(builtins))
_SHELL_BUILTINS = frozenset("get_ipython display exit quit open _ __import__".split())


@dataclass(frozen=True)
class Code:
    """What the compiled cell refers to.

    Attributes:
        called: dotted names, as `cacheness.decompose.code.dotted_names` gives them.
        strings: its text constants.
        packages: the top-level packages that it imports anywhere.
    """

    called: frozenset[str] = frozenset()
    strings: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()


def compiled(source: str) -> Code:
    """What can be told of the cell as it is compiled; nothing if it is not valid Python."""
    try:
        code = compile(source, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError):
        return Code()
    return Code(dotted_names(code), text_constants(code), imported_packages(code))


def changed_builtins() -> dict[str, Any]:
    """What somebody put among the builtins, or in the place of one."""
    return {
        name: value
        for name, value in vars(builtins).items()
        if _BUILTINS.get(name, _BUILTINS) is not value and name not in _SHELL_BUILTINS
    }


def refuse_dynamic(facts: list[CellFacts], namespace: dict[str, Any]) -> None:
    """
    Raises:
        UncacheableError: the cell reads names that its code does not show.
    """
    for fact in facts:
        for what, line in fact.dynamic:
            raise UncacheableError(f"{what} (line {line}) hides what the cell reads")
        for name in sorted(fact.assumes):
            if name in namespace and not is_own_name(name):
                raise UncacheableError(f"the builtin `{name}` is redefined")
        for name in sorted(fact.reads & _HISTORIES):
            raise UncacheableError(f"it reads IPython's history `{name}`")
        if any(name.partition(".")[0] == "__main__" for name in (*fact.imports, *fact.members)):
            raise UncacheableError("it reads the notebook's names through `__main__`")


def refuse_frames(called: Iterable[str], strings: Iterable[str]) -> None:
    """
    Raises:
        UncacheableError: the cell, or a function that it uses, looks into frames or the shell.
    """
    called = set(called)
    for name in sorted(called):
        first, *rest = name.split(".")
        if rest and rest[-1].removesuffix("()") in _FRAMES:
            raise UncacheableError(f"`{name}` hides what the cell reads")
        if first == "get_ipython()" and rest and rest[0].removesuffix("()") not in _SHELL_CALLS:
            raise UncacheableError(f"`{name}` looks at the session or changes it")
    if "inspect.stack" in called or ("sys.modules" in called and "__main__" in strings):
        raise UncacheableError("it looks for the notebook's names in the interpreter")


def live_names(facts: list[CellFacts], namespace: dict[str, Any]) -> set[str]:
    """The names that the cell's own text reads, as far as they are bound."""
    reads: set[str] = set()
    for fact in facts:
        reads |= fact.reads
        for _kind, name, line, body, _at in fact.magics:
            if name not in CODE_MAGICS:
                # Any word of a shell line or of another magic may be expanded from the namespace.
                reads.update(_WORD.findall(line), _WORD.findall(body or ""))
    return {name for name in reads if name in namespace and not _is_shell_name(name, namespace)}


def names_in_texts(called: Iterable[str], strings: Iterable[str]) -> set[str]:
    """Names that texts may mean which the cell has evaluated: `df.query("a > @limit")`."""
    evaluators = {name.rpartition(".")[2].removesuffix("()") for name in called} & _EVALUATORS
    if not evaluators:
        return set()
    pattern = _QUERY if evaluators == {"query"} else _WORD
    return {word for text in strings for word in pattern.findall(text[:_LONGEST])}


def _is_shell_name(name: str, namespace: dict[str, Any]) -> bool:
    """Names that IPython provides. The results `_`, `_3` are values like others."""
    if name in ("get_ipython", "exit", "quit", "open", "display"):
        value = namespace[name]
        module = getattr(value, "__module__", None)
        home = module.partition(".")[0] if isinstance(module, str) else type_home(type(value))
        return home in ("IPython", "ipykernel", "_io", "io")
    return name in _HISTORIES or (
        hasattr(builtins, name) and getattr(builtins, name) is namespace[name]
    )
