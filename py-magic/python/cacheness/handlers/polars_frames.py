"""polars DataFrames and Series <-> Parquet, for the dtypes that Parquet holds exactly."""

from typing import Any, Final

from cacheness import optional
from cacheness._cacheness import Table, decode_table, encode_table
from cacheness.errors import CacheValueError
from cacheness.handlers.tables import TableHandler

_DTYPES: Final = frozenset(
    (
        "Boolean Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float32 Float64 String "
        "Binary Date Datetime Duration Time"
    ).split()
)
# Whether these come back depends on what they are made of, and on the version of polars.
_ASKED: Final = frozenset("Enum Decimal List Array Struct".split())


class PolarsFrameHandler(TableHandler):
    """DataFrames with at least one column."""

    name = "polars_dataframes"
    data_type = "polars_dataframe"
    library = "polars"
    kind = "DataFrame"

    def to_table(self, library: Any, value: Any) -> tuple[Any, dict[str, Any]] | None:
        return (value, {}) if value.width and _comes_back(library, value) else None

    def from_table(self, table: Table, meta: dict[str, Any]) -> Any:
        return optional.load("polars", "reading this table").DataFrame(table)


class PolarsSeriesHandler(TableHandler):
    """Series, as the one column of a table."""

    name = "polars_series"
    data_type = "polars_series"
    library = "polars"
    kind = "Series"

    def to_table(self, library: Any, value: Any) -> tuple[Any, dict[str, Any]] | None:
        frame = value.to_frame()
        return (frame, {}) if _comes_back(library, frame) else None

    def from_table(self, table: Table, meta: dict[str, Any]) -> Any:
        return optional.load("polars", "reading this table").DataFrame(table).to_series()


def _comes_back(polars: Any, frame: Any) -> bool:
    names = {type(dtype).__name__ for dtype in frame.dtypes}
    if names <= _DTYPES:
        return True
    if not names <= _DTYPES | _ASKED or not all(map(_nested_well, frame.dtypes)):
        return False
    try:
        empty = polars.DataFrame(decode_table(encode_table(frame.head(0), codec="none")))
    except CacheValueError:
        return False
    return bool(empty.schema == frame.schema)


def _nested_well(dtype: Any) -> bool:
    name = type(dtype).__name__
    inner = [getattr(dtype, "inner", None), *(f.dtype for f in getattr(dtype, "fields", ()))]
    return name in _DTYPES | _ASKED and all(
        _nested_well(part) and type(part).__name__ != "Enum" for part in inner if part is not None
    )
