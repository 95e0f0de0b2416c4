"""polars DataFrames and Series <-> Parquet, for the dtypes that Parquet holds exactly."""

import sys
from typing import Any, Final

from cacheness import optional
from cacheness._cacheness import Blob, decode_table, encode_table
from cacheness.config import CompressionConfig
from cacheness.handlers.base import Encoded

_DTYPES: Final = frozenset(
    (
        "Boolean Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float32 Float64 String "
        "Binary Date Datetime Duration Time"
    ).split()
)


class PolarsFrameHandler:
    """DataFrames with at least one column, each of a simple dtype."""

    name = "polars_dataframes"

    def encode(self, value: object, compression: CompressionConfig) -> Encoded | None:
        polars: Any = _loaded(value)
        if polars is None or type(value) is not polars.DataFrame:
            return None
        frame: Any = value
        if frame.width == 0 or not all(_exact(dtype) for dtype in frame.dtypes):
            return None
        blob = encode_table(frame, codec=compression.parquet_compression)
        return Encoded(self.name, "polars_dataframe", {}, blob)

    def decode(self, meta: dict[str, Any], blob: Blob) -> Any:
        return _to_frame(blob)


class PolarsSeriesHandler:
    """Series, as the one column of a table."""

    name = "polars_series"

    def encode(self, value: object, compression: CompressionConfig) -> Encoded | None:
        polars: Any = _loaded(value)
        if polars is None or type(value) is not polars.Series:
            return None
        series: Any = value
        if not _exact(series.dtype):
            return None
        blob = encode_table(series.to_frame(), codec=compression.parquet_compression)
        return Encoded(self.name, "polars_series", {}, blob)

    def decode(self, meta: dict[str, Any], blob: Blob) -> Any:
        return _to_frame(blob).to_series()


def _loaded(value: object) -> Any:
    """polars, if `value` can be one of its objects; never imports it."""
    if type(value).__module__.partition(".")[0] != "polars":
        return None
    return sys.modules.get("polars")


def _to_frame(blob: Blob) -> Any:
    return optional.load("polars", "reading this table").DataFrame(decode_table(blob))


def _exact(dtype: Any) -> bool:
    return type(dtype).__name__ in _DTYPES or getattr(dtype, "__name__", "") in _DTYPES
