"""Polars and Arrow: by type and values, not by how they are chunked, sliced or shared."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from cacheness._cacheness import digest_table
from cacheness.decompose.parts import OBJECT, VALUE, Decomposed

if TYPE_CHECKING:
    from cacheness.fingerprint import Decomposer


def polars_frame(self: Decomposer, value: Any) -> Decomposed:
    parts: dict[Any, Any] = {("height",): value.height}
    for column in value.iter_columns():
        parts[column.name] = _polars_column(column)
    return "polars DataFrame", parts, OBJECT


def polars_series(self: Decomposer, value: Any) -> Decomposed:
    return "polars Series", {"name": value.name, "values": _polars_column(value)}, OBJECT


# What Arrow has no word for, or polars and the Arrow reader do not agree on.
_NOT_ARROW = ("Object", "Null", "Int128", "UInt128", "Float16")


def _polars_column(series: Any) -> tuple[Any, ...]:
    dtype = repr(series.dtype)
    if any(name in dtype for name in _NOT_ARROW):
        return (dtype, tuple(series.to_list()))
    ((_, digest),) = digest_table(series.to_frame())
    return (dtype, digest)


def polars_dtype(self: Decomposer, value: Any) -> Decomposed:
    return "polars dtype", (repr(value),), VALUE


def arrow_table(self: Decomposer, value: Any) -> Decomposed:
    parts: dict[Any, Any] = {"rows": value.num_rows, "metadata": _metadata(value.schema)}
    for position, field in enumerate(value.schema):
        # By position, since names may repeat.
        parts[(position, field.name)] = (*_field(field), arrow_values(value.column(position)))
    return type(value).__name__, parts, VALUE


def _field(field: Any) -> tuple[Any, ...]:
    return (_type_text(field.type), field.nullable, _metadata(field))


def _metadata(holder: Any) -> dict[bytes, bytes] | None:
    return dict(sorted(holder.metadata.items())) if holder.metadata else None


def _type_text(kind: Any) -> tuple[Any, ...]:
    """The type and what its text leaves out: which of its fields may hold nulls."""
    inner = [kind.field(at) for at in range(kind.num_fields)] if kind.num_fields > 0 else []
    return (str(kind), tuple((field.name, *_field(field)) for field in inner))


def arrow_array(self: Decomposer, value: Any) -> Decomposed:
    return "Arrow array", (_type_text(value.type), arrow_values(value)), VALUE


def arrow_scalar(self: Decomposer, value: Any) -> Decomposed:
    import pyarrow as pa

    column = pa.array([value.as_py()], value.type) if value.is_valid else pa.nulls(1, value.type)
    return "Arrow scalar", (_type_text(value.type), arrow_values(column)), VALUE


def arrow_type(self: Decomposer, value: Any) -> Decomposed:
    return "Arrow type", (type(value).__name__, _type_text(value)), VALUE


def arrow_field(self: Decomposer, value: Any) -> Decomposed:
    return "Arrow field", (value.name, *_field(value)), VALUE


def arrow_schema(self: Decomposer, value: Any) -> Decomposed:
    fields = tuple((field.name, *_field(field)) for field in value)
    return "Arrow schema", (fields, _metadata(value)), VALUE


def arrow_values(column: Any) -> str:
    """The digest of an Arrow array or chunked array.

    Raises:
        TypeError: its type has none.
    """
    import pyarrow as pa

    if pa.types.is_run_end_encoded(column.type):
        import pyarrow.compute as pc

        column = pc.run_end_decode(column)
    ((_, digest),) = digest_table(pa.table({"": column}))
    return digest


def arrow_plan(self: Decomposer, value: Any) -> Decomposed:
    """What a dataset or a part of it would read. What it finds out about its files as it is read
    does not make it another object.
    """
    return "plan", (type(value), pickle.dumps(value, protocol=5)), VALUE
