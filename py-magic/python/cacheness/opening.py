"""Ways to a cache: `cacheness(...)` opens one, `get_cache()` is that of the current directory."""

import os
import threading
from typing import Any

from cacheness.cache import UnifiedCache
from cacheness.config import CacheConfig
from cacheness.errors import CacheConfigError

_defaults: dict[str, UnifiedCache] = {}
_default_lock = threading.Lock()


def cacheness(
    config: CacheConfig | str | os.PathLike[str] | None = None, **parameters: Any
) -> UnifiedCache:
    """Opens a cache: `cacheness()`, `cacheness(config)`, `cacheness("dir")` or with parameters of
    `CacheConfig`: `cacheness(cache_dir="dir", default_ttl="7d")`.

    Raises what `CacheConfig` raises, `CacheStorageError` (an `OSError`) for a directory that cannot
    be used, and `CacheVersionError` for one that a later version wrote.
    """
    if isinstance(config, CacheConfig):
        if parameters:
            raise CacheConfigError(
                f"give either a CacheConfig or parameters ({', '.join(parameters)}), not both"
            )
        return UnifiedCache(config)
    if config is not None:
        if not isinstance(config, (str, os.PathLike)):
            raise CacheConfigError(f"cacheness() takes a CacheConfig or a path, not {config!r}")
        given = parameters.setdefault("cache_dir", config)
        if os.fspath(given) != os.fspath(config):
            raise CacheConfigError(
                f"the directory {os.fspath(config)!r} and cache_dir={given!r} contradict each other"
            )
    return UnifiedCache(CacheConfig(**parameters))


def get_cache() -> UnifiedCache:
    """The cache of this process for `./cache` below the current directory, which `@cached()`
    uses when it is given none."""
    directory = os.path.abspath(CacheConfig().cache_dir)
    with _default_lock:
        cache = _defaults.get(directory)
        if cache is None or cache.closed:
            cache = _defaults[directory] = UnifiedCache(CacheConfig(cache_dir=directory))
        return cache


def _new_lock() -> None:
    """A fork may copy the lock while another thread holds it."""
    global _default_lock
    _default_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)
