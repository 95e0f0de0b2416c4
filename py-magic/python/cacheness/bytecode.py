"""What a function's bytecode reads, changes and imports beyond its locals.

Only a use that is known to put something in and to take nothing out is a mere change; all others
are reads.
"""

import dis
import functools
import types
from collections.abc import Iterator
from typing import Final, NamedTuple

# Methods of the built-in containers that return nothing.
SINKS: Final = frozenset({"append", "appendleft", "add", "extend", "update", "insert", "clear"})
_LOADS: Final = frozenset({"LOAD_GLOBAL", "LOAD_DEREF", "LOAD_NAME", "LOAD_CLASSDEREF"})
_REBINDS: Final = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF"})
_GETS: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"})
_SILENT: Final = frozenset({"CACHE", "PRECALL", "PUSH_NULL", "NOP", "EXTENDED_ARG", "RESUME"})


class Uses(NamedTuple):
    """The names that a code object, with what is nested in it, uses.

    Attributes:
        reads: outer variables whose values it takes, sorted.
        fills: outer variables that it only puts into, if they are built-in containers.
        rebinds: outer variables that it assigns.
        changes: outer variables that it visibly changes in place.
        gets: attributes that it reads.
        sets: attributes that it assigns.
        names: every name in it, sorted: what it may take from a module.
        imports: modules that it imports, with the level of a relative import, sorted.
    """

    reads: tuple[str, ...]
    fills: tuple[str, ...]
    rebinds: frozenset[str]
    changes: frozenset[str]
    gets: frozenset[str]
    sets: frozenset[str]
    names: tuple[str, ...]
    imports: tuple[tuple[str, int], ...]


class _Found:
    """What was found so far."""

    def __init__(self) -> None:
        self.reads: set[str] = set()
        self.fills: set[str] = set()
        self.rebinds: set[str] = set()
        self.changes: set[str] = set()
        self.gets: set[str] = set()
        self.sets: set[str] = set()
        self.imports: set[tuple[str, int]] = set()


@functools.lru_cache(maxsize=4096)
def uses(code: types.CodeType) -> Uses:
    """What `code` and the functions defined in it use from outside."""
    found = _Found()
    inner: set[str] = set()
    names: set[str] = set()
    for part in _with_nested(code):
        steps = [step for step in dis.get_instructions(part) if step.opname not in _SILENT]
        for at in range(len(steps)):
            _look(steps, at, found)
        inner |= set(part.co_cellvars)
        names |= set(part.co_names)
        # What getattr() may be given.
        found.gets |= {text for text in part.co_consts if type(text) is str}
    # A local of an outer function here is not a free variable of the whole.
    inner -= set(code.co_freevars)
    return Uses(
        reads=tuple(sorted(found.reads - inner)),
        fills=tuple(sorted(found.fills - found.reads - inner)),
        rebinds=frozenset(found.rebinds - inner),
        changes=frozenset(found.changes - inner),
        gets=frozenset(found.gets),
        sets=frozenset(found.sets),
        names=tuple(sorted(names)),
        imports=tuple(sorted(found.imports)),
    )


def _with_nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _with_nested(constant)


def _look(steps: list[dis.Instruction], at: int, found: _Found) -> None:
    step = steps[at]
    name = str(step.argval)
    if step.opname in _REBINDS:
        found.rebinds.add(name)
    elif step.opname in _LOADS or step.opname.startswith("LOAD_FROM_DICT_OR"):
        _look_at_load(steps, at, name, found)
    elif step.opname in _GETS:
        # `x.n += 1` only counts: n is not read for the sake of anything else.
        if not _matches(steps, at - 1, "COPY", None, "=LOAD", "+=", "SWAP", "STORE_ATTR"):
            found.gets.add(name)
    elif step.opname in ("STORE_ATTR", "DELETE_ATTR"):
        found.sets.add(name)
    elif step.opname == "IMPORT_NAME":
        found.imports.add((name, _level(steps, at)))


def _look_at_load(steps: list[dis.Instruction], at: int, name: str, found: _Found) -> None:
    after = steps[at + 1] if at + 1 < len(steps) else None
    if _matches(steps, at + 1, "=LOAD", "+=", "=STORE") and steps[at + 3].argval == name:
        return  # `n += 1`
    if _matches(steps, at + 1, "COPY", None, "=LOAD", "+=", "SWAP", "STORE_ATTR") or (
        after is not None and after.opname == "STORE_ATTR"
    ):
        # `x.n += 1`, `x.n = 1`: whether n counts is told by who reads it.
        found.changes.add(name)
        found.reads.add(name)
    elif (after is not None and after.opname in _GETS and after.argval in SINKS) or _fills(
        steps, at
    ):
        found.changes.add(name)
        found.fills.add(name)
    else:
        found.reads.add(name)


def _fills(steps: list[dis.Instruction], at: int) -> bool:
    """Whether this is `d[k] += 1` or `d[k] = v`."""
    return _matches(steps, at + 1, "=LOAD", "STORE_SUBSCR") or _matches(
        steps,
        at + 1,
        *("=LOAD", "COPY", "COPY", None, "=LOAD", "+=", "SWAP", "SWAP", "STORE_SUBSCR"),
    )


def _matches(steps: list[dis.Instruction], start: int, *pattern: str | None) -> bool:
    """Whether the steps are of these kinds: an opcode's name, `=LOAD` for a constant or a local,
    `+=` for any operation in place, `=STORE` for an assignment to an outer variable, `None` for
    any."""
    if start < 0 or start + len(pattern) > len(steps):
        return False
    return all(
        _is(step, kind)
        for step, kind in zip(steps[start : start + len(pattern)], pattern, strict=True)
    )


def _is(step: dis.Instruction, kind: str | None) -> bool:
    if kind == "=LOAD":
        return step.opname in _SIMPLE
    if kind == "+=":
        return step.opname == "BINARY_OP" and step.argrepr.endswith("=")
    if kind == "=STORE":
        return step.opname in ("STORE_GLOBAL", "STORE_DEREF")
    return kind is None or step.opname == kind


_SIMPLE: Final = frozenset(
    "LOAD_CONST LOAD_SMALL_INT LOAD_FAST LOAD_FAST_BORROW LOAD_FAST_CHECK".split()
)


def _level(steps: list[dis.Instruction], at: int) -> int:
    """The level of an import: the constant loaded two steps before."""
    level = steps[at - 2].argval if at >= 2 else 0
    return level if type(level) is int else 0
