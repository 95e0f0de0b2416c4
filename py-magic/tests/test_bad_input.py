"""What makes no sense is refused with words that help, and costs nothing that is stored."""

import socket
import threading

import numpy as np
import pytest

from cacheness import (
    CacheConfig,
    CacheConfigError,
    CacheContext,
    CacheKeyError,
    CacheValueError,
    CacheWarning,
    cached,
    cacheness,
)
from cacheness.config import CompressionConfig, HandlerConfig, SerializationConfig


class Model:
    def __init__(self, **state):
        self.__dict__.update(state)


class Slotted:
    __slots__ = ("inner",)

    def __init__(self, inner):
        self.inner = inner


class Careful:
    """Leaves its lock out of what is pickled."""

    def __init__(self):
        self.lock, self.inner = threading.Lock(), Model(connection=(n for n in ""))

    def __getstate__(self):
        return {"inner": self.inner}


class Names(list):
    pass


def closing_over(handle):
    def read():
        return handle

    return read


LOCK = threading.Lock()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"model": Model(lock=LOCK)}, "value['model'].lock"),
        ([1, (2, {"a": LOCK})], "value[1][1]['a']"),
        (Model(a=Model(b=[0, LOCK])), "value.a.b[1]"),
        (Slotted(Slotted(LOCK)), "value.inner.inner"),
        (Careful(), "value.inner.connection"),
        (Names(["a", LOCK]), "value[1]"),
        ({"a": np.array([[1, 2], [3, LOCK]], object)}, "value['a'][1][1]"),
        ({frozenset([LOCK])}, "value (an item) (an item)"),
        ({"f": closing_over(LOCK)}, "value['f'] (its variable handle)"),
        ([LOCK], "value[0]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_part_that_cannot_be_stored_is_named(cache, value, path):
    cache.put("before", a=1)
    with pytest.raises(CacheValueError) as refused:
        cache.put(value, a=1)
    message = str(refused.value)
    assert message.startswith(f"{path} cannot be pickled: "), message
    assert "cannot pickle '" in message
    assert cache.get(a=1) == "before"


def test_a_value_that_contains_itself_and_a_lock(cache):
    loop = [LOCK]
    loop.insert(0, loop)
    with pytest.raises(CacheValueError, match=r"^value\[1\] cannot be pickled"):
        cache.put(loop, a=1)


def test_a_result_that_cannot_be_stored_is_returned(cache):
    @cached(cache=cache)
    def build():
        return {"model": Model(lock=LOCK)}

    with pytest.warns(CacheWarning, match=r"build was not stored: value\['model'\]\.lock cannot"):
        assert build()["model"].lock is LOCK


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (socket.socket, None),  # a class is fine
        (Model(session=object()), "parameter 'x'.session"),
        ({"a": [1, object()]}, "parameter 'x'['a'][1]"),
        ((n for n in "ab"), "parameter 'x'"),
        (Slotted(LOCK), "parameter 'x'.inner"),
    ],
)
def test_a_key_needs_content(cache, value, path):
    cache.put("before", x=1)
    if path is None:
        cache.put("class", x=value)
        assert cache.get(x=value) == "class"
        return
    for call in (lambda: cache.put(1, x=value), lambda: cache.get(x=value)):
        with pytest.raises(CacheKeyError) as refused:
            call()
        assert f"no key can be built from {path}:" in str(refused.value)
        assert "Pass what identifies it" in str(refused.value)
    assert cache.get(x=1) == "before" and len(cache.list_entries()) == 1


def test_an_argument_of_a_function_needs_content(cache):
    @cached(cache=cache)
    def query(session, table):
        return table

    with pytest.raises(CacheKeyError, match="no key can be built from parameter 'session'"):
        query(object(), "t")


NAMES = [
    "../../x",
    "/etc/passwd",
    "..",
    ".",
    "a/../../b",
    "nul\0byte",
    "line\nbreak",
    "x" * 10_240,
    "~root",
    "C:\\con",
    "käse 🧀",
    "'; drop table entries; --",
    "%s %(a)s {0}",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_stay_inside(cache, tmp_path, name):
    outside = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    big = np.random.default_rng(0).random(20_000)  # large enough for a file of its own
    keys = [
        cache.put(big, key_prefix=name, a=1),
        cache.put(big + 1, prefix=name, a=1),
        cache.put(big + 2, **{name: name}, description=name),
    ]
    assert cache.get(key_prefix=name, a=1)[0] == big[0]
    assert cache.get(prefix="other", a=1)[0] == big[0] + 1
    assert cache.get(**{name: name})[0] == big[0] + 2
    assert cache.get(cache_key=name) is None and cache.invalidate(cache_key=name) == 0

    @cached(cache=cache, key_prefix=f"{name}.f", version=name)
    def f(n):
        return big + n

    assert f(3)[0] == f(3)[0] == big[0] + 3 and f.cache_info().hits == 1
    listed = cache.list_entries(key_prefix=name)
    assert keys[0] in [entry["cache_key"] for entry in listed]
    assert {entry["key_prefix"] for entry in listed} == {name}
    assert cache.list_entries()[1]["description"] == name
    found = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    assert found - {tmp_path / "cache"} == outside
    directory = tmp_path / "cache"
    for path in directory.rglob("*"):
        assert path.resolve().is_relative_to(directory)
    assert cache.invalidate(key_prefix=name, a=1) == 1
    assert f.cache_clear() == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cacheness(cach_dir="x"), ["'cach_dir'", "'cache_dir'"]),
        (lambda: cacheness("x", default_ttl_hour=2), ["'default_ttl_hour'", "'default_ttl_hours'"]),
        (lambda: CacheConfig(max_size_mb=1), ["'max_size_mb'", "'max_cache_size_mb'"]),
        (lambda: CompressionConfig(array_codec="lz4"), ["'array_codec'", "_array_codec'"]),
        (lambda: SerializationConfig(max_depth=3), ["'max_depth'", "'max_collection_depth'"]),
        (lambda: CacheContext(cachedir="x").__enter__(), ["'cachedir'", "'cache_dir'"]),
        (lambda: cached(ttl_hour=1), ["'ttl_hour'", "'ttl_hours'"]),
        (lambda: cached(key_prefx="a"), ["'key_prefx'", "'key_prefix'"]),
        (lambda: cacheness(metadata_config={"bakend": "json"}), ["'bakend'", "'backend'"]),
    ],
)
def test_unknown_parameters(tmp_path, monkeypatch, call, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TypeError) as refused:
        call()
    assert all(word in str(refused.value) for word in words), refused.value
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cacheness("a", cache_dir="b"), ["'a'", "cache_dir='b'"]),
        (
            lambda: cacheness(default_ttl_hours=1, default_ttl="2h"),
            ["ttl_hours=1", "ttl='2h'"],
        ),
        (
            lambda: CacheConfig(
                parquet_compression="lz4", compression={"parquet_compression": "zstd"}
            ),
            ["parquet_compression='lz4'", "compression.parquet_compression='zstd'"],
        ),
        (
            lambda: CacheConfig(
                metadata={"backend": "json"}, metadata_config={"backend": "sqlite"}
            ),
            ["metadata=", "metadata_config=", "'json'", "'sqlite'"],
        ),
        (
            lambda: HandlerConfig(handler_priority=["numpy_arrays"], enable_numpy_arrays=False),
            ["handler_priority=['numpy_arrays']", "enable_numpy_arrays=False"],
        ),
        (lambda: cached(ttl="1h", ttl_hours=2), ["ttl='1h'", "ttl_hours=2"]),
        (lambda: cacheness(CacheConfig(), cache_dir="b"), ["CacheConfig", "cache_dir"]),
    ],
)
def test_contradictions(tmp_path, monkeypatch, call, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CacheConfigError) as refused:
        call()
    assert all(word in str(refused.value) for word in words), refused.value
    assert list(tmp_path.iterdir()) == []


def test_contradictions_between_caches(tmp_path):
    one, two = cacheness(tmp_path / "one"), cacheness(tmp_path / "two")
    with pytest.raises(CacheConfigError, match=r"cache=.*one.*cache_instance=.*two"):
        cached(cache=one, cache_instance=two)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: CacheConfig(parquet_compression="gzip9"), ["parquet_compression='gzip9'"]),
        (lambda: CacheConfig(blosc2_array_codec="lz"), ["'lz'", "'lz4'"]),
        (lambda: CacheConfig(pickle_compression_level=10), ["0 to 9", "10"]),
        (lambda: CacheConfig(max_cache_size_mb=0), ["max_cache_size_mb=0"]),
        (lambda: CacheConfig(default_ttl_hours=-1), ["-1"]),
        (lambda: CacheConfig(default_ttl="1 fortnight"), ["'1 fortnight'", "'2w'"]),
        (lambda: CacheConfig(cache_dir="a\0b"), ["cache_dir", "\\x00"]),
        (lambda: CacheConfig(cleanup_on_init="yes"), ["cleanup_on_init", "'yes'"]),
        (lambda: HandlerConfig(handler_priority=["pandas"]), ["'pandas'", "'pandas_"]),
        (lambda: CacheConfig(storage=5), ["CacheStorageConfig", "5"]),
        (lambda: cacheness(5), ["5"]),
    ],
)
def test_values_that_make_no_sense(call, words):
    with pytest.raises(ValueError) as refused:
        call()
    assert all(word in str(refused.value) for word in words), refused.value
