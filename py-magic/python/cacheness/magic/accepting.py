"""`%cacheness accept`: an entry is kept across an edit that the person declares harmless."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from typing import Any

from cacheness._cacheness import Cache, Entry, Key
from cacheness._cacheness import explain as changes_between
from cacheness.errors import CacheError
from cacheness.magic.explain import explain_change


def adopt(cache: Cache, entry: Entry, key: Key, inputs: Collection[str]) -> str:
    """Stores what `entry` holds under `key` as well, and says what was accepted: the source, and
    changes of `inputs`, by their names.

    Raises:
        CacheError: something else is different, too, or the entry cannot be used that way.
    """
    changes = json.loads(changes_between(entry.manifest, key.manifest))
    named = [change for change in changes if change["name"] in inputs]
    others = [c for c in changes if c not in named and c["kind"] != "source"]
    if others:
        what = ", ".join(f"`{change['name']}`" for change in others)
        raise CacheError(f"{what} changed as well: name it, if that is harmless, too")
    meta = json.loads(entry.meta)
    if named and meta.get("refers", True):
        raise CacheError("the entry holds or changes objects of an input: the cell has to run")
    blobs = [cache.read(entry, ordinal) for ordinal in range(len(entry.blobs))]
    if None in blobs:
        raise CacheError("the entry was removed meanwhile")
    said = explain_change(entry, key)
    accepted = {"from": entry.cache_key, "at": time.time(), "changes": said}
    meta["accepted"] = [*meta.get("accepted", []), accepted]
    cache.store(
        key,
        scope="",
        face=entry.face,
        data_type=entry.data_type,
        blobs=[blob for blob in blobs if blob is not None],
        name=entry.name,
        lineage=entry.lineage,
        ttl=None if entry.expires is None else max(0.0, entry.expires - time.time()),
        elapsed=entry.elapsed,
        observed=[_plain(part) for part in json.loads(entry.observed)],
        meta=json.dumps(meta),
    )
    return said


def accepted_changes(entry: Entry) -> list[str]:
    """What the person declared harmless since the entry was computed."""
    return [one["changes"] for one in json.loads(entry.meta).get("accepted", [])]


def _plain(part: dict[str, Any]) -> tuple[str, str, str, str | None]:
    detail = part.get("detail")
    return (
        part["kind"],
        part["name"],
        part["digest"],
        None if detail is None else json.dumps(detail),
    )
