"""Settings: flat, by section and mixed, and that each of them has its effect."""

from datetime import datetime

import pandas as pd
import pytest

from cacheness import CacheConfig, cached, cacheness
from cacheness.config import (
    CacheMetadataConfig,
    CacheStorageConfig,
    CompressionConfig,
    HandlerConfig,
    SerializationConfig,
)

pytestmark = pytest.mark.usefixtures("here")


def test_simple():
    config = CacheConfig(
        cache_dir="./my_cache",
        metadata_backend="sqlite",
        default_ttl_hours=48,
        max_cache_size_mb=5000,
        cleanup_on_init=True,
    )
    cache = cacheness(config)
    cache.put(1, a=1)
    assert (cache.actual_backend, cache.config.max_cache_size_mb) == ("sqlite", 5000)
    entry = cache.list_entries()[0]
    assert lifetime_hours(entry) == 48


def lifetime_hours(entry):
    created, expires = (
        datetime.fromisoformat(entry[name]) for name in ("created_at", "expires_at")
    )
    return round((expires - created).total_seconds() / 3600, 6)


def test_advanced():
    config = CacheConfig(
        storage=CacheStorageConfig(
            cache_dir="./advanced_cache", max_cache_size_mb=10000, cleanup_on_init=True
        ),
        metadata=CacheMetadataConfig(
            backend="sqlite",
            database_url="./cache_metadata.db",
            verify_cache_integrity=True,
        ),
        compression=CompressionConfig(
            use_blosc2_arrays=True,
            npz_compression=True,
            pickle_compression_codec="zstd",
            pickle_compression_level=5,
            blosc2_array_codec="lz4",
            parquet_compression="lz4",
        ),
        serialization=SerializationConfig(
            enable_collections=True,
            enable_object_introspection=True,
            max_collection_depth=10,
            max_tuple_recursive_length=10,
        ),
        handlers=HandlerConfig(
            enable_pandas_dataframes=True,
            enable_polars_dataframes=True,
            enable_pandas_series=True,
            enable_polars_series=True,
            enable_numpy_arrays=True,
            enable_object_pickle=True,
            handler_priority=[
                "pandas_dataframes",
                "polars_dataframes",
                "numpy_arrays",
                "object_pickle",
            ],
        ),
        default_ttl_hours=48,
    )
    cache = cacheness(config)
    cache.put({"a": 1}, b=2)
    assert cache.get(b=2) == {"a": 1}
    assert cache.config.default_ttl_hours == 48


def test_three_ways_to_configure():
    simple_config = CacheConfig(
        cache_dir="./my_cache",
        metadata_backend="sqlite",
        default_ttl_hours=48,
        use_blosc2_arrays=True,
    )
    assert simple_config.storage.cache_dir == "./my_cache"
    assert simple_config.metadata.backend == "sqlite"
    assert simple_config.compression.use_blosc2_arrays

    advanced_config = CacheConfig(
        storage=CacheStorageConfig(cache_dir="./advanced_cache", max_cache_size_mb=10000),
        metadata=CacheMetadataConfig(
            backend="sqlite", verify_cache_integrity=True, store_cache_key_params=False
        ),
        compression=CompressionConfig(pickle_compression_codec="zstd", pickle_compression_level=6),
        default_ttl_hours=48,
    )
    assert not advanced_config.store_cache_key_params
    assert advanced_config.pickle_compression_level == 6

    mixed_config = CacheConfig(
        cache_dir="./mixed_cache",
        storage=CacheStorageConfig(max_cache_size_mb=5000, cleanup_on_init=True),
        default_ttl_hours=24,
    )
    assert mixed_config.storage == CacheStorageConfig(
        cache_dir="./mixed_cache", max_cache_size_mb=5000, cleanup_on_init=True
    )
    for config in (simple_config, advanced_config, mixed_config):
        with cacheness(config) as cache:
            cache.put("value", key="k")
            assert cache.get(key="k") == "value"


DEFAULTS = {
    "cache_dir": "./cache",
    "default_ttl_hours": 24,
    "max_cache_size_mb": 2000,
    "metadata_backend": "auto",
    "store_cache_key_params": True,
    "hash_path_content": True,
    "cleanup_on_init": True,
    "use_blosc2_arrays": True,
    "npz_compression": True,
    "parquet_compression": "lz4",
    "pickle_compression_codec": "zstd",
    "pickle_compression_level": 5,
    "blosc2_array_codec": "lz4",
    "enable_multithreading": True,
    "auto_optimize_threads": True,
    "database_url": None,
    "verify_cache_integrity": True,
    "enable_basic_types": True,
    "enable_special_cases": True,
    "enable_collections": True,
    "enable_object_introspection": True,
    "enable_hashable_fallback": True,
    "enable_string_fallback": True,
    "max_collection_depth": 10,
    "max_tuple_recursive_length": 10,
    "enable_pandas_dataframes": True,
    "enable_polars_dataframes": True,
    "enable_pandas_series": True,
    "enable_polars_series": True,
    "enable_numpy_arrays": True,
    "enable_object_pickle": True,
}


@pytest.mark.parametrize(("name", "default"), DEFAULTS.items())
def test_defaults(name, default):
    assert getattr(CacheConfig(), name) == default
    assert getattr(CacheConfig(**{name: default}), name) == default


def test_key_parameters_are_stored_or_not():
    config_enabled = CacheConfig(store_cache_key_params=True, metadata_backend="sqlite")
    config_disabled = CacheConfig(store_cache_key_params=False, metadata_backend="sqlite")
    config_sub = CacheConfig(
        metadata=CacheMetadataConfig(store_cache_key_params=False, backend="sqlite")
    )
    assert config_sub == config_disabled

    shown = []
    for config in (config_enabled, config_disabled, config_sub):
        with cacheness(config) as cache:
            cache.clear_all()
            cache.put("value", model="m", api_key="do not tell")
            assert cache.get(model="m", api_key="do not tell") == "value"
            shown.append(cache.list_entries()[0]["cache_key_params"])
    assert shown == [{"api_key": "[redacted]", "model": "str:m"}, {}, {}]


def test_how_keys_are_written():
    performance_config = CacheConfig(
        serialization=SerializationConfig(
            enable_collections=False,
            enable_object_introspection=False,
            max_tuple_recursive_length=2,
            max_collection_depth=3,
        )
    )
    precision_config = CacheConfig(
        serialization=SerializationConfig(
            enable_collections=True,
            enable_object_introspection=True,
            max_tuple_recursive_length=50,
            max_collection_depth=20,
        )
    )
    custom_config = CacheConfig(
        serialization=SerializationConfig(
            enable_basic_types=True,
            enable_special_cases=True,
            enable_collections=True,
            enable_object_introspection=True,
            enable_hashable_fallback=True,
            enable_string_fallback=True,
        )
    )

    def shown(config):
        with cacheness(config) as cache:
            cache.clear_all()
            cache.put("v", items=[1, 2], many=tuple(range(12)))
            assert cache.get(items=[1, 2], many=tuple(range(12))) == "v"
            assert cache.get(items=[1, 3], many=tuple(range(12))) is None
            return cache.list_entries()[0]["cache_key_params"]

    fast = shown(performance_config)
    assert fast["items"].startswith("hashed:list:") and fast["many"].startswith("hashed:tuple:")
    precise = shown(precision_config)
    assert precise["items"] == "list:[int:1,int:2]"
    assert precise["many"].startswith("tuple:[int:0,int:1,")
    custom = shown(custom_config)
    assert custom["items"] == precise["items"] and custom["many"].startswith("hashed:tuple:")


def test_the_order_and_choice_of_handlers():
    config = CacheConfig(
        handlers=HandlerConfig(
            handler_priority=[
                "pandas_dataframes",
                "polars_dataframes",
                "pandas_series",
                "polars_series",
                "numpy_arrays",
                "object_pickle",
            ]
        )
    )
    minimal_config = CacheConfig(
        handlers=HandlerConfig(
            enable_pandas_dataframes=False,
            enable_polars_series=False,
            enable_numpy_arrays=True,
            enable_object_pickle=True,
        )
    )
    performance_config = CacheConfig(
        storage=CacheStorageConfig(cache_dir="./fast_cache"),
        serialization=SerializationConfig(enable_collections=False, max_tuple_recursive_length=3),
        handlers=HandlerConfig(handler_priority=["numpy_arrays", "object_pickle"]),
    )

    assert kinds(config) == [
        "pandas_dataframe",
        "polars_dataframe",
        "pandas_series",
        "polars_series",
        "array",
    ]
    assert kinds(minimal_config) == [
        "object",
        "polars_dataframe",
        "pandas_series",
        "object",
        "array",
    ]
    assert kinds(performance_config) == ["object", "object", "object", "object", "array"]


def kinds(config):
    """The formats that a frame and a series of each library and an array are stored in."""
    import numpy as np
    import polars as pl

    values = [
        pd.DataFrame({"a": [1, 2]}),
        pl.DataFrame({"a": [1, 2]}),
        pd.Series([1.5, 2.5], name="s"),
        pl.Series("s", [1.5, 2.5]),
        np.arange(3),
    ]
    found = []
    with cacheness(config) as cache:
        for number, value in enumerate(values):
            key = cache.put(value, number=number)
            again = cache.get(number=number)
            assert type(again) is type(value) and str(again) == str(value)
            found += [e["data_type"] for e in cache.list_entries() if e["cache_key"] == key]
    return found


def test_settings_for_a_fast_pipeline(capsys):
    trained_model, metrics, feature_importance = {"w": [1, 2]}, {"auc": 0.9}, [0.4, 0.6]
    ml_config = CacheConfig(
        storage=CacheStorageConfig(cache_dir="./ml_cache"),
        serialization=SerializationConfig(enable_collections=False, max_tuple_recursive_length=3),
        handlers=HandlerConfig(handler_priority=["numpy_arrays", "object_pickle"]),
    )

    @cached(cache_instance=cacheness(ml_config))
    def train_model(X, y, params):  # noqa: N803
        print("training")
        return trained_model, metrics, feature_importance

    for params in ({"depth": 1}, {"depth": 1}, {"depth": 2}):
        assert train_model([[1.0]], [0], params) == (trained_model, metrics, feature_importance)
    assert capsys.readouterr().out == "training\n" * 2
    assert train_model.cache_info().cache_dir.endswith("/ml_cache")


def test_settings_for_precise_keys(capsys):
    processed_data, metadata, validation_results = pd.DataFrame({"a": [1]}), {"n": 1}, [True]
    data_config = CacheConfig(
        storage=CacheStorageConfig(cache_dir="./data_cache"),
        serialization=SerializationConfig(
            enable_collections=True, enable_object_introspection=True, max_collection_depth=15
        ),
        handlers=HandlerConfig(
            handler_priority=["pandas_dataframes", "polars_dataframes", "numpy_arrays"]
        ),
    )

    @cached(cache_instance=cacheness(data_config))
    def process_datasets(raw_data, transformations, config_dict):
        print("processing")
        return processed_data, metadata, validation_results

    nested = {"a": {"b": {"c": [1, {"d": (1, 2)}]}}}
    raw_data = pd.DataFrame({"x": [1.0, 2.0]})
    frame, *rest = process_datasets(raw_data, ["scale", "clip"], nested)
    again, *others = process_datasets(raw_data.copy(), ["scale", "clip"], nested)
    pd.testing.assert_frame_equal(frame, again)
    assert rest == others == [metadata, validation_results]
    assert capsys.readouterr().out == "processing\n"
    nested["a"]["b"]["c"][1]["d"] = (1, 3)
    process_datasets(raw_data, ["scale", "clip"], nested)
    assert capsys.readouterr().out == "processing\n"
