"""Values come back exactly as they went in, whichever format holds them."""

import collections
import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cacheness import CacheConfig, CacheError, CacheValueError
from cacheness._cacheness import blob_of
from cacheness.config import HandlerConfig
from cacheness.handlers import Handlers

HANDLERS = Handlers(CacheConfig())
ARCHIVES = Handlers(CacheConfig(use_blosc2_arrays=False))


def there_and_back(value, handlers=HANDLERS):
    encoded = handlers.encode(value)
    kind, data = encoded.blob.kind, bytes(encoded.blob)
    return encoded, handlers.decode(encoded.handler, encoded.meta, blob_of(kind, data))


def assert_same_array(a, b):
    assert type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape
    assert a.dtype.isalignedstruct == b.dtype.isalignedstruct
    assert b.flags.writeable
    contiguous = (a.flags.c_contiguous, a.flags.f_contiguous)
    if any(contiguous):
        assert (b.flags.c_contiguous, b.flags.f_contiguous) == contiguous
    if a.dtype.hasobject:
        assert a.tolist() == b.tolist()
    else:
        assert a.tobytes() == b.tobytes()


ARRAYS = hnp.arrays(
    hnp.scalar_dtypes() | hnp.array_dtypes(max_size=3),
    hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5),
)


@settings(max_examples=300, deadline=None)
@given(
    ARRAYS,
    st.sampled_from(["C", "F", "reversed", "transposed"]),
    st.sampled_from([HANDLERS, ARCHIVES]),
)
def test_arrays(array, order, handlers):
    if order == "F":
        array = np.asfortranarray(array)
    elif order == "reversed" and array.ndim:
        array = array[::-1]
    elif order == "transposed":
        array = array.T
    assert_same_array(array, there_and_back(array, handlers)[1])


@pytest.mark.parametrize(
    "dtype",
    ["?", "i1", "u8", ">i4", "f2", "f4", "f8", "g", "c16", "S5", "U7", "M8[ns]", "m8[D]", "V3"],
)
def test_plain_dtypes_are_frames(dtype):
    array = np.zeros((3, 4), dtype)
    encoded, again = there_and_back(array)
    assert encoded.handler == "numpy_arrays" and encoded.blob.kind == "array"
    assert_same_array(array, again)


@pytest.mark.parametrize(
    "array",
    [
        np.array([{"a": 1}, None, [2]], object),
        np.array([(1, [2])], [("a", "i4"), ("b", "O")]),
        np.array([(1, 2.0)], np.dtype([("a", "i1"), ("b", "f8")], align=True)),
        np.array(
            [(1, 2.0)], np.dtype({"names": ["a", "b"], "formats": ["i4", "f8"], "offsets": [8, 0]})
        ),
        np.zeros(3, np.dtype("f8", metadata={"unit": "m"})),
        np.array(["short", "a much longer text"], np.dtypes.StringDType()),
        np.zeros((1,) * 20),
        np.zeros(2, "U10000"),
    ],
    ids=lambda array: str(array.dtype)[:40] + str(array.ndim),
)
def test_arrays_that_no_frame_holds_exactly(array):
    again = there_and_back(array)[1]
    assert_same_array(array, again)
    assert again.dtype.metadata == array.dtype.metadata


def test_subclasses_stay_what_they_are():
    masked = np.ma.masked_array([1, 2, 3], [0, 1, 0])
    again = there_and_back(masked)[1]
    assert isinstance(again, np.ma.MaskedArray) and again.mask.tolist() == [False, True, False]
    record = np.rec.array([(1, "a")], names="n,s")
    assert type(there_and_back(record)[1]) is np.recarray


def test_large_arrays_in_containers_stay_out_of_the_stream():
    value = {
        "X": np.random.default_rng(0).random(50_000),
        "n": [1, 2],
        "when": np.zeros(900, "M8[s]"),
    }
    value["same"] = value["X"]
    encoded, again = there_and_back(value)
    assert encoded.handler == "object_pickle" and len(encoded.blob) < 2 * value["X"].nbytes
    assert_same_array(value["X"], again["X"])
    assert_same_array(value["when"], again["when"])
    assert again["same"] is again["X"] and again["n"] == [1, 2]


Pair = collections.namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        "",
        b"",
        [],
        "text\ud800",
        2**5000,
        Pair(1, [2]),
        {1: {2: {3}}},
        dt.datetime.now(),
        (None,),
        ...,
    ],
)
def test_objects(value):
    again = there_and_back(value)[1]
    assert type(again) is type(value) and again == value


def test_what_plain_pickle_refuses():
    factor = 3
    again = there_and_back(lambda x: x * factor)[1]
    assert again(2) == 6
    with pytest.raises(CacheValueError, match="generator"):
        HANDLERS.encode(n for n in [1])


def test_disabled_handlers():
    plain = Handlers(CacheConfig(handlers=HandlerConfig(enable_numpy_arrays=False)))
    encoded, again = there_and_back(np.arange(5), plain)
    assert encoded.handler == "object_pickle" and again.tolist() == [0, 1, 2, 3, 4]
    arrays_only = Handlers(CacheConfig(enable_object_pickle=False))
    with pytest.raises(CacheValueError, match="enable_object_pickle"):
        arrays_only.encode({})
    # Disabled for writing, an entry that is there is still read.
    encoded = HANDLERS.encode({"a": 1})
    assert arrays_only.decode(encoded.handler, encoded.meta, encoded.blob) == {"a": 1}


# -- frames ------------------------------------------------------------------------------------


def pandas_frames():
    pd = pytest.importorskip("pandas")
    n = 5
    numbers = pd.DataFrame(
        {"i": range(n), "f": np.linspace(0, 1, n), "b": [True, False] * 2 + [True]}
    )
    stamps = pd.date_range("2024-01-01", periods=n, freq="h")
    yield "plain", numbers, True
    yield "nan", pd.DataFrame({"f": [1.0, np.nan, np.inf, -np.inf, -0.0]}), True
    yield "text", pd.DataFrame({"s": ["a", "", "é", "x" * 100, "\0"]}), None
    yield "text with gaps", pd.DataFrame({"s": ["a", None, "b"]}), None
    yield "object text", pd.DataFrame({"s": pd.Series(["a", "b"], dtype=object)}), None
    yield "string dtype", pd.DataFrame({"s": pd.array(["a", None], "string")}), None
    yield "mixed objects", pd.DataFrame({"s": pd.Series(["a", 1, None, [2]], dtype=object)}), False
    for unit in ("s", "ms", "us", "ns"):
        yield f"times {unit}", pd.DataFrame({"t": stamps.as_unit(unit)}), None
        yield f"durations {unit}", pd.DataFrame({"t": (stamps - stamps[0]).as_unit(unit)}), None
    for zone in ("UTC", "Europe/Rome", "America/New_York", "+05:30"):
        yield f"zone {zone}", pd.DataFrame({"t": stamps.tz_localize(zone)}), None
    yield "time gaps", pd.DataFrame({"t": [pd.NaT, pd.Timestamp("2024-01-01")]}), None
    for name in ("Int64", "UInt8", "boolean"):
        yield f"masked {name}", pd.DataFrame({"m": pd.array([1, None, 0], name)}), True
    yield "masked float", pd.DataFrame({"m": pd.array([1.5, None], "Float64")}), False
    yield (
        "categories",
        pd.DataFrame({"c": pd.Categorical(["b", "a", None], ["b", "z", "a"], ordered=True)}),
        True,
    )
    yield "periods", pd.DataFrame({"p": pd.period_range("2024", periods=2, freq="M")}), False
    yield "intervals", pd.DataFrame({"p": pd.interval_range(0, 2)}), False
    yield "sparse", pd.DataFrame({"p": pd.arrays.SparseArray([0, 0, 1])}), False
    yield "complex", pd.DataFrame({"c": [1 + 2j]}), False
    yield "half", pd.DataFrame({"c": np.zeros(2, "f2")}), None
    yield "duplicate columns", pd.DataFrame([[1, 2]], columns=["a", "a"]), False
    yield "number columns", pd.DataFrame([[1, 2]]), True
    yield "mixed columns", pd.DataFrame([[1, 2]], columns=["a", 1]), False
    yield (
        "column levels",
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])),
        False,
    )
    yield "columns' name", numbers.rename_axis(columns="cols"), None
    yield "empty", pd.DataFrame(), False
    yield "no rows", numbers.iloc[:0], None
    yield "no columns", pd.DataFrame(index=[1, 2, 3]), False
    yield "index names", numbers.rename_axis("id"), True
    yield "index like a column", numbers.rename_axis("i"), False
    yield "index of text", numbers.set_axis(list("vwxyz")), None
    yield "index of numbers", numbers.set_axis([5, 3, 1, 2, 2]), True
    yield "index range", numbers.set_axis(pd.RangeIndex(10, 0, -2, name="r")), None
    yield "index of floats", numbers.set_axis([0.5, np.nan, 1, 2, 3]), None
    yield "index of times with a frequency", numbers.set_axis(stamps), True
    yield "index of times", numbers.set_axis(pd.DatetimeIndex(list(stamps))), None
    yield (
        "index of zoned times",
        numbers.set_axis(pd.DatetimeIndex(list(stamps.tz_localize("Asia/Tokyo")))),
        None,
    )
    yield "index of categories", numbers.set_axis(pd.CategoricalIndex(list("aabbc"))), None
    levels = pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["letter", "number"])
    yield "index levels", numbers.iloc[:4].set_axis(levels), None
    yield "index levels unused", numbers.iloc[:4].set_axis(levels).iloc[1:2], None
    yield "index levels unnamed", numbers.iloc[:4].set_axis(levels.set_names([None, None])), None
    yield "surrogates", pd.DataFrame({"s": pd.Series(["\ud800"], dtype=object)}), False
    attributed = numbers.copy()
    attributed.attrs = {"unit": ("m", {1: 2})}
    yield "attrs", attributed, False
    flagged = numbers.set_flags(allows_duplicate_labels=False)
    yield "flags", flagged, False
    yield "arrow dtypes", numbers.convert_dtypes(dtype_backend="pyarrow"), None


def frame_cases():
    try:
        return [pytest.param(frame, held, id=name) for name, frame, held in pandas_frames()]
    except pytest.skip.Exception:
        return []


@pytest.mark.parametrize(("frame", "held"), frame_cases())
def test_pandas_frames(frame, held):
    import pandas as pd

    encoded, again = there_and_back(frame)
    if held is not None:
        assert (encoded.handler == "pandas_dataframes") == held
    assert_same_frame(frame, again)
    for column in again.columns.unique() if again.columns.is_unique else []:
        series = frame[column]
        restored = there_and_back(series)[1]
        pd.testing.assert_series_equal(series, restored, check_freq=True, check_flags=True)
        assert restored.name == series.name and restored.attrs == series.attrs


def assert_same_frame(a, b):
    import pandas as pd

    assert type(a) is type(b) and list(a.dtypes) == list(b.dtypes)
    pd.testing.assert_frame_equal(a, b, check_exact=True, check_freq=True, check_flags=True)
    assert type(a.index) is type(b.index) and type(a.columns) is type(b.columns)
    assert a.index.names == b.index.names and a.columns.names == b.columns.names
    assert a.attrs == b.attrs
    for dtype, other in zip(a.dtypes, b.dtypes, strict=True):
        if hasattr(dtype, "tz"):
            assert type(dtype.tz) is type(other.tz)
    for at, dtype in enumerate(a.dtypes):
        if isinstance(dtype, np.dtype):
            assert b.iloc[:, at].to_numpy(copy=False).dtype == dtype
            if dtype.hasobject:
                assert list(map(type, a.iloc[:, at])) == list(map(type, b.iloc[:, at]))
    sparse = any(str(dtype).startswith("Sparse") for dtype in b.dtypes)
    if len(b) and b.shape[1] and b.columns.is_unique and not sparse:
        b.loc[b.index[0], b.columns[0]] = b.iloc[0, 0]  # writable


def test_subclasses_of_frames_are_pickled():
    pd = pytest.importorskip("pandas")
    encoded, again = there_and_back(Special(pd.DataFrame({"a": [1]})))
    assert encoded.handler == "object_pickle" and type(again) is Special


try:
    import pandas

    class Special(pandas.DataFrame):
        @property
        def _constructor(self):
            return Special
except ImportError:
    pass


def test_polars():
    pl = pytest.importorskip("polars")
    when = dt.datetime(2024, 1, 1, 1, 2, 3, 456789)
    cases = {
        "plain": pl.DataFrame({"i": [1, None], "f": [float("nan"), None], "s": ["", None]}),
        "narrow": pl.DataFrame(
            {"a": pl.Series([1, 2], dtype=pl.UInt8), "b": pl.Series([1.5, 2], dtype=pl.Float32)}
        ),
        "times": pl.DataFrame(
            {"d": [when.date()], "t": [when.time()], "w": [when], "l": [dt.timedelta(1, 2, 3)]}
        ),
        "zoned": pl.DataFrame({"w": [when]}).with_columns(
            pl.col("w").dt.replace_time_zone("Asia/Tokyo")
        ),
        "units": pl.DataFrame(
            {u: pl.Series([when]).dt.cast_time_unit(u) for u in ("ms", "us", "ns")}
        ),
        "bytes": pl.DataFrame({"b": [b"\0\xff", None]}),
        "categories": pl.DataFrame({"c": pl.Series(["b", "a"], dtype=pl.Categorical)}),
        "enum": pl.DataFrame({"c": pl.Series(["b", "a"], dtype=pl.Enum(["b", "z", "a"]))}),
        "nested": pl.DataFrame({"l": [[1], None], "s": [{"x": 1}, {"x": None}]}),
        "null": pl.DataFrame({"n": [None, None]}),
        "decimal": pl.DataFrame({"n": pl.Series(["1.50"]).cast(pl.Decimal(10, 2))}),
        "empty": pl.DataFrame(),
        "no rows": pl.DataFrame({"a": pl.Series([], dtype=pl.Int8)}),
    }
    for name, frame in cases.items():
        _encoded, again = there_and_back(frame)
        assert again.schema == frame.schema and again.equals(frame, null_equal=True), name
        for series in frame.iter_columns():
            restored = there_and_back(series)[1]
            assert restored.dtype == series.dtype and restored.name == series.name, name
            assert restored.equals(series, check_names=True, null_equal=True), name
    assert there_and_back(cases["plain"])[0].handler == "polars_dataframes"
    assert there_and_back(pl.Series([1]))[0].handler == "polars_series"
    lazy = cases["plain"].lazy().select("i")
    assert there_and_back(lazy)[1].collect().equals(cases["plain"].select("i"), null_equal=True)


def test_files_open_elsewhere(tmp_path):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame = pd.DataFrame({"a": [1, 2], "s": ["x", "y"]}, index=pd.Index([5, 6], name="i"))
    path = tmp_path / "t.parquet"
    path.write_bytes(bytes(HANDLERS.encode(frame).blob))
    pd.testing.assert_frame_equal(pd.read_parquet(path), frame)
    assert pl.read_parquet(path)["a"].to_list() == [1, 2]


# -- damage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [np.arange(300.0).reshape(20, 15), {"a": np.arange(1000), "b": "text"}]
)
def test_truncated_and_flipped_bytes_never_crash(value):
    encoded = HANDLERS.encode(value)
    kind, data = encoded.blob.kind, bytes(encoded.blob)
    for length in range(0, len(data), max(1, len(data) // 300)):
        with pytest.raises(Exception):  # noqa: B017
            HANDLERS.decode(encoded.handler, encoded.meta, blob_of(kind, data[:length]))
    for at in range(min(len(data), 200)):
        flipped = bytearray(data)
        flipped[at] ^= 0xFF
        try:
            HANDLERS.decode(encoded.handler, encoded.meta, blob_of(kind, bytes(flipped)))
        except (CacheError, Exception):
            continue
