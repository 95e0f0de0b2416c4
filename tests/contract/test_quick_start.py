"""Quick start: values by keywords, functions by their arguments."""

import time
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from cacheness import cached, cacheness

pytestmark = pytest.mark.usefixtures("here")


def test_values_by_keywords(capsys):
    cache = cacheness()

    cache.put(
        {"results": [1, 2, 3]},
        model="xgboost",
        dataset="customer_data",
        version="1.0",
    )
    data = cache.get(model="xgboost", dataset="customer_data", version="1.0")
    print(data)
    assert capsys.readouterr().out == "{'results': [1, 2, 3]}\n"

    features = np.random.rand(1000, 50)
    cache.put(
        features,
        description="Feature embeddings",
        dataset="training",
        preprocessing="standard_scaled",
    )
    cached_features = cache.get(dataset="training", preprocessing="standard_scaled")

    assert cached_features.dtype == np.float64
    np.testing.assert_array_equal(cached_features, features)
    assert cache.get(dataset="training") is None


def test_a_function_runs_once_for_each_argument(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)

    @cached()
    def expensive_computation(n):
        """This one sleeps first."""
        time.sleep(2)
        return n**2

    result1 = expensive_computation(5)
    result2 = expensive_computation(5)

    assert result1 == result2 == 25
    assert slept == [2]
    assert expensive_computation(6) == 36
    assert slept == [2, 2]
    assert expensive_computation.__doc__ == "This one sleeps first."


def test_lifetime_and_prefix_of_a_function(capsys):
    data = np.arange(12.0)

    @cached(ttl_hours=6, key_prefix="ml_model_v2")
    def train_model(data, learning_rate=0.01, epochs=100):
        """Trains."""
        print("training")
        return {"accuracy": 0.95, "model_params": {...}}

    model1 = train_model(data, learning_rate=0.01)
    model2 = train_model(data, learning_rate=0.02)
    model3 = train_model(data, learning_rate=0.01)

    assert model1 == model2 == model3 == {"accuracy": 0.95, "model_params": {...}}
    assert capsys.readouterr().out.count("training") == 2

    print(train_model.cache_info())
    shown = capsys.readouterr().out
    assert "'ttl_hours': 6" in shown and "'key_prefix': 'ml_model_v2'" in shown
    info = train_model.cache_info()
    assert (info.hits, info.misses, info.entries) == (1, 2, 2)
    assert info["bytes"] > 0

    assert train_model.cache_clear() == 2
    train_model(data, learning_rate=0.01)
    assert "training" in capsys.readouterr().out


@pytest.fixture
def tables(tmp_path):
    """A folder with `train.csv` and `test.csv`."""
    folder = tmp_path / "tables"
    folder.mkdir()
    for name, rows in (("train", 8), ("test", 3)):
        pd.DataFrame({"a": range(rows), "b": np.linspace(0, 1, rows)}).to_csv(
            folder / f"{name}.csv", index=False
        )
    return str(folder)


def load_and_clean(path):
    return pd.read_csv(path).dropna()


def extract_features(frame):
    return frame.to_numpy(dtype=np.float64) * 2


def test_several_results_are_one_entry(tables, capsys):
    @cached(ttl_hours=24)
    def process_dataset(data_path):
        """Returns several objects."""
        print("processing")
        df_train = load_and_clean(f"{data_path}/train.csv")
        df_test = load_and_clean(f"{data_path}/test.csv")
        features = extract_features(df_train)
        metadata = {"processed_at": datetime.now(), "version": "1.0"}

        return df_train, df_test, features, metadata

    first = process_dataset(tables)
    again = process_dataset(tables)

    assert capsys.readouterr().out == "processing\n"
    assert isinstance(again, tuple)
    pd.testing.assert_frame_equal(again[0], first[0])
    pd.testing.assert_frame_equal(again[1], first[1])
    np.testing.assert_array_equal(again[2], first[2])
    assert again[3] == first[3]
    assert process_dataset.cache_info().entries == 1


def expensive_processing(path):
    return load_and_clean(path)


def test_parts_stored_one_by_one(tables):
    @cached()
    def process_dataset_manual(data_path):
        cache = cacheness()

        metadata = cache.get(dataset=data_path, component="metadata", version="1.0")
        if metadata:
            df_train = cache.get(dataset=data_path, component="train", version="1.0")
            df_test = cache.get(dataset=data_path, component="test", version="1.0")
            features = cache.get(dataset=data_path, component="features", version="1.0")
            return df_train, df_test, features, metadata

        df_train = expensive_processing(f"{data_path}/train.csv")
        df_test = expensive_processing(f"{data_path}/test.csv")
        features = extract_features(df_train)
        metadata = {"processed_at": datetime.now(), "version": "1.0"}

        cache.put(df_train, dataset=data_path, component="train", version="1.0")
        cache.put(df_test, dataset=data_path, component="test", version="1.0")
        cache.put(features, dataset=data_path, component="features", version="1.0")
        cache.put(metadata, dataset=data_path, component="metadata", version="1.0")

        return df_train, df_test, features, metadata

    first = process_dataset_manual(tables)
    kinds = [entry["data_type"] for entry in cacheness().list_entries(key_prefix="")]
    assert sorted(kinds) == ["array", "object", "pandas_dataframe", "pandas_dataframe"]

    # Without the function's own entry, the parts are what answers.
    assert process_dataset_manual.cache_clear() == 1
    again = process_dataset_manual(tables)
    pd.testing.assert_frame_equal(again[0], first[0])
    pd.testing.assert_frame_equal(again[1], first[1])
    np.testing.assert_array_equal(again[2], first[2])
    assert again[3] == first[3]
