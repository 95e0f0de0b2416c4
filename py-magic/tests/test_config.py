import pickle

import pytest

from cacheness import CacheConfig, CacheConfigError
from cacheness.config import (
    CacheMetadataConfig,
    CacheStorageConfig,
    CompressionConfig,
    HandlerConfig,
    SerializationConfig,
)


def test_defaults():
    config = CacheConfig()
    assert (config.cache_dir, config.default_ttl_hours, config.max_cache_size_mb) == (
        "./cache",
        24,
        2000,
    )
    assert (config.metadata_backend, config.store_cache_key_params) == ("auto", True)
    assert (config.parquet_compression, config.pickle_compression_codec) == ("lz4", "zstd")
    assert (config.pickle_compression_level, config.blosc2_array_codec) == (5, "lz4")
    assert config.hash_path_content and config.cleanup_on_init


def test_flat_and_sections_mix():
    config = CacheConfig(
        cache_dir="./mixed",
        storage=CacheStorageConfig(max_cache_size_mb=5000, cleanup_on_init=False),
        metadata_config={"backend": "sqlite"},
        default_ttl="2w",
    )
    assert config.storage == CacheStorageConfig(
        cache_dir="./mixed", max_cache_size_mb=5000, cleanup_on_init=False
    )
    assert config.metadata.backend == config.metadata_backend == "sqlite"
    assert config.default_ttl_hours == 336


def test_both_spellings_of_the_backend():
    assert CacheMetadataConfig(metadata_backend="json") == CacheMetadataConfig(backend="json")


def test_what_is_given_twice_alike_is_fine():
    storage = CacheStorageConfig(cache_dir="./a")
    assert CacheConfig(cache_dir="./a", storage=storage).storage == storage


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CacheConfig(cach_dir="x"), ["cach_dir", "'cache_dir'"]),
        (lambda: CacheConfig(max_size_mb=1), ["max_size_mb", "'max_cache_size_mb'"]),
        (lambda: CacheStorageConfig(cleanup_on_start=1), ["'cleanup_on_init'"]),
        (lambda: CacheConfig(metadata={"bakend": "json"}), ["'backend'"]),
        (lambda: HandlerConfig(enable_pandas=True), ["'enable_pandas_"]),
    ],
)
def test_an_unknown_parameter_names_the_nearest(make, words):
    with pytest.raises(TypeError) as raised:
        make()
    assert all(word in str(raised.value) for word in words)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: CacheConfig(cache_dir="./a", storage=CacheStorageConfig(cache_dir="./b")),
            ["cache_dir='./a'", "storage.cache_dir='./b'"],
        ),
        (
            # The default, spelled out, contradicts as well.
            lambda: CacheConfig(cache_dir="./a", storage=CacheStorageConfig(cache_dir="./cache")),
            ["'./a'", "'./cache'"],
        ),
        (
            lambda: CacheMetadataConfig(backend="json", metadata_backend="sqlite"),
            ["'json'", "'sqlite'"],
        ),
        (lambda: CacheConfig(default_ttl_hours=1, default_ttl="2h"), ["'2h'", "=1"]),
        (
            lambda: CacheConfig(metadata={"backend": "json"}, metadata_config={"backend": "auto"}),
            ["metadata=", "metadata_config="],
        ),
    ],
)
def test_a_contradiction_names_both(make, words):
    with pytest.raises(ValueError, match="contradict") as raised:
        make()
    assert all(word in str(raised.value) for word in words)


@pytest.mark.parametrize(
    "parameters",
    [
        {"cache_dir": ""},
        {"cache_dir": "a\0b"},
        {"cache_dir": 5},
        {"cache_dir": b"bytes"},
        {"max_cache_size_mb": 0},
        {"max_cache_size_mb": -1},
        {"max_cache_size_mb": float("nan")},
        {"max_cache_size_mb": float("inf")},
        {"max_cache_size_mb": "10"},
        {"max_cache_size_mb": True},
        {"metadata_backend": "sqllite"},
        {"metadata_backend": None},
        {"default_ttl_hours": "24"},
        {"default_ttl_hours": -1},
        {"default_ttl": "soon"},
        {"cleanup_on_init": 1},
        {"hash_path_content": "yes"},
        {"blosc2_array_codec": "gzip"},
        {"pickle_compression_level": 10},
        {"pickle_compression_level": 1.5},
        {"parquet_compression": "brotli9"},
        {"max_collection_depth": -1},
        {"max_collection_depth": 10**6},
        {"handler_priority": "numpy_arrays"},
        {"handler_priority": ["numpy_array"]},
        {"storage": 5},
        {"metadata": CacheStorageConfig()},
    ],
)
def test_a_bad_value_is_refused(parameters):
    with pytest.raises(CacheConfigError):
        CacheConfig(**parameters)


def test_sections_do_not_change():
    with pytest.raises(AttributeError):
        CacheConfig().storage.cache_dir = "elsewhere"


def test_attributes_that_do_not_exist():
    with pytest.raises(AttributeError, match="nothing"):
        _ = CacheConfig().nothing


def test_pickle_keeps_it():
    config = CacheConfig(
        compression=CompressionConfig(pickle_compression_level=1),
        serialization=SerializationConfig(max_collection_depth=3),
    )
    assert pickle.loads(pickle.dumps(config)) == config


def test_handler_order():
    assert HandlerConfig().order()[-1] == "object_pickle"
    assert HandlerConfig(handler_priority=["numpy_arrays"]).order() == [
        "numpy_arrays",
        "pandas_dataframes",
        "polars_dataframes",
        "pandas_series",
        "polars_series",
        "object_pickle",
    ]
    assert HandlerConfig(handler_priority=["numpy_arrays", "object_pickle"]).order() == [
        "numpy_arrays",
        "object_pickle",
    ]
    assert "polars_series" not in HandlerConfig(enable_polars_series=False).order()
