"""Why a cell ran again, after one edit each: the exact cause, and nothing else."""

import datetime
import sys
import time
from dataclasses import dataclass
from typing import Any

import pytest

from cacheness.magic import last, resolve

NOW = "{now}"


@dataclass
class Edit:
    """One edit between two runs of a cell.

    Attributes:
        before: a cell that runs first.
        cell: the cached cell.
        edit: a cell that runs between the two runs.
        why: the reason that is given for the second.
        again: the cached cell after the edit, if it is not the same.
        options: of the cached cell; `again_options` after the edit.
    """

    name: str
    before: str
    cell: str
    edit: str
    why: str
    again: str | None = None
    options: str = ""
    again_options: str | None = None


FRAME = "import pandas as pd\ndf = pd.DataFrame({'price': [1, 2], 'name': ['a', 'b']})"
CLEAN = (
    "def callee(x):\n    return x + 1\ndef clean(x, by=10):\n    y = callee(x)\n    return y * by"
)
CLASS = (
    "class K:\n    def __init__(self):\n        self.z = 1\n    def get(self):\n        return 1\n"
)

EDITS = [
    # The source.
    Edit(
        "line changed",
        "",
        "a = 1\nb = 2",
        "",
        "the code changed: line 3, now `b = 3`",
        "a = 1\nb = 3",
    ),
    Edit("line added", "", "a = 1", "", "the code changed: line 3, now `b = 2`", "a = 1\nb = 2"),
    Edit("line removed", "", "a = 1\nb = 2", "", "the code changed: a line is gone", "a = 1"),
    Edit(
        "reordered",
        "",
        "a = 1\nb = 2",
        "",
        "the code changed: lines changed places",
        "b = 2\na = 1",
    ),
    Edit("reads more", "c = 5", "a = 1", "", "the code changed: line 2, now `a = c`", "a = c"),
    # Values.
    Edit("scalar", "x = 1", "y = x", "x = 2", "`x` changed: 1 → 2 (last set in cell 3)"),
    Edit("type", "x = 1", "y = x", "x = 1.0", "`x` changed: int → float (last set in cell 3)"),
    Edit("str", "x = 'a'", "y = x", "x = 'b'", "`x` changed: 'a' → 'b' (last set in cell 3)"),
    Edit("item", "x = [1, 2]", "y = x", "x[1] = 5", "`x` changed: [1] 2 → 5 (last set in cell 3)"),
    Edit(
        "append", "x = [1]", "y = x", "x.append(5)", "`x` changed: [1] is new (last set in cell 3)"
    ),
    Edit(
        "front",
        "x = [1, 2]",
        "y = x",
        "x.insert(0, 5)",
        "`x` changed: 2 items → 3 items (last set in cell 3)",
    ),
    Edit(
        "key",
        "x = {'a': 1}",
        "y = x",
        "x['a'] = 2",
        "`x` changed: ['a'] 1 → 2 (last set in cell 3)",
    ),
    Edit(
        "new key",
        "x = {'a': 1}",
        "y = x",
        "x['b'] = 2",
        "`x` changed: ['b'] is new (last set in cell 3)",
    ),
    Edit(
        "nested",
        "x = {'a': [1]}",
        "y = x",
        "x['a'].append(2)",
        "`x` changed: ['a'] (last set in cell 3)",
    ),
    Edit(
        "through an alias",
        "x = [1]\nz = x",
        "y = x",
        "z[0] = 4",
        "`x` changed: [0] 1 → 4 (last set in cell 1)",
    ),
    Edit(
        "element",
        "import numpy as np\nx = np.arange(3)",
        "y = x",
        "x[2] = 7",
        "`x` changed: [2] 2 → 7 (last set in cell 3)",
    ),
    Edit(
        "dtype",
        "import numpy as np\nx = np.arange(3)",
        "y = x",
        "x = x.astype('f8')",
        "`x` changed: int64 → float64 (last set in cell 3)",
    ),
    Edit(
        "shape",
        "import numpy as np\nx = np.zeros((2, 3))",
        "y = x",
        "x = x.T.copy()",
        "`x` changed: 2 by 3 → 3 by 2 (last set in cell 3)",
    ),
    Edit(
        "column dtype",
        FRAME,
        "y = df",
        "df['price'] = df.price.astype(float)",
        "`df` changed: column price int64 → float64 (last set in cell 3)",
    ),
    Edit(
        "column values",
        FRAME,
        "y = df",
        "df.loc[0, 'price'] = 9",
        "`df` changed: column price (last set in cell 3)",
    ),
    Edit(
        "row", FRAME, "y = df", "df = df.iloc[:1]", "`df` changed: 2 → 1 rows (last set in cell 3)"
    ),
    Edit(
        "column name",
        FRAME,
        "y = df",
        "df = df.rename(columns={'price': 'cost'})",
        "`df` changed: column cost is new, column price is gone (last set in cell 3)",
    ),
    Edit("index", FRAME, "y = df", "df.index = [5, 6]", "`df` changed: index (last set in cell 3)"),
    Edit(
        "attribute",
        CLASS + "k = K()",
        "y = k.z",
        "k.z = 2",
        "`k` changed: .z 1 → 2 (last set in cell 3)",
    ),
    Edit(
        "random state",
        "import random\nrandom.seed(1)",
        "y = random.random()",
        "random.seed(2)",
        "the generator `random` is in another state",
    ),
    # Functions.
    Edit(
        "body",
        CLEAN,
        "y = clean(1)",
        CLEAN.replace("y * by", "y * by + 1"),
        "`clean()` changed: line 3, now `return y * by + 1`",
    ),
    Edit(
        "callee",
        CLEAN,
        "y = clean(1)",
        CLEAN.replace("x + 1", "x + 2"),
        "`callee()` changed: line 2, now `return x + 2`",
    ),
    Edit(
        "default",
        CLEAN,
        "y = clean(1)",
        "clean.__defaults__ = (11,)",
        "`clean()` changed: defaults",
    ),
    Edit(
        "closure",
        "def make(n):\n    def f():\n        return n\n    return f\nf = make(2)",
        "y = f()",
        "f = make(3)",
        "`f()` changed: n 2 → 3",
    ),
    Edit(
        "global",
        "RATE = 2\ndef f():\n    return RATE",
        "y = f()",
        "RATE = 3",
        "`RATE` changed: 2 → 3 (last set in cell 3)",
    ),
    Edit(
        "decorator",
        "def deco(f):\n    return lambda: f() + 1\n@deco\ndef f():\n    return 1",
        "y = f()",
        "def deco(f):\n    return lambda: f() + 2\n@deco\ndef f():\n    return 1",
        "`f()` changed: line 1, now `return lambda: f() + 2`",
    ),
    Edit(
        "partial",
        "import functools\np = functools.partial(pow, 2)",
        "y = p(3)",
        "p = functools.partial(pow, 3)",
        "`p` changed: argument 1 2 → 3 (last set in cell 3)",
    ),
    Edit(
        "method",
        CLASS + "k = K()",
        "y = k.get()",
        CLASS.replace("return 1", "return 2") + "k = K()",
        "`K.get()` changed: line 2, now `return 2`",
    ),
    # Files and the environment.
    Edit(
        "file",
        "open('d.csv', 'w').write('1')",
        "y = open('d.csv').read()",
        "open('d.csv', 'w').write('2')",
        f"`d.csv` changed {NOW}",
    ),
    Edit(
        "declared file",
        "open('d.csv', 'w').write('1')",
        "y = 1",
        "open('d.csv', 'w').write('2')",
        f"`d.csv` changed {NOW}",
        options="inputs=d.csv",
    ),
    Edit(
        "file vanished",
        "import os\nopen('d.csv', 'w').write('1')",
        "y = os.path.exists('d.csv') and open('d.csv').read()",
        "os.remove('d.csv')",
        "`d.csv` is gone",
    ),
    Edit(
        "file created",
        "import os",
        "y = os.path.exists('e.csv')",
        "open('e.csv', 'w').write('2')",
        "`e.csv` exists now",
    ),
    Edit(
        "listing",
        "import os\nos.mkdir('data')",
        "y = os.listdir('data')",
        "open('data/n.csv', 'w').write('')",
        "`data` changed: n.csv is new",
    ),
    Edit(
        "environment",
        "import os\nos.environ['CORPUS_URL'] = '1'",
        "y = os.environ['CORPUS_URL']",
        "os.environ['CORPUS_URL'] = '2'",
        "the environment variable CORPUS_URL changed",
    ),
    # Options, and versions.
    Edit("expired", "", "y = 1", "", "expired 0 ms ago", options="ttl=1s"),
    Edit("max_age", "", "y = 1", "", "expired", again_options="max_age=1s"),
    Edit(
        "version=",
        "",
        "y = 1",
        "",
        "version is no longer 1, but 2",
        options="version=1",
        again_options="version=2",
    ),
    Edit(
        "a pandas option",
        "import pandas as pd",
        "y = pd.DataFrame()",
        "pd.set_option('display.max_rows', 7)",
        "pandas display.max_rows is 7 now",
    ),
]


class Version(tuple[int, ...]):
    """As much of `sys.version_info` as is looked at."""

    major = property(lambda self: self[0])
    minor = property(lambda self: self[1])


def run(shell: Any, cell: str) -> None:
    if cell:
        result = shell.run_cell(cell, store_history=True)
        assert result.success, cell


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_why(edit: Edit, shell: Any) -> None:
    run(shell, edit.before or "pass")
    run(shell, f"%%cacheness key=w {edit.options}\n{edit.cell}\n")
    if edit.name in ("expired", "max_age"):
        time.sleep(1.1)
    run(shell, edit.edit or "pass")
    options = edit.options if edit.again_options is None else edit.again_options
    run(shell, f"%%cacheness key=w {options}\n{edit.again or edit.cell}\n")
    record = last()
    assert record is not None and record.outcome == "miss"
    if "pandas" in edit.name:
        run(shell, "pd.reset_option('display.max_rows')")
    now = f"{datetime.datetime.now():%H:%M}"
    said = record.reason or ""
    if edit.name in ("expired", "max_age"):
        assert said.startswith("expired ") and said.endswith(" ago")
    else:
        assert said == edit.why.replace(NOW, now)


def test_versions(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "package_version", lambda name: "1.0" if name == "numpy" else None)
    run(shell, "%%cacheness key=w\nimport numpy\ny = 1\n")
    monkeypatch.setattr(resolve, "package_version", lambda name: "2.0" if name == "numpy" else None)
    run(shell, "%%cacheness key=w\nimport numpy\ny = 1\n")
    assert last().reason == "numpy 1.0 → 2.0"
    now = sys.version_info
    later = Version((now.major, now.minor + 1, 0))
    monkeypatch.setattr(sys, "version_info", later)
    run(shell, "%%cacheness key=w\nimport numpy\ny = 1\n")
    assert last().reason == f"Python 3.{now.minor} → 3.{now.minor + 1}"
