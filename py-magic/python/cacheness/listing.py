"""Entries as dicts, for people and programs to look at."""

import datetime
from typing import Any, Final

from cacheness._cacheness import Stats, Summary

MEGABYTE: Final = 1024 * 1024


def described(entry: Summary) -> dict[str, Any]:
    """What `list_entries` tells of an entry."""
    size = entry.size_bytes
    return {
        "cache_key": entry.cache_key,
        "key_prefix": entry.scope,
        "description": entry.description,
        "data_type": entry.data_type,
        "size_bytes": size,
        "size_mb": size / MEGABYTE,
        "created_at": entry.created,
        "last_accessed": entry.accessed,
        "expires_at": entry.expires,
        "expired": entry.expired,
        "hits": entry.hits,
        "elapsed": entry.elapsed,
        "function": entry.name,
        "cache_key_params": entry.inputs,
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
