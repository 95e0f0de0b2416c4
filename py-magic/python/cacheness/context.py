"""`CacheContext`: a cache for the length of a `with` block."""

from types import TracebackType
from typing import Any

from cacheness import durations
from cacheness.cache import UnifiedCache
from cacheness.config import CacheConfig
from cacheness.opening import cacheness


class CacheContext:
    """Opens a cache with the parameters of `cacheness`, and closes it at the end of the block.

        with CacheContext(cache_dir="./scratch", ttl="1h") as cache:
            cache.put(1, a=1)

    `ttl_hours` (or `ttl`) is the default lifetime. The directory and its entries stay.
    """

    def __init__(self, config: Any = None, **parameters: Any) -> None:
        for short in ("ttl_hours", "ttl"):
            if short in parameters:
                parameters[f"default_{short}"] = parameters.pop(short)
        durations.resolve(
            parameters.get("default_ttl_hours", durations.UNSET),
            parameters.get("default_ttl", durations.UNSET),
            None,
        )
        self._config: CacheConfig | Any = config
        self._parameters = parameters
        self._cache: UnifiedCache | None = None

    def __enter__(self) -> UnifiedCache:
        self._cache = cacheness(self._config, **self._parameters)
        return self._cache

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._cache is not None:
            self._cache.close()
