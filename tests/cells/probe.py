"""Executed inside a kernel: says what its namespace holds, without the code under test."""

from __future__ import annotations

import itertools
import re
import types
from typing import Any

_ATOMS = (type(None), bool, int, float, complex, str, bytes, range)


class Probe:
    """One look at a namespace. Objects met again are named by the order of the first meetings."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []
        self._arrays: list[Any] = []

    def look(self, namespace: dict[str, Any], hidden: dict[str, Any]) -> dict[str, Any]:
        """Each variable in words, and which arrays share memory."""
        names = sorted(
            name
            for name, value in namespace.items()
            if not (name.startswith("_") or name in ("In", "Out"))
            and (name not in hidden or hidden[name] is not value)
        )
        found = {name: self.describe(namespace[name]) for name in names}
        pairs = itertools.combinations(enumerate(self._arrays), 2)
        found["shared memory"] = [(i, k) for (i, a), (k, b) in pairs if _overlap(a, b)]
        return found

    def describe(self, value: Any) -> Any:
        """Plain data that is equal exactly for values that cannot be told apart."""
        kind = type(value)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if isinstance(value, _ATOMS):
            return f"{name} {value!r}"
        if isinstance(value, (type, types.ModuleType, types.BuiltinFunctionType)):
            return f"{name} {value.__name__}"
        if id(value) in self._seen:
            return f"the same as {self._seen[id(value)]}"
        if not isinstance(value, (tuple, frozenset)):
            self._seen[id(value)] = len(self._seen)
            self._alive.append(value)
        return [name, *self._content(value)]

    def _content(self, value: Any) -> list[Any]:
        own = (
            {}
            if type(value).__module__.startswith("matplotlib")
            else getattr(value, "__dict__", {})
        )
        attributes = {n: self.describe(v) for n, v in own.items()}
        if isinstance(value, dict):
            return [[[self.describe(k), self.describe(v)] for k, v in value.items()], attributes]
        if isinstance(value, (set, frozenset)):
            return [sorted(str(self.describe(item)) for item in value), attributes]
        if isinstance(value, types.FunctionType):
            return [
                value.__qualname__,
                self.describe(value.__defaults__),
                value.__code__.co_code.hex(),
            ]
        if hasattr(value, "to_dict") and hasattr(value, "index"):
            return self._table(value)
        if hasattr(value, "dtype") and hasattr(value, "tolist"):
            return self._array(value)
        if isinstance(value, (list, tuple)) or hasattr(value, "popleft"):
            return [[self.describe(item) for item in value], attributes]
        slots = [n for base in type(value).__mro__ for n in base.__dict__.get("__slots__", ())]
        held = {n: self.describe(getattr(value, n)) for n in slots if hasattr(value, n)}
        if type(value).__module__.startswith("matplotlib"):
            return []
        try:
            shown = re.sub(r"0x[0-9a-fA-F]+", "0x", repr(value))
        except Exception as error:
            shown = type(error).__name__
        return [shown, attributes if not type(value).__module__.startswith("pandas") else {}, held]

    def _table(self, value: Any) -> list[Any]:
        index = [repr(value.index), value.index.tolist().__repr__(), str(value.attrs)]
        if hasattr(value, "columns"):
            columns = [
                (str(dtype), repr(value.iloc[:, i].tolist()))
                for i, dtype in enumerate(value.dtypes)
            ]
            return [*index, repr(value.columns), columns]
        return [*index, repr(value.name), str(value.dtype), repr(value.tolist())]

    def _array(self, value: Any) -> list[Any]:
        if hasattr(value, "flags") and hasattr(value, "base"):
            self._arrays.append(value)
        order = str(getattr(value, "flags", "")).split("OWNDATA")[0]
        writeable = getattr(getattr(value, "flags", None), "writeable", None)
        shape = getattr(value, "shape", None)
        return [str(value.dtype), str(shape), order, writeable, repr(value.tolist())]


def _overlap(a: Any, b: Any) -> bool:
    import numpy as np

    return a.size > 0 and bool(np.shares_memory(a, b))
