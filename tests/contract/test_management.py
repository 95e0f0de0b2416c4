"""Looking after a cache: counts, listings, removal, lifetimes, limits, errors and logs."""

import re
import subprocess
import sys

import numpy as np
import pytest

from cacheness import CacheError, cached, cacheness

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def cache():
    return cacheness()


def test_statistics_and_listing(cache, capsys):
    cache.put(np.zeros(1000), description="Zeros", model="a")
    cache.put({"b": 1}, model="b", ttl_hours=0)
    cache.get(model="a")
    cache.get(model="c")

    stats = cache.get_stats()
    print(f"Total entries: {stats['total_entries']}")
    print(f"Total size: {stats['total_size_mb']:.2f} MB")
    print(f"Cache hits: {stats['cache_hits']}")
    print(f"Cache misses: {stats['cache_misses']}")
    print(f"Hit rate: {stats['hit_rate']:.1%}")
    print(f"Backend: {stats['backend_type']}")
    assert capsys.readouterr().out.splitlines() == [
        "Total entries: 2",
        "Total size: 0.00 MB",
        "Cache hits: 1",
        "Cache misses: 1",
        "Hit rate: 50.0%",
        "Backend: sqlite",
    ]

    entries = cache.list_entries()
    for entry in entries:
        print(f"{entry['cache_key']}: {entry['description']} ({entry['size_mb']:.2f}MB)")
        print(f"  Created: {entry['created_at']}")
        print(f"  Type: {entry['data_type']}")
        print(f"  Expired: {entry.get('expired', False)}")
    shown = re.sub(r"[0-9a-f]{16}", "KEY", capsys.readouterr().out)
    shown = re.sub(r"Created: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", "Created: …", shown)
    assert shown.splitlines() == [
        "KEY:  (0.00MB)",
        "  Created: …",
        "  Type: object",
        "  Expired: True",
        "KEY: Zeros (0.00MB)",
        "  Created: …",
        "  Type: array",
        "  Expired: False",
    ]
    assert sum(entry["size_mb"] for entry in entries) == pytest.approx(stats["total_size_mb"])


def test_removal(cache):
    cache.put("old", model="old_model", version="1.0")
    cache.put("new", model="old_model", version="2.0")
    cache.invalidate(model="old_model", version="1.0")
    assert cache.get(model="old_model", version="1.0") is None
    assert cache.get(model="old_model", version="2.0") == "new"

    cache.clear_all()
    assert cache.get(model="old_model", version="2.0") is None
    assert cache.list_entries() == []


def test_what_expired_goes_when_the_cache_is_opened():
    with cacheness() as cache:
        cache.put("gone", a=1, ttl_hours=0)
        cache.put("here", a=2)
    with cacheness(cleanup_on_init=False) as cache:
        assert len(cache.list_entries()) == 2
    with cacheness(cleanup_on_init=True) as cache:
        assert [entry["cache_key_params"]["a"] for entry in cache.list_entries()] == ["int:2"]


def test_a_full_cache_loses_what_was_used_longest_ago():
    cache = cacheness(max_cache_size_mb=1)
    for number in range(3):
        cache.put(np.random.bytes(400_000), number=number)
        cache.get(number=0)
    stats = cache.get_stats()
    assert stats["total_size_mb"] <= 1 == stats["max_cache_size_mb"]
    assert [cache.contains(number=number) for number in range(3)] == [True, False, True]


def test_lifetimes(cache):
    data = [1]
    cache.put(data, experiment="test")
    cache.put(data, experiment="temporary", ttl_hours=2)
    cache.put(data, experiment="permanent", ttl_hours=None)
    result = cache.get(experiment="test", ttl_hours=48)
    assert result == data
    assert cache.get(experiment="permanent", ttl_hours=0) is None
    expires = {
        entry["cache_key_params"]["experiment"]: entry["expires_at"]
        for entry in cache.list_entries()
    }
    assert expires["str:permanent"] is None
    assert expires["str:temporary"] < expires["str:test"]

    cache.put(data, experiment="expired", ttl_hours=0)
    assert cache.get(experiment="expired") is None
    assert cache.get(experiment="expired", ttl_hours=48) == data


def test_names_for_keys(cache):
    model = {"k": 5}
    cache.put(
        model,
        project="customer_segmentation",
        model_type="kmeans",
        features="demographic_behavioral",
        k_clusters=5,
        version="v2.1",
    )
    cache.put(model, id="model123", data="stuff")
    assert cache.get(id="model123", data="stuff") == model
    assert cache.list_entries()[1]["cache_key_params"] == {
        "project": "str:customer_segmentation",
        "model_type": "str:kmeans",
        "features": "str:demographic_behavioral",
        "k_clusters": "int:5",
        "version": "str:v2.1",
    }


def expensive_processing(file_path, parameters):
    print("processing")
    return {"file": file_path, **parameters}


def test_lifetimes_of_functions(capsys):
    @cached(ttl_hours=24, key_prefix="data_processing")
    def process_large_dataset(file_path, parameters):
        return expensive_processing(file_path, parameters)

    for _ in range(2):
        assert process_large_dataset("a.csv", {"n": 1}) == {"file": "a.csv", "n": 1}
    assert capsys.readouterr().out == "processing\n"

    @cached(ttl_hours=1)
    @cached(ttl_hours=168)
    @cached(ttl_hours=None)
    def rates(currency):
        print(f"rates of {currency}")
        return {"EUR": 1.1, "GBP": 1.3}[currency]

    for _ in range(2):
        assert (rates("EUR"), rates("GBP")) == (1.1, 1.3)
    assert capsys.readouterr().out == "rates of EUR\nrates of GBP\n"


def test_monitoring(cache, capsys):
    cache.put("x" * 100, a=1)
    cache.get(a=1)
    stats = cache.get_stats()
    print(f"Hit rate: {stats['hit_rate']:.1%}")
    print(f"Total size: {stats['total_size_mb']:.1f}MB / {cache.config.max_cache_size_mb}MB")
    assert capsys.readouterr().out == "Hit rate: 100.0%\nTotal size: 0.0MB / 2000MB\n"


def run(script):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, [
        line for line in done.stderr.splitlines() if line.split(":")[1] == "cacheness"
    ]


def test_operations_are_logged():
    script = """
import logging
logging.basicConfig(level=logging.INFO)
from cacheness import cached, cacheness
cache = cacheness()
cache.put([1, 2], a=1)
cache.get(a=1)
cache.get(a=2)
cache.invalidate(a=1)
cache.clear_all()

@cached()
def double(n):
    return 2 * n

double(4)
double(4)
"""
    _, lines = run(script)
    key = "[0-9a-f]{16}"
    patterns = [
        rf"stored {key} as object \(\d+ bytes\)",
        rf"hit {key} \(object\)",
        rf"miss {key}: .+",
        rf"removed {key} \(1 entry\)",
        r"cleared the cache \(0 entries\)",
        rf"miss {key}: .+",
        rf"stored {key} of __main__.double as object \(\d+ bytes\)",
        rf"hit {key} of __main__.double \(object\)",
    ]
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(f"INFO:cacheness:{pattern}", line), line


def test_debug_tells_more():
    script = """
import logging
logging.basicConfig(level=logging.DEBUG)

from cacheness import cacheness
data = {"a": 1}
cache = cacheness()
cache.put(data, debug="test")
result = cache.get(debug="test")
assert result == data
"""
    _, lines = run(script)
    told = "\n".join(lines)
    assert re.search(r"DEBUG:cacheness:opened the cache in /.+/cache \(sqlite\)", told)
    assert re.search(r"DEBUG:cacheness:key [0-9a-f]{16} of debug=str:test", told)
    assert re.search(r"DEBUG:cacheness:encoded a dict by object_pickle in .+ ms: \d+ bytes", told)
    assert re.search(r"DEBUG:cacheness:read [0-9a-f]{16} in .+ ms: \d+ bytes", told)


def test_backend_in_use(capsys):
    try:
        import polars as pl

        assert pl
    except ImportError:
        pass
    cache = cacheness()
    print(f"Using {cache.actual_backend} metadata backend")
    print(f"Backend: {cache.actual_backend}")
    assert capsys.readouterr().out == "Using sqlite metadata backend\nBackend: sqlite\n"


def store_and_find(cache, data, **key):
    """The example's three ways out, told apart."""
    try:
        cache.put(data, **key)
        result = cache.get(**key)
    except ValueError as e:
        return f"Invalid data or parameters: {e}"
    except OSError as e:
        return f"Storage error: {e}"
    except ImportError as e:
        return f"Fallback activated: {e}"
    return result


def test_errors_by_kind(cache, tmp_path, monkeypatch):
    assert store_and_find(cache, [1], model="test", version="1.0") == [1]
    refused = store_and_find(cache, (n for n in "ab"), model="test", version="1.0")
    assert refused.startswith("Invalid data or parameters: ")
    assert cache.get(model="test", version="1.0") == [1]

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    import cacheness.handlers.objects as objects

    monkeypatch.setattr(objects, "encode_object", full)
    assert store_and_find(cache, [2], model="test", version="1.0").startswith("Storage error: ")
    assert cache.get(model="test", version="1.0") == [1]


def test_errors_have_one_root(cache):
    for wrong in (
        lambda: cacheness(cache_dir=""),
        lambda: cache.put(1),
        lambda: cache.put((n for n in "ab"), a=1),
        lambda: cache.put(1, a=object()),
        lambda: cache.get(a=1, ttl="soon"),
    ):
        with pytest.raises(CacheError):
            wrong()
