"""Cells beside plain cells and the systems that cache cells: part of `make bench`.

Every contestant executes cells in an IPython of its own, in a process of its own; what is timed
includes sending the cell there, which is the same for all.
"""

from __future__ import annotations

import ast
import functools
import itertools
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import xxhash

from cacheness._cacheness import analyse_python
from cacheness.fingerprint import fingerprint
from measure import OURS, Contest

Contests = Iterator[Contest]
_PLAIN = "a plain cell"
_CASH = "cash-lib"
# Cells that a contestant executes before anything else.
_SETUPS = {
    _PLAIN: "pass",
    OURS: "%load_ext cacheness",
    _CASH: "%load_ext cash\n%cash_on",
}
_SIXTY_LINES = "".join(
    f"frame_{i} = load(path_{i}, sep=',')[columns]\n"
    f"frame_{i}['rate'] = frame_{i}.sold / frame_{i}.days.clip(lower=1)\n"
    f"for key, group in frame_{i}.groupby('shop'):\n"
    f"    totals[key] = totals.get(key, 0) + group['rate'].sum()\n"
    f"names_{i} = [name.strip() for name in frame_{i}.columns if name not in skipped]\n"
    f"print(f'{{path_{i}}}: {{len(names_{i})}}')\n"
    for i in range(10)
)


class Session:
    """An IPython in a process of its own, with one contestant loaded."""

    def __init__(self, setup: str, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, setup, folder), daemon=True)
        self._process.start()
        if not self._pipe.recv():
            raise RuntimeError(f"the session could not be set up: {setup}")

    def run(self, cell: str) -> None:
        """Executes a cell and waits for it."""
        self._pipe.send(cell)
        if not self._pipe.recv():
            raise RuntimeError(f"the cell failed: {cell[:200]}")

    def stop(self) -> None:
        """Ends the process."""
        self._pipe.send(None)
        self._process.join()


def _serve(pipe: Any, setup: str, folder: Path) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    os.environ["CACHENESS_CACHE_DIR"] = str(folder / "cache")
    shell: Any = InteractiveShell.instance()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stdout = sys.stderr = nowhere
        pipe.send(bool(shell.run_cell(setup).success))
        while (cell := pipe.recv()) is not None:
            pipe.send(bool(shell.run_cell(cell, store_history=True).success))
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


class Cells:
    """The contests. `size` scales what is large."""

    def __init__(self, folder: Path, size: Callable[[int], int]) -> None:
        self._folder = folder
        self._size = size
        self._sessions: dict[str, Session] = {}
        for name, setup in _SETUPS.items():
            try:
                self._sessions[name] = Session(setup, folder / name)
            except RuntimeError as error:
                print(error, file=sys.stderr)
        self._fresh = itertools.count()

    def stop(self) -> None:
        """Ends the sessions."""
        for session in self._sessions.values():
            session.stop()

    def trivial(self) -> Contests:
        """What is paid for a cell that does nothing worth keeping."""
        calls = self._size(100)
        yield Contest("a cell that is not cached", self._each("y = 1", "y = 1"), calls)
        yield Contest("a cell that misses", self._each(None, "%%cacheness\n"), calls)
        self._all("x = 2", "x = 2")
        yield Contest("a cell that hits", self._each("y = x + 1", "%%cacheness\ny = x + 1"), calls)

    def text(self) -> Contests:
        """What the analysis of a cell costs, beside a parser."""
        runs: dict[str, Callable[[], object]] = {
            OURS: lambda: analyse_python(_SIXTY_LINES),
            "ast.parse": lambda: ast.parse(_SIXTY_LINES),
            "compile": lambda: compile(_SIXTY_LINES, "", "exec"),
        }
        yield Contest("the names that a cell of 60 lines reads", runs, self._size(50))

    def values(self) -> Contests:
        """What it costs to look at the variables of a cell."""
        count = self._size(125_000_000)
        array = np.random.default_rng(1).random(count)
        yield self._hashing(f"an array of {count * 8 / 1e9:.2g} GB", array, array)
        frame = pd.DataFrame(array.reshape(-1, 5), columns=list("abcde"))
        yield self._hashing(f"a frame of {count * 8 / 1e9:.2g} GB", frame, array)
        del array, frame
        items = self._size(1_000_000)
        for title, value in (
            (f"{items:,} texts", [f"text {i}" for i in range(items)]),
            (f"{items:,} ints", list(range(items))),
        ):
            runs: dict[str, Callable[[], object]] = {
                OURS: functools.partial(fingerprint, value),
                "joblib.hash": functools.partial(joblib.hash, value),
            }
            yield Contest(f"hashing a list of {title}", runs)

    @staticmethod
    def _hashing(title: str, value: object, array: Any) -> Contest:
        runs: dict[str, Callable[[], object]] = {
            OURS: lambda: fingerprint(value),
            "xxh3_128 of its bytes": lambda: xxhash.xxh3_128_digest(array),
        }
        return Contest(f"hashing {title}", runs)

    def restoring(self) -> Contests:
        """A hit that brings a table back, beside the quickest reader of such files."""
        rows = self._size(25_000_000)
        make = (
            "import numpy as np, polars as pl\n"
            f"r = np.random.default_rng(1).random(({rows}, 5))\n"
            "t = pl.DataFrame(r, schema=list('abcde'))\ndel r\n"
        )
        ours, plain = self._sessions[OURS], self._sessions[_PLAIN]
        cell = f"%%cacheness\n{make}"
        ours.run(cell)
        (blob,) = (self._folder / OURS / "cache").rglob("*.parquet")
        runs: dict[str, Callable[[], object]] = {
            OURS: lambda: ours.run(cell),
            "polars.read_parquet": lambda: plain.run(
                f"import polars as pl\nt = pl.read_parquet({str(blob)!r})"
            ),
        }
        yield Contest(f"restoring a table of {rows * 40 / 1e9:.2g} GB", runs)

    def first_hit(self) -> Contests:
        """The first hit of a new session, without the start of Python and IPython."""
        self._all("x = 2", "%%cacheness\nx = 2")
        runs: dict[str, Callable[[], object]] = {
            OURS: lambda: self._new(OURS, "%%cacheness\nx = 2"),
            _PLAIN: lambda: self._new(_PLAIN, "x = 2"),
        }
        yield Contest("a new session and its first cell, a hit", runs)

    def _new(self, name: str, cell: str) -> None:
        session = Session(_SETUPS[name], self._folder / name)
        session.run(cell)
        session.stop()

    def _all(self, plain: str, ours: str) -> None:
        for name, session in self._sessions.items():
            session.run(ours if name == OURS else plain)

    def _each(self, plain: str | None, ours: str) -> dict[str, Callable[[], object]]:
        """The cell for each session; one that nobody has seen yet if `plain` is `None`."""

        def runner(name: str, session: Session) -> Callable[[], object]:
            mark = ours if name == OURS else ""
            if plain is None:
                return lambda: session.run(f"{mark}y = {next(self._fresh)}")
            return lambda: session.run(ours if name == OURS else plain)

        return {name: runner(name, session) for name, session in self._sessions.items()}


GROUPS = ("trivial", "text", "values", "restoring", "first_hit")
