"""pandas DataFrames and Series <-> Parquet, where Parquet holds them exactly.

The rule is a whitelist: dtypes, index kinds and names of which it is known that Arrow and Parquet
give them back unchanged. What is not on it (mixed columns, sparse ones, ...) is left to pickle,
which holds everything.
"""

import json
from typing import Any, Final

from cacheness import optional
from cacheness._cacheness import Table
from cacheness.handlers.tables import TableHandler

_NUMPY_DTYPES: Final = frozenset(
    (
        "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 "
        "datetime64[ns] datetime64[us] datetime64[ms] datetime64[s] timedelta64[ns] "
        "timedelta64[us] timedelta64[ms] timedelta64[s]"
    ).split()
)
_MASKED_DTYPES: Final = frozenset(
    ("boolean Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64").split()
)
_ARROW_TYPES: Final = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float double string large_string"
    " binary date32[day]".split()
)


class PandasFrameHandler(TableHandler):
    """DataFrames of one level of columns over simple dtypes."""

    name = "pandas_dataframes"
    data_type = "pandas_dataframe"
    library = "pandas"
    kind = "DataFrame"

    def to_table(self, library: Any, value: Any) -> tuple[Any, dict[str, Any]] | None:
        return _to_table(library, value)

    def from_table(self, table: Table, meta: dict[str, Any]) -> Any:
        return _from_table(table, meta)


class PandasSeriesHandler(TableHandler):
    """Series, as the one column of a table."""

    name = "pandas_series"
    data_type = "pandas_series"
    library = "pandas"
    kind = "Series"

    def to_table(self, library: Any, value: Any) -> tuple[Any, dict[str, Any]] | None:
        named = value.name is not None
        if (named and type(value.name) is not str) or not value.flags.allows_duplicate_labels:
            return None
        taken = _to_table(library, value.to_frame(value.name if named else "values"))
        return None if taken is None else (taken[0], {**taken[1], "named": named})

    def from_table(self, table: Table, meta: dict[str, Any]) -> Any:
        series = _from_table(table, meta).iloc[:, 0]
        return series if meta["named"] else series.rename(None)


def _to_table(pandas: Any, frame: Any) -> tuple[Any, dict[str, Any]] | None:
    if not _exact(pandas, frame):
        return None
    try:
        import pyarrow as pa
    except ImportError:
        return None
    meta = _beside(pandas, frame)
    try:
        if not _comes_back(pa, frame.iloc[:1], meta):
            return None
        return _keep_nans(pa, pa.Table.from_pandas(frame), frame), meta
    except (pa.ArrowException, ValueError, TypeError):
        return None


def _beside(pandas: Any, frame: Any) -> dict[str, Any]:
    """What the schema metadata of pandas has no place for."""
    meta: dict[str, Any] = {}
    if type(frame.columns) is pandas.RangeIndex:
        meta["columns"] = [frame.columns.start, frame.columns.stop, frame.columns.step]
    if getattr(frame.index, "freq", None) is not None:
        meta["freq"] = frame.index.freqstr
    return meta


def _from_table(table: Table, meta: dict[str, Any]) -> Any:
    purpose = "reading this table"
    optional.load("pandas", purpose)
    pa = optional.load("pyarrow", purpose)
    return _to_frame(pa.RecordBatchReader.from_stream(table).read_all(), meta)


def _to_frame(table: Any, meta: dict[str, Any]) -> Any:
    """The frame that the metadata describes, in memory of its own: Arrow's is read-only."""
    import pandas as pd

    frame = table.to_pandas().copy()
    if "columns" in meta:
        frame.columns = pd.RangeIndex(*meta["columns"], name=frame.columns.name)
    if "freq" in meta:
        frame.index = type(frame.index)(frame.index, freq=meta["freq"])
    return frame


def _keep_nans(pa: Any, table: Any, frame: Any) -> Any:
    """Arrow would make nulls of them, and pandas one kind of NaN of those: other bits."""
    for at in range(frame.shape[1]):
        series = frame.iloc[:, at]
        if str(series.dtype) in ("float16", "float32", "float64") and table.column(at).null_count:
            values = pa.array(series.to_numpy(), from_pandas=False)
            table = table.set_column(at, table.field(at), values)
    return table


def _exact(pandas: Any, frame: Any) -> bool:
    columns = frame.columns
    if not frame.flags.allows_duplicate_labels or not _plain_attributes(frame.attrs):
        return False
    if len(columns) == 0 or not columns.is_unique:
        return False
    if columns.name is not None and not _plain_name(columns.name):
        return False
    names = list(columns)
    numbers = type(columns) is pandas.RangeIndex or str(columns.dtype) == "int64"
    if not numbers and (type(columns) is not pandas.Index or not all(map(_plain_name, names))):
        return False
    if not _exact_index(pandas, frame.index, names):
        return False
    return all(_exact_column(pandas, frame.iloc[:, at]) for at in range(len(names)))


def _plain_attributes(attrs: dict[Any, Any]) -> bool:
    """Whether JSON, which the schema metadata keeps them as, gives the same again."""
    try:
        return not attrs or repr(json.loads(json.dumps(attrs))) == repr(attrs)
    except (TypeError, ValueError, RecursionError):
        return False


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
    if type(index) in (pandas.DatetimeIndex, pandas.TimedeltaIndex):
        freq = index.freq
        if freq is not None and pandas.tseries.frequencies.to_offset(index.freqstr) != freq:
            return False
    elif type(index) not in (pandas.Index, pandas.CategoricalIndex):
        return False
    if index.dtype.kind == "f" and index.hasnans:
        return False  # the bits of its NaNs would be lost
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
    if isinstance(dtype, pandas.CategoricalDtype):
        categories = dtype.categories
        # Without rows there is no chunk that could hold the categories.
        plain = len(column) > 0 and type(categories) is pandas.Index
        return plain and _exact_column(pandas, categories)
    if isinstance(dtype, pandas.ArrowDtype):
        return str(dtype.pyarrow_dtype) in _ARROW_TYPES
    if isinstance(dtype, pandas.StringDtype):
        if dtype.storage == "pyarrow":  # UTF-8 already
            return True
        return all(item is dtype.na_value or _encodable(item) for item in column.dropna())
    if text == "object":
        return all(item is None or (type(item) is str and _encodable(item)) for item in column)
    return False


def _encodable(text: str) -> bool:
    """Whether UTF-8 holds it: a lone surrogate has no encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _comes_back(pa: Any, head: Any, meta: dict[str, Any]) -> bool:
    """Whether the first row, taken there and back, has the dtypes, names and time zones it had:
    asked of the libraries that are installed, since their versions differ in this."""
    kept = {name: value for name, value in meta.items() if name != "freq"}  # of all rows
    again = _to_frame(pa.Table.from_pandas(head), kept)
    return (
        list(map(_zoned, again.dtypes)) == list(map(_zoned, head.dtypes))
        and again.attrs == head.attrs
        and _same_index(again.columns, head.columns)
        and _same_index(again.index, head.index)
    )


def _zoned(dtype: Any) -> tuple[Any, ...]:
    """A dtype with the kind of its time zone, of which there are several for one name."""
    zone = getattr(dtype, "tz", None)
    # Categoricals are equal whatever the order of their categories.
    categories = getattr(dtype, "categories", None)
    listed = None if categories is None else (categories.dtype, *categories)
    return dtype, type(zone), str(zone), listed


def _same_index(a: Any, b: Any) -> bool:
    if type(a) is not type(b) or list(a.names) != list(b.names):
        return False
    if a.nlevels > 1:
        return all(
            _same_index(a.get_level_values(at), b.get_level_values(at)) for at in range(a.nlevels)
        )
    return bool(_zoned(a.dtype) == _zoned(b.dtype) and a.equals(b))
