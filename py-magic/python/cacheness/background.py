"""Work of the cache for coroutines, in threads of its own: the event loop goes on meanwhile."""

import asyncio
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

T = TypeVar("T")

# Not the loop's own pool: the program may have filled that with calls that wait for this one.
_WORKERS: Final = 4


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """The result of `function(*args)`. A cancelled caller does not wait for it."""
    return await asyncio.get_running_loop().run_in_executor(_pool(), function, *args)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_WORKERS, thread_name_prefix="cacheness")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
