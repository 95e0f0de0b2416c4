"""What makes two values the same, and what tells them apart."""

import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import pickle
import threading
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cacheness._cacheness import Walk
from cacheness.errors import UnstableValueError
from cacheness.fingerprint import Decomposer, fingerprint
from cacheness.handlers.registry import ALL


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Point:
    x: float
    y: float


class Slotted:
    __slots__ = ("a",)

    def __init__(self, a: object) -> None:
        self.a = a


def adder(amount: int) -> Any:
    def add(value: int, times: int = 1) -> int:
        return value + amount * times

    return add


UTC = datetime.UTC
DISTINCT = [
    None, True, False, 0, 1, -1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**200, 0.0, -0.0, 1.0,
    float("nan"), float("inf"), 1j, "", "0", "1", "a", "\udc80", b"", b"a", bytearray(b"a"), (),
    (1,), ((1,),), [], [1], [[1]], [1, [2]], [[1], 2], {}, {1: 2}, {2: 1}, {"a": 1, "b": 2},
    {"b": 2, "a": 1}, set(), {1}, frozenset(), frozenset({1}), range(3), range(4), slice(1),
    Colour.RED, Colour.BLUE, Point(1, 2), Point(2, 1), Slotted(1), Slotted(2), Point, Slotted,
    decimal.Decimal("1"), decimal.Decimal("1.0"), datetime.date(2024, 1, 1),
    datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 1, tzinfo=UTC),
    datetime.timedelta(1), collections.OrderedDict(a=1), collections.Counter("a"),
    collections.deque([1]), len, max, "x".join, np, pd, adder(1), adder(2), lambda x: x,
    lambda x: x + 1, functools.partial(max, 1), functools.partial(max, 2), np.float64(1),
    np.float32(1), np.int64(1), np.int32(1), np.bool_(True), np.str_("a"), np.dtype("i8"),
    np.dtype(">i8"), np.arange(3), np.arange(3, dtype="i4"), np.arange(3, dtype=">i8"),
    np.arange(3.0), np.arange(4), np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2),
    np.asfortranarray(np.arange(6).reshape(2, 3)), np.array(["a"]), np.array(["a"], object),
    np.array([b"a"]), np.array([1, "a"], object), np.array(["2024"], "M8[Y]"),
    np.array(["2024"], "M8[D]"), np.zeros(0), np.zeros((0, 3)), np.array(1), np.array([True]),
    np.zeros(2, [("a", "i4"), ("b", "f8")]), np.zeros(2, [("a", "i4"), ("c", "f8")]),
    pd.Series([1, 2]), pd.Series([2, 1]), pd.Series([1, 2], name="a"), pd.Series([1.0, 2.0]),
    pd.Series([1, 2], index=[1, 2]), pd.Series([1, 2], index=[0, 1]), pd.Series(["a", "b"]),
    pd.Series(["a", "b"], dtype=object), pd.Series(["a", None]),
    pd.Series([1, None], dtype="Int64"),
    pd.Series([1, 0], dtype="Int64"), pd.Series(["a", "b"], dtype="category"),
    pd.Series(pd.Categorical(["a", "b"], categories=["b", "a"])),
    pd.Series(pd.Categorical(["a", "b"], ordered=True)), pd.Series(pd.to_datetime(["2024-01-01"])),
    pd.Series(pd.to_datetime(["2024-01-01"]).tz_localize("UTC")),
    pd.Series(pd.to_datetime(["2024-01-01"]).tz_localize("Europe/Paris")),
    pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"b": [1, 2]}), pd.DataFrame({"a": [1, 3]}),
    pd.DataFrame({"a": [1, 2], "b": [3, 4]}), pd.DataFrame({"b": [3, 4], "a": [1, 2]}),
    pd.DataFrame(index=[0, 1]), pd.DataFrame([[1, 2]], columns=["a", "a"]), pd.Index([1, 2]),
    pd.Index([1, 2], name="a"), pd.RangeIndex(2), pd.MultiIndex.from_tuples([(1, 2)]),
    pd.MultiIndex.from_tuples([(1, 2)], names=["a", None]), pl.DataFrame({"a": [1, 2]}),
    pl.DataFrame({"a": [1, None]}), pl.DataFrame({"a": [1.0, 2.0]}), pl.DataFrame({"b": [1, 2]}),
    pl.Series("a", [1, 2]), pl.Series("b", [1, 2]), pl.Series("a", [1, 2], pl.Int32),
    pl.Series("a", ["x"], pl.Categorical), pl.Series("a", ["x"]), pl.Series("a", [[1], [2]]),
    pl.Series("a", [[1, 2], []]), np.random.default_rng(0), np.random.default_rng(1),
]  # fmt: skip


def test_different_values_differ() -> None:
    seen: dict[str, object] = {}
    for value in DISTINCT:
        digest = fingerprint(value)
        assert digest not in seen, (value, seen[digest])
        seen[digest] = value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a", "b", "c"}, {"c", "b", "a"}),
        (np.arange(10)[::2], np.array([0, 2, 4, 6, 8])[::1].repeat(2)[::2]),
        (pd.Series(["a", "b", "c"])[1:], pd.Series(["b", "c"], index=pd.RangeIndex(1, 3))),
        (
            pd.concat([pd.Series(["a"]), pd.Series(["b"])], ignore_index=True),
            pd.Series(["a", "b"]),
        ),
        (pl.Series("a", [1, 2, 3]).slice(1), pl.Series("a", [2, 3])),
        (pl.concat([pl.DataFrame({"a": ["x"]}), pl.DataFrame({"a": ["y"]})]),
         pl.DataFrame({"a": ["x", "y"]})),
        (pd.DataFrame(np.zeros((3, 2))), pd.DataFrame({0: np.zeros(3), 1: np.zeros(3)})),
        (pd.Series(pd.array([1, 5], dtype="Int64")).where([True, False]),
         pd.Series([1, None], dtype="Int64")),
        (adder(1), adder(1)),
    ],
)  # fmt: skip
def test_how_a_value_was_made_does_not_show(one: object, other: object) -> None:
    assert fingerprint(one) == fingerprint(other)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_a_copy_has_the_same_fingerprint(value: object) -> None:
    assert fingerprint(pickle.loads(pickle.dumps(value))) == fingerprint(value)


@given(VALUES, VALUES)
@settings(max_examples=300, deadline=None)
def test_equal_fingerprints_mean_equal_pickles(one: object, other: object) -> None:
    if fingerprint(one) == fingerprint(other):
        # By text, since a NaN is not equal to itself.
        assert repr(one) == repr(other)


def test_shared_objects_show() -> None:
    inner: list[int] = []
    assert fingerprint([inner, inner]) != fingerprint([[], []])
    cycle: list[object] = []
    cycle.append(cycle)
    assert fingerprint(cycle) == fingerprint(pickle.loads(pickle.dumps(cycle)))


@pytest.mark.parametrize("handler", ["numpy_arrays", "pandas_dataframes", "polars_dataframes"])
def test_a_stored_value_comes_back_with_its_fingerprint(handler: str) -> None:
    """Otherwise every cell behind a restored one would run again."""
    from cacheness.config import CompressionConfig

    negative_nan = np.array([0xFFC00000, 0x7FC00000, 0x3F800000], np.uint32).view(np.float32)
    columns = {
        "i": [1, 2, 3],
        "f": negative_nan,
        "s": ["a", None, "c"],
        "t": pd.to_datetime(["2024-01-01", None, "2024-01-03"]),
        "b": [True, False, True],
    }
    value: Any = {
        "numpy_arrays": np.tile(negative_nan, 1000),
        "pandas_dataframes": pd.DataFrame(columns),
        "polars_dataframes": pl.DataFrame(pd.DataFrame(columns)),
    }[handler]
    encoded = ALL[handler].encode(value, CompressionConfig())
    assert encoded is not None
    assert fingerprint(ALL[handler].decode(encoded.meta, encoded.blob)) == fingerprint(value)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, threading.Lock()]}, "['a'][1]"),
        (Slotted(object()), None),
        ((item for item in ()), ""),
        (Point(1, threading.Lock()), ".y"),  # type: ignore[arg-type]
    ],
)
def test_what_has_no_stable_content_is_named(value: object, path: str | None) -> None:
    with pytest.raises(UnstableValueError) as raised:
        fingerprint(value)
    assert path is None or raised.value.path == path


def test_it_is_the_same_in_every_process(in_process: Any) -> None:
    program = (
        "import numpy as np, datetime, decimal\n"
        "from cacheness.fingerprint import fingerprint\n"
        "def f(x, y={'a', 'b'}): return {x, 'k'} | y\n"
        "class C:\n    limit = 3\n    def m(self): return frozenset(('x', 'y'))\n"
        "print(fingerprint([{'a', 'b', (1, 'c')}, frozenset('xyz'), f, C, C(), np.arange(3),"
        " decimal.Decimal('1.5'), datetime.date(2024, 1, 1), lambda: {'p', 'q'}]))\n"
    )
    seen = {in_process(program, PYTHONHASHSEED=seed) for seed in ("0", "1", "12345")}
    assert len(seen) == 1


def test_ordinals_follow_from_content() -> None:
    def walk_of(value: object) -> Walk:
        walk = Walk(Decomposer())
        walk.add(value)
        return walk

    def make() -> dict[str, Any]:
        shared = [1]
        return {"a": shared, "b": {"c": [shared, Point(1, 2)]}}

    one, other = make(), make()
    first, second = walk_of(one), walk_of(other)
    assert len(first) == len(second)
    assert first.ordinal(one["b"]["c"]) == second.ordinal(other["b"]["c"])
    assert first.object(first.ordinal(one["a"]) or 0) is one["a"]


def test_changed_objects_are_found() -> None:
    inner: list[int] = [1]
    value = {"a": inner, "b": [2]}
    before = Walk(Decomposer())
    before.add(value)
    inner.append(3)
    after = Walk(Decomposer())
    after.add(value)
    changed = [before.object(ordinal) for ordinal in before.changed(after)]
    assert any(obj is inner for obj in changed)
    assert not any(obj is value["b"] for obj in changed)
