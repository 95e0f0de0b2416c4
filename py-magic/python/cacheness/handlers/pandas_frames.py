"""pandas DataFrames and Series <-> Parquet, where Parquet holds them exactly.

The rule is a whitelist: dtypes, index kinds and names of which it is known that Arrow and Parquet
give them back unchanged. What is not on it (categories, periods, mixed columns, attrs, ...) is
left to pickle, which holds everything.
"""

import sys
from typing import Any, Final

from cacheness import optional
from cacheness._cacheness import Blob, decode_table, encode_table
from cacheness.config import CompressionConfig
from cacheness.errors import CacheValueError
from cacheness.handlers.base import Encoded

_NUMPY_DTYPES: Final = frozenset(
    (
        "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 "
        "datetime64[ns] datetime64[us] datetime64[ms] timedelta64[ns] timedelta64[us] "
        "timedelta64[ms]"
    ).split()
)
_MASKED_DTYPES: Final = frozenset(
    ("boolean Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64").split()
)


class PandasFrameHandler:
    """DataFrames of one level of text columns over simple dtypes."""

    name = "pandas_dataframes"

    def encode(self, value: object, compression: CompressionConfig) -> Encoded | None:
        pandas: Any = _loaded(value)
        if pandas is None or type(value) is not pandas.DataFrame:
            return None
        blob = _encode_frame(pandas, value, compression)
        return None if blob is None else Encoded(self.name, "pandas_dataframe", {}, blob)

    def decode(self, meta: dict[str, Any], blob: Blob) -> Any:
        return _to_frame(_read_arrow(blob))


class PandasSeriesHandler:
    """Series, as the one column of a table."""

    name = "pandas_series"

    def encode(self, value: object, compression: CompressionConfig) -> Encoded | None:
        pandas: Any = _loaded(value)
        if pandas is None or type(value) is not pandas.Series:
            return None
        series: Any = value
        if not (series.name is None or type(series.name) is str) or _marked(series):
            return None
        frame = series.to_frame("values" if series.name is None else series.name)
        blob = _encode_frame(pandas, frame, compression)
        if blob is None:
            return None
        return Encoded(self.name, "pandas_series", {"named": series.name is not None}, blob)

    def decode(self, meta: dict[str, Any], blob: Blob) -> Any:
        series = _to_frame(_read_arrow(blob)).iloc[:, 0]
        return series if meta["named"] else series.rename(None)


def _loaded(value: object) -> Any:
    """pandas, if `value` can be one of its objects; never imports it."""
    if type(value).__module__.partition(".")[0] != "pandas":
        return None
    return sys.modules.get("pandas")


def _encode_frame(pandas: Any, frame: Any, compression: CompressionConfig) -> Blob | None:
    if not _exact(pandas, frame):
        return None
    try:
        import pyarrow as pa
    except ImportError:
        return None
    try:
        if not _comes_back(pa, frame.iloc[:1]):
            return None
        table = _keep_nans(pa, pa.Table.from_pandas(frame), frame)
        return encode_table(table, codec=compression.parquet_compression)
    except (pa.ArrowException, CacheValueError, ValueError, TypeError):
        return None


def _keep_nans(pa: Any, table: Any, frame: Any) -> Any:
    """Arrow would make nulls of them, and pandas one kind of NaN of those: other bits."""
    for at in range(frame.shape[1]):
        series = frame.iloc[:, at]
        if str(series.dtype) in ("float32", "float64") and table.column(at).null_count:
            values = pa.array(series.to_numpy(), from_pandas=False)
            table = table.set_column(at, table.field(at), values)
    return table


def _exact(pandas: Any, frame: Any) -> bool:
    columns = frame.columns
    if _marked(frame) or len(columns) == 0 or type(columns) is not pandas.Index:
        return False
    names = list(columns)
    if columns.name is not None or not columns.is_unique:
        return False
    if not all(_plain_name(name) for name in names) or not _exact_index(pandas, frame.index, names):
        return False
    return all(_exact_column(pandas, frame.iloc[:, at]) for at in range(len(names)))


def _marked(value: Any) -> bool:
    """Attributes and flags, which the schema metadata does not keep exactly."""
    return bool(value.attrs) or not value.flags.allows_duplicate_labels


def _plain_name(name: object) -> bool:
    if type(name) is not str or name.startswith("__index_level_"):
        return False
    return _encodable(name)


def _exact_index(pandas: Any, index: Any, columns: list[Any]) -> bool:
    if isinstance(index, pandas.MultiIndex):
        if type(index) is not pandas.MultiIndex or any(
            code.min() < 0 for code in index.codes if len(code)
        ):
            return False
        names = list(index.names)
        levels = list(index.levels)
        # An unnamed level would be named after its position, and empty levels lose their dtype.
        if len(index) == 0 or None in names or len(set(names)) != len(names):
            return False
        return all(_index_name(name, columns) for name in names) and all(
            _exact_index(pandas, level.rename(None), columns) for level in levels
        )
    if not _index_name(index.name, columns):
        return False
    if type(index) is pandas.RangeIndex:
        return True
    if type(index) is pandas.DatetimeIndex or type(index) is pandas.TimedeltaIndex:
        if getattr(index, "freq", None) is not None:
            return False
    elif type(index) is not pandas.Index:
        return False
    return _exact_column(pandas, index)


def _index_name(name: object, columns: list[Any]) -> bool:
    return name is None or (_plain_name(name) and name not in columns)


def _exact_column(pandas: Any, column: Any) -> bool:
    dtype = column.dtype
    text = str(dtype)
    if text in _NUMPY_DTYPES:
        return not isinstance(dtype, pandas.api.extensions.ExtensionDtype)
    if text in _MASKED_DTYPES:
        return True
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return dtype.unit in ("ns", "us", "ms")
    if isinstance(dtype, pandas.StringDtype):
        if dtype.storage == "pyarrow":  # UTF-8 already
            return True
        return all(item is dtype.na_value or _encodable(item) for item in column.dropna())
    if text == "object":
        return all(type(item) is str and _encodable(item) for item in column)
    return False


def _encodable(text: str) -> bool:
    """Whether UTF-8 holds it: a lone surrogate has no encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _comes_back(pa: Any, head: Any) -> bool:
    """Whether the first row, taken there and back, has the dtypes, names and time zones it had:
    asked of the libraries that are installed, since their versions differ in this."""
    again = _to_frame(pa.Table.from_pandas(head))
    return (
        list(map(_zoned, again.dtypes)) == list(map(_zoned, head.dtypes))
        and _same_index(again.columns, head.columns)
        and _same_index(again.index, head.index)
    )


def _zoned(dtype: Any) -> tuple[Any, ...]:
    """A dtype with the kind of its time zone, of which there are several for one name."""
    zone = getattr(dtype, "tz", None)
    return dtype, type(zone), str(zone)


def _same_index(a: Any, b: Any) -> bool:
    if type(a) is not type(b) or list(a.names) != list(b.names):
        return False
    if a.nlevels > 1:
        return all(
            _same_index(a.get_level_values(at), b.get_level_values(at)) for at in range(a.nlevels)
        )
    return bool(_zoned(a.dtype) == _zoned(b.dtype) and a.equals(b))


def _read_arrow(blob: Blob) -> Any:
    purpose = "reading this table"
    optional.load("pandas", purpose)
    pa = optional.load("pyarrow", purpose)
    return pa.RecordBatchReader.from_stream(decode_table(blob)).read_all()


def _to_frame(table: Any) -> Any:
    """The frame that the schema metadata describes, in memory of its own: Arrow's is read-only."""
    return table.to_pandas().copy()
