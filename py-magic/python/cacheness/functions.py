"""What a function is, as far as its results depend on it.

Its code (as compiled: comments and layout do not matter), its defaults, the values it closes over
and the globals it reads, functions and classes among those in turn; of an installed package, name
and version. A survey finds all of that, and how to see that each of it is still the same object;
mutable values are digested on every call.
"""

import builtins
import contextlib
import datetime
import decimal
import enum
import importlib.util
import pathlib
import re
import sys
import types
from collections.abc import Mapping, Sized
from typing import Any, Final, NamedTuple

from cacheness import serialization
from cacheness._cacheness import Walk, digest_bytes
from cacheness.bytecode import Uses, uses
from cacheness.decompose.code import CLASS_NOISE
from cacheness.decompose.parts import VALUE, Decomposed
from cacheness.errors import CacheError, CacheKeyError
from cacheness.fingerprint import Decomposer, fingerprint
from cacheness.origin import code_origin, lookup, type_home

OWN_ATTRIBUTES: Final = frozenset({"__wrapped__", "cache_info", "cache_clear", "cache_key"})
_SCALARS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
_IMMUTABLE: Final = (
    *(types.BuiltinFunctionType, re.Pattern, pathlib.PurePath, decimal.Decimal),
    *(datetime.date, datetime.timedelta, range),
)
_CONTAINERS: Final = frozenset({"list", "dict", "set", "deque", "bytearray", "Counter"}) | {
    "defaultdict",
    "OrderedDict",
}
_WHOLE_NAMESPACE: Final = frozenset({"eval", "exec", "globals"})
_ABSENT: Final = object()


class State(NamedTuple):
    """What was found at one time.

    Attributes:
        digest: of all of it.
        code: of what is told unchanged by its identity.
        data: of each mutable value, by a label, with its address.
        lineage: which sequence of own runs had led to it, for `Identity`.
    """

    digest: str
    code: str
    data: dict[str, tuple[str, int]]
    lineage: int = 0


class Survey:
    """Everything that some functions and classes depend on.

    `names` are what may be taken from the modules among the roots.

    Attributes:
        imports: modules that functions import when they run, with the names that may be taken.
        rebound: labels of variables that the code itself assigns.
        changed: labels of values that the code visibly changes in place.
        constant: the state, if there are no mutable values.
    """

    def __init__(self, *roots: Any, names: tuple[str, ...] = ()) -> None:
        self.imports: dict[str, tuple[str, ...]] = {}
        self.rebound: set[str] = set()
        self.changed: set[str] = set()
        self._fixed: list[str] = []
        self._data: list[tuple[str, Any, tuple[int, ...]]] = []
        self._bindings: list[tuple[Mapping[str, Any], str, Any]] = []
        self._functions: list[tuple[Any, ...]] = []
        self._cells: list[tuple[types.CellType, Any]] = []
        self._sizes: list[tuple[Sized, int]] = []
        self._seen: dict[int, Any] = {}
        self._seen_modules: set[tuple[int, tuple[str, ...]]] = set()
        self._attributes: list[tuple[str, Mapping[str, Any], str]] = []
        self._gets: set[str] = set()
        self._sets: set[str] = set()
        for root in roots:
            if isinstance(root, types.ModuleType):
                self._module(root, names)
            elif isinstance(root, types.FunctionType):
                self._code(root)
            else:
                self._value("a root", root)
        self._look_at_attributes()
        self._data = [(label, value, self._met(value)) for label, value, _ in self._data]
        self._code_digest = _digest(self._fixed)
        self.constant = None if self._data else self.state()

    # -- on every call ------------------------------------------------------------------------

    def holds(self) -> bool:
        """Whether every name still stands for the object that it stood for."""
        for names, name, value in self._bindings:
            if names.get(name, _ABSENT) is not value:
                return False
        for function, code, defaults, keyword_defaults in self._functions:
            if (
                function.__code__ is not code
                or function.__defaults__ is not defaults
                or function.__kwdefaults__ is not keyword_defaults
            ):
                return False
        for cell, value in self._cells:
            if _content(cell) is not value:
                return False
        return all(len(sized) == size for sized, size in self._sizes)

    def state(self) -> State | None:
        """What is found now; `None` when a mutable value has come to hold other code."""
        if not self._data:
            return State(self._code_digest, self._code_digest, {})
        data: dict[str, tuple[str, int]] = {}
        for label, value, met in self._data:
            digest, now = self._content(value)
            if met != tuple(map(id, now)):
                return None
            data[label] = digest, id(value)
        parts = [self._code_digest, *(f"{label}={data[label][0]}" for label in sorted(data))]
        return State(_digest(parts), self._code_digest, data)

    # -- the survey ---------------------------------------------------------------------------

    def _code(self, value: Any) -> None:
        """A function or a class, once."""
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, type):
            self._class(value)
        else:
            self._function(value)

    def _function(self, function: types.FunctionType) -> None:
        label = f"{function.__module__}.{function.__qualname__}"
        code = function.__code__
        self._functions.append((function, code, function.__defaults__, function.__kwdefaults__))
        self._fixed.append(f"{label} {fingerprint(code)} {sys.version_info[:2]}")
        self._value(f"{label} defaults", (function.__defaults__, function.__kwdefaults__))
        self._attributes_of(label, function)
        used = uses(code)
        self._gets |= used.gets
        self._sets |= used.sets
        for name, level in used.imports:
            self._import(function, name, level, used.names)
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        for name in used.reads:
            self._variable(f"{label}:{name}", name, function, cells, used)
        for name in used.fills:
            held = _content(cells[name]) if name in cells else function.__globals__.get(name)
            if type(held).__name__ not in _CONTAINERS or type_home(type(held)) not in _HOMES:
                self._variable(f"{label}:{name}", name, function, cells, used)

    def _import(
        self, function: types.FunctionType, name: str, level: int, names: tuple[str, ...]
    ) -> None:
        if level:
            package = function.__globals__.get("__package__") or ""
            with contextlib.suppress(ImportError):
                name = importlib.util.resolve_name("." * level + name, package)
        if name.partition(".")[0] not in sys.stdlib_module_names:
            self.imports[name] = tuple(sorted({*self.imports.get(name, ()), *names}))

    def _variable(
        self,
        label: str,
        name: str,
        function: types.FunctionType,
        cells: dict[str, types.CellType],
        used: Uses,
    ) -> None:
        if name in used.rebinds:
            self.rebound.add(label)
        if name in used.changes:
            self.changed.add(label)
        if name in cells:
            value = _content(cells[name])
            self._cells.append((cells[name], value))
            self._value(label, value, used.names)
        elif name in function.__globals__ or not hasattr(builtins, name):
            self._binding(label, function.__globals__, name, used.names)
        elif name in _WHOLE_NAMESPACE:
            raise CacheError(
                f"what {function.__qualname__} reads by {name}() cannot be seen: give version="
            )
        else:  # a builtin, as long as nothing hides it
            self._bindings.append((function.__globals__, name, _ABSENT))

    def _binding(
        self, label: str, names: Mapping[str, Any], name: str, used: tuple[str, ...] = ()
    ) -> None:
        value = names.get(name, _ABSENT)
        self._bindings.append((names, name, value))
        self._value(label, value, used)

    def _value(self, label: str, value: Any, used: tuple[str, ...] = ()) -> None:
        """Whatever a name stands for; `used` are the names that may be taken from it."""
        if value is _ABSENT:
            self._fixed.append(f"{label} is not defined")
        elif label in self.rebound:
            self._mutable(label, value)
        elif isinstance(value, types.ModuleType):
            origin = code_origin(value.__name__)
            self._fixed.append(f"{label} is the module {value.__name__} {origin}")
            if origin is None:
                self._module(value, used)
        elif isinstance(value, (types.FunctionType, type)):
            self._fixed.append(f"{label} is {_name_of(value)}")
            if not _version(value):
                self._follow(label, value)
        elif _is_immutable(value):
            self._fixed.append(f"{label}={_text(value)}")
        else:
            self._mutable(label, value)

    def _follow(self, label: str, value: Any) -> None:
        plain = _plain(value)
        if plain is not value:
            self._attributes_of(label, value)
        self._code(plain)

    def _mutable(self, label: str, value: Any) -> None:
        self._data.append((label, value, ()))
        if type(value).__module__ not in _HOMES and not _version(type(value)):
            self.changed.add(label)  # its methods are followed, and may change it
        for code in self._content(value)[1]:
            self._code(code)

    def _module(self, module: types.ModuleType, used: tuple[str, ...]) -> None:
        if (id(module), used) in self._seen_modules:
            return
        self._seen_modules.add((id(module), used))
        names = vars(module)
        for name in used:
            if name in names:
                self._binding(f"{module.__name__}.{name}", names, name, used)
            else:
                self._bindings.append((names, name, _ABSENT))

    def _class(self, kind: type) -> None:
        label = f"{kind.__module__}.{kind.__qualname__}"
        self._fixed.append(f"class {label}")
        for base in (*kind.__bases__, type(kind)):
            self._value(f"{label} base", base)
        self._sizes.append((vars(kind), len(vars(kind))))
        for name, member in list(vars(kind).items()):
            if isinstance(member, _CODE):
                self._binding(f"{label}.{name}", vars(kind), name)
            elif name not in CLASS_NOISE and not _is_generated(kind, name):
                self._attributes.append((f"{label}.{name}", vars(kind), name))

    def _attributes_of(self, label: str, function: types.FunctionType) -> None:
        """Of a function. What `functools.wraps` leaves is in the closure, if it counts."""
        names = vars(function)
        self._sizes.append((names, len(names)))
        own = [name for name in names if name not in OWN_ATTRIBUTES]
        self._attributes += [(f"{label}.{name}", names, name) for name in own]

    def _look_at_attributes(self) -> None:
        """At data in classes and functions, last: by then it is known which of it nobody reads."""
        while self._attributes:
            label, names, name = self._attributes.pop()
            if name in self._sets:
                self.rebound.add(label)
            if name not in self._sets or name in self._gets:
                self._binding(label, names, name)

    def _met(self, value: Any) -> tuple[int, ...]:
        return tuple(map(id, self._content(value)[1]))

    def _content(self, value: Any) -> tuple[str, list[Any]]:
        """The digest of a value, and the code that was met in it."""
        loose = _Loose(self._sets - self._gets)
        try:
            return Walk(loose).add(value)[0], loose.met
        except CacheKeyError:
            return "?", loose.met


class _Loose(Decomposer):
    """Takes values apart as far as that goes: nothing is said of what has no stable content, and
    code in them is named, to be followed by the survey."""

    def __init__(self, ignored: set[str]) -> None:
        super().__init__()
        self.met: list[Any] = []
        self._ignored = {f".{name}" for name in ignored}

    def __call__(self, value: Any) -> Decomposed:
        if isinstance(value, (types.FunctionType, type)):
            if not _version(value):
                self.met.append(_plain(value))
            return "code", (_name_of(value),), VALUE
        kind = type(value)
        if type_home(kind) == "cacheness":
            return "opaque", (_name_of(kind),), VALUE
        if kind.__module__ not in _HOMES and _version(kind):
            try:
                return "value", (fingerprint(value),), VALUE
            except CacheKeyError:
                return "opaque", (_name_of(kind),), VALUE
        try:
            tag, parts, identity = super().__call__(value)
        except TypeError:
            return "opaque", (_name_of(kind),), VALUE
        if self._ignored and isinstance(parts, dict):
            parts = {name: part for name, part in parts.items() if name not in self._ignored}
        return tag, parts, identity


_CODE: Final = (types.FunctionType, staticmethod, classmethod, property)
_HOMES: Final = frozenset({"builtins", "collections", "functools", "types"})


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return _ABSENT


def _plain(value: Any) -> Any:
    """The function that one of our own wrappers wraps, else the value itself."""
    while isinstance(value, types.FunctionType) and "cache_key" in vars(value):
        value = vars(value)["__wrapped__"]
    return value


def _name_of(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__} {_version(value)}"


def _version(value: Any) -> str | None:
    """The version of the installed package that a function or class belongs to."""
    if type_home(value) == "cacheness":
        return "cacheness"
    origin = code_origin(value.__module__)
    if origin is not None and lookup(value.__module__, value.__qualname__) is value:
        return origin
    return None


def _is_immutable(value: Any) -> bool:
    kind = type(value)
    if kind in (tuple, frozenset):
        return all(map(_is_immutable, value))
    return kind in _SCALARS or isinstance(value, _IMMUTABLE)


def _text(value: Any) -> str:
    if type(value) in _SCALARS:
        return serialization.exact(value)
    try:
        return fingerprint(value)
    except CacheKeyError:
        return "?"


def _is_generated(kind: type, name: str) -> bool:
    """Data that `enum` and `dataclass` derive from the rest of a class."""
    if name.startswith("__") and name.endswith("__"):
        return True
    return issubclass(kind, enum.Enum) and name.startswith("_")


def _digest(parts: list[str]) -> str:
    return digest_bytes("\0".join(parts).encode("utf-8", "surrogatepass"))
