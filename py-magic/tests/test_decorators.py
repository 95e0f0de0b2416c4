import asyncio
import functools
import inspect
import threading
import time
import types
from pathlib import Path

import pytest

from cacheness import (
    CacheConfigError,
    CacheKeyError,
    CacheStorageError,
    CacheWarning,
    cached,
    cacheness,
    get_cache,
)

pytestmark = pytest.mark.usefixtures("backend")


def test_plain(cache):
    calls = []

    @cached(cache=cache)
    def f(a, b=2, *args, c: int = 3, **others) -> int:
        """Adds."""
        calls.append(a)
        return a + b + c

    assert f(1) == f(1, 2) == f(a=1, b=2) == f(1, c=3) == f(b=2, a=1) == 6
    assert len(calls) == 1
    assert f(1, 2, 9) == 6 and f(1, x=5) == 6 and f(1.0) == 6.0 and f(True) == 6
    assert len(calls) == 5
    assert f.__name__ == "f" and f.__doc__ == "Adds." and f.__wrapped__(1) == 6
    assert list(inspect.signature(f).parameters) == ["a", "b", "args", "c", "others"]
    assert f.__annotations__["c"] is int and inspect.isfunction(f)
    with pytest.raises(TypeError, match="missing"):
        f()


def test_without_parentheses_and_with_the_default_cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = []

    @cached
    def f(a):
        calls.append(a)
        return a

    @cached()
    def g(a):
        calls.append(a)
        return a

    assert (f(1), f(1), g(1), g(1)) == (1, 1, 1, 1) and calls == [1, 1]
    assert len(get_cache().list_entries()) == 2


def test_none_is_a_hit_and_an_exception_is_not_kept(cache):
    calls = []

    @cache.cached()
    def f(a):
        calls.append(a)
        if a < 0:
            raise ValueError(a)

    assert f(1) is None and f(1) is None and calls == [1]
    for _ in range(2):
        with pytest.raises(ValueError, match="-1"):
            f(-1)
    assert calls == [1, -1, -1]


def test_one_namespace_with_manual_calls(cache):
    class Files:
        @cached(cache=cache, key_prefix="s3_file")
        def download(self, s3_key, version_id=None):
            return f"content of {s3_key}"

    files = Files()
    assert cache.get(s3_key="a", key_prefix="s3_file") is None
    files.download("a")
    assert cache.get(s3_key="a", key_prefix="s3_file") == "content of a"
    cache.put("manual", s3_key="b", key_prefix="s3_file")
    assert files.download("b") == files.download("b", None) == "manual"
    assert cache.invalidate(s3_key="a", key_prefix="s3_file") == 1
    assert cache.get(s3_key="a", key_prefix="s3_file") is None


def test_two_functions_of_one_prefix_do_not_mix(cache):
    @cached(cache=cache, key_prefix="shared")
    def double(x):
        return 2 * x

    @cached(cache=cache, key_prefix="shared")
    def triple(x):
        return 3 * x

    assert (double(5), triple(5), double(5), triple(5)) == (10, 15, 10, 15)
    assert double.cache_info()["entries"] == 1
    assert double.cache_clear() == 1 and triple.cache_info().entries == 1


def test_arguments_named_like_options_are_arguments(cache):
    @cached(cache=cache)
    def f(
        prefix="", description="", ttl_hours=1, key_prefix=None, default=0, cache_key="", strict=0
    ):
        return (prefix, description, ttl_hours, key_prefix, default, cache_key, strict)

    assert f(prefix="a") != f(prefix="b")
    assert f(description="a") != f(description="b")
    assert f(default=1)[4] == 1 and f(strict=1)[6] == 1 and f(cache_key="k")[5] == "k"


def test_keywords_that_collide_with_positional_names(cache):
    @cached(cache=cache)
    def f(a, /, *args, **others):
        return (a, args, others)

    calls = [((1,), {}), ((1,), {"a": 2}), ((2,), {"a": 1}), ((1, 2), {}), ((1,), {"args": (2,)})]
    assert [f(*args, **others) for args, others in calls * 2] == [
        (args[0], args[1:], others) for args, others in calls * 2
    ]


def test_methods(cache):
    class Base:
        factor = 2

        @cached(cache=cache)
        def scale(self, x):
            return x * self.factor

        @cached(cache=cache)
        @classmethod
        def made(cls, x):
            return (cls.__name__, x)

        @classmethod
        @cached(cache=cache)
        def made_too(cls, x):
            return (cls.__name__, x)

        @cached(cache=cache)
        @staticmethod
        def plain(x):
            return x + 1

        @staticmethod
        @cached(cache=cache)
        def plain_too(x):
            return x + 1

        @property
        @cached(cache=cache)
        def size(self):
            return self.factor

    class Other(Base):
        factor = 3

    assert [Base().scale(2), Other().scale(2)] * 2 == [4, 6] * 2
    for _ in range(2):
        assert Base.made(1) == Base.made_too(1) == ("Base", 1)
        assert Other.made(1) == Other().made_too(1) == ("Other", 1)
        assert Base.plain(1) == Base().plain_too(x=1) == 2
        assert Base.plain(5) == Base.plain_too(5) == 6
        assert (Base().size, Other().size) == (2, 3)
    assert cache.get(x=2, key_prefix=f"{__name__}.test_methods.<locals>.Base.scale") is not None


def test_what_an_instance_declares(cache):
    class Client:
        def __init__(self, base):
            self.base = base

        def __cache_key__(self):
            return self.base

        @cached(cache=cache, key_prefix="client")
        def fetch(self, path):
            return self.base + path

    assert [Client("a").fetch("x"), Client("b").fetch("x")] * 2 == ["ax", "bx"] * 2
    assert cache.get(path="x", key_prefix="client") in ("ax", "bx")


def make(source, cache, **options):
    space = {"__name__": "made"}
    exec(source, space)
    return cached(cache=cache, **options)(space["f"]), space


def test_a_change_of_the_source_starts_new_entries(cache):
    f, _ = make("def f(x):\n    return x + 1", cache)
    same, _ = make("def f(x):\n\n    # a comment\n    return (x + 1)", cache)
    other, _ = make("def f(x):\n    return x + 2", cache)
    assert f(1) == 2 and same(1) == 2 and other(1) == 3 and f(1) == 2
    assert same.cache_info().hits == 1 and other.cache_info().hits == 0
    assert f.cache_clear() == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("K = 1\ndef f(x): return x + K", "K = 2\ndef f(x): return x + K"),
        ("def h(x): return x\ndef f(x): return h(x)", "def h(x): return -x\ndef f(x): return h(x)"),
        ("L = [1]\ndef f(x): return L[0]", "L = [2]\ndef f(x): return L[0]"),
        ("def f(x, k=1): return k", "def f(x, k=2): return k"),
        ("def f(x): return [n + 1 for n in (x,)]", "def f(x): return [n + 2 for n in (x,)]"),
        (
            "class C:\n    def m(self): return 1\ndef f(x): return C().m()",
            "class C:\n    def m(self): return 2\ndef f(x): return C().m()",
        ),
        (
            "def outer(k):\n    def f(x): return k\n    return f\nf = outer(1)",
            "def outer(k):\n    def f(x): return k\n    return f\nf = outer(2)",
        ),
        (
            "def outer(k):\n    def f(x): return (lambda: k)()\n    return f\nf = outer([1])",
            "def outer(k):\n    def f(x): return (lambda: k)()\n    return f\nf = outer([2])",
        ),
    ],
)
def test_so_does_a_change_of_what_it_refers_to(cache, before, after):
    f, _ = make(before, cache)
    g, _ = make(after, cache)
    assert f(1) == f.__wrapped__(1)
    assert g(1) == g.__wrapped__(1) != f(1)
    assert g(1) == g.__wrapped__(1) and g.cache_info().hits == 1


def test_so_does_a_change_in_a_module_of_the_program(tmp_path, in_process):
    program = """
from cacheness import cached, cacheness
import helpers
@cached(cache=cacheness("cache"))
def f(x): return helpers.scale(x)
print(f(1), f.cache_info().hits)
"""
    helpers = tmp_path / "helpers.py"
    helpers.write_text("FACTOR = 2\ndef scale(x): return x * FACTOR")
    assert in_process(program) == "2 0\n"
    assert in_process(program) == "2 1\n"
    helpers.write_text("FACTOR = 30\ndef scale(x): return x * FACTOR  # another length")
    assert in_process(program) == "30 0\n"


def test_a_global_that_is_rebound_is_seen(cache):
    f, space = make("K = 1\ndef f(x): return x + K", cache)
    assert f(1) == 2
    space["K"] = 10
    assert f(1) == 11


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"lr": 1}, {"lr": 5}),
        ([1], [5]),
        ((1,), (5,)),
        (types.SimpleNamespace(lr=1), types.SimpleNamespace(lr=5)),
    ],
)
def test_a_global_object_is_looked_at_on_every_call(cache, first, second):
    f, space = make("def f(x): return x, repr(P)", cache)
    space["P"] = first
    assert f(1) == f(1) == (1, repr(first))
    space["P"] = second
    assert f(1) == (1, repr(second))
    assert f.cache_info().hits == 1


def test_a_global_object_that_is_changed_in_place_is_seen(cache):
    f, space = make("P = {'lr': 1}\ndef f(x): return x * P['lr']", cache)
    assert f(2) == 2
    space["P"]["lr"] = 5
    assert f(2) == 10


@pytest.mark.parametrize(
    "source",
    [
        "n = 0\ndef f(x):\n    global n\n    n += 1\n    return n",
        "calls = []\ndef f(x):\n    calls.append(x)\n    return len(calls)",
        "calls = {'n': 0}\ndef f(x):\n    calls['n'] += 1\n    return calls['n']",
        "def f(x):\n    f.n = getattr(f, 'n', 0) + 1\n    return f.n",
    ],
)
def test_traces_are_not_inputs(cache, source):
    f, _ = make(source, cache)
    assert [f(1) for _ in range(3)] == [f(1)] * 3


def test_version_stands_for_the_source(cache):
    f, _ = make("def f(x): return 1", cache, version="1")
    g, _ = make("def f(x): return 2", cache, version="1")
    h, _ = make("def f(x): return 3", cache, version="2")
    assert (f(0), g(0), h(0)) == (1, 1, 3)


def test_key_func(cache):
    calls = []

    @cached(cache_instance=cache, key_func=lambda func, args, kwargs: f"user_{kwargs['user_id']}")
    def model(user_id, preferences=()):
        calls.append(user_id)
        return user_id

    assert model(user_id=1) == model(1) == model(1, [2]) == 1
    assert model(2) == 2 and calls == [1, 2]


def test_lifetimes(cache):
    calls = []

    @cached(cache=cache, ttl="0s")
    def f(x):
        calls.append(x)

    f(1), f(1)
    assert calls == [1, 1]
    assert f.cache_info()["ttl_hours"] == 0


def test_info_clear_and_key(cache):
    @cached(cache=cache, key_prefix="p")
    def f(x):
        return x

    cache.put("mine", x=1, key_prefix="p2")
    f(1), f(1), f(2)
    info = f.cache_info()
    assert (info.hits, info.misses, info.entries) == (1, 2, 2) and info["bytes"] > 0
    assert f.cache_key(1) == f.cache_key(x=1) != f.cache_key(2)
    assert cache.get(cache_key=f.cache_key(2), key_prefix="p") == 2
    assert f.cache_clear() == 2 and f.cache_clear() == 0
    assert cache.get(x=1, key_prefix="p2") == "mine"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ttl_hour": 1}, TypeError),
        ({"ttl": "soon"}, CacheConfigError),
        ({"ttl_hours": -1}, CacheConfigError),
        ({"cache": "dir"}, CacheConfigError),
    ],
)
def test_bad_options_are_told_where_they_are_written(options, error):
    with pytest.raises(error):
        cached(**options)


@pytest.mark.parametrize("bad", [5, int, functools.partial(print)])
def test_only_functions_are_decorated(bad):
    with pytest.raises(CacheConfigError):
        cached()(bad)


def test_two_caches_at_once(cache, tmp_path):
    with pytest.raises(CacheConfigError, match="contradict"):
        cached(cache=cache, cache_instance=cacheness(tmp_path / "b"))


def test_an_argument_without_content_is_named(cache):
    @cached(cache=cache)
    def f(connection):
        return 1

    with pytest.raises(CacheKeyError, match="'connection'"):
        f(object())


# -- a cache that fails ------------------------------------------------------------------------


def test_a_result_that_cannot_be_stored(cache):
    @cached(cache=cache)
    def f(x):
        return threading.Lock()

    with pytest.warns(CacheWarning, match="not stored") as told:
        f(1)
    assert len(told) == 1


def test_a_cache_that_cannot_be_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(CacheStorageError):
        get_cache()

    @cached()
    def f(x):
        return x + 1

    with pytest.warns(CacheWarning, match="without its cache") as told:
        assert f(1) == 2
    assert len(told) == 1


def test_a_closed_cache(cache):
    @cached(cache=cache)
    def f(x):
        return x + 1

    f(1)
    cache.close()
    with pytest.warns(CacheWarning):
        assert f(1) == 2


# -- coroutines and generators -----------------------------------------------------------------


def test_coroutines(cache):
    calls = []

    @cached(cache=cache)
    async def f(x):
        calls.append(x)
        await asyncio.sleep(0.01)
        return x * 2

    async def main():
        return await asyncio.gather(*(f(3) for _ in range(20)), f(4))

    assert inspect.iscoroutinefunction(f)
    assert asyncio.run(main()) == [6] * 20 + [8]
    assert sorted(calls) == [3, 4] and asyncio.run(f(3)) == 6 and len(calls) == 2


def test_generators(cache):
    calls = []

    @cached(cache=cache)
    def f(n):
        calls.append(n)
        for item in range(n):
            yield [item]
        return "done"

    assert inspect.isgeneratorfunction(f) or inspect.isgenerator(f(0))
    first = f(3)
    assert next(first) == [0]
    first.close()
    for item in f(3):
        item.append("changed by the consumer")
    assert list(f(3)) == [[0], [1], [2]] and calls.count(3) == 2

    def outer():
        return (yield from f(3))

    with pytest.raises(StopIteration) as stop:
        running = outer()
        while True:
            next(running)
    assert stop.value.value == "done"


def test_async_generators(cache):
    calls = []

    @cached(cache=cache)
    async def f(n):
        calls.append(n)
        for item in range(n):
            yield item

    async def collect():
        return [item async for item in f(3)]

    assert asyncio.run(collect()) == asyncio.run(collect()) == [0, 1, 2] and calls == [3]


# -- at once -----------------------------------------------------------------------------------


def test_sixteen_threads_compute_once(cache):
    calls = []

    @cached(cache=cache)
    def f(x):
        calls.append(x)
        time.sleep(0.1)
        return x

    results = []
    threads = [threading.Thread(target=lambda: results.append(f(7))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [7] * 16 and calls == [7]


def test_a_failure_lets_the_next_one_try(cache):
    calls = 0

    @cached(cache=cache)
    def f(x):
        nonlocal calls
        calls += 1
        time.sleep(0.02)
        if calls == 1:
            raise OSError("once")
        return x

    outcomes = []

    def call():
        try:
            outcomes.append(f(1))
        except OSError:
            outcomes.append("failed")

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(str, outcomes)) == ["1", "1", "1", "failed"] and calls == 2


def test_recursion(cache):
    @cached(cache=cache)
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert fibonacci(30) == 832040

    @cached(cache=cache)
    def itself(n, seen=None):
        return "end" if len(depth) > 2 else (depth.append(1), itself(n))[1]

    depth = []
    assert itself(1) == "end"


WORKER = """
import sys, time
from cacheness import cached, cacheness
cache = cacheness("cache")
@cached(cache=cache)
def f(x):
    with open("calls", "a") as calls:
        calls.write("x")
    time.sleep(0.3)
    return x + 1
print(f(1))
"""


def test_four_processes_compute_once(tmp_path):
    import subprocess
    import sys

    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER], cwd=tmp_path, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    assert [worker.communicate(timeout=60)[0] for worker in workers] == [b"2\n"] * 4
    assert Path(tmp_path, "calls").read_text() == "x"
