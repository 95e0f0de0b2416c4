"""The metadata backends beside plain `sqlite3` doing the same work: a part of `make bench`.

`sqlite3` works on a copy of the index, because no file may be open through two copies of SQLite in
one process. It gives what the operation gives: the same dicts, the same figures, the rows removed.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cacheness import UnifiedCache, cacheness
from measure import OURS, Contest, markdown, measure, rows

JSON = "cacheness, JSON"
PLAIN = "sqlite3"
JSON_LIMIT = 10_000
"""Entries; a larger document takes seconds a change."""
EXPIRED = 100

LISTED = """SELECT key, scope, name, description, data_type, size, created, accessed, expires,
    elapsed, hits, manifest FROM entries JOIN details ON entry = id ORDER BY id DESC"""


def key(number: int) -> dict[str, Any]:
    """A key of usual size."""
    return {"model": "xgboost", "dataset": f"set {number % 7}", "number": number}


def filled(folder: Path, count: int) -> UnifiedCache:
    """A cache of `count` entries."""
    cache = cacheness(folder, metadata_backend="sqlite", max_cache_size_mb=None)
    for number in range(count):
        cache.put(number, description=f"entry {number}", **key(number))
    return cache


def filled_json(folder: Path, count: int) -> UnifiedCache:
    """The same as a document: made from one entry, since each put would write all of it."""
    with cacheness(folder, metadata_backend="json", max_cache_size_mb=None) as cache:
        cache.put(0, description="entry 0", **key(0))
    path = folder / "cache_metadata.json"
    document = json.loads(path.read_text())
    [entry] = document["entries"]
    digits = random.Random(1)
    for number in range(2, count + 1):
        digest = f"{digits.getrandbits(128):032x}"
        [blob] = entry["blobs"]
        blobs = [{**blob, "file": f"{digest[:16]}_object_{number:08x}.pkl.b2"}]
        made = {"key": digest[:16], "digest": digest, "id": number, "blobs": blobs}
        document["entries"].append({**entry, **made, "description": f"entry {number}"})
    path.write_text(json.dumps(document, indent=2))
    return cacheness(folder, max_cache_size_mb=None)


class Plain:
    """A copy of an index, used through `sqlite3`."""

    def __init__(self, index: Path, copy: Path) -> None:
        shutil.copyfile(index, copy)
        self.connection = sqlite3.connect(copy, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")

    def listed(self) -> list[dict[str, Any]]:
        """What `list_entries` gives."""
        return [self._described(row) for row in self.connection.execute(LISTED)]

    def _described(self, row: tuple[Any, ...]) -> dict[str, Any]:
        number, scope, name, description, kind, size, created, accessed, expires, *rest = row
        elapsed, hits, manifest = rest
        return {
            "cache_key": f"{number & (1 << 64) - 1:016x}",
            "key_prefix": scope,
            "function": name,
            "description": description,
            "data_type": kind,
            "size_bytes": size,
            "size_mb": size / 1024 / 1024,
            "created_at": moment(created),
            "last_accessed": moment(accessed),
            "expires_at": expires and moment(expires),
            "expired": expires is not None and expires <= time.time_ns(),
            "elapsed": elapsed,
            "hits": hits,
            "cache_key_params": {
                one["name"]: one["detail"] for one in json.loads(manifest)["inputs"]
            },
        }

    def rows(self) -> list[Any]:
        """The same rows, left as they are."""
        return self.connection.execute(LISTED).fetchall()

    def stats(self) -> Any:
        """What `get_stats` counts."""
        return self.connection.execute(
            "SELECT count(*), sum(size), sum(hits) FROM entries"
        ).fetchone()

    def expire(self) -> None:
        """Rows that have expired."""
        self.connection.execute("BEGIN")
        for _ in range(EXPIRED):
            self.connection.execute(
                """INSERT INTO entries SELECT NULL, key, digest, randomblob(16), scope, face, name,
                lineage, description, data_type, created, 1, elapsed, size, seal, accessed, hits
                FROM entries WHERE id = 1"""
            )
        self.connection.execute("COMMIT")

    def cleaned(self) -> None:
        """What `cleanup_expired` removes; the triggers of the index do the rest."""
        self.connection.execute("DELETE FROM entries WHERE expires <= ?", [time.time_ns()])


def moment(nanoseconds: int) -> str:
    """ISO 8601, UTC."""
    return datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.UTC).isoformat()


def expire(cache: UnifiedCache) -> None:
    """Entries that have expired."""
    for number in range(EXPIRED):
        cache.put(number, expired=number, ttl="0s")


def contests(folder: Path, count: int) -> Iterator[Contest]:
    """One size."""
    with filled(folder / "ours", count):
        pass
    plain = Plain(folder / "ours" / "cache_metadata.db", folder / "copy.db")
    ours = {OURS: cacheness(folder / "ours", max_cache_size_mb=None)}
    if count <= JSON_LIMIT:
        ours[JSON] = filled_json(folder / "json", count)
    what = f"{count:,} entries: "
    fresh = itertools.count(count)

    def each(run: Callable[[UnifiedCache], object]) -> dict[str, Callable[[], object]]:
        return {name: lambda cache=cache: run(cache) for name, cache in ours.items()}  # type: ignore[misc]

    yield Contest(what + "put", each(lambda cache: cache.put(1, **key(next(fresh)))), calls=5)
    for cache in ours.values():
        cache.put(1, **key(-1))
    yield Contest(what + "get", each(lambda cache: cache.get(**key(-1))), calls=50)
    listed = each(UnifiedCache.list_entries)
    rest = {"sqlite3, the same dicts": plain.listed, "sqlite3, bare rows": plain.rows}
    yield Contest(what + "list_entries", {**listed, **rest})
    newest = each(lambda cache: cache.list_entries(limit=100))
    yield Contest(what + "list_entries(limit=100)", newest)
    yield Contest(
        what + "get_stats", {**each(UnifiedCache.get_stats), PLAIN: plain.stats}, calls=10
    )
    idle = {**each(UnifiedCache.cleanup_expired), PLAIN: plain.cleaned}
    yield Contest(what + "cleanup_expired, none", idle, calls=10)
    before = {**each(expire), PLAIN: plain.expire}
    if count >= JSON_LIMIT:
        before.pop(JSON, None)
        idle = {name: run for name, run in idle.items() if name != JSON}
    yield Contest(what + f"cleanup_expired, {EXPIRED}", idle, before=before)
    for cache in ours.values():
        cache.close()
    plain.connection.close()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer entries and rounds")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (%(default)s)")
    chosen = parser.parse_args()
    sizes = (100, 1_000) if chosen.quick else (1_000, 10_000, 100_000)
    lines: list[Sequence[str]] = []
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for contest in contests(Path(folder), count):
                lines += rows(contest, measure(contest, 2 if chosen.quick else chosen.rounds))
    print(markdown(lines))


if __name__ == "__main__":
    main()
