"""Frames and arrays: one key however they were built, another for whatever can be told apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from cacheness.fingerprint import fingerprint
from cacheness.serialization import exact

ROWS = 1_000
Build = Callable[[], Any]


def frame() -> pd.DataFrame:
    """Numbers, texts with gaps, ordered categories, moments with a zone; a named index."""
    i = np.arange(ROWS)
    made = pd.DataFrame(
        {
            "number": i * 0.5,
            "count": i % 7,
            "text": [None if k % 10 == 0 else f"t{k}" for k in i],
            "size": pd.Categorical.from_codes(i % 3, ["s", "m", "l"], ordered=True),
            "at": pd.date_range("2024-01-01", periods=ROWS, freq="h", tz="Europe/Berlin"),
        },
        index=pd.Index(i * 2, name="id"),
    )
    made.attrs = {"source": "made"}
    return made


def edited(edit: Callable[[pd.DataFrame], Any]) -> Build:
    """The frame after `edit`, which changes it or gives another one."""

    def build() -> pd.DataFrame:
        made = frame()
        result = edit(made)
        return made if result is None else result

    return build


def put(made: pd.DataFrame, column: str, value: object) -> None:
    made.iloc[ROWS // 2 + 2, made.columns.get_loc(column)] = value


def with_index(made: pd.DataFrame, index: pd.Index) -> None:
    made.index = index


def concatenated(made: pd.DataFrame) -> pd.DataFrame:
    result = pd.concat([made.iloc[:300], made.iloc[300:]])
    result.attrs = made.attrs
    return result


def column_by_column(made: pd.DataFrame) -> pd.DataFrame:
    result = pd.DataFrame(index=made.index)
    for name in made.columns:
        result[name] = made[name]
    result.attrs = dict(made.attrs)
    return result


PANDAS_EQUAL: dict[str, Build] = {
    "deep copy": edited(lambda made: made.copy(deep=True)),
    "two halves": edited(concatenated),
    "every second of twice as many rows": edited(
        lambda made: made.loc[made.index.repeat(2)].iloc[::2]
    ),
    "column by column": edited(column_by_column),
    "columns there and back": edited(lambda made: made[list(made)[::-1]][list(made)]),
    "rows there and back": edited(lambda made: made.iloc[::-1].iloc[::-1]),
    "a column cast there and back": edited(
        lambda made: made.assign(count=made["count"].astype(float).astype(int))
    ),
    "categories made from texts": edited(
        lambda made: made.assign(
            size=pd.Categorical(list(made["size"]), ["s", "m", "l"], ordered=True)
        )
    ),
}

PANDAS_DIFFERENT: dict[str, Build] = {
    "a number in the middle": edited(lambda made: put(made, "number", -1.0)),
    "a text in the middle": edited(lambda made: put(made, "text", "other")),
    "a gap in the middle": edited(lambda made: put(made, "text", None)),
    "a category in the middle": edited(lambda made: put(made, "size", "s")),
    "the index": edited(lambda made: with_index(made, made.index + 1)),
    "the type of the index": edited(lambda made: with_index(made, made.index.astype(float))),
    "the name of the index": edited(lambda made: with_index(made, made.index.rename("key"))),
    "a range for an index": edited(
        lambda made: with_index(made, pd.RangeIndex(0, 2 * ROWS, 2, name="key"))
    ),
    "a column's name": edited(lambda made: made.rename(columns={"count": "n"})),
    "the columns' name": edited(lambda made: made.rename_axis(columns="what")),
    "the columns' order": edited(lambda made: made[list(made)[::-1]]),
    "the rows' order": edited(lambda made: made.iloc[::-1]),
    "a smaller type": edited(lambda made: made.astype({"count": "int32"})),
    "a nullable type": edited(lambda made: made.astype({"count": "Int64"})),
    "an Arrow type": edited(lambda made: made.astype({"count": "int64[pyarrow]"})),
    "objects for texts": edited(lambda made: made.astype({"text": object})),
    "another level": edited(
        lambda made: made.assign(size=made["size"].cat.rename_categories({"l": "xl"}))
    ),
    "a level that nobody has": edited(
        lambda made: made.assign(size=made["size"].cat.add_categories("xl"))
    ),
    "the order of levels": edited(
        lambda made: made.assign(size=made["size"].cat.reorder_categories(["l", "m", "s"]))
    ),
    "levels without an order": edited(
        lambda made: made.assign(size=made["size"].cat.as_unordered())
    ),
    "texts for categories": edited(lambda made: made.assign(size=made["size"].astype(str))),
    "the zone of the same moments": edited(
        lambda made: made.assign(at=made["at"].dt.tz_convert("UTC"))
    ),
    "moments without a zone": edited(lambda made: made.assign(at=made["at"].dt.tz_localize(None))),
    "the unit of moments": edited(lambda made: made.assign(at=made["at"].dt.as_unit("ms"))),
    "an attribute": edited(lambda made: made.attrs.update(source="found")),
    "no attribute": edited(lambda made: made.attrs.clear()),
    "a row less": edited(lambda made: made.iloc[:-1]),
    "a column less": edited(lambda made: made.iloc[:, :-1]),
    "a column twice": edited(lambda made: made[[*made, "count"]]),
    "its values": edited(lambda made: made.to_numpy()),
    "its columns in a dict": edited(lambda made: dict(made.items())),
}


def table() -> pl.DataFrame:
    """A polars frame of the like."""
    return pl.DataFrame(
        {
            "number": np.arange(ROWS) * 0.5,
            "text": [None if k % 10 == 0 else f"t{k}" for k in range(ROWS)],
            "size": pl.Series(["s", "m", "l", "m"] * (ROWS // 4), dtype=pl.Categorical),
            "list": [[k, k + 1] for k in range(ROWS)],
        }
    )


POLARS_EQUAL: dict[str, Build] = {
    "clone": lambda: table().clone(),
    "two chunks": lambda: pl.concat([table()[:300], table()[300:]], rechunk=False),
    "one chunk again": lambda: pl.concat([table()[:300], table()[300:]]).rechunk(),
    "rows there and back": lambda: table().reverse().reverse(),
    "through Arrow": lambda: table().with_columns(pl.Series("text", table()["text"].to_arrow())),
    "a slice of more": lambda: pl.concat([table(), table()])[:ROWS],
}

POLARS_DIFFERENT: dict[str, Build] = {
    "a text in the middle": lambda: table().with_columns(
        pl.when(pl.int_range(pl.len()) == ROWS // 2)
        .then(pl.lit("other"))
        .otherwise("text")
        .alias("text")
    ),
    "a column's name": lambda: table().rename({"text": "words"}),
    "the columns' order": lambda: table().select("text", "number", "size", "list"),
    "the rows' order": lambda: table().reverse(),
    "a type": lambda: table().cast({"number": pl.Float32}),
    "texts for categories": lambda: table().cast({"size": pl.String}),
    "fixed categories": lambda: table().cast({"size": pl.Enum(["s", "m", "l"])}),
    "arrays for lists": lambda: table().cast({"list": pl.Array(pl.Int64, 2)}),
    "a plan of it": lambda: table().lazy(),
    "pandas": lambda: table().to_pandas(),
    "Arrow": lambda: table().to_arrow(),
}


def grid() -> np.ndarray[Any, Any]:
    """Numbers in C order."""
    return np.arange(600.0).reshape(20, 30)


ARRAYS_EQUAL: dict[str, Build] = {
    "copy": lambda: grid().copy(),
    "a part of a larger one": lambda: np.pad(grid(), 5)[5:-5, 5:-5].copy(),
    "stacked rows": lambda: np.stack(list(grid())),
    "read-only and back": lambda: np.frombuffer(bytearray(grid().tobytes())).reshape(20, 30),
}

ARRAYS_DIFFERENT: dict[str, Build] = {
    "one number": lambda: grid() + (np.arange(600).reshape(20, 30) == 300),
    "a zero's sign": lambda: np.where(grid() == 0, -0.0, grid()),
    "a shape": lambda: grid().reshape(30, 20),
    "turned": lambda: grid().T,
    "a type": lambda: grid().astype("f4"),
    "a byte order": lambda: grid().astype(">f8"),
    "the bytes as numbers": lambda: grid().view("i8"),
    "a matrix": lambda: np.matrix(grid()),
    "Arrow": lambda: pa.array(grid().reshape(-1)),
    "a list": lambda: grid().tolist(),
}


@pytest.mark.parametrize("key", [exact, fingerprint], ids=["serialization", "fingerprint"])
@pytest.mark.parametrize(
    ("original", "equal", "different"),
    [
        (frame, PANDAS_EQUAL, PANDAS_DIFFERENT),
        (table, POLARS_EQUAL, POLARS_DIFFERENT),
        (grid, ARRAYS_EQUAL, ARRAYS_DIFFERENT),
    ],
    ids=["pandas", "polars", "NumPy"],
)
def test_keys_follow_content(
    key: Callable[[Any], str], original: Build, equal: dict[str, Build], different: dict[str, Build]
) -> None:
    expected = key(original())
    assert {what for what, build in equal.items() if key(build()) != expected} == set()
    keys = {what: key(build()) for what, build in different.items()}
    assert {what for what, found in keys.items() if found == expected} == set()
    assert len(set(keys.values())) == len(keys)
