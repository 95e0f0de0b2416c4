"""Longer programs: a pipeline of functions, and results by experiment."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from cacheness import cached, cacheness

pytestmark = pytest.mark.usefixtures("here")


def apply_preprocessing(frame, params):
    print("preprocessing")
    values = frame.clip(upper=10) if params["handle_outliers"] == "clip" else frame
    return values / values.max() if params["normalize"] else values


def create_features(frame, config):
    print("features")
    return frame ** config["polynomial_degree"]


def train_xgboost(data, hyperparams):
    print("xgboost")
    return {"kind": "xgboost", "weights": data.to_numpy().sum(axis=0), **hyperparams}


def train_lightgbm(data, hyperparams):
    print("lightgbm")
    return {"kind": "lightgbm", **hyperparams}


def test_a_pipeline(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    pd.DataFrame({"a": [1.0, 20.0], "b": [3.0, 4.0]}).to_csv("data/customers.csv", index=False)

    @cached(ttl_hours=24, key_prefix="preprocessing")
    def load_and_preprocess_data(data_source, preprocessing_params):
        """Reads and prepares."""
        raw_data = pd.read_csv(data_source)
        processed_data = apply_preprocessing(raw_data, preprocessing_params)
        return processed_data

    @cached(ttl_hours=168, key_prefix="model_training")
    def train_model(data, model_type, hyperparams):
        """Trains."""
        if model_type == "xgboost":
            model = train_xgboost(data, hyperparams)
        elif model_type == "lightgbm":
            model = train_lightgbm(data, hyperparams)
        return model

    @cached(ttl_hours=72, key_prefix="features")
    def engineer_features(raw_data, feature_config):
        """Makes features."""
        return create_features(raw_data, feature_config)

    def run():
        data = load_and_preprocess_data(
            data_source="./data/customers.csv",
            preprocessing_params={"normalize": True, "handle_outliers": "clip"},
        )
        features = engineer_features(
            raw_data=data,
            feature_config={"include_interactions": True, "polynomial_degree": 2},
        )
        model = train_model(
            data=features,
            model_type="xgboost",
            hyperparams={"learning_rate": 0.01, "max_depth": 6},
        )
        return data, features, model

    data, features, model = run()
    assert capsys.readouterr().out.split() == ["preprocessing", "features", "xgboost"]
    again = run()
    assert capsys.readouterr().out == ""
    assert_frame_equal(again[0], data)
    assert_frame_equal(again[1], features)
    np.testing.assert_array_equal(again[2]["weights"], model["weights"])
    assert list(data["a"]) == [0.1, 1.0]

    # A frame that differs in one value is another argument.
    features.iloc[1, 1] += 1
    train_model(features, "xgboost", {"learning_rate": 0.01, "max_depth": 6})
    train_model(features, "lightgbm", {"learning_rate": 0.01, "max_depth": 6})
    assert capsys.readouterr().out.split() == ["xgboost", "lightgbm"]


def train_and_evaluate(model_name, dataset, hyperparams, fold_id):
    return {"model": model_name, "score": fold_id / 10, **hyperparams}


def test_results_of_experiments():
    cache = cacheness()

    def run_experiment(model_name, dataset, hyperparams, fold_id):
        results = train_and_evaluate(model_name, dataset, hyperparams, fold_id)
        cache.put(
            results,
            experiment_id="housing_prediction_study",
            model=model_name,
            dataset=dataset,
            fold=fold_id,
            hyperparams_hash=hash(str(sorted(hyperparams.items()))),
            timestamp="2024_01_15",
            description=f"{model_name} results on {dataset} fold {fold_id}",
        )
        return results

    for fold_id in range(5):
        run_experiment(
            "random_forest", "boston_housing", {"n_estimators": 100, "max_depth": 10}, fold_id
        )

    results = cache.get(
        experiment_id="housing_prediction_study",
        model="random_forest",
        dataset="boston_housing",
        fold=3,
        hyperparams_hash=hash(str(sorted({"n_estimators": 100, "max_depth": 10}.items()))),
        timestamp="2024_01_15",
    )
    assert results == {"model": "random_forest", "score": 0.3, "n_estimators": 100, "max_depth": 10}
    assert [entry["description"] for entry in cache.list_entries()] == [
        f"random_forest results on boston_housing fold {fold_id}" for fold_id in (4, 3, 2, 1, 0)
    ]
