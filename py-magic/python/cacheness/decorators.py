"""`@cached`: a function whose results are kept on disk."""

import functools
import inspect
import pickle
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, overload

from cacheness.cache import MISSING, UnifiedCache
from cacheness.calls import CachedFunction, Call, Options
from cacheness.config import contradiction, unknown_parameter
from cacheness.durations import UNSET, Unset, resolve
from cacheness.errors import CacheConfigError
from cacheness.flights import async_turn, turn
from cacheness.signatures import CachedCallable, CacheDecorator, CacheOptions, KeyFunction, P, T

# Seconds that a call of a generator waits for another one. The consumer of that one may have
# stopped in the middle, never to come back.
_PATIENCE = 10.0
_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})


@overload
def cached(function: Callable[P, T], /) -> CachedCallable[P, T]: ...


@overload
def cached(
    *,
    cache: UnifiedCache | None = None,
    cache_instance: UnifiedCache | None = None,
    ttl_hours: float | None | Unset = UNSET,
    ttl: str | None | Unset = UNSET,
    key_prefix: str | None = None,
    version: str | None = None,
    key_func: KeyFunction | None = None,
    description: str = "",
) -> CacheDecorator: ...


def cached(
    function: Any = None,
    /,
    *,
    cache: UnifiedCache | None = None,
    cache_instance: UnifiedCache | None = None,
    ttl_hours: float | None | Unset = UNSET,
    ttl: str | None | Unset = UNSET,
    key_prefix: str | None = None,
    version: str | None = None,
    key_func: KeyFunction | None = None,
    description: str = "",
    **unknown: Any,
) -> Any:
    """Keeps the results of a function, method, coroutine function or generator on disk.

        @cached(ttl="7d")
        def features(table, degree=2): ...

        features(table)            # runs
        features(table, degree=2)  # found: the same arguments by name
        features.cache_info()      # hits, misses, entries, bytes
        features.cache_clear()     # removes its entries, returns how many
        features.cache_key(table)  # the key of a call, 16 hex digits
        features.__wrapped__(table)  # the function itself

    The arguments find the result, by content; those left at their default are not part of the key.
    The function's code counts too, with everything that it refers to. Calls of one key run once at
    a time, across threads and processes. An exception is never kept. Of a method, `self` is no
    part of the key, except for its class and what its `__cache_key__()` returns, if it has one.

    cache, cache_instance: where to keep them (default: `get_cache()`).
    ttl_hours, ttl: how long, in hours or as `"90s"`, `"15m"`, `"24h"`, `"7d"`, `"2w"`; `None` is
        for ever (default: that of the cache).
    key_prefix: a namespace of your own, shared with `cache.get(..., key_prefix=...)`.
    version: stands for the function's code, so that edits keep the entries until it changes.
    key_func: makes the key, from the function, its positional arguments and all of them by name.
    description: what `list_entries` shows.

    Raises `CacheKeyError` (a `TypeError`) on a call with an argument that has no stable content,
    `TypeError` for an unknown option, `CacheConfigError` (a `ValueError`) for a bad one. A result
    that cannot be stored is returned, with one warning.
    """
    for name in unknown:
        raise unknown_parameter(
            "cached", name, [*CacheOptions.__annotations__, "cache", "cache_instance"]
        )
    if cache is not None and cache_instance is not None and cache is not cache_instance:
        raise contradiction("cache", cache, "cache_instance", cache_instance)
    chosen = cache if cache is not None else cache_instance
    if chosen is not None and not isinstance(chosen, UnifiedCache):
        raise CacheConfigError(f"cache takes what cacheness() returns, not {chosen!r}")
    resolve(ttl_hours, ttl, None)  # a wrong lifetime is told where it is written
    options = Options(chosen, ttl_hours, ttl, key_prefix, version, key_func, description)
    if function is not None:
        return _decorate(function, options)
    return lambda function: _decorate(function, options)


def _decorate(function: Any, options: Options) -> Any:
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(_decorate(function.__func__, options))
    if not callable(function) or isinstance(function, type):
        raise CacheConfigError(f"cached() decorates functions, not {function!r}")
    if not hasattr(function, "__qualname__"):
        raise CacheConfigError(
            f"cached() needs a function with a name of its own, not {function!r}: wrap it in one"
        )
    cached_function = CachedFunction(function, options)
    made = _wrapper(function)(cached_function)
    wrapper: Any = functools.wraps(function)(made)
    wrapper.cache_info = cached_function.info
    wrapper.cache_clear = cached_function.clear
    wrapper.cache_key = lambda *args, **kwargs: cached_function.visible_key(args, kwargs)
    return wrapper


def _wrapper(function: Any) -> Callable[[CachedFunction], Any]:
    if inspect.iscoroutinefunction(function):
        return _coroutine
    if inspect.isasyncgenfunction(function):
        return _async_generator
    if inspect.isgeneratorfunction(function):
        return _generator
    return _plain


def _plain(cached_function: CachedFunction) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call, value = cached_function.look(args, kwargs)
        if call is None:
            return cached_function.function(*args, **kwargs)
        if value is not MISSING:
            return value
        with turn(call.cache.core, cached_function.turn_key(call)):
            call, value = cached_function.look_again(call)
            if value is not MISSING:
                return value
            run = cached_function.start(call)
            try:
                value = cached_function.function(*args, **kwargs)
            except BaseException:
                run.drop()
                raise
            run.keep(value)
            return value

    return wrapper


def _coroutine(cached_function: CachedFunction) -> Any:
    from cacheness.background import in_thread

    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        call, value = await in_thread(cached_function.look, args, kwargs)
        if call is None:
            return await cached_function.function(*args, **kwargs)
        if value is not MISSING:
            return value
        async with async_turn(call.cache.core, cached_function.turn_key(call)):
            looked, value = await in_thread(cached_function.look_again, call)
            if value is not MISSING:
                return value
            run = cached_function.start(looked, alone=False)
            try:
                value = await cached_function.function(*args, **kwargs)
            except BaseException:
                run.drop()
                raise
            await in_thread(run.keep, value)
            return value

    return wrapper


def _generator(cached_function: CachedFunction) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        call, value = cached_function.look(args, kwargs)
        if call is None:
            return (yield from cached_function.function(*args, **kwargs))
        if value is MISSING:
            with turn(call.cache.core, cached_function.turn_key(call), patience=_PATIENCE):
                call, value = cached_function.look_again(call)
                if value is MISSING:
                    return (yield from _recorded(cached_function, call, args, kwargs))
        items, result = value
        yield from items
        return result

    return wrapper


def _recorded(
    cached_function: CachedFunction, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Generator[Any, Any, Any]:
    run = cached_function.start(call, alone=False)
    record = _Record()
    try:
        result = yield from record.through(cached_function.function(*args, **kwargs))
    except BaseException:
        run.drop()
        raise
    run.keep((record.items(), result))
    return result


def _async_generator(cached_function: CachedFunction) -> Any:
    from cacheness.background import in_thread

    async def wrapper(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        call, value = await in_thread(cached_function.look, args, kwargs)
        if call is None:
            async for item in cached_function.function(*args, **kwargs):
                yield item
            return
        if value is MISSING:
            key = cached_function.turn_key(call)
            async with async_turn(call.cache.core, key, patience=_PATIENCE):
                looked, value = await in_thread(cached_function.look_again, call)
                if value is MISSING:
                    run = cached_function.start(looked, alone=False)
                    record = _Record()
                    try:
                        async for item in cached_function.function(*args, **kwargs):
                            record.add(item)
                            yield item
                    except BaseException:
                        run.drop()
                        raise
                    await in_thread(run.keep, (record.items(), None))
                    return
        for item in value[0]:
            yield item

    return wrapper


class _Record:
    """The items of a generator as they were when they were yielded: what the consumer does to them
    afterwards must not reach the cache."""

    def __init__(self) -> None:
        self._items: list[tuple[bool, Any]] = []
        self._failure: Exception | None = None

    def add(self, item: Any) -> None:
        if type(item) in _ATOMS:
            self._items.append((True, item))
            return
        try:
            self._items.append((False, pickle.dumps(item, protocol=5)))
        except Exception as error:
            self._failure = error

    def through(self, generator: Any) -> Any:
        """Yields what `generator` yields, passing on what is sent; returns its result."""
        try:
            item = next(generator)
            while True:
                self.add(item)
                sent = yield item
                item = next(generator) if sent is None else generator.send(sent)
                if sent is not None:
                    # What was sent is an input that no key holds.
                    self._failure = ValueError("a generator that is sent values is not cached")
        except StopIteration as stop:
            return stop.value
        finally:
            generator.close()

    def items(self) -> Any:
        """The items; what cannot be stored raises when it is asked for by the store."""
        if self._failure is not None:
            return _Unstorable(self._failure)
        return [item if plain else pickle.loads(item) for plain, item in self._items]


class _Unstorable:
    """Refuses to be pickled, with the reason."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __reduce__(self) -> Any:
        raise self._error
