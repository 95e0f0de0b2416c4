"""NumPy, and what is made of its arrays: by dtype, shape and items."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from cacheness.decompose.parts import OBJECT, VALUE, Decomposed, Extent

if TYPE_CHECKING:
    from cacheness.fingerprint import Decomposer


def ndarray(self: Decomposer, value: Any) -> Decomposed:
    import numpy as np

    flags = (
        bool(value.flags.c_contiguous),
        bool(value.flags.f_contiguous),
        bool(value.flags.writeable),
    )
    if value.size and not value.dtype.hasobject:
        start, end = np.lib.array_utils.byte_bounds(value)
        self.extents.append(Extent(start, end, value))
    return "ndarray", (flags, *items(value)), OBJECT


def items(array: Any) -> tuple[Any, ...]:
    """What an array of any dtype holds, in the order of its memory if that is dense, in C order if
    not."""
    dtype = array.dtype
    return (*dtype_parts(dtype), array.shape, *_content(array, dtype))


def _content(array: Any, dtype: Any) -> tuple[Any, ...]:
    import numpy as np

    dense: Any = array.T if array.flags.f_contiguous else np.ascontiguousarray(array)
    if dtype.hasobject and dtype.names is None:
        return (tuple(dense.ravel().tolist()),)
    if dtype.names is not None and (dtype.hasobject or not _is_packed(dtype)):
        # Bytes between the fields may be anything.
        return tuple(part for name in dtype.names for part in items(dense[name]))
    if dtype.kind == "T":
        return (tuple(dense.ravel().tolist()),)
    if dtype.char in "gG" and dense.size:
        return (memoryview(_significant(dense)),)
    return (memoryview(dense.reshape(-1).view(np.uint8)) if dense.size else b"",)


def _is_packed(dtype: Any) -> bool:
    """Whether every byte of an item belongs to one of its fields, and to bits that count."""
    end = 0
    for field, offset, *_ in sorted(dtype.fields.values(), key=lambda field: field[1]):
        base = field.base
        if offset != end or base.char in "gG" or not (base.names is None or _is_packed(base)):
            return False
        end += field.itemsize
    return bool(end == dtype.itemsize)


def _significant(array: Any) -> Any:
    """The bytes that count of C's long doubles, of which some machines leave out six in sixteen."""
    import numpy as np

    native = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
    item = np.dtype("g").itemsize
    raw = native.reshape(-1).view(np.uint8).reshape(-1, item)
    if np.finfo("g").nmant != 63 or sys.byteorder != "little":
        return raw
    return np.ascontiguousarray(raw[:, :10])


def dtype_parts(dtype: Any) -> tuple[Any, ...]:
    """What tells a dtype from others."""
    if dtype.kind == "T":
        missing = (dtype.na_object,) if hasattr(dtype, "na_object") else ()
        return ("StringDType", dtype.coerce, missing)
    plain = dtype.names is None and dtype.subdtype is None
    name = dtype.str if plain and dtype.isbuiltin != 2 else repr(dtype)
    return (name, dict(dtype.metadata)) if dtype.metadata else (name,)


def masked_array(self: Decomposer, value: Any) -> Decomposed:
    import numpy as np

    # `nomask` and a mask of nothing are one: pickling makes the second of the first.
    mask = np.ma.getmaskarray(value)
    fill = value._fill_value
    if fill is None:
        fill = np.ma.default_fill_value(value.dtype)
    parts = {
        "class": type(value),
        "data": items(value.data),
        "mask": items(mask),
        "fill": items(np.asarray(fill, value.dtype)),
        "hard": bool(value.hardmask),
    }
    return "masked array", parts, OBJECT


def array_subclass(self: Decomposer, value: Any) -> Decomposed:
    """NumPy's own subclasses, which add no content."""
    import numpy as np

    dtype = value.dtype
    return "array", (type(value), dtype.type, *items(value.view(np.ndarray))), OBJECT


def numpy_scalar(self: Decomposer, value: Any) -> Decomposed:
    import numpy as np

    # A record's class is not always that of its dtype.
    return "numpy scalar", (type(value).__name__, *items(np.asarray(value))), VALUE


def numpy_dtype(self: Decomposer, value: Any) -> Decomposed:
    return "dtype", (*dtype_parts(value), value.itemsize, value.alignment), VALUE


def random_generator(self: Decomposer, value: Any) -> Decomposed:
    return "Generator", (value.bit_generator.state,), OBJECT


def random_state(self: Decomposer, value: Any) -> Decomposed:
    return "RandomState", (value.get_state(legacy=False),), OBJECT


# What SciPy finds out about a matrix on the way and notes in it.
_NOTES = frozenset(
    "_has_sorted_indices _has_canonical_format has_canonical_format has_sorted_indices".split()
)


def sparse(self: Decomposer, value: Any) -> Decomposed:
    """A SciPy matrix, as its arrays are: what SciPy noted about them is not content."""
    state = {f".{name}": part for name, part in vars(value).items() if name not in _NOTES}
    own = dict(value) if isinstance(value, dict) else None
    return "sparse", {"class": type(value), "items": own, **state}, OBJECT


def neighbour_tree(self: Decomposer, value: Any) -> Decomposed:
    """A tree of scikit-learn for nearest neighbours, without its counters of queries."""
    state = value.__getstate__()
    return "tree", (type(value), *state[:7], *state[11:]), OBJECT


def torch_tensor(self: Decomposer, value: Any) -> Decomposed:
    if value.device.type != "cpu" or value.layout is not sys.modules["torch"].strided:
        raise TypeError(
            f"a tensor on {value.device} has no stable content: move it to the CPU first"
        )
    return "tensor", (repr(value.dtype), bool(value.requires_grad), value.detach().numpy()), OBJECT


def artist(self: Decomposer, value: Any) -> Decomposed:
    raise TypeError(
        f"a matplotlib {type(value).__name__} has no stable content: draw it in the cell that uses"
        " it, or pass the data that it shows"
    )
