"""Arrays and tables, by what they hold and not by how they are chunked, sliced or shared."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cacheness._cacheness import digest_table
from cacheness.decompose.parts import OBJECT, VALUE, Decomposed, Extent

if TYPE_CHECKING:
    from cacheness.fingerprint import Decomposer


def _dtype_name(dtype: Any) -> Any:
    return dtype.str if dtype.names is None and dtype.subdtype is None else repr(dtype)


def ndarray(self: Decomposer, value: Any) -> Decomposed:
    import numpy as np

    dtype = value.dtype
    flags = (
        bool(value.flags.c_contiguous),
        bool(value.flags.f_contiguous),
        bool(value.flags.writeable),
    )
    header = (_dtype_name(dtype), value.shape, flags)
    if dtype.hasobject:
        return "ndarray", (*header, tuple(value.ravel(order="K").tolist())), OBJECT
    if value.size:
        start, end = np.lib.array_utils.byte_bounds(value)
        self.extents.append(Extent(start, end, value))
    return "ndarray", (*header, _buffer(value)), OBJECT


def _buffer(array: Any) -> memoryview:
    """The bytes of an array of plain items: in place when its memory is contiguous, in C order if
    not.
    """
    import numpy as np

    flat: Any = array.T if array.flags.f_contiguous else np.ascontiguousarray(array)
    return memoryview(flat.reshape(-1).view(np.uint8) if flat.size else b"")


def numpy_scalar(self: Decomposer, value: Any) -> Decomposed:
    dtype = value.dtype
    if dtype.hasobject:
        return "numpy scalar", (repr(dtype), value.item()), VALUE
    return "numpy scalar", (_dtype_name(dtype), value.tobytes()), VALUE


def numpy_dtype(self: Decomposer, value: Any) -> Decomposed:
    return "dtype", (repr(value), value.itemsize, value.alignment), VALUE


def random_generator(self: Decomposer, value: Any) -> Decomposed:
    return "Generator", (value.bit_generator.state,), OBJECT


def random_state(self: Decomposer, value: Any) -> Decomposed:
    return "RandomState", (value.get_state(legacy=False),), OBJECT


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
    if kind in ("NumpyExtensionArray", "PandasArray"):
        return (kind, *_plain(array.to_numpy()))
    if kind in ("DatetimeArray", "TimedeltaArray"):
        return (kind, str(dtype), memoryview(array.asi8))
    if kind == "Categorical":
        return (kind, dtype.ordered, dtype.categories, *_plain(array.codes))
    if kind in ("ArrowStringArray", "ArrowExtensionArray"):
        import pyarrow as pa

        chunks = array.__arrow_array__()
        digests = digest_table(pa.table({"": chunks}))
        return (kind, repr(dtype), str(getattr(dtype, "na_value", None)), digests[0][1])
    if hasattr(array, "_data") and hasattr(array, "_mask"):
        # A masked array keeps any value where it is masked.
        mask = array.isna()
        values = array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        return (kind, str(dtype), *_plain(values), *_plain(mask))
    return (kind, array)


def _plain(array: Any) -> tuple[Any, ...]:
    if array.dtype.hasobject:
        return (_dtype_name(array.dtype), tuple(array.tolist()))
    return (_dtype_name(array.dtype), array.shape, _buffer(array))


def index(self: Decomposer, value: Any) -> Decomposed:
    return "Index", (type(value).__name__, value.name, _column(value.array)), VALUE


def range_index(self: Decomposer, value: Any) -> Decomposed:
    return "RangeIndex", (value.name, value.start, value.stop, value.step), VALUE


def datetime_index(self: Decomposer, value: Any) -> Decomposed:
    return "DatetimeIndex", (value.name, value.freqstr, _column(value.array)), VALUE


def multi_index(self: Decomposer, value: Any) -> Decomposed:
    levels = tuple(_column(value.get_level_values(i).array) for i in range(value.nlevels))
    return "MultiIndex", (tuple(value.names), levels), VALUE


def polars_frame(self: Decomposer, value: Any) -> Decomposed:
    dtypes = {name: repr(dtype) for name, dtype in value.schema.items()}
    parts: dict[Any, Any] = {"shape": value.shape}
    for name, digest in digest_table(value):
        parts[name] = (dtypes[name], digest)
    return "polars DataFrame", parts, OBJECT


def polars_series(self: Decomposer, value: Any) -> Decomposed:
    (_, digest), *_rest = digest_table(value.to_frame())
    return (
        "polars Series",
        {"name": value.name, "dtype": repr(value.dtype), "values": digest},
        OBJECT,
    )


def polars_dtype(self: Decomposer, value: Any) -> Decomposed:
    return "polars dtype", (repr(value),), VALUE


def arrow_table(self: Decomposer, value: Any) -> Decomposed:
    metadata = value.schema.metadata
    parts: dict[Any, Any] = {
        "rows": value.num_rows,
        "types": tuple(str(field.type) for field in value.schema),
        "metadata": dict(metadata) if metadata else None,
    }
    for position, (name, digest) in enumerate(digest_table(value)):
        parts[(position, name)] = digest
    return type(value).__name__, parts, VALUE


def torch_tensor(self: Decomposer, value: Any) -> Decomposed:
    if value.device.type != "cpu" or value.layout is not sys.modules["torch"].strided:
        raise TypeError(
            f"a tensor on {value.device} has no stable content: move it to the CPU first"
        )
    return "tensor", (repr(value.dtype), bool(value.requires_grad), value.detach().numpy()), OBJECT
