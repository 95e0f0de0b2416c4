import json
import os
import pathlib
import warnings

import numpy as np
import pytest

from cacheness import (
    CacheConfig,
    CacheConfigError,
    CacheContext,
    CacheError,
    CacheIntegrityError,
    CacheKeyError,
    CacheStorageError,
    CacheValueError,
    CacheWarning,
    UnifiedCache,
    cacheness,
    get_cache,
)
from cacheness.config import CacheStorageConfig

pytestmark = pytest.mark.usefixtures("backend")


def blob_files(cache):
    root = pathlib.Path(cache.get_stats()["cache_dir"])
    return [path for path in root.rglob("*") if path.suffix in (".b2nd", ".parquet", ".b2")]


# -- keys --------------------------------------------------------------------------------------


def test_put_and_get(cache):
    key = cache.put({"results": [1, 2, 3]}, model="xgboost", version="1.0")
    assert len(key) == 16 and int(key, 16) >= 0
    assert cache.get(version="1.0", model="xgboost") == {"results": [1, 2, 3]}
    assert cache.get(cache_key=key) == {"results": [1, 2, 3]}
    assert cache.get(model="xgboost") is None
    assert cache.get(model="xgboost", version=1.0) is None


def test_a_stored_none_is_not_a_miss(cache):
    cache.put(None, a=1)
    missing = object()
    assert cache.get(a=1, default=missing) is None
    assert cache.get(a=2, default=missing) is missing
    assert cache.contains(a=1) and not cache.contains(a=2)


def test_what_is_not_part_of_the_key(cache):
    key = cache.put(1, description="x", ttl_hours=2, prefix="p", a=1)
    assert key == cache.put(2, a=1, ttl="3h")
    assert cache.get(a=1, description="y", prefix="q") == 2
    assert cache.get_stats()["total_entries"] == 1


def test_key_parameters_may_have_any_name(cache):
    cache.put("x", data="stuff", self="me", config="c", key="k", cache="c", function="f")
    assert cache.get(data="stuff", self="me", config="c", key="k", cache="c", function="f") == "x"


@pytest.mark.parametrize(
    "call",
    [
        lambda cache: cache.put(1),
        lambda cache: cache.get(),
        lambda cache: cache.invalidate(),
        lambda cache: cache.put(1, default=2),
        lambda cache: cache.put(1, cache_key="0" * 16),
        lambda cache: cache.get(cache_key="0" * 16, a=1),
        lambda cache: cache.put(1, a=object()),
        lambda cache: cache.put(1, a=1, key_prefix=5),
        lambda cache: cache.put(1, **{"\ud800": 1}),
    ],
)
def test_bad_keys(cache, call):
    with pytest.raises(CacheKeyError):
        call(cache)
    assert cache.get_stats()["total_entries"] == 0


def test_unusual_texts_are_data(cache):
    root = pathlib.Path(cache.get_stats()["cache_dir"]).parent
    before = set(root.iterdir())
    for text in ["", "\0", "a\0b", "../../escape", "/etc/passwd", "x" * 10_000, "é", "'; --", "\n"]:
        cache.put(text, a=text, key_prefix=text, description=text)
        assert cache.get(a=text, key_prefix=text) == text
        [entry] = cache.list_entries(key_prefix=text)
        assert (entry["key_prefix"], entry["description"]) == (text, text)
    cache.put(np.arange(50_000.0), **{"../x\0": 1}, key_prefix="../../escape")
    assert set(root.iterdir()) == before
    assert cache.get(a="\ud800", default="miss") == "miss"
    cache.put(5, a="\ud800")
    assert cache.get(a="\ud800") == 5


def test_a_prefix_is_a_namespace(cache):
    cache.put("plain", a=1)
    cache.put("one", a=1, key_prefix="one")
    assert cache.get(a=1) == "plain" and cache.get(a=1, key_prefix="one") == "one"
    assert cache.get(a=1, key_prefix="two") is None
    assert [entry["key_prefix"] for entry in cache.list_entries(key_prefix="one")] == ["one"]
    assert len(cache.list_entries()) == 2
    assert cache.invalidate(a=1, key_prefix="one") == 1
    assert cache.get(a=1) == "plain" and cache.get(a=1, key_prefix="one") is None


def test_paths_are_keys_by_content(cache, tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("1,2")
    second.write_text("1,2")
    cache.put("result", input_file=first)
    assert cache.get(input_file=second) == "result"
    first.write_text("1,3")
    assert cache.get(input_file=first) is None
    by_name = cacheness(tmp_path / "other", hash_path_content=False)
    by_name.put("result", input_file=first)
    first.write_text("1,4")
    assert by_name.get(input_file=first) == "result"
    assert by_name.get(input_file=second) is None


# -- lifetimes ---------------------------------------------------------------------------------


def test_lifetimes(cache):
    cache.put("soon", a=1, ttl="0s")
    assert cache.get(a=1) is None
    assert cache.get(a=1, ttl_hours=48) == "soon"
    assert cache.get(a=1, ttl_hours=None) == "soon"
    cache.put("never", a=2, ttl_hours=None)
    assert cache.get(a=2) == "never"
    assert cache.get(a=2, ttl="0s") is None
    expiry = {entry["cache_key"]: entry for entry in cache.list_entries()}
    assert sorted(entry["expired"] for entry in expiry.values()) == [False, True]
    assert None in {entry["expires_at"] for entry in expiry.values()}


def test_the_default_lifetime(tmp_path):
    cache = cacheness(tmp_path, default_ttl_hours=0)
    cache.put(1, a=1)
    assert cache.get(a=1) is None
    cache.put(1, a=2, ttl="1h")
    assert cache.get(a=2) == 1


def test_expired_entries_go_on_init(tmp_path):
    with cacheness(tmp_path) as cache:
        cache.put(1, a=1, ttl="0s")
        cache.put(1, a=2)
    with cacheness(tmp_path, cleanup_on_init=False) as cache:
        assert len(cache.list_entries()) == 2
    with cacheness(tmp_path) as cache:
        assert len(cache.list_entries()) == 1


@pytest.mark.parametrize("bad", [{"ttl": "soon"}, {"ttl_hours": -1}, {"ttl": "1h", "ttl_hours": 2}])
def test_bad_lifetimes(cache, bad):
    for call in (lambda: cache.put(1, a=1, **bad), lambda: cache.get(a=1, **bad)):
        with pytest.raises(CacheConfigError):
            call()


# -- opening -----------------------------------------------------------------------------------


def test_ways_to_open(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for cache in (
        cacheness(),
        cacheness("one"),
        cacheness(tmp_path / "two"),
        cacheness(CacheConfig(cache_dir="three")),
        cacheness(cache_dir="four", default_ttl_hours=1, metadata_config={"backend": "sqlite"}),
        cacheness(storage=CacheStorageConfig(cache_dir="five")),
    ):
        assert isinstance(cache, UnifiedCache)
        cache.put(1, a=1)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"cache", "one", "two", "three", "four", "five"}
    assert cacheness("one").get(a=1) == 1


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: cacheness(5), CacheConfigError),
        (lambda: cacheness("a", cache_dir="b"), CacheConfigError),
        (lambda: cacheness(CacheConfig(), cache_dir="b"), CacheConfigError),
        (lambda: cacheness(cach_dir="b"), TypeError),
    ],
)
def test_bad_ways_to_open(make, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        make()
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_directory(tmp_path):
    place = tmp_path / "cache"
    place.write_text("mine")
    with pytest.raises(CacheStorageError, match="cache"):
        cacheness(place)
    with pytest.raises(OSError):
        cacheness(place)
    assert place.read_text() == "mine"


def test_closing(tmp_path):
    with cacheness(tmp_path) as cache:
        cache.put(1, a=1)
    assert cache.closed
    with pytest.raises(CacheError, match="closed"):
        cache.put(1, a=1)
    cache.close()
    assert cacheness(tmp_path).get(a=1) == 1


def test_context(tmp_path):
    with CacheContext(ttl_hours=1, cache_dir=tmp_path) as cache:
        cache.put(1, a=1)
        assert cache.config.default_ttl_hours == 1
    assert cache.closed
    with pytest.raises(CacheConfigError):
        CacheContext(ttl="soon")


def test_the_default_cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert get_cache() is get_cache()
    other = tmp_path / "other"
    other.mkdir()
    first = get_cache()
    monkeypatch.chdir(other)
    assert get_cache() is not first
    get_cache().close()
    assert not get_cache().closed


# -- management --------------------------------------------------------------------------------


def test_statistics_and_listing(cache, backend):
    cache.put(np.arange(10), description="numbers", a=1)
    cache.get(a=1)
    cache.get(a=2)
    stats = cache.get_stats()
    assert (stats["total_entries"], stats["cache_hits"], stats["cache_misses"]) == (1, 1, 1)
    assert stats["hit_rate"] == 0.5 and stats["backend_type"] == backend
    assert stats["total_size_mb"] > 0
    json.dumps(stats)
    [entry] = cache.list_entries()
    assert entry["description"] == "numbers" and entry["data_type"] == "array"
    assert entry["cache_key_params"] == {"a": "int:1"} and entry["expired"] is False
    assert entry["created_at"].startswith("20") and entry["size_mb"] > 0
    json.dumps(entry)
    assert cache.clear_all() == 1 and cache.list_entries() == []
    assert cache.get_stats()["total_entries"] == 0


def test_the_newest_entries(cache):
    for n in range(5):
        cache.put(n, n=n, key_prefix="odd" if n % 2 else None)
    newest = [entry["cache_key_params"]["n"] for entry in cache.list_entries(limit=2)]
    assert newest == ["int:4", "int:3"] and len(cache.list_entries(key_prefix="odd", limit=5)) == 2


def test_expired_entries_are_cleaned_up(cache):
    cache.put(1, n=1, ttl="0s")
    cache.put(2, n=2, ttl_hours=None)
    assert sorted(entry["expired"] for entry in cache.list_entries()) == [False, True]
    assert (cache.cleanup_expired(), cache.cleanup_expired()) == (1, 0)
    [entry] = cache.list_entries()
    assert entry["expires_at"] is None and cache.get(n=2) == 2


def test_secrets_are_stored_redacted(tmp_path):
    cache = cacheness(tmp_path)
    key = {"api_key": "sk-12345", "headers": {"Authorization": "Bearer zzyzx"}, "city": "Rome"}
    cache.put(1, **key)
    assert cache.get(**key) == 1
    assert cache.get(**{**key, "api_key": "sk-12346"}) is None
    assert cache.list_entries()[0]["cache_key_params"]["city"] == "str:Rome"
    cache.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"12345" not in stored and b"zzyzx" not in stored


def test_parameters_need_not_be_stored(tmp_path):
    cache = cacheness(tmp_path, store_cache_key_params=False)
    cache.put(1, city="Ouagadougou")
    assert cache.get(city="Ouagadougou") == 1
    assert cache.list_entries()[0]["cache_key_params"] == {}


def test_the_size_limit(tmp_path):
    cache = cacheness(tmp_path, max_cache_size_mb=1)
    random = np.random.default_rng(0)
    for n in range(4):
        cache.put(random.random(60_000), n=n)
    stats = cache.get_stats()
    assert stats["total_size_mb"] <= 1 and cache.contains(n=3) and not cache.contains(n=0)
    with pytest.warns(CacheWarning, match="max_cache_size_mb") as told:
        cache.put(random.random(300_000), big=1)
        cache.put(random.random(300_000), big=2)
    assert len(told) == 1 and cache.contains(big=2)


# -- damage ------------------------------------------------------------------------------------


def large(tmp_path):
    cache = cacheness(tmp_path / "cache")
    key = cache.put(np.random.default_rng(0).random(50_000), a=1)
    [file] = blob_files(cache)
    return cache, key, file


@pytest.mark.parametrize(
    "how", ["truncated", "flipped", "emptied", "deleted", "foreign", "a directory"]
)
def test_a_damaged_file_is_a_miss_with_one_warning(tmp_path, how):
    cache, key, file = large(tmp_path)
    data = bytearray(file.read_bytes())
    if how == "truncated":
        file.write_bytes(data[: len(data) // 2])
    elif how == "flipped":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif how == "emptied":
        file.write_bytes(b"")
    elif how == "foreign":
        file.write_bytes(os.urandom(len(data)))
    else:
        file.unlink()
        if how == "a directory":
            file.mkdir()
    with pytest.warns(CacheWarning, match=key) as told:
        assert cache.get(a=1) is None
    assert len(told) == 1 and told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.get(a=1) is None
        cache.put("healed", a=1)
        assert cache.get(a=1) == "healed"


def test_strict_raises(tmp_path):
    cache, key, file = large(tmp_path)
    file.write_bytes(b"")
    with pytest.raises(CacheIntegrityError, match=key):
        cache.get(a=1, strict=True)
    assert cache.get(a=1, strict=True) is None


def test_a_class_that_is_gone_is_a_miss(cache):
    import sys
    import types

    module = types.ModuleType("gone_module")
    module.Gone = type("Gone", (), {"__module__": "gone_module"})
    sys.modules["gone_module"] = module
    cache.put(module.Gone(), a=1)
    del sys.modules["gone_module"]
    with pytest.warns(CacheWarning, match="gone_module"):
        assert cache.get(a=1) is None


def test_a_failed_put_leaves_what_was_there(cache):
    cache.put("old", a=1)
    with pytest.raises(CacheValueError):
        cache.put((n for n in [1]), a=1)
    with pytest.raises(ValueError):
        cache.put((n for n in [1]), a=1)
    assert cache.get(a=1) == "old"


def test_what_comes_back_can_be_changed(cache):
    cache.put({"x": np.zeros(5000), "y": [1]}, a=1)
    value = cache.get(a=1)
    value["x"][0] = 9
    value["y"].append(2)
    assert cache.get(a=1)["x"][0] == 0 and cache.get(a=1)["y"] == [1]


def test_files_of_arrays_and_tables(cache):
    cache.put(np.random.default_rng(0).random(50_000), a=1)
    [file] = blob_files(cache)
    assert file.name.endswith(".b2nd")
