"""pandas: labels, dtypes and values, not how columns lie in blocks, chunks or shared memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cacheness.decompose.arrays import items
from cacheness.decompose.columns import arrow_values
from cacheness.decompose.parts import OBJECT, VALUE, Decomposed
from cacheness.origin import type_home

if TYPE_CHECKING:
    from cacheness.fingerprint import Decomposer

# pandas' own, each of which `_column` knows.
ARRAYS = (
    "ArrowExtensionArray ArrowStringArray BooleanArray Categorical DatetimeArray FloatingArray"
    " IntegerArray IntervalArray NumpyExtensionArray PeriodArray SparseArray StringArray"
    " TimedeltaArray"
).split()


def dataframe(self: Decomposer, value: Any) -> Decomposed:
    columns = value.columns
    series = list(_column_arrays(value))
    parts: dict[Any, Any] = {
        "index": value.index,
        "columns": columns,
        "attrs": value.attrs,
        "unique labels": value.flags.allows_duplicate_labels,
    }
    # Labels may repeat and need not be strings, so the position is part of the name.
    for position, (label, array) in enumerate(zip(columns.tolist(), series, strict=True)):
        parts[(position, label)] = _column(array)
    return "DataFrame", parts, OBJECT


def _column_arrays(frame: Any) -> Iterator[Any]:
    for position in range(frame.shape[1]):
        yield frame.iloc[:, position].array


def series(self: Decomposer, value: Any) -> Decomposed:
    return (
        "Series",
        {
            "index": value.index,
            "name": value.name,
            "attrs": value.attrs,
            "values": _column(value.array),
            "unique labels": value.flags.allows_duplicate_labels,
        },
        OBJECT,
    )


def _column(array: Any) -> tuple[Any, ...]:
    """The values of one pandas array, as parts that do not depend on how they are chunked or
    shared.
    """
    kind = type(array).__name__
    dtype = array.dtype
    if type_home(type(array)) != "pandas":
        return (kind, array)
    if kind == "NumpyExtensionArray":
        return (kind, *items(array.to_numpy()))
    if kind in ("DatetimeArray", "TimedeltaArray", "PeriodArray"):
        zone = getattr(dtype, "tz", None)
        return (kind, str(dtype), type(zone).__name__, *items(array.asi8))
    if kind == "Categorical":
        return (kind, dtype.ordered, _column(dtype.categories.array), *items(array.codes))
    if kind in ("ArrowStringArray", "ArrowExtensionArray"):
        missing = getattr(dtype, "na_value", None)
        return (kind, repr(dtype), str(missing), arrow_values(array.__arrow_array__()))
    if kind == "StringArray":
        return (kind, repr(dtype), str(dtype.na_value), tuple(array.to_numpy(object).tolist()))
    if kind == "IntervalArray":
        return (kind, str(dtype), _column(array.left.array), _column(array.right.array))
    if kind == "SparseArray":
        places = items(array.sp_index.indices)
        fill = (dtype.subtype.str, array.fill_value)
        return (kind, array.kind, len(array), *fill, *places, *items(array.sp_values))
    # A masked array keeps any value where it is masked.
    mask = array._mask
    values = array._data.copy()
    values[mask] = 0
    return (kind, str(dtype), *items(values), *items(mask))


def index(self: Decomposer, value: Any) -> Decomposed:
    return "Index", (type(value).__name__, value.name, _column(value.array)), OBJECT


def range_index(self: Decomposer, value: Any) -> Decomposed:
    return "RangeIndex", (value.name, value.start, value.stop, value.step), OBJECT


def datetime_index(self: Decomposer, value: Any) -> Decomposed:
    return "DatetimeIndex", (value.name, value.freqstr, _column(value.array)), OBJECT


def multi_index(self: Decomposer, value: Any) -> Decomposed:
    levels = tuple(_column(value.get_level_values(i).array) for i in range(value.nlevels))
    return "MultiIndex", (tuple(value.names), levels), OBJECT


def extension_array(self: Decomposer, value: Any) -> Decomposed:
    return "pandas array", _column(value), OBJECT


def categorical_dtype(self: Decomposer, value: Any) -> Decomposed:
    categories = None if value.categories is None else _column(value.categories.array)
    return "CategoricalDtype", (value.ordered, categories), VALUE
