"""Values of all families, and what they are stored as."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

from cacheness import cacheness

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def cache():
    return cacheness()


def kind(cache, key):
    return next(e["data_type"] for e in cache.list_entries() if e["cache_key"] == key)


def test_objects(cache):
    config = {
        "model_params": {"learning_rate": 0.01, "max_depth": 6},
        "data_params": {"test_size": 0.2, "random_state": 42},
    }
    key = cache.put(config, experiment="housing_ml", config_version="v1.2", author="researcher")
    saved_config = cache.get(experiment="housing_ml", config_version="v1.2", author="researcher")
    assert saved_config == config and kind(cache, key) == "object"


def test_arrays(cache, capsys):
    embeddings = np.random.rand(10000, 768).astype(np.float32)
    key = cache.put(embeddings, model="bert_base", dataset="wikipedia", layer="last_hidden")
    assert kind(cache, key) == "array"
    np.testing.assert_array_equal(
        cache.get(model="bert_base", dataset="wikipedia", layer="last_hidden"), embeddings
    )

    ml_data = {
        "X_train": np.random.rand(8000, 100),
        "X_test": np.random.rand(2000, 100),
        "y_train": np.random.randint(0, 2, 8000),
        "y_test": np.random.randint(0, 2, 2000),
    }
    cache.put(ml_data, dataset="fraud_detection", split="80_20", preprocessing="standard_scaled")
    training_data = cache.get(
        dataset="fraud_detection", split="80_20", preprocessing="standard_scaled"
    )
    print(training_data.keys())
    assert capsys.readouterr().out == "dict_keys(['X_train', 'X_test', 'y_train', 'y_test'])\n"
    for name, array in ml_data.items():
        np.testing.assert_array_equal(training_data[name], array)
        assert training_data[name].dtype == array.dtype and training_data[name].flags.writeable


def test_frames_and_series(cache):
    df = pd.DataFrame(
        {
            "user_id": range(1000),
            "purchase_amount": np.random.exponential(50, 1000),
            "category": np.random.choice(["A", "B", "C"], 1000),
        }
    )
    key = cache.put(
        df, source="transactions", date_range="2024_q1", preprocessing="outliers_removed"
    )
    assert kind(cache, key) == "pandas_dataframe"
    assert_frame_equal(
        cache.get(source="transactions", date_range="2024_q1", preprocessing="outliers_removed"),
        df,
    )

    series = pd.Series(
        [1.1, 2.2, 3.3, 4.4, 5.5], index=["a", "b", "c", "d", "e"], name="measurements"
    )
    key = cache.put(series, sensor="temperature", location="lab_1", date="2024_01_15")
    assert kind(cache, key) == "pandas_series"
    assert_series_equal(
        cache.get(sensor="temperature", location="lab_1", date="2024_01_15"), series
    )

    multi_index = pd.MultiIndex.from_tuples(
        [("A", 1), ("A", 2), ("B", 1)], names=["letter", "number"]
    )
    complex_series = pd.Series([100, 200, 300], index=multi_index, name="values")
    cache.put(complex_series, experiment="multi_index_test")
    assert_series_equal(cache.get(experiment="multi_index_test"), complex_series)


def test_polars(cache):
    pl = pytest.importorskip("polars")

    df_polars = pl.DataFrame({"id": range(1000), "value": np.random.rand(1000)})
    key = cache.put(df_polars, source="sensor_data", date="2024_01_15")
    assert kind(cache, key) == "polars_dataframe"
    assert cache.get(source="sensor_data", date="2024_01_15").equals(df_polars)

    series_polars = pl.Series("measurements", [10.1, 20.2, 30.3])
    key = cache.put(series_polars, sensor="pressure", location="lab_2")
    assert kind(cache, key) == "polars_series"
    again = cache.get(sensor="pressure", location="lab_2")
    assert again.equals(series_polars) and again.name == "measurements"
