"""cacheness beside the libraries that people use for the same things: `make bench`.

Everything is measured in one run, the contestants in turn, each with the settings it comes with.
Files are read from the page cache and written without waiting for the disk, by all of them. Nothing
is asserted: the table is for reading.
"""

from __future__ import annotations

import argparse
import itertools
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import blosc2
import diskcache
import joblib
import numpy as np
import pandas as pd
import xxhash

from cacheness import UnifiedCache, cached, cacheness
from cacheness.fingerprint import fingerprint
from cells import GROUPS as CELL_GROUPS
from cells import Cells
from measure import OURS, Contest, markdown, measure, rows
from samples import flights

Contests = Iterator[Contest]


class Bench:
    """The contestants, each with a folder of its own, and data of a size."""

    def __init__(self, folder: Path, scale: float) -> None:
        self.folder = folder
        self.scale = scale
        self.ours: UnifiedCache = cacheness(folder / "ours", max_cache_size_mb=None)
        self.disk = diskcache.Cache(str(folder / "diskcache"), size_limit=1 << 36)
        self.memory = joblib.Memory(folder / "joblib", verbose=0)
        self.random = np.random.default_rng(1)

    def size(self, full: int) -> int:
        """`full`, or less in a quick run."""
        return max(1, int(full * self.scale))

    def file(self, name: str) -> Path:
        """A file for contestants that write one."""
        return self.folder / name

    # --- small values ---

    def small(self) -> Contests:
        value = {"accuracy": 0.95, "loss": [0.5, 0.25, 0.125], "params": {"depth": 6, "eta": 0.1}}
        path = self.file("small")
        calls = self.size(200)
        fresh = itertools.count()
        put: dict[str, Callable[[], object]] = {
            OURS: lambda: self.ours.put(value, model="boost", run=next(fresh)),
            "diskcache": lambda: self.disk.set(("boost", next(fresh)), value),
            "joblib.dump": lambda: joblib.dump(value, f"{path}-{next(fresh)}.joblib"),
            "pickle to a file": lambda: pickle_to(Path(f"{path}-{next(fresh)}.pickle"), value),
        }
        yield Contest("put a small dict", put, calls)
        self.ours.put(value, model="boost", run="one")
        self.disk.set(("boost", "one"), value)
        joblib.dump(value, f"{path}.joblib")
        pickle_to(path, value)
        get: dict[str, Callable[[], object]] = {
            OURS: lambda: self.ours.get(model="boost", run="one"),
            "diskcache": lambda: self.disk.get(("boost", "one")),
            "joblib.load": lambda: joblib.load(f"{path}.joblib"),
            "pickle from a file": lambda: pickle_from(path),
        }
        yield Contest("get a small dict", get, calls)

    # --- arrays and frames ---

    def arrays(self) -> Contests:
        floats = self.random.random(self.size(12_500_000))
        yield from self._array(f"{floats.nbytes / 1e6:.0f} MB of random floats", floats)
        labels = self.random.integers(0, 10, self.size(12_500_000))
        yield from self._array(f"{labels.nbytes / 1e6:.0f} MB of labels 0 to 9", labels)

    def _array(self, what: str, array: np.ndarray[Any, Any]) -> Contests:
        plain, packed, dumped = (
            str(self.file(f"array.{end}")) for end in ("npy", "b2nd", "joblib")
        )
        put: dict[str, Callable[[], object]] = {
            OURS: lambda: self.ours.put(array, array="one"),
            "joblib.dump": lambda: joblib.dump(array, dumped),
            "diskcache": lambda: self.disk.set("array", array),
            "numpy.save": lambda: np.save(plain, array),
            "blosc2.asarray": lambda: blosc2.asarray(array, urlpath=packed, mode="w"),
        }
        yield Contest(f"put {what}", put)
        get: dict[str, Callable[[], object]] = {
            OURS: lambda: self.ours.get(array="one"),
            "joblib.load": lambda: joblib.load(dumped),
            "diskcache": lambda: self.disk.get("array"),
            "numpy.load": lambda: np.load(plain),
            "blosc2.open": lambda: blosc2.open(packed)[:],
        }
        yield Contest(f"get {what}", get)

    def frames(self) -> Contests:
        frame = flights(self.random, self.size(300_000))
        parquet, pickled = self.file("frame.parquet"), self.file("frame.pickle")
        dumped = self.file("frame.joblib")
        put: dict[str, Callable[[], object]] = {
            OURS: lambda: self.ours.put(frame, frame="one"),
            "pickle to a file": lambda: pickle_to(pickled, frame),
            "pandas.to_parquet": lambda: frame.to_parquet(parquet),
            "joblib.dump": lambda: joblib.dump(frame, dumped),
        }
        yield Contest(f"put a frame, {len(frame):,} rows, {frame.shape[1]} columns", put)
        get: dict[str, Callable[[], object]] = {
            OURS: lambda: self.ours.get(frame="one"),
            "pickle from a file": lambda: pickle_from(pickled),
            "pandas.read_parquet": lambda: pd.read_parquet(parquet),
            "joblib.load": lambda: joblib.load(dumped),
        }
        yield Contest("get it", get)

    # --- functions ---

    def calls(self) -> Contests:
        functions: dict[str, Callable[..., Any]] = {
            OURS: cached(cache=self.ours)(work),
            "diskcache.memoize": self.disk.memoize()(work),
            "joblib.Memory": self.memory.cache(work),
        }
        runs: dict[str, Callable[[], object]] = {
            name: bind(function, 3) for name, function in functions.items()
        }
        yield Contest("hit of a cached function, small argument", runs, self.size(100))
        array = self.random.random(self.size(12_500_000))
        runs = {name: bind(function, array) for name, function in functions.items()}
        yield Contest(f"the same, an argument of {array.nbytes / 1e6:.0f} MB", runs)

    # --- fingerprints ---

    def fingerprints(self) -> Contests:
        array = self.random.random(self.size(12_500_000))
        runs: dict[str, Callable[[], object]] = {
            OURS: lambda: fingerprint(array),
            "xxhash.xxh3_128": lambda: xxhash.xxh3_128_digest(array.data),
            "joblib.hash": lambda: joblib.hash(array),
        }
        yield Contest(f"fingerprint {array.nbytes / 1e6:.0f} MB of floats", runs)
        numbers = list(range(self.size(1_000_000)))
        runs = {
            OURS: lambda: fingerprint(numbers),
            "joblib.hash": lambda: joblib.hash(numbers),
            "pickle, then xxh3_128": lambda: xxhash.xxh3_128_digest(pickle.dumps(numbers, 5)),
        }
        yield Contest(f"fingerprint a list of {len(numbers):,} ints", runs)
        frame = flights(self.random, self.size(300_000))
        runs = {OURS: lambda: fingerprint(frame), "joblib.hash": lambda: joblib.hash(frame)}
        yield Contest(f"fingerprint a frame of {len(frame):,} rows", runs)

    def files(self) -> Contests:
        folder = self.file("many")
        for number in range(self.size(10_000)):
            path = folder / f"{number % 100}" / f"{number}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"%d," % number * 500)
        time.sleep(2.5)  # a file is only remembered once its times are older than a clock tick
        self.ours.core.digest_path(str(folder))
        runs: dict[str, Callable[[], object]] = {
            OURS: lambda: self.ours.core.digest_path(str(folder)),
            "os.walk and os.stat": lambda: stat_all(folder),
            "xxh3_128 of every file": lambda: hash_all(folder),
        }
        yield Contest(f"digest a folder of {self.size(10_000):,} unchanged files", runs)

    # --- imports ---

    def imports(self) -> Contests:
        statements = {
            OURS: "from cacheness import cacheness, cached",
            "numpy": "import numpy",
            "joblib": "import joblib",
            "diskcache": "import diskcache",
            "nothing": "pass",
        }
        runs: dict[str, Callable[[], object]] = {
            name: bind(interpreter, statement) for name, statement in statements.items()
        }
        yield Contest("start Python and import", runs)


def work(value: object) -> dict[str, float]:
    """What the cached function does: nothing, since only hits are measured."""
    return {"accuracy": 0.95, "loss": 0.5}


def bind(function: Callable[..., object], argument: object) -> Callable[[], object]:
    """A call that is ready to be made."""
    return lambda: function(argument)


def pickle_to(path: Path, value: object) -> None:
    """The plain way to keep a value."""
    with path.open("wb") as file:
        pickle.dump(value, file, protocol=5)


def pickle_from(path: Path) -> object:
    """The plain way to read it."""
    with path.open("rb") as file:
        return pickle.load(file)


def stat_all(folder: Path) -> int:
    """The least that can be done to see that nothing changed, without threads."""
    return sum(
        os.stat(os.path.join(place, name)).st_mtime_ns
        for place, _, names in os.walk(folder)
        for name in names
    )


def hash_all(folder: Path) -> int:
    """Reads everything."""
    return sum(
        xxhash.xxh3_128_intdigest(Path(place, name).read_bytes())
        for place, _, names in os.walk(folder)
        for name in names
    )


def interpreter(statement: str) -> None:
    """Runs a statement in a Python of its own."""
    # As an installed package is imported: with its byte code at hand.
    environment = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)


GROUPS = ("small", "arrays", "frames", "calls", "fingerprints", "files", "imports")


def measured(contest: Contest, rounds: int) -> list[Sequence[str]]:
    """The lines of one contest."""
    print(f"… {contest.title}", file=sys.stderr, flush=True)
    return list(rows(contest, measure(contest, rounds)))


def main() -> None:
    """Measures and prints."""
    arguments = argparse.ArgumentParser(description="Compares with the usual alternatives.")
    arguments.add_argument("--quick", action="store_true", help="a tenth of the data, three rounds")
    arguments.add_argument("--rounds", type=int, default=0, help="measurements of each")
    arguments.add_argument("--only-cells", action="store_true", help="leave the library out")
    options = arguments.parse_args()
    count = options.rounds or (3 if options.quick else 9)
    with tempfile.TemporaryDirectory(prefix="cacheness-bench-") as folder:
        bench = Bench(Path(folder), 0.1 if options.quick else 1.0)
        lines: list[Sequence[str]] = []
        for group in GROUPS if not options.only_cells else ():
            for contest in getattr(bench, group)():
                lines += measured(contest, count)
        cells = Cells(Path(folder) / "cells", bench.size)
        for group in CELL_GROUPS:
            for contest in getattr(cells, group)():
                lines += measured(contest, count)
        cells.stop()
        print(f"\n{count} rounds, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
        print(markdown(lines))


if __name__ == "__main__":
    main()
