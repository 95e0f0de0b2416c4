import datetime as dt
import decimal
import enum
import math
import pathlib
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cacheness import CacheKeyError
from cacheness.config import SerializationConfig
from cacheness.serialization import exact, redacted, serialize_for_cache_key


class User:
    def __init__(self, name, age):
        self.name = name
        self.age = age


class HashableToken:
    __slots__ = ["value"]

    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return hash(self.value)


class CustomObj:
    def __str__(self):
        return "CustomObj(data)"


@dataclass
class Point:
    x: int
    y: int


class Color(enum.Enum):
    RED = 1
    GREEN = 2


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (42, "int:42"),
        ("hello", "str:hello"),
        (3.14, "float:3.14"),
        (True, "bool:True"),
        (None, "None"),
        ([1, 2, "three"], "list:[int:1,int:2,str:three]"),
        ({"b": 2, "a": 1}, "dict:[str:a:int:1,str:b:int:2]"),
        ({3, 1, 2}, "set:[int:1,int:2,int:3]"),
        ((1, "hello", 3.0), "tuple:[int:1,str:hello,float:3.0]"),
        (User("Alice", 30), "User:dict:[str:age:int:30,str:name:str:Alice]"),
        (
            {"model": "xgboost", "params": {"max_depth": 6}},
            "dict:[str:model:str:xgboost,str:params:dict:[str:max_depth:int:6]]",
        ),
        (CustomObj(), "CustomObj:CustomObj(data)"),
    ],
)
def test_the_documented_grammar(value, text):
    assert serialize_for_cache_key(value) == text


def test_the_documented_digests():
    number = r"[0-9a-f]{16}"
    for value, pattern in [
        (tuple(range(20)), f"hashed:tuple:{number}"),
        (np.array([1, 2, 3]), rf"array:\(3,\):int64:{number}"),
        (np.array([[1, 2], [3, 4]]), rf"array:\(2, 2\):int64:{number}"),
        (HashableToken("abc123"), f"hashed:HashableToken:{number}"),
    ]:
        import re

        assert re.fullmatch(pattern, serialize_for_cache_key(value))


ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(codec=None), max_size=6)
    | st.sampled_from([":", ",", "]", "[", "\\", "a,str:b", "int:1", "\x01", "\x02x", "\\,"])
    | st.binary(max_size=6)
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.uuids()
)
HASHABLE = st.recursive(ATOMS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner))
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=3)
    ),
    max_leaves=8,
)


def canonical(value):
    """What makes two values the same for a key: type and content, sets and dicts unordered."""
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, tuple(canonical(item) for item in value))
    if isinstance(value, (set, frozenset)):
        return (type(value).__name__, frozenset(canonical(item) for item in value))
    if isinstance(value, dict):
        pairs = frozenset((canonical(key), canonical(item)) for key, item in value.items())
        return ("dict", pairs)
    return (type(value).__name__, repr(value))


@settings(max_examples=1000, deadline=None)
@given(VALUES, VALUES)
def test_injective(a, b):
    assert (exact(a) == exact(b)) == (canonical(a) == canonical(b))
    assert (serialize_for_cache_key(a) == serialize_for_cache_key(b)) == (exact(a) == exact(b))


DIFFERENT = [
    1, 1.0, True, "1", b"1", 1 + 0j, decimal.Decimal("1"), decimal.Decimal("1.0"), "True",
    0.0, -0.0, math.nan, math.inf, "nan", None, "None", [], (), {}, set(), frozenset(), "", b"",
    bytearray(b"1"), [1], (1,), {1}, frozenset({1}), {1: 1}, [[1]], [1, 1], ["a", "b"],
    ["a,str:b"], ["a", "b", ""], {"a": "b"}, ["a:str:b"], 10**5000, 10**5000 + 1, "x" * 300,
    b"x" * 300, b"x" * 301, range(3), range(0, 3, 2), slice(3), slice(0, 3), ..., Color.RED,
    Color.GREEN, Pair(1, 2), (1, 2), Pair(2, 1), Point(1, 2), Point(2, 1), {"x": 1, "y": 2},
    User("Alice", 30), User("Alice", "30"), User("Alice", 30.0),
    dt.date(2024, 1, 1), dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, fold=1),
    dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 1, 1, tzinfo=ZoneInfo("Europe/Rome")),
    dt.datetime(2024, 1, 1, tzinfo=ZoneInfo("Europe/Paris")), dt.time(1), dt.timedelta(1),
    dt.timedelta(seconds=1), uuid.UUID(int=1), uuid.UUID(int=2), pathlib.PurePosixPath("a"),
    pathlib.PureWindowsPath("a"), "a", "\ud800", "\\ud800", OrderedDict(a=1, b=2),
    OrderedDict(b=2, a=1), {"a": 1, "b": 2}, ValueError("a"), ValueError("b"), KeyError("a"),
    np.int64(1), np.int32(1), np.float64(1), np.float32(1), np.bool_(True), np.str_("1"),
    np.zeros(0), np.zeros((0, 3)), np.zeros(3), np.zeros((3, 1)), np.zeros(3, "f4"),
    np.zeros(3, ">f8"), np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2),
    np.arange(6).reshape(2, 3).T, np.array(["a", "b"]), np.array(["a", "b"], object),
    np.array([1, None], object), np.array(["2024-01-01"], "M8[D]"),
    np.array(["2024-01-01"], "M8[s]"),
    np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
    np.array([(1, 2.0)], [("c", "i4"), ("b", "f8")]),
    tuple(range(11)), tuple(range(12)), list(range(11)), len, print, int, float,
    lambda x: x, lambda x: x + 1,
]  # fmt: skip


def test_a_zoo_of_different_values():
    texts = [exact(value) for value in DIFFERENT]
    twice = {text for text in texts if texts.count(text) > 1}
    assert not twice


def test_frames():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frames = [
        pd.DataFrame({"a": [1, 2]}),
        pd.DataFrame({"a": [1.0, 2.0]}),
        pd.DataFrame({"b": [1, 2]}),
        pd.DataFrame({"a": [1, 2]}, index=[1, 2]),
        pd.DataFrame({"a": [1, 2]}, index=pd.Index([0, 1], name="i")),
        pd.Series([1, 2]),
        pd.Series([1, 2], name="a"),
        pd.DataFrame({"a": ["x", "y"]}),
        pd.DataFrame({"a": pd.Categorical(["x", "y"])}),
        pl.DataFrame({"a": [1, 2]}),
        pl.DataFrame({"a": [1, None]}),
        pl.Series("a", [1, 2]),
    ]
    texts = {exact(frame) for frame in frames}
    assert len(texts) == len(frames)
    assert texts == {exact(frame.copy() if hasattr(frame, "copy") else frame.clone()) for frame in frames}  # fmt: skip  # noqa: E501


def test_equal_arrays_however_they_lie_in_memory():
    base = np.arange(24.0).reshape(4, 6)
    same = [base, np.asfortranarray(base), np.repeat(base, 2, axis=1)[:, ::2]]
    frozen = base.copy()
    frozen.flags.writeable = False
    assert len({serialize_for_cache_key(array) for array in [*same, frozen]}) == 1


def test_classes_of_one_name_in_two_modules_make_two_keys():
    here = type("Twin", (), {"__module__": "here"})
    there = type("Twin", (), {"__module__": "there"})
    one, two = here(), there()
    one.x = two.x = 1
    assert serialize_for_cache_key(one) == "Twin:dict:[str:x:int:1]"
    assert exact(one) != exact(two)


def test_cycles_and_depth():
    loop = [1]
    loop.append(loop)
    assert serialize_for_cache_key(loop) == "list:[int:1,cycle:1]"
    other = [1]
    other.append([1, other])
    assert exact(loop) != exact(other)
    shared = [1]
    assert serialize_for_cache_key([shared, shared]) == "list:[list:[int:1],list:[int:1]]"
    user = User("a", 1)
    user.name = user
    assert "cycle:1" in serialize_for_cache_key(user)
    deep, deeper = [], []
    for _ in range(300):
        deep = [deep]
    for _ in range(301):
        deeper = [deeper]
    assert exact(deep) != exact(deeper)


def test_tiers_can_be_disabled():
    flat = SerializationConfig(enable_collections=False)
    assert serialize_for_cache_key([1, 2], flat).startswith("hashed:list:")
    assert exact([1, 2], flat) != exact([1, 3], flat)
    blind = SerializationConfig(enable_object_introspection=False)
    assert serialize_for_cache_key(User("a", 1), blind).startswith("hashed:User:")
    assert exact(User("a", 1), blind) != exact(User("a", 2), blind)
    shallow = SerializationConfig(max_collection_depth=1)
    assert serialize_for_cache_key([[1]], shallow).startswith("list:[hashed:list:")
    wide = SerializationConfig(max_tuple_recursive_length=50)
    assert serialize_for_cache_key(tuple(range(20)), wide).startswith("tuple:[int:0,")


@pytest.mark.parametrize("value", [object(), (n for n in "ab"), open(__file__)])  # noqa: SIM115
def test_a_value_without_stable_content_says_where_it_is(value):
    with pytest.raises(TypeError, match=r"parameter 'job'\[1\]\['handle'\]") as raised:
        exact([1, {"handle": value}], name="job")
    assert isinstance(raised.value, CacheKeyError)
    assert "Pass what identifies it" in str(raised.value)


def test_paths_go_by_content(tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "sub" / "b.csv"
    second.parent.mkdir()
    first.write_text("x,y")
    second.write_text("x,y")
    assert exact(first) == exact(second)
    second.write_text("x,z")
    assert exact(first) != exact(second)
    before = exact(tmp_path)
    (tmp_path / "new").touch()
    assert exact(tmp_path) != before
    assert exact(tmp_path / "no") != exact(tmp_path / "non")


def test_secrets_are_not_shown():
    request = {"url": "u", "Authorization": "Bearer abc", "auth": {"api_key": "k3y", "n": 1}}
    shown = redacted(exact(request))
    assert "abc" not in shown and "k3y" not in shown and "str:u" in shown and "int:1" in shown
    changed = {**request, "Authorization": "Bearer abd"}
    assert exact(request) != exact(changed)
    assert "Bearer abc" in serialize_for_cache_key(request)


STABLE = """
import enum, datetime, decimal, numpy as np
from cacheness.serialization import exact
class User:
    def __init__(self): self.tags = {"x", "y", "z"}; self.when = datetime.date(2024, 1, 1)
class Token:
    __slots__ = ["value"]
    def __init__(self, value): self.value = value
def double(x): return x * FACTOR
FACTOR = 2
values = [{"a": {"p", "q", "r"}, "b": (1, 2.5)}, User(), Token({"u", "v"}), tuple("abcdefghijklmn"),
    frozenset("abcdef"), np.arange(5.0), np.array(["a", None, 3], object), double, User,
    decimal.Decimal("1.5"), b"x" * 1000, np.random.default_rng(0).random(10)]
print(ascii([exact(value) for value in values]))
"""


def test_stable_across_processes(in_process):
    texts = {in_process(STABLE, PYTHONHASHSEED=seed) for seed in ("0", "1", "4242")}
    assert len(texts) == 1


class Token:
    __slots__ = ("label", "value")

    def __init__(self, label, value):
        self.label, self.value = label, value

    def __str__(self):
        return self.label


def test_objects_without_the_hashable_tier():
    off = SerializationConfig(enable_hashable_fallback=False)
    neither = SerializationConfig(enable_hashable_fallback=False, enable_string_fallback=False)
    assert serialize_for_cache_key(Token("t", 1)).startswith("hashed:Token:")
    assert serialize_for_cache_key(Token("t:1", 1), off) == "Token:t\\:1"
    # Told alike, and still not the same.
    assert exact(Token("t", 1), off) == exact(Token("t", 1), off) != exact(Token("t", 2), off)
    with pytest.raises(CacheKeyError, match="no form that is enabled takes a Token"):
        serialize_for_cache_key(Token("t", 1), neither)
    assert serialize_for_cache_key([1, (2,)], off) == "list:[int:1,tuple:[int:2]]"
