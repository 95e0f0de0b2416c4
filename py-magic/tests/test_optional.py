"""The base install is this package and NumPy; everything else is asked for when it is needed."""

import pandas as pd
import polars as pl
import pytest

from cacheness import cacheness

OPTIONAL = "pandas polars pyarrow sqlalchemy cloudpickle IPython ipykernel orjson".split()
BLOCK = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture
def without(in_process):
    """Runs Python text in a process that cannot import the packages."""

    def run(blocked, text):
        return in_process(BLOCK.format(blocked=set(blocked)) + text)

    return run


USE = """
import sys, sysconfig
before = set(sys.modules)
import cacheness
print("numpy" in sys.modules)
from cacheness import cached, get_cache
cache = cacheness.cacheness("c", default_ttl="1d")

@cached(cache=cache)
def double(values):
    return values * 2

import numpy as np
for value in (1, "text", [1, {"a": (2, None)}], b"bytes", np.arange(5), np.array(["s", None])):
    cache.put(value, value=value)
    assert str(cache.get(value=value)) == str(value)
assert double(np.arange(3)).tolist() == double(np.arange(3)).tolist() == [0, 2, 4]
assert double.cache_info().hits == 1 and len(cache.list_entries()) == 7
cache.get_stats(), cache.invalidate(value=1), cache.clear_all(), cache.close()
from cacheness.cli import main
assert main(["--cache-dir", "c", "stats"]) == 0
site = {sysconfig.get_paths()[name] for name in ("purelib", "platlib")}
extra = {
    name.partition(".")[0]
    for name in set(sys.modules) - before
    if "site-packages" in (getattr(sys.modules[name], "__file__", None) or "")
}
print(sorted(extra))
"""


def test_numpy_is_all_that_plain_use_takes(without):
    assert without(OPTIONAL, USE).splitlines()[-1] == "['numpy']"


def test_plain_use_does_not_load_what_is_installed(in_process):
    said = in_process(USE).splitlines()
    assert said[0] == "False", "importing the package alone loads NumPy"
    assert not set(OPTIONAL) & set(said[-1].split("'"))


READ = """
import warnings
from cacheness import CacheDependencyError, cacheness
cache = cacheness("c")
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    assert cache.get(a=1) is None
print(told[0].message)
try:
    cache.get(a=1, strict=True)
except ImportError as error:
    assert isinstance(error, CacheDependencyError)
    print(error.name)
cache.put("again", a=1)
assert cache.get(a=1) == "again"
"""
FRAME = pd.DataFrame({"a": [1, 2]})


@pytest.mark.parametrize(
    ("value", "package"),
    [
        (FRAME, "pandas"),
        (FRAME, "pyarrow"),
        (FRAME.assign(a=pd.Categorical(["x", "y"])), "pandas"),
        ({"nested": FRAME}, "pandas"),
        (FRAME["a"], "pandas"),
        (pl.DataFrame({"a": [1]}), "polars"),
        (pl.Series("a", [1]), "polars"),
    ],
)
def test_reading_what_takes_a_package(tmp_path, without, value, package):
    with cacheness(tmp_path / "c") as cache:
        cache.put(value, a=1)
    message, name = without([package], READ).splitlines()
    assert f"takes {package}, which is not installed" in message
    assert "pip install 'cacheness[dataframes]'" in message and name == package


def test_frames_without_pyarrow_are_pickled(without):
    said = without(
        ["pyarrow"],
        """
import pandas as pd
from cacheness import cacheness
cache = cacheness("c")
frame = pd.DataFrame({"a": [1, 2], "s": ["x", None]})
cache.put(frame, a=1)
pd.testing.assert_frame_equal(cache.get(a=1), frame)
print(cache.list_entries()[0]["data_type"])
""",
    )
    assert said == "object\n"


def test_functions_without_cloudpickle(without):
    said = without(
        ["cloudpickle"],
        """
from cacheness import cacheness
try:
    cacheness("c").put({"f": lambda: 1}, a=1)
except ValueError as error:
    print(error)
""",
    )
    assert said.startswith("value['f'] cannot be pickled: ")
    assert said.endswith("(cloudpickle may: pip install 'cacheness[notebook]')\n")
