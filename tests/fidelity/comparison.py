"""One notebook, run plainly and with its cells cached: what a reader could tell apart.

Tutorials draw unseeded random numbers and print times. What differs between two plain runs is not
compared; all the rest has to be the same when cells are cached and when they are restored.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cells.kernels import Executed, Kernel


@dataclass(frozen=True)
class Mode:
    """How cells come to be cached: what is executed first, and what becomes of their sources."""

    name: str
    start: str
    mark: Callable[[str], str]


AUTO = Mode("auto", "%cacheness auto on", lambda source: source)
MARKED = Mode(
    "marked",
    "pass",
    lambda source: source if source.lstrip().startswith("%%") else f"%%cacheness\n{source}",
)


@dataclass
class Comparison:
    """What came of a notebook.

    Attributes:
        cells: how many code cells it has.
        stable: how many of them showed the same in both plain runs.
        names: how many variables were the same at the end of both plain runs.
        restored: how many cells the second cached run restored.
        reasons: why cells were not cached, with their number.
        differences: what should have been the same and was not.
    """

    cells: int
    stable: int
    names: int
    restored: int
    reasons: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Run:
    cells: list[Executed]
    names: dict[str, Any]


def compare(sources: list[str], work: Path, data: Path, mode: Mode) -> Comparison:
    """Runs the cells in four fresh kernels: twice plainly, twice cached as `mode` says.

    `data` is copied into the working directory of each run, so that none sees files of another.
    """
    kernel = Kernel()
    try:
        plain, again = (_run(kernel, "pass", sources, work, data) for _ in range(2))
        cached, restored = (
            _run(kernel, mode.start, [mode.mark(source) for source in sources], work, data)
            for _ in range(2)
        )
    finally:
        kernel.stop()
    stable = [
        i for i, (a, b) in enumerate(zip(plain.cells, again.cells, strict=True)) if _same(a, b)
    ]
    names = {name for name, value in plain.names.items() if again.names.get(name) == value}
    found = Comparison(
        len(sources),
        len(stable),
        len(names),
        sum(cell.outcome == "hit" for cell in restored.cells),
        _reasons(cached.cells),
    )
    for title, run in (("storing", cached), ("restoring", restored)):
        for i in stable:
            if not _same(plain.cells[i], run.cells[i]):
                where = _difference(_shown(plain.cells[i]), _shown(run.cells[i]))
                found.differences.append(f"{title}: the outputs of cell {i} differ: {where}")
        for name in sorted(names):
            if plain.names[name] != run.names.get(name):
                where = _difference(plain.names[name], run.names.get(name))
                found.differences.append(f"{title}: variable {name} differs: {where}")
        extra = run.names.keys() - plain.names.keys() - again.names.keys()
        found.differences += [f"{title}: variable {name} is new" for name in sorted(extra)]
    return found


def _run(kernel: Kernel, start: str, sources: list[str], work: Path, data: Path) -> _Run:
    folder = work / "folder"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(data, folder)
    kernel.restart_in(folder, work / "cache")
    kernel.execute(start, look=False)
    executed = [kernel.execute(source, look=False) for source in sources]
    # Objects are numbered across variables, of which some differ from run to run.
    names = ast.literal_eval(re.sub("the same as [0-9]+", "the same as another", kernel.look()))
    names.pop("shared memory")
    return _Run(executed, names)


def _same(a: Executed, b: Executed) -> bool:
    return a.status == b.status and _shown(a) == _shown(b)


def _shown(cell: Executed) -> list[Any]:
    """The outputs, streams first: a kernel sends them when it comes to it, in no certain order."""
    return sorted(cell.outputs, key=lambda output: output.get("name", "~"))


def _difference(a: Any, b: Any) -> str:
    """Where two descriptions part, and what stands there."""
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        pairs = enumerate(zip(a, b, strict=True))
        return next(f"[{i}]{_difference(x, y)}" for i, (x, y) in pairs if x != y)
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return next(f"[{k!r}]{_difference(a[k], b[k])}" for k in a if a[k] != b[k])
    return f": {str(a)[:200]} became {str(b)[:200]}"


def _reasons(cells: list[Executed]) -> Counter[str]:
    """Why the cells of the first cached run were not stored."""
    return Counter(
        str(cell.record["reason"])
        for cell in cells
        if cell.record is not None and cell.record["outcome"] == "uncacheable"
    )
