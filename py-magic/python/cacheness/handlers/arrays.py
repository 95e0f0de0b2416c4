"""NumPy arrays <-> `.b2nd` frames."""

import ast
import sys
from typing import TYPE_CHECKING, Any, Final

from cacheness._cacheness import Blob, array_spec, decode_array, encode_array
from cacheness.config import CompressionConfig
from cacheness.errors import CacheIntegrityError, CacheValueError
from cacheness.handlers.base import Encoded, threads

if TYPE_CHECKING:
    import numpy as np

# What the frame format counts in its header.
MOST_DIMENSIONS: Final = 8
_PLAIN_KINDS: Final = frozenset("biufcmMSUV")


class ArrayHandler:
    """Plain arrays of fixed-size items. Subclasses, object arrays and exotic dtypes are left
    to pickle."""

    name = "numpy_arrays"

    def encode(self, value: object, compression: CompressionConfig) -> Encoded | None:
        numpy: Any = sys.modules.get("numpy")
        if numpy is None or type(value) is not numpy.ndarray:
            return None
        array: np.ndarray[Any, Any] = value  # type: ignore[assignment]
        if array.ndim > MOST_DIMENSIONS:
            return None
        dtype = _description(array.dtype)
        if dtype is None:
            return None
        order = "C"
        if array.flags.f_contiguous and not array.flags.c_contiguous:
            array, order = array.T, "F"
        raw: Any = numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8)
        try:
            blob = encode_array(
                raw,
                dtype=dtype,
                shape=array.shape or (1,),
                itemsize=array.dtype.itemsize,
                codec=compression.blosc2_array_codec,
                level=compression.blosc2_array_level,
                threads=threads(compression, raw.nbytes),
            )
        except CacheValueError:  # more than the format holds; pickle holds it
            return None
        return Encoded(self.name, "array", {"order": order, "ndim": array.ndim}, blob)

    def decode(self, meta: dict[str, Any], blob: Blob) -> Any:
        import numpy as np

        text, shape, itemsize = array_spec(blob)
        dtype = np.dtype(ast.literal_eval(text) if text.startswith("[") else text)
        if dtype.itemsize != itemsize or dtype.hasobject:
            raise CacheIntegrityError(f"its dtype {text} does not have {itemsize} bytes an item")
        array = np.empty(shape if meta["ndim"] else (), dtype)
        out: Any = array.reshape(-1).view(np.uint8)
        decode_array(blob, out)
        return array.T if meta.get("order") == "F" else array


def _description(dtype: "np.dtype[Any]") -> str | None:
    """The text that gives exactly this dtype again, or `None`."""
    import numpy as np

    if dtype.hasobject or dtype.metadata or dtype.itemsize == 0 or dtype.kind not in _PLAIN_KINDS:
        return None
    if dtype.names is None:
        return dtype.str if type(dtype) is type(np.dtype(dtype.str)) else None
    try:
        text = repr(dtype.descr)
        again = np.dtype(ast.literal_eval(text))
    except (TypeError, ValueError, SyntaxError):
        return None
    # `descr` leaves out alignment, titles and padding in odd places.
    same = again == dtype and again.isalignedstruct == dtype.isalignedstruct
    return text if same and repr(again) == repr(dtype) else None
