"""Random arrays and tables come back as they went in, and others can read the files."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cacheness import CacheConfig, UnifiedCache, cacheness
from cacheness._cacheness import blob_of
from cacheness.fingerprint import fingerprint
from cacheness.handlers import Handlers

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

EXAMPLES = 5_000 if os.environ.get("CACHENESS_SOAK") else 150
HANDLERS = Handlers(CacheConfig())
ROWS = 3


def there_and_back(value: Any) -> Any:
    encoded = HANDLERS.encode(value)
    blob = blob_of(encoded.blob.kind, bytes(encoded.blob))
    return HANDLERS.decode(encoded.handler, encoded.meta, blob)


def times(**kind: Any) -> Any:
    return pd.date_range("2024-03-31 00:30", periods=ROWS, freq="h", **kind)


def pandas_columns() -> dict[str, Any]:
    """Columns of `ROWS` rows, one for each kind of dtype."""
    gaps = [1, None, 0]
    words = ["a", None, "é" * 20]
    found: dict[str, Any] = {
        name: np.array([1, 0, 1]).astype(name)
        for name in "bool int8 uint16 int64 float16 float32 float64 complex128".split()
    }
    found |= {name: pd.array(gaps, name) for name in "Int8 UInt64 Float32 Float64 boolean".split()}
    found |= {f"arrow {name}": pd.array(gaps, f"{name}[pyarrow]") for name in ("int32", "double")}
    found |= {f"time {unit}": times(unit=unit) for unit in ("s", "ms", "us", "ns")}
    found |= {f"zone {zone}": times(tz=zone) for zone in ("UTC", "Europe/Rome", "+05:30")}
    letters = ["b", "a", None]
    return found | {
        "nan": np.array([0xFFF8000000000001, 0x7FF8000000000000, 0], "u8").view("f8"),
        "words": pd.Series(words),
        "object words": pd.Series(words, dtype=object),
        "python words": pd.array(words, "string[python]"),
        "arrow words": pd.array(words, "string[pyarrow]"),
        "surrogates": pd.Series(["\ud800", "a", "b"], dtype=object),
        "mixed": pd.Series([1, "a", None], dtype=object),
        "lists": pd.Series([[1], {"a": ()}, None], dtype=object),
        "dates": pd.Series([dt.date(2024, 1, 1)] * ROWS),
        "spans": times() - times()[0],
        "periods": pd.period_range("2024", periods=ROWS, freq="M"),
        "intervals": pd.interval_range(0, ROWS),
        "sparse": pd.arrays.SparseArray([0, 0, 1]),
        "categories": pd.Categorical(letters, ["z", "b", "a"]),
        "ordered": pd.Categorical(letters, ["b", "z", "a"], ordered=True),
        "number categories": pd.Categorical([3, 1, None], [3, 2, 1]),
        "no categories": pd.Categorical([None] * ROWS),
    }


COLUMNS = pandas_columns()
# pandas has no index of half floats.
INDEXES = {name: column for name, column in COLUMNS.items() if name != "float16"}
ATTRS = ({}, {"unit": "m"}, {"unit": {"a": [1, 2.5, None]}}, {"a": (1, 2)}, {1: 2})
LABELS = [
    *(["a", "b"], ["a", "a"], [0, 1], ["a", 0], ["", "index"], [True, False], [1.5, 2.5]),
    [("a", 1), "b"],
    ["__index_level_0__", "b"],
    pd.RangeIndex(5, -3, -4),
    pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]),
    pd.Index(["x", "y"], name="n"),
    pd.date_range("2024", periods=2),
    pd.CategoricalIndex(["p", "q"]),
]
LEVELS = pd.MultiIndex.from_product([["u"], [1, 2, None]])


@st.composite
def pandas_frames(draw: st.DrawFn) -> Any:
    picked = [COLUMNS[draw(st.sampled_from(list(COLUMNS)))] for _ in range(2)]
    frame = pd.concat([pd.Series(column) for column in picked], axis=1)
    frame.columns = draw(st.sampled_from(LABELS))
    index = draw(
        st.none()
        | st.sampled_from([pd.RangeIndex(6, 0, -2), LEVELS])
        | st.sampled_from(list(INDEXES.values())).map(pd.Index)
    )
    if index is not None:
        frame.index = index
        if frame.index.nlevels == 1:
            frame.index.name = draw(st.sampled_from([None, "i", "a", 5, ("t", 1)]))
    if draw(st.booleans()):
        frame = frame.iloc[draw(st.sampled_from([slice(0), slice(1, 2), slice(None, None, -1)]))]
    frame.attrs = draw(st.sampled_from(ATTRS))
    return frame


@settings(max_examples=EXAMPLES, deadline=None)
@given(pandas_frames(), st.booleans())
def test_pandas(frame: Any, one: bool) -> None:
    value = frame.iloc[:, 0] if one else frame
    before = fingerprint(value)
    again = there_and_back(value)
    assert type(again) is type(value) and fingerprint(again) == before
    same = pd.testing.assert_series_equal if one else pd.testing.assert_frame_equal
    same(again, value, check_exact=True, check_freq=True, check_flags=True)


@pytest.mark.parametrize("name", COLUMNS)
def test_each_column_alone(name: str) -> None:
    series = pd.Series(COLUMNS[name], name="x")
    assert fingerprint(there_and_back(series)) == fingerprint(series)
    frame = pd.DataFrame({"v": range(ROWS)}, index=pd.Index(INDEXES.get(name, [1, 2, 3])))
    for part in (frame, frame.iloc[:0], series.to_frame().iloc[:0], frame.iloc[1:2]):
        assert fingerprint(there_and_back(part)) == fingerprint(part)


WHEN = dt.datetime(2024, 1, 2, 3, 4, 5, 678901)
POLARS: dict[str, tuple[Any, list[Any]]] = {
    "int": (pl.Int16, [1, None]),
    "wide": (pl.Int128, [2**100, None]),
    "float": (pl.Float32, [float("nan"), None]),
    "text": (pl.String, ["", None]),
    "bytes": (pl.Binary, [b"\0", None]),
    "date": (pl.Date, [WHEN.date(), None]),
    "time": (pl.Time, [WHEN.time(), None]),
    "when": (pl.Datetime("ms"), [WHEN, None]),
    "zone": (pl.Datetime("us", "Europe/Rome"), [None, None]),
    "span": (pl.Duration("ns"), [dt.timedelta(1), None]),
    "enum": (pl.Enum(["b", "a", "z"]), ["a", None]),
    "category": (pl.Categorical, ["a", None]),
    "decimal": (pl.Decimal(12, 3), [1, None]),
    "list": (pl.List(pl.Int8), [[1, None], None]),
    "array": (pl.Array(pl.Float64, 2), [[1.0, None], None]),
    "null": (pl.Null, [None, None]),
    "struct": (pl.Struct({"a": pl.Int8, "b": pl.List(pl.String)}), [{"a": 1, "b": ["x"]}, None]),
    "nested": (pl.List(pl.Struct({"e": pl.Enum(["x", "y"])})), [[{"e": "y"}], None]),
}


@pytest.mark.parametrize("name", POLARS)
def test_polars(name: str) -> None:
    dtype, values = POLARS[name]
    series = pl.Series("shape", values, dtype=dtype)
    for value in (series, series.head(0), pl.concat([series, series], rechunk=False), series[1:]):
        for table in (value, value.to_frame(), value.to_frame().with_columns(z=1)):
            again = there_and_back(table)
            assert type(again) is type(table) and fingerprint(again) == fingerprint(table)
            if isinstance(table, pl.DataFrame):
                assert again.schema == table.schema
            assert again.equals(table, null_equal=True)


def test_scipy_and_arrow() -> None:
    sparse, pa = pytest.importorskip("scipy.sparse"), pytest.importorskip("pyarrow")
    matrix = sparse.random_array((5, 4), density=0.4, rng=1)
    values = [matrix.asformat(name) for name in ("csr", "coo", "lil", "dok")]
    values += [pa.table({"a": [1, None], "b": [["x"], []]}), pa.chunked_array([[1], [2]])]
    for value in values:
        assert fingerprint(there_and_back(value)) == fingerprint(value)


# -- files that others read ----------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path: Path) -> tuple[UnifiedCache, Path]:
    return cacheness(tmp_path / "cache"), tmp_path / "cache"


def only(folder: Path, ending: str) -> str:
    (found,) = folder.rglob(f"*.{ending}")
    return str(found)


def test_blosc2_reads_the_arrays(stored: tuple[UnifiedCache, Path]) -> None:
    blosc2 = pytest.importorskip("blosc2")
    cache, folder = stored
    array = np.random.default_rng(0).integers(0, 2**31, (200, 300), "i4")
    cache.put(array, name="a")
    opened = blosc2.open(only(folder, "b2nd"), mode="r")
    assert opened.shape == array.shape and opened.dtype == array.dtype
    assert (opened[:] == array).all()


def test_everybody_reads_the_tables(stored: tuple[UnifiedCache, Path]) -> None:
    duckdb, parquet = pytest.importorskip("duckdb"), pytest.importorskip("pyarrow.parquet")
    cache, folder = stored
    frame = pd.DataFrame(
        {
            "n": np.arange(20_000),
            "c": pd.Categorical(["b", "a"] * 10_000, ["z", "b", "a"]),
            "t": pd.date_range("2024", periods=20_000, freq="s", tz="Europe/Rome"),
        },
        index=pd.Index(range(20_000, 0, -1), name="i"),
    )
    frame.attrs = {"unit": "m"}
    cache.put(frame, name="t")
    file = only(folder, "parquet")
    read = pd.read_parquet(file)
    assert read["n"].equals(frame["n"]) and read.attrs == frame.attrs and read.index.name == "i"
    assert read["c"].astype(str).equals(frame["c"].astype(str))
    assert pl.read_parquet(file)["c"].cast(pl.String).to_list() == frame["c"].tolist()
    assert parquet.read_table(file).num_rows == len(frame)
    counted = duckdb.sql(
        f"select c, count(*), max(n) from '{file}' group by c order by c"
    ).fetchall()
    assert counted == [("a", 10_000, 19_999), ("b", 10_000, 19_998)]
