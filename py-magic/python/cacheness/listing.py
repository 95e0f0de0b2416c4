"""Entries as dicts, for people and programs to look at."""

import datetime
import json
import time
from typing import Any, Final

from cacheness._cacheness import Entry, Stats

MEGABYTE: Final = 1024 * 1024


def described(entry: Entry) -> dict[str, Any]:
    """What `list_entries` tells of an entry."""
    inputs = json.loads(entry.manifest)["inputs"]
    now = time.time()
    return {
        "cache_key": entry.cache_key,
        "key_prefix": entry.scope,
        "description": entry.description,
        "data_type": entry.data_type,
        "size_bytes": entry.size_bytes,
        "size_mb": entry.size_bytes / MEGABYTE,
        "created_at": moment(entry.created),
        "last_accessed": moment(entry.accessed),
        "expires_at": None if entry.expires is None else moment(entry.expires),
        "expired": entry.expires is not None and entry.expires <= now,
        "hits": entry.hits,
        "elapsed": entry.elapsed,
        "function": entry.name,
        "cache_key_params": {
            one["name"]: one["detail"] for one in inputs if one.get("detail") is not None
        },
    }


def totals(stats: Stats) -> dict[str, Any]:
    """What `get_stats` tells of a directory's totals."""
    asked = stats.hits + stats.misses
    return {
        "total_entries": stats.entries,
        "total_size_mb": stats.size_bytes / MEGABYTE,
        "total_size_bytes": stats.size_bytes,
        "cache_hits": stats.hits,
        "cache_misses": stats.misses,
        "hit_rate": stats.hits / asked if asked else 0.0,
        "elapsed_saved": stats.elapsed_saved,
    }


def moment(seconds: float) -> str:
    """Seconds since the Unix epoch in ISO 8601, UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
