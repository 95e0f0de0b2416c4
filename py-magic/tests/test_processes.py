"""What happens around a process: start, fork, violent end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cacheness import cacheness

IMPORTS = """
import sys
import cacheness
print(sorted({"numpy", "pandas", "polars", "pyarrow", "sqlalchemy", "IPython", "cacheness.cache"}
    & set(sys.modules)))
from cacheness import cacheness, cached, CacheConfig
cache = cacheness("cache")
cache.put({"a": [1, 2]}, x=1)
assert cache.get(x=1) == {"a": [1, 2]}
@cached(cache=cache)
def f(x): return x
f(1), f(1)
print(sorted({"pandas", "polars", "pyarrow", "sqlalchemy", "IPython"} & set(sys.modules)))
"""


def test_nothing_heavy_is_imported(in_process):
    assert in_process(IMPORTS) == "[]\n[]\n"


ABSENT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pandas", "polars", "pyarrow", "cloudpickle", "sqlalchemy"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import numpy as np
from cacheness import cacheness
cache = cacheness("cache")
cache.put(np.arange(5.0), a=np.arange(3))
cache.put({"x": np.zeros(9999), "y": (1, "two")}, b=1)
print(cache.get(a=np.arange(3)).sum(), cache.get(b=1)["x"].sum())
"""


def test_numpy_alone_is_enough(in_process):
    assert in_process(ABSENT) == "10.0 0.0\n"


KILLED = """
import numpy as np, itertools, sys
from cacheness import cacheness
cache = cacheness("cache", max_cache_size_mb=50, metadata_backend=sys.argv[1])
random = np.random.default_rng(0)
print("ready", flush=True)
for n in itertools.count():
    cache.put(random.random(200_000), n=n % 5)
    cache.put({"n": n}, small=n % 5)
"""


@pytest.mark.parametrize("backend", ["sqlite", "json"])
@pytest.mark.parametrize("delay", [0.02, 0.1, 0.3])
def test_a_kill_during_put(tmp_path, delay, backend):
    command = [sys.executable, "-c", KILLED, backend]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    process.stdout.close()
    cache = cacheness(tmp_path / "cache")
    for entry in cache.list_entries():
        value = cache.get(cache_key=entry["cache_key"], strict=True)
        assert value is not None
    cache.put("after", a=1)
    assert cache.get(a=1) == "after"


def test_a_fork_goes_on(tmp_path):
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    cache = cacheness(tmp_path / "cache")
    cache.put("parent", a=1)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            assert cache.get(a=1) == "parent"
            cache.put("child", a=2)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert cache.get(a=2) == "child" and cache.get(a=1) == "parent"


KEYS = """
import json
from cacheness import cacheness, cached
cache = cacheness("cache")
@cached(cache=cache)
def f(a, b={"x", "y", "z"}, c=frozenset("abc")): return 1
put = cache.put(1, a={"p", "q", "r"}, b={"k": (1, 2.0)})
print(json.dumps([put, f.cache_key({"u", "v", "w"})]))
f({"u", "v", "w"})
print(f.cache_info().entries)
"""


def test_keys_are_the_same_in_every_process(in_process):
    outputs = {in_process(KEYS, PYTHONHASHSEED=str(seed)) for seed in range(3)}
    assert len(outputs) == 1
    keys, entries = outputs.pop().splitlines()
    assert all(len(key) == 16 for key in json.loads(keys)) and entries == "1"


SCRIPT = """
import dataclasses
from cacheness import cached, cacheness
@dataclasses.dataclass
class Point:
    x: int
@cached(cache=cacheness("cache"))
def f(x):
    print("computed")
    return Point(x)
assert isinstance(f(1), Point) and f(1) == Point(1)
"""


def test_a_script_gets_objects_of_its_own_classes(tmp_path):
    script = Path(tmp_path, "script.py")
    script.write_text(SCRIPT)
    runs = [
        subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, check=True)
        for _ in range(2)
    ]
    assert [run.stdout for run in runs] == [b"computed\n", b""]
