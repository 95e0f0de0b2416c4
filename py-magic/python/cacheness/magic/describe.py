"""What a manifest says of a value, so that a difference can be put in the person's own terms."""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any

from cacheness.origin import code_origin, type_home

# A manifest is read by people; more parts than this are only counted.
_MOST_PARTS = 400
_MOST_ITEMS = 100
_SHOWN = 60
_MOST_TEXT = 10_000
_ATOMS = (bool, int, float, complex, str, bytes, type(None))
_ARRAYS = ("numpy", "pandas", "polars")


def describe(value: Any, parts: list[tuple[Any, str]]) -> dict[str, Any]:
    """Type, size and small content of one input, and the digests of its parts. `parts` are those
    that the walk labelled.
    """
    kind = type(value)
    detail: dict[str, Any] = {"type": kind.__qualname__}
    if type_home(kind) in _ARRAYS:
        detail |= _layout(value)
    elif isinstance(value, (list, tuple, dict, set, frozenset)):
        detail["length"] = len(value)
    if isinstance(value, _ATOMS):
        detail["value"] = _shown(value)
    items = _items(value)
    if items:
        detail["items"] = items
    if parts and len(parts) <= _MOST_PARTS:
        detail["parts"] = {_label(value, label): digest for label, digest in parts}
        dtypes = _column_dtypes(value)
        if dtypes:
            detail["dtypes"] = dtypes
    if isinstance(value, types.FunctionType):
        detail["text"] = _source(value)
    if isinstance(value, types.ModuleType):
        detail["type"] = "module"
    methods = _methods(value if isinstance(value, type) else kind)
    if methods:
        detail["methods"] = methods
    return detail


def describe_text(source: str) -> str:
    """A source text as far as a manifest keeps it."""
    return source[:_MOST_TEXT]


def _layout(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(shape, tuple):
        found["shape"] = [int(size) for size in shape]
    if dtype is not None:
        found["dtype"] = str(dtype)
    return found


def _items(value: Any) -> dict[str, str]:
    """Plain values in a small container or object, by how one would write the place."""
    kind = type(value)
    if kind in (list, tuple):
        pairs = [(f"[{index}]", item) for index, item in enumerate(value[: _MOST_ITEMS + 1])]
    elif kind is dict:
        pairs = [(f"[{label!r}]", item) for label, item in value.items()]
    elif kind is functools.partial:
        pairs = [(f"argument {index + 1}", item) for index, item in enumerate(value.args)]
        pairs += [(f"argument {name}", item) for name, item in value.keywords.items()]
    elif kind is types.FunctionType:
        pairs = _closure(value)
    elif (type_home(kind), kind.__name__) == ("numpy", "ndarray") and value.ndim == 1:
        pairs = [(f"[{index}]", item) for index, item in enumerate(value[: _MOST_ITEMS + 1])]
        pairs = [(place, item.item()) for place, item in pairs if hasattr(item, "item")]
    elif code_origin(kind.__module__) is None and kind.__dictoffset__:
        pairs = [
            (f".{name}", item) for name, item in object.__getattribute__(value, "__dict__").items()
        ]
    else:
        return {}
    if len(pairs) > _MOST_ITEMS:
        return {}
    return {place[:_SHOWN]: _shown(item) for place, item in pairs if type(item) in _ATOMS}


def _closure(function: types.FunctionType) -> list[tuple[str, Any]]:
    found = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found.append((name, cell.cell_contents))
        except ValueError:
            continue
    return found


def _methods(kind: type) -> dict[str, str]:
    """The text of each function of the notebook's own classes among the bases of `kind`."""
    if kind.__module__ != "__main__":
        return {}
    return {
        function.__qualname__: _source(function)
        for base in reversed(kind.__mro__)
        for function in vars(base).values()
        if isinstance(function, types.FunctionType) and function.__module__ == "__main__"
    }


def _source(function: types.FunctionType) -> str:
    try:
        return describe_text(inspect.getsource(function))
    except (OSError, TypeError):
        return ""


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"


def _label(value: Any, label: Any) -> str:
    """A column as `column price`, an attribute as `.price`, an item as `['price']`."""
    if isinstance(label, tuple) and len(label) == 2 and isinstance(label[0], int):
        return f"column {label[1]}"
    if type(value).__name__ == "DataFrame" and type_home(type(value)) == "polars":
        return "rows" if label == "shape" else f"column {label}"
    return f"[{label!r}]" if type(value) is dict else str(label)


def _column_dtypes(value: Any) -> dict[str, str]:
    if type(value).__name__ != "DataFrame":
        return {}
    dtypes = value.dtypes
    if isinstance(dtypes, list):
        return {
            f"column {name}": str(dtype) for name, dtype in zip(value.columns, dtypes, strict=True)
        }
    return {f"column {name}": str(dtype) for name, dtype in dtypes.items()}
