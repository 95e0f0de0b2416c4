"""What a function is, as far as its results depend on it.

Its code (as compiled: comments and layout do not matter), its defaults, the values it closes over
and the globals it refers to; functions among those in turn, unless they belong to an installed
package. All are looked at on every call. Names that the function assigns or only appends to,
and values that were seen to change while it ran, are where it leaves its traces, and no inputs.
"""

import builtins
import dis
import functools
import inspect
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

from cacheness import serialization
from cacheness.config import SerializationConfig
from cacheness.errors import CacheKeyError

_SCALARS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
_CONTAINERS: Final = frozenset({list, dict, set, frozenset, tuple, bytearray})
_FRAMES: Final = frozenset(
    {("numpy", "ndarray"), ("pandas", "DataFrame"), ("pandas", "Series"), ("polars", "DataFrame")}
)
_SINKS: Final = frozenset({"append", "appendleft", "add", "extend", "update", "insert", "clear"})
_WRITES: Final = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF"})
_LOADS: Final = frozenset({"LOAD_GLOBAL", "LOAD_DEREF", "LOAD_NAME", "LOAD_CLASSDEREF"})
_INSTALLED: Final = ("site-packages", "dist-packages")
_STDLIB: Final = os.path.dirname(os.__file__) + os.sep
_HERE: Final = os.path.dirname(os.path.abspath(__file__)) + os.sep


class FunctionIdentity:
    """The text of one decorated function, followed from call to call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._traces: set[str] = set()

    def text(self) -> tuple[str, list[str]]:
        """The text now, and its parts; equal texts mean that the function does the same."""
        parts: list[str] = []
        self._follow(self._function, parts, set())
        known = [part for part in parts if part.partition("=")[0] not in self._traces]
        return "\n".join(known), known

    def learn(self, before: list[str]) -> bool:
        """Whether the run that began with the parts `before` left traces not known of yet."""
        now = set(self.text()[1])
        left = {part.partition("=")[0] for part in before if "=" in part and part not in now}
        self._traces |= left
        return bool(left)

    def _follow(self, function: Callable[..., Any], parts: list[str], seen: set[int]) -> None:
        plain = inspect.unwrap(function)
        code = getattr(plain, "__code__", None)
        if not isinstance(plain, types.FunctionType) or code is None or id(code) in seen:
            return
        seen.add(id(code))
        parts.append(_code_text(code))
        defaults = (plain.__defaults__, plain.__kwdefaults__)
        if defaults != (None, None):
            parts.append(f"defaults={_value_text(defaults)}")
        for name, value in _references(plain, code):
            self._reference(code, name, value, parts, seen)

    def _reference(
        self, code: types.CodeType, name: str, value: Any, parts: list[str], seen: set[int]
    ) -> None:
        kind = type(value)
        if kind in _SCALARS:
            parts.append(f"{name}={serialization.exact(value)}")
        elif kind in _CONTAINERS or (kind.__module__.partition(".")[0], kind.__name__) in _FRAMES:
            parts.append(f"{name}={_value_text(value)}")
        elif isinstance(value, type):
            self._class(name, value, parts, seen)
        elif isinstance(value, types.ModuleType):
            if not _is_installed(value):
                self._module(code, name, value, parts, seen)
        elif callable(value) and not _is_installed(value):
            parts.append(f"{name}()")
            self._follow(value, parts, seen)
        elif not callable(value):
            parts.append(f"{name}={_value_text(value)}")

    def _module(
        self,
        code: types.CodeType,
        name: str,
        module: types.ModuleType,
        parts: list[str],
        seen: set[int],
    ) -> None:
        """Of a module of the program: whatever the code may take from it."""
        for attribute in _attributes(code):
            if attribute in module.__dict__:
                value = module.__dict__[attribute]
                self._reference(code, f"{name}.{attribute}", value, parts, seen)

    def _class(self, name: str, value: type, parts: list[str], seen: set[int]) -> None:
        if _is_installed(value) or id(value) in seen:
            return
        seen.add(id(value))
        parts.append(f"class {name}")
        for base in value.__bases__:
            self._class(base.__name__, base, parts, seen)
        for attribute, member in vars(value).items():
            inner = getattr(member, "__func__", member)
            inner = getattr(inner, "fget", inner)
            if callable(inner):
                parts.append(f".{attribute}")
                self._follow(inner, parts, seen)
            elif type(inner) in _SCALARS and attribute not in _CLASS_LABELS:
                parts.append(f".{attribute}={serialization.exact(inner)}")


def _value_text(value: Any) -> str:
    """The text of a value; nothing can be said of one without stable content."""
    try:
        return serialization.exact(value)
    except CacheKeyError:
        return "?"


_CLASS_LABELS: Final = frozenset({"__doc__", "__firstlineno__", "__module__", "__qualname__"})


def _references(function: types.FunctionType, code: types.CodeType) -> Iterator[tuple[str, Any]]:
    """The names that the code reads from outside, with their values, in a fixed order."""
    names = _names_read(code)
    closed = dict(zip(code.co_freevars, function.__closure__ or (), strict=False))
    for name in names:
        cell = closed.get(name)
        if cell is not None:
            try:
                yield name, cell.cell_contents
            except ValueError:  # not assigned yet
                continue
        elif name in function.__globals__:
            yield name, function.__globals__[name]
        elif not hasattr(builtins, name):
            yield name, "<undefined>"


@functools.lru_cache(maxsize=4096)
def _names_read(code: types.CodeType) -> tuple[str, ...]:
    read: set[str] = set()
    written: set[str] = set()
    local: set[str] = set(code.co_cellvars)
    for inner in _with_nested(code):
        plain, assigned = _names_of_one(inner)
        read |= plain
        written |= assigned
        local |= set(inner.co_cellvars)
    # A name that is a local of an enclosing function here is not a free variable of the whole.
    return tuple(sorted(read - written - (local - set(code.co_freevars))))


def _names_of_one(code: types.CodeType) -> tuple[set[str], set[str]]:
    uses: dict[str, list[bool]] = {}
    written: set[str] = set()
    steps = list(dis.get_instructions(code))
    for at, step in enumerate(steps):
        if step.opname in _WRITES:
            written.add(str(step.argval))
        elif step.opname in _LOADS or step.opname.startswith("LOAD_FROM_DICT_OR"):
            after = steps[at + 1] if at + 1 < len(steps) else None
            sink = (
                after is not None
                and after.opname in ("LOAD_METHOD", "LOAD_ATTR")
                and after.argval in _SINKS
            )
            uses.setdefault(str(step.argval), []).append(sink)
    return {name for name, sinks in uses.items() if not all(sinks)}, written


@functools.lru_cache(maxsize=4096)
def _attributes(code: types.CodeType) -> tuple[str, ...]:
    return tuple(sorted({name for inner in _with_nested(code) for name in inner.co_names}))


def _with_nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _with_nested(constant)


@functools.lru_cache(maxsize=4096)
def _code_text(code: types.CodeType) -> str:
    return serialization.exact(_code_parts(code), _DEEP)


def _code_parts(code: types.CodeType) -> tuple[Any, ...]:
    constants = [
        list(_code_parts(constant)) if isinstance(constant, types.CodeType) else constant
        for constant in code.co_consts
    ]
    return (
        sys.version_info[:2],
        code.co_name,
        [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags],
        code.co_code,
        code.co_exceptiontable,
        constants,
        [list(code.co_names), list(code.co_varnames), list(code.co_freevars)],
    )


def _is_installed(value: Any) -> bool:
    """Whether it belongs to Python itself or to an installed package, whose code does not change
    between two lines of a program."""
    if isinstance(value, types.ModuleType):
        return _is_installed_file(getattr(value, "__file__", None) or "<built-in>")
    code = getattr(inspect.unwrap(value), "__code__", None)
    if code is not None:
        return _is_installed_file(code.co_filename)
    root = (getattr(value, "__module__", None) or "").partition(".")[0]
    if root == "__main__":
        return False
    module = sys.modules.get(root)
    return root in sys.stdlib_module_names or (module is not None and _is_installed(module))


@functools.lru_cache(maxsize=4096)
def _is_installed_file(path: str) -> bool:
    inside = path.startswith((_STDLIB, _HERE, "<frozen", "<built-in>"))
    return inside or any(part in path for part in _INSTALLED)


_DEEP: Final = SerializationConfig(max_collection_depth=100, max_tuple_recursive_length=1_000_000)
