"""Arrays that share memory, in a graph that is stored: which of them are views of which others."""

from __future__ import annotations

import mmap
import pickle
from collections.abc import Iterable
from typing import Any

from cacheness.decompose.parts import Extent


def byte_bounds(array: Any) -> tuple[int, int]:
    """The memory that an array spans: its first address and the one after its last."""
    import numpy as np

    start, end = np.lib.array_utils.byte_bounds(array)
    return start, end


class TangledError(Exception):
    """Two arrays overlap and neither holds the other: both are views of `base`."""

    def __init__(self, base: Any) -> None:
        super().__init__("two arrays overlap in memory")
        self.base = base


class Memory:
    """The arrays that a graph has met, and the arrays `existing` that were there before.

    `tied` are arrays of which every view has to be stored as a view.
    """

    def __init__(self, existing: Iterable[Extent], tied: list[Any]) -> None:
        self._known: dict[int, list[Extent]] = {}
        self._existing: set[int] = set()
        self._tied = {id(array): array for array in tied}
        for array in (extent.array for extent in existing):
            self._existing.add(id(array))
            # It may have been resized since.
            found = self._known.setdefault(id(_owner(array)), [])
            found.append(Extent(*byte_bounds(array), array))

    def base(self, array: Any) -> Any:
        """The array that `array` is a view of; `None` when its memory is met for the first time.

        Raises:
            TangledError: its memory and that of an earlier array are parts of a third one.
            PicklingError: it overlaps an array that was there before, which does not hold it.
        """
        if id(array) in self._existing or not array.size:
            return None
        owner = _owner(array)
        if owner is not array and id(owner) in self._tied:
            return owner
        start, end = byte_bounds(array)
        known = self._known.setdefault(id(owner), [])
        for extent in known:
            if extent.array is array:
                return None
            if extent.start <= start and end <= extent.end:
                return extent.array
        for extent in known:
            if start < extent.end and extent.start < end:
                self._refuse(extent.array, array, owner)
        known.append(Extent(start, end, array))
        return None

    def _refuse(self, earlier: Any, array: Any, owner: Any) -> None:
        if not (earlier.flags.writeable or array.flags.writeable):
            # Nobody can tell copies from views.
            return
        if id(earlier) in self._existing or type(owner) is not type(array):
            raise pickle.PicklingError("an array shares memory in a way that cannot be restored")
        raise TangledError(owner)


def locked(array: Any) -> Any:
    """The array, read-only: pickling forgets that."""
    array.flags.writeable = False
    return array


def reduce_spaced(array: Any) -> tuple[Any, ...]:
    """Makes an array that is neither in C nor in Fortran order again, but small: NumPy gives a view
    of such an array where it would copy of another, and the other way round.
    """
    import numpy as np

    axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    packed = np.ascontiguousarray(array.transpose(axes))
    return _spaced, (packed, axes, packed.strides[-1] != array.strides[axes[-1]])


def _spaced(packed: Any, axes: list[int], apart: bool) -> Any:
    """`packed` with gaps: between all items if they lie `apart`, else between rows."""
    import numpy as np

    *rows, items = packed.shape
    room = np.empty((*rows, 2 * items if apart else items + 1), packed.dtype)
    spaced = room[..., ::2] if apart else room[..., :items]
    spaced[...] = packed
    return spaced.transpose(np.argsort(axes))


class _Window:
    """Part of an array's memory, by NumPy's array interface; keeps the array alive."""

    def __init__(self, array: Any, interface: dict[str, Any]) -> None:
        self.array = array
        self.__array_interface__ = interface


def _owner(array: Any) -> Any:
    """What the memory belongs to: the array at the end of the bases, or a foreign object."""
    found = array
    while True:
        base = found.array if isinstance(found, _Window) else getattr(found, "base", None)
        if base is None:
            return found
        found = base


def mapped(array: Any) -> tuple[Any, ...] | None:
    """How a map of a file is made again, over the same file; `None` for anything else."""
    kind = type(array)
    if (kind.__module__, kind.__name__) != ("numpy", "memmap") or array._mmap is None:
        return None
    if array.filename is None or not isinstance(array.base, mmap.mmap):
        raise pickle.PicklingError("a part of a map of a file, or of one without a name")
    mode = "r+" if array.mode == "w+" else array.mode
    order = "C" if array.flags.c_contiguous else "F"
    return kind, (array.filename, array.dtype, mode, array.offset, array.shape, order)


def reduce(array: Any, base: Any) -> tuple[Any, tuple[Any, ...]]:
    """How `array` is made again from `base`, which holds its memory."""
    offset = array.__array_interface__["data"][0] - byte_bounds(base)[0]
    layout = (array.dtype, array.shape, offset, array.strides, bool(array.flags.writeable))
    return view, (base, base.strides, *layout)


def view(
    base: Any, base_strides: Any, dtype: Any, shape: Any, offset: int, strides: Any, writeable: bool
) -> Any:
    """The view of `base` that `reduce` described.

    Raises:
        UnpicklingError: `base` lies otherwise in memory than the one that was described.
    """
    import numpy as np

    if base.strides != base_strides:
        raise pickle.UnpicklingError("an array has another layout now")
    interface = {
        "data": (byte_bounds(base)[0] + offset, not writeable),
        "typestr": f"|V{dtype.itemsize}",
        "shape": shape,
        "strides": strides,
        "version": 3,
    }
    return np.asarray(_Window(base, interface)).view(dtype)
