"""Figures for the documentation, a page each, in `make bench`.

How long the texts of keys take by the type of the value, how long digests of folders take, and how
large and quick the formats are that values are stored in; the usual alternatives beside ours, in
turns within one run, files from the page cache.
"""

from __future__ import annotations

import argparse
import os
import pickle
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import xxhash

from cacheness import UnifiedCache, cacheness
from cacheness.serialization import serialize_for_cache_key
from measure import OURS, Contest, markdown, measure, rows, shown
from samples import flights

Lines = list[Sequence[str]]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "measurements"


# --- key serialisation ---


@dataclass
class Run:
    """An object with a `__dict__`."""

    model: str = "boost"
    depth: int = 6
    params: dict[str, float] = field(default_factory=lambda: {"eta": 0.1})


class Slotted:
    """An object without one."""

    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a, self.b = 1, "two"


def keys(rounds: int, scale: float, _: Path) -> Lines:
    """The text of one value: a row for each kind of value in the contract's table."""
    values = {
        "an int": 42,
        "a text": "learning_rate",
        "a list of 5": [1, 2.5, "a", None, True],
        "a dict of 4, nested": {"depth": 6, "eta": 0.1, "on": [1, 2], "by": {"x": 1}},
        "a set of 5": {1, 2, 3, 4, 5},
        "an object with a `__dict__`": Run(),
        "a tuple of 5": (1, 2, 3, 4, 5),
        "a tuple of 1,000": tuple(range(1000)),
        "an object with `__slots__`": Slotted(),
        "an array of 1,000 floats": np.arange(1000.0),
        "an array of 1,000,000 floats": np.arange(1e6),
        "a frame, 10,000 rows, 8 columns": flights(np.random.default_rng(1), 10_000),
    }
    lines: Lines = []
    for title, value in values.items():
        contest = Contest(title, _key_runs(value), 100 if len(pickle.dumps(value)) < 1e5 else 2)
        lines += rows(contest, measure(contest, rounds))
    return lines


def _key_runs(value: Any) -> dict[str, Callable[[], object]]:
    return {
        OURS: lambda: serialize_for_cache_key(value),
        "pickle, then xxh3_128": lambda: xxhash.xxh3_128_hexdigest(pickle.dumps(value, 5)),
        "joblib.hash": lambda: joblib.hash(value),
    }


# --- folders ---


def folders(rounds: int, scale: float, place: Path) -> Lines:
    """Digests of folders: many small files, few large ones, and both when nothing has changed."""
    many, few = place / "many", place / "few"
    count, size = max(10, int(10_000 * scale)), int(64e6 * scale)
    _fill(many, count, 4_000)
    _fill(few, 8, size)
    time.sleep(2.5)  # a file is only remembered once its times are older than a clock tick
    titles = {
        many: f"{count:,} files of 4 kB",
        few: f"8 files of {size / 1e6:.0f} MB",
    }
    lines: Lines = []
    for folder, title in titles.items():
        # A new cache remembers nothing.
        contest = Contest(f"{title}, never seen", _folder_runs(place, folder, fresh=True))
        lines += rows(contest, measure(contest, rounds))
        contest = Contest(f"{title}, unchanged", _folder_runs(place, folder, fresh=False))
        lines += rows(contest, measure(contest, rounds))
    return lines


def _fill(folder: Path, count: int, size: int) -> None:
    random = np.random.default_rng(1)
    for number in range(count):
        path = folder / f"{number % 100}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.bytes(size))


def _folder_runs(place: Path, folder: Path, *, fresh: bool) -> dict[str, Callable[[], object]]:
    known = cacheness(place / "known")
    known.core.digest_path(folder)
    numbers = iter(range(1_000_000))

    def ours() -> object:
        if not fresh:
            return known.core.digest_path(folder)
        with cacheness(place / f"fresh-{next(numbers)}") as cache:
            return cache.core.digest_path(folder)

    return {
        OURS: ours,
        "os.walk and os.stat": lambda: [os.stat(path).st_mtime_ns for path in _files(folder)],
        "xxh3_128, one by one": lambda: [_xxh3(path) for path in _files(folder)],
        "xxh3_128, in threads": lambda: _in_threads(_xxh3, _files(folder)),
    }


def _files(folder: Path) -> list[str]:
    return [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]


def _xxh3(path: str) -> bytes:
    with open(path, "rb") as file:
        digest: bytes = xxhash.xxh3_128_digest(file.read())
    return digest


def _in_threads(function: Callable[[str], object], paths: list[str]) -> list[object]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(function, paths, chunksize=64))


# --- formats ---


@dataclass(frozen=True)
class Format:
    """A way to keep a value: how to write, to read, and how many bytes that takes."""

    put: Callable[[], object]
    get: Callable[[], object]
    size: Callable[[], int]


FORMAT_HEAD = ("value", "with", "size", "of plain", "put", "get", "put, times ours", "get")


def formats(rounds: int, scale: float, place: Path) -> Lines:
    """Size, time to write and time to read, by value and codec."""
    random = np.random.default_rng(1)
    floats = random.random(int(4e6 * scale))
    walk = np.cumsum(random.integers(-3, 4, int(4e6 * scale)))
    frame = flights(random, int(300_000 * scale))
    nested = {f"run {n}": {"loss": [0.5 / (n + 1), 0.25], "name": f"m{n}"} for n in range(20_000)}
    lines: Lines = []
    for title, plain, found in (
        ("random floats", floats.nbytes, _arrays(place / "floats", floats)),
        ("a walk of whole numbers", walk.nbytes, _arrays(place / "walk", walk)),
        ("a frame", int(frame.memory_usage(deep=True).sum()), _frames(place, frame)),
        ("nested dicts", len(pickle.dumps(nested, 5)), _objects(place, nested)),
    ):
        lines += _format_lines(f"{title}, {plain / 1e6:.0f} MB", plain, found, rounds)
    return lines


def _format_lines(
    title: str, plain: int, found: dict[str, Format], rounds: int
) -> Iterator[Sequence[str]]:
    puts = measure(Contest(title, {name: each.put for name, each in found.items()}), rounds)
    gets = measure(Contest(title, {name: each.get for name, each in found.items()}), rounds)
    ours = next(iter(found))
    for name, each in found.items():
        put, get = puts[name].median, gets[name].median
        yield (
            title if name == ours else "",
            name,
            f"{each.size() / 1e6:.2f} MB",
            f"{100 * each.size() / plain:.0f} %",
            shown(put),
            shown(get),
            "" if name == ours else f"{put / puts[ours].median:.2g}",
            "" if name == ours else f"{get / gets[ours].median:.2g}",
        )


def _ours(place: Path, value: object, **options: Any) -> Format:
    cache: UnifiedCache = cacheness(place, max_cache_size_mb=None, **options)
    return Format(
        lambda: cache.put(value, value="one"),
        lambda: cache.get(value="one"),
        lambda: cache.core.entries()[0].size_bytes,
    )


def _file(path: Path, put: Callable[[Path], object], get: Callable[[Path], object]) -> Format:
    path.parent.mkdir(parents=True, exist_ok=True)
    return Format(lambda: put(path), lambda: get(path), lambda: path.stat().st_size)


def _pickle(path: Path, value: object) -> Format:
    return _file(
        path,
        lambda path: path.write_bytes(pickle.dumps(value, 5)),
        lambda path: pickle.loads(path.read_bytes()),
    )


def _arrays(place: Path, array: np.ndarray[Any, Any]) -> dict[str, Format]:
    found = {f"{OURS} (lz4)": _ours(place / "ours", array)}
    for codec in ("zstd", "blosclz"):
        found[f"{OURS}, {codec}"] = _ours(place / codec, array, blosc2_array_codec=codec)
    found[f"{OURS}, npz"] = _ours(place / "ours-npz", array, use_blosc2_arrays=False)
    found["numpy.save"] = _file(
        place / "a.npy", lambda path: np.save(path, array), lambda path: np.load(path)
    )
    found["numpy.savez_compressed"] = _file(
        place / "a.npz",
        lambda path: np.savez_compressed(path, array=array),
        lambda path: np.load(path)["array"],
    )
    found["pickle"] = _pickle(place / "a.pickle", array)
    found["joblib, compress=3"] = _joblib(place / "a.joblib", array)
    return found


def _joblib(path: Path, value: object) -> Format:
    return _file(
        path,
        lambda path: joblib.dump(value, path, compress=3),
        lambda path: joblib.load(path),
    )


def _frames(place: Path, frame: pd.DataFrame) -> dict[str, Format]:
    place = place / "frame"
    found = {f"{OURS} (lz4)": _ours(place / "ours", frame)}
    for codec in ("zstd", "snappy"):
        found[f"{OURS}, {codec}"] = _ours(place / codec, frame, parquet_compression=codec)
        found[f"pandas.to_parquet, {codec}"] = _parquet(place / f"{codec}.parquet", frame, codec)
    found["pickle"] = _pickle(place / "f.pickle", frame)
    found["joblib, compress=3"] = _joblib(place / "f.joblib", frame)
    return found


def _parquet(path: Path, frame: pd.DataFrame, codec: Any) -> Format:
    return _file(
        path,
        lambda path: frame.to_parquet(path, compression=codec),
        lambda path: pd.read_parquet(path),
    )


def _objects(place: Path, value: object) -> dict[str, Format]:
    place = place / "object"
    found = {f"{OURS} (zstd)": _ours(place / "ours", value)}
    found[f"{OURS}, lz4"] = _ours(place / "lz4", value, pickle_compression_codec="lz4")
    found["pickle"] = _pickle(place / "o.pickle", value)
    found["joblib, compress=3"] = _joblib(place / "o.joblib", value)
    return found


# --- pages ---

Measurement = Callable[[int, float, Path], Lines]
PAGES: dict[str, tuple[str, Measurement, Sequence[str] | None, str]] = {
    "key-serialisation": (
        "Key serialisation",
        keys,
        None,
        "Each row is one call of `serialize_for_cache_key` on the value, beside pickling and"
        " digesting it, and beside `joblib.hash`. Ours is text that can be read; equal values have"
        " one text, which is not so of their pickles.",
    ),
    "directory-hashing": (
        "Directory hashing",
        folders,
        None,
        "Each row is one digest of a folder, names and contents; “never seen” includes opening a"
        " new cache, “unchanged” is a folder whose digests the cache remembers.",
    ),
    "storage-formats": (
        "Storage formats",
        formats,
        FORMAT_HEAD,
        "Each row writes the value over what was there, and reads it; ours includes the index, the"
        " digest that is checked before anything is decoded, and the codec's choice from a sample."
        " The first row of a value is what the configuration has by default.",
    ),
}


def main() -> None:
    """Measures and writes the pages."""
    arguments = argparse.ArgumentParser(description="Measures the tables of the documentation.")
    arguments.add_argument("pages", nargs="*", help=f"of {', '.join(PAGES)}; all by default")
    arguments.add_argument("--quick", action="store_true", help="a tenth of the data, three rounds")
    arguments.add_argument("--out", type=Path, default=DOCS, help="the folder to write them into")
    options = arguments.parse_args()
    rounds, scale = (3, 0.1) if options.quick else (7, 1.0)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.pages or PAGES:
        title, run, head, how = PAGES[name]
        print(f"… {title}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="cacheness-tables-") as place:
            lines = run(rounds, scale, Path(place))
        table = markdown(lines) if head is None else markdown(lines, head)
        where = (
            f"Medians of {rounds} rounds, {os.cpu_count()} cores, Python"
            f" {platform.python_version()}; compare within a block, the machine does other things"
            " as well. Measured with `make bench`."
        )
        (options.out / f"{name}.md").write_text(f"# {title}\n\n{how} {where}\n\n{table}\n")


if __name__ == "__main__":
    main()
