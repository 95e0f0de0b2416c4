"""Values whose keys must never change unnoticed.

`python tests/golden_keys.py` writes `golden_keys.json` anew; a change makes older caches miss.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cacheness.config import CacheConfig
from cacheness.fingerprint import fingerprint
from cacheness.keys import digest
from cacheness.serialization import exact, readable

FILE = Path(__file__).with_suffix(".json")
# Evaluated with the names below, alike in every Python that is supported.
EXPRESSIONS = """
None
True
1
-1
2**63
2**9000
0.1
-0.0
nan
inf
1j
""
"a,b:[c]\\\\\\x00\\x03"
"\\ud800"
b"a"
b"x" * 300
bytearray(b"a")
...
range(3)
slice(1, None, 2)
[]
[1, [2, "three"], None]
(1,)
tuple(range(20))
{}
{"b": 1, "a": [1.5]}
{1, 2, 3}
frozenset({"a", ("b", frozenset())})
Decimal("1.50")
Fraction(1, 3)
UUID(int=7)
dt.date(2024, 2, 29)
dt.datetime(2024, 1, 2, 3, 4, 5, 6)
dt.datetime(2024, 1, 2, fold=1)
dt.datetime(2024, 1, 2, tzinfo=dt.timezone.utc)
dt.datetime(2024, 1, 2, tzinfo=ZoneInfo("Europe/Rome"))
dt.time(1, 2)
dt.timedelta(1, 2, 3)
PurePosixPath("a/b")
PureWindowsPath("a/b")
OrderedDict(b=1, a=2)
np.float32(1.5)
np.int64(1)
np.datetime64("2024-01-01")
np.array(1.5)
np.arange(6).reshape(2, 3)
np.arange(6, dtype=">i4")
np.asfortranarray(np.arange(6.0).reshape(2, 3))
np.zeros((0, 2))
np.array(["a", "bc"])
np.array([b"a"])
np.array([1, "a", None], object)
np.array(["2024-01-01"], "M8[s]")
np.zeros(2, [("a", "i1"), ("b", "f8")])
np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True))
np.ma.masked_array([1, 2], [0, 1])
nested(100)
pd.Series([1, 2], name="a")
pd.Series([1, None], dtype="Int64")
pd.Series(["a", None], dtype="str")
pd.Series(pd.Categorical(["a", "b"], ["b", "a"], ordered=True))
pd.DataFrame({"a": [1, 2], "b": [1.5, None]}, index=pd.Index([5, 6], name="i"))
pd.DataFrame({"t": pd.to_datetime(["2024-01-01"]).tz_localize("UTC")})
pd.RangeIndex(3)
pd.date_range("2024", periods=3, freq="D")
pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["x", None])
pl.Series("a", [1, None])
pl.DataFrame({"a": [1, 2], "shape": ["x", None]})
pl.Series("e", ["a"], dtype=pl.Enum(["b", "a"]))
pl.Series("l", [[1], None, []])
pa.table({"a": [1, 2], "b": ["x", None]})
pa.array(["a", "b", "a"]).dictionary_encode()
""".strip().splitlines()


def vectors() -> list[dict[str, str]]:
    """For each value: the readable text, the digest of the exact one, and the fingerprint."""
    names = _names()
    found = []
    for expression in EXPRESSIONS:
        value = eval(expression, names)
        text = exact(value, CacheConfig().serialization)
        found.append(
            {
                "value": expression,
                "text": ascii(readable(text)[:200])[1:-1],
                "digest": digest(text),
                "fingerprint": fingerprint(value),
            }
        )
    return found


def _names() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(
        "import datetime as dt, numpy as np, pandas as pd, polars as pl, pyarrow as pa\n"
        "from collections import OrderedDict\n"
        "from decimal import Decimal\n"
        "from fractions import Fraction\n"
        "from math import inf, nan\n"
        "from pathlib import PurePosixPath, PureWindowsPath\n"
        "from uuid import UUID\n"
        "from zoneinfo import ZoneInfo\n"
        "def nested(depth):\n"
        "    return [nested(depth - 1)] if depth else []\n",
        names,
    )
    return names


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
