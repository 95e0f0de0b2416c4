"""What a manifest says of a value, so that a difference can be put in the person's own terms."""

from __future__ import annotations

import inspect
import types
from typing import Any

from cacheness.origin import type_home

# A manifest is read by people; more parts than this are only counted.
_MOST_PARTS = 400
_SHOWN = 60
_MOST_TEXT = 10_000


def describe(value: Any, parts: list[tuple[Any, str]]) -> dict[str, Any]:
    """Type, shape and the digests of the parts of one input. `parts` are those that the walk
    labelled.
    """
    kind = type(value)
    detail: dict[str, Any] = {"type": kind.__qualname__}
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        detail["shape"] = [int(size) for size in shape]
    elif isinstance(value, (list, tuple, dict, set, frozenset)):
        detail["length"] = len(value)
    dtype = getattr(value, "dtype", None)
    if dtype is not None and type_home(kind) in ("numpy", "pandas", "polars"):
        detail["dtype"] = str(dtype)
    if isinstance(value, (bool, int, float, complex, str, bytes, type(None))):
        shown = repr(value)
        detail["value"] = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
    if parts and len(parts) <= _MOST_PARTS:
        detail["parts"] = {_label(label): digest for label, digest in parts}
        dtypes = _column_dtypes(value)
        if dtypes:
            detail["dtypes"] = dtypes
    if isinstance(value, types.FunctionType):
        detail["text"] = _source(value)
    if isinstance(value, types.ModuleType):
        detail["type"] = "module"
    return detail


def describe_text(source: str) -> str:
    """A source text as far as a manifest keeps it."""
    return source[:_MOST_TEXT]


def _source(function: types.FunctionType) -> str:
    try:
        return describe_text(inspect.getsource(function))
    except (OSError, TypeError):
        return ""


def _label(label: Any) -> str:
    """A column as `column price`, an attribute as `.price`, an item as `['price']`."""
    if isinstance(label, tuple) and len(label) == 2 and isinstance(label[0], int):
        return f"column {label[1]}"
    return str(label)


def _column_dtypes(value: Any) -> dict[str, str]:
    if type(value).__name__ != "DataFrame":
        return {}
    dtypes = value.dtypes
    if isinstance(dtypes, list):
        return {
            f"column {name}": str(dtype) for name, dtype in zip(value.columns, dtypes, strict=True)
        }
    return {f"column {name}": str(dtype) for name, dtype in dtypes.items()}
