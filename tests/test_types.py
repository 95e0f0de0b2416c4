"""What a type checker knows of a cached function. `make lint` checks this module in strict mode:
each `type: ignore` stands for an error that has to be there. As a test, the same lines run."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, assert_type

import numpy as np
import pytest

from cacheness import CacheConfig, CacheContext, UnifiedCache, cached, cacheness, get_cache

T = TypeVar("T")


@cached(ttl="1d", key_prefix="scaled")
def scaled(values: list[float], factor: float = 2.0) -> list[float]:
    return [value * factor for value in values]


@cached
def total(values: list[float]) -> float:
    return sum(values)


@cached()
def same(value: T) -> T:
    return value


@cached()
def loose(value: Any, times: int = 1) -> int:
    return len(value) * times


@cached(ttl_hours=None, version="1")
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@cached(description="slow")
async def fetched(name: str) -> bytes:
    return name.encode()


@cached()
async def streamed(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


class Model:
    @cached()
    def predict(self, row: int, *, scale: float = 1.0) -> float:
        return row * scale

    @classmethod
    @cached()
    def named(cls, name: str) -> str:
        return f"{cls.__name__} {name}"

    @staticmethod
    @cached()
    def offset(row: int) -> int:
        return row + 1

    @cached()
    @classmethod
    def inner(cls, name: str) -> str:
        return name


def apply(function: Callable[[list[float], float], list[float]]) -> list[float]:
    return function([1.0], 3.0)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    get_cache().close()


def test_functions() -> None:
    assert_type(scaled([1.0], factor=3), list[float])
    assert_type(scaled.__wrapped__([1.0]), list[float])
    assert_type(scaled.cache_key([1.0]), str)
    assert_type(scaled.cache_info().hits, Any)
    assert_type(scaled.cache_clear(), int)
    assert_type(total([1.0, 2.0]), float)
    assert_type(same(3), int)
    assert_type(same("a"), str)
    assert_type(loose("abc", times=2), int)
    assert_type(list(numbers(3)), list[int])
    assert apply(scaled) == [3.0]


async def _asynchronous() -> None:
    assert_type(await fetched("a"), bytes)
    assert_type([number async for number in streamed(3)], list[int])


def test_asynchronous_functions() -> None:
    asyncio.run(_asynchronous())


def test_methods() -> None:
    model = Model()
    assert_type(model.predict(2, scale=3), float)
    assert_type(Model.predict(model, 2), float)
    assert_type(model.predict.cache_info().entries, Any)
    assert_type(Model.named("a"), str)
    assert_type(model.named("a"), str)
    assert_type(Model.offset(1), int)
    assert_type(model.offset(1), int)
    assert_type(Model.inner("a"), str)


def test_caches(tmp_path: Path) -> None:
    config = CacheConfig(cache_dir=str(tmp_path / "c"), default_ttl="2h")
    with cacheness(config) as cache:
        assert_type(cache, UnifiedCache)
        assert_type(cache.put(np.arange(3), a=1), str)
        assert_type(cache.contains(a=1), bool)
        assert_type(cache.invalidate(a=1), int)

        @cache.cached(ttl_hours=1)
        def half(value: int) -> float:
            return value / 2

        assert_type(half(3), float)
    with CacheContext(cache_dir=tmp_path / "d", ttl="1h") as temporary:
        assert_type(temporary, UnifiedCache)


def wrong(model: Model, cache: UnifiedCache) -> None:
    """Never called: each line is an error for the type checker."""
    scaled("text")  # type: ignore[arg-type]
    scaled([1.0], 2.0, 3.0)  # type: ignore[call-arg]
    scaled([1.0]).upper()  # type: ignore[attr-defined]
    scaled.cache_key(values=1)  # type: ignore[arg-type]
    scaled.cache_size()  # type: ignore[attr-defined]
    model.predict("text")  # type: ignore[call-overload]
    Model.named(1)  # type: ignore[call-overload]
    cached(ttl=5)  # type: ignore[call-overload]
    cache.cached(ttl_hour=5)  # type: ignore[call-arg]
