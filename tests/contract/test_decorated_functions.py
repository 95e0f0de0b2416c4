"""Functions: caches of their own, keys of their own, and caches for a while."""

from pathlib import Path

import numpy as np
import pytest

from cacheness import CacheConfig, CacheContext, cached, cacheness
from cacheness.config import CacheMetadataConfig, CacheStorageConfig

pytestmark = pytest.mark.usefixtures("here")


def test_a_cache_of_its_own(capsys):
    trained_model, experiment_results = {"w": np.arange(3)}, [1, 2]
    ml_config = CacheConfig(
        storage=CacheStorageConfig(cache_dir="./ml_cache", max_cache_size_mb=10000),
        metadata=CacheMetadataConfig(backend="sqlite"),
        default_ttl_hours=168,
    )
    ml_cache = cacheness(ml_config)

    @cached(cache_instance=ml_cache, key_prefix="production")
    def train_production_model(data, hyperparams):
        print("training")
        return trained_model

    @cached(ttl_hours=2, key_prefix="experiment")
    def quick_experiment(data, params):
        print("experimenting")
        return experiment_results

    for _ in range(2):
        model = train_production_model(np.ones(5), {"depth": 3})
        np.testing.assert_array_equal(model["w"], [0, 1, 2])
        assert quick_experiment([1], {"a": 1}) == [1, 2]
    assert capsys.readouterr().out == "training\nexperimenting\n"

    production = ml_cache.list_entries(key_prefix="production")
    assert len(production) == len(ml_cache.list_entries()) == 1
    assert train_production_model.cache_info().ttl_hours == 168
    info = quick_experiment.cache_info()
    assert (info.ttl_hours, info.entries) == (2, 1)
    assert Path(info.cache_dir).name == "cache"


def create_personalized_model(user_id, preferences):
    print(f"model of {user_id}")
    return {"user": user_id, **preferences}


def test_a_key_of_its_own(capsys):
    @cached(key_func=lambda func, args, kwargs: f"user_{kwargs['user_id']}_model")
    def generate_user_model(user_id, preferences):
        """One model a user."""
        return create_personalized_model(user_id, preferences)

    first = generate_user_model(user_id=1, preferences={"a": 1})
    again = generate_user_model(user_id=1, preferences={"a": 2})
    assert first == again == {"user": 1, "a": 1}
    # The function of the key sees the arguments by name, however they were given.
    assert generate_user_model(1, {"a": 3}) == first
    assert generate_user_model(user_id=2, preferences={"a": 1})["user"] == 2
    assert capsys.readouterr().out == "model of 1\nmodel of 2\n"


def expensive_computation():
    print("computing")
    return np.arange(4)


def test_a_cache_for_a_while(capsys):
    with CacheContext(ttl_hours=1, cache_dir="./temp_cache") as temp_cache:

        @temp_cache.cached()
        def temporary_computation():
            return expensive_computation()

        for _ in range(2):
            np.testing.assert_array_equal(temporary_computation(), np.arange(4))
        assert temporary_computation.cache_info().ttl_hours == 1
        assert len(temp_cache.list_entries()) == 1
    assert capsys.readouterr().out == "computing\n"
    assert temp_cache.closed and Path("temp_cache").is_dir()
