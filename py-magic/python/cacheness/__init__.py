"""A disk cache for Python functions, values and notebook cells.

    from cacheness import cached, cacheness

    @cached(ttl="7d")                          # results of a function, by its arguments and code
    def features(table, degree=2): ...

    cache = cacheness("./cache")               # values, by keywords
    cache.put(table, source="sales", year=2024)
    cache.get(source="sales", year=2024)       # the table again, or None

    %load_ext cacheness                        # in a notebook: what %%cacheness stands on
                                               # comes back without running again

`help(cached)`, `help(UnifiedCache)` and `help(CacheConfig)` tell the rest. All errors derive from
`CacheError` and from the built-in exception that they resemble.
"""

# Names are loaded when they are first used, so that importing the package costs next to nothing.

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cacheness.cache import UnifiedCache
    from cacheness.config import CacheConfig
    from cacheness.context import CacheContext
    from cacheness.decorators import cached
    from cacheness.errors import (
        CacheConfigError,
        CacheDependencyError,
        CacheError,
        CacheIntegrityError,
        CacheKeyError,
        CacheStorageError,
        CacheValueError,
        CacheVersionError,
        CacheWarning,
    )
    from cacheness.opening import cacheness, get_cache

__all__ = [
    "CacheConfig",
    "CacheConfigError",
    "CacheContext",
    "CacheDependencyError",
    "CacheError",
    "CacheIntegrityError",
    "CacheKeyError",
    "CacheStorageError",
    "CacheValueError",
    "CacheVersionError",
    "CacheWarning",
    "UnifiedCache",
    "cached",
    "cacheness",
    "get_cache",
]

_HOME = {
    "CacheConfig": "config",
    "CacheContext": "context",
    "UnifiedCache": "cache",
    "cached": "decorators",
    "cacheness": "opening",
    "get_cache": "opening",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'cacheness' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"cacheness.{_HOME.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext cacheness`."""
    from cacheness.magic import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext cacheness`."""
    from cacheness.magic import unload

    unload(shell)
