"""NumPy arrays <-> `.b2nd` frames, or NumPy's own `.npz`."""

import ast
import io
import sys
import zipfile
from typing import TYPE_CHECKING, Any, Final

from cacheness._cacheness import Blob, array_spec, blob_of, decode_array, encode_array
from cacheness.config import CompressionConfig
from cacheness.errors import CacheIntegrityError, CacheValueError
from cacheness.handlers.base import Encoded, threads

if TYPE_CHECKING:
    import numpy as np

# What the frame format counts in its header.
MOST_DIMENSIONS: Final = 8
# The one array of an archive.
_MEMBER: Final = "a"
# Characters of a dtype; NumPy refuses to read more than 10,000 of a header.
LONGEST_HEADER: Final = 9_000
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
        dtype = _description(array.dtype)
        if dtype is None:
            return None
        blob: Blob | None = None
        meta: dict[str, Any] = {}
        if compression.use_blosc2_arrays and array.ndim <= MOST_DIMENSIONS:
            blob, meta = _to_frame(numpy, array, dtype, compression)
        if blob is None and len(dtype) < LONGEST_HEADER:
            blob = _to_npz(numpy, array, dtype, compression)
        if blob is None:
            return None
        return Encoded(self.name, "array", meta, blob)

    def decode(self, meta: dict[str, Any], blob: Blob) -> Any:
        import numpy as np

        if blob.kind == "npz":
            with np.load(io.BytesIO(bytes(blob)), allow_pickle=False) as archive:
                return archive[_MEMBER]
        text, shape, itemsize = array_spec(blob)
        dtype = np.dtype(ast.literal_eval(text) if text.startswith("[") else text)
        if dtype.itemsize != itemsize or dtype.hasobject:
            raise CacheIntegrityError(f"its dtype {text} does not have {itemsize} bytes an item")
        array = np.empty(shape if meta["ndim"] else (), dtype)
        out: Any = array.reshape(-1).view(np.uint8)
        decode_array(blob, out)
        return array.T if meta.get("order") == "F" else array


def _to_frame(
    numpy: Any, array: "np.ndarray[Any, Any]", dtype: str, compression: CompressionConfig
) -> tuple[Blob | None, dict[str, Any]]:
    """No blob: more than the frame format holds."""
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
    except CacheValueError:
        return None, {}
    return blob, {"order": order, "ndim": array.ndim}


def _to_npz(
    numpy: Any, array: "np.ndarray[Any, Any]", dtype: str, compression: CompressionConfig
) -> Blob:
    archive = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compression.npz_compression else zipfile.ZIP_STORED
    # Version 3 is for names that are not ASCII; left to choose, NumPy warns of it.
    version = (1, 0) if dtype.isascii() else (3, 0)
    with (
        zipfile.ZipFile(archive, "w", method) as members,
        members.open(f"{_MEMBER}.npy", "w", force_zip64=True) as member,
    ):
        numpy.lib.format.write_array(member, array, version=version, allow_pickle=False)
    return blob_of("npz", archive.getbuffer())


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
