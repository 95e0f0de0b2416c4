"""Keys: which parameters find which entry, and the text that a value stands for."""

import re

import numpy as np
import pytest

from cacheness import cached, cacheness
from cacheness.serialization import serialize_for_cache_key

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def cache():
    return cacheness()


def test_the_order_of_parameters_does_not_matter(cache):
    data, data1, data2, data3 = "data", "data1", "data2", "data3"

    first = cache.put(data, model="xgboost", dataset="train", version="1.0")
    again = cache.put(data, version="1.0", model="xgboost", dataset="train")
    assert first == again and re.fullmatch("[0-9a-f]{16}", first)

    keys = {
        cache.put(data1, model="xgboost", dataset="train"),
        cache.put(data2, model="lightgbm", dataset="train"),
        cache.put(data3, model="xgboost", dataset="test"),
    }
    assert len(keys) == 3 and first not in keys
    assert cache.get(dataset="train", model="lightgbm") == "data2"
    assert cache.get(model="xgboost", dataset="test") == "data3"


def test_retrieval_by_the_same_parameters(cache):
    processed_data = np.linspace(0, 1, 50)
    cache.put(
        processed_data,
        experiment="housing_prediction",
        model_type="random_forest",
        feature_set="v2",
        preprocessing="minmax_scaled",
        description="Final model features",
    )
    features = cache.get(
        experiment="housing_prediction",
        model_type="random_forest",
        feature_set="v2",
        preprocessing="minmax_scaled",
    )
    np.testing.assert_array_equal(features, processed_data)
    assert [entry["description"] for entry in cache.list_entries()] == ["Final model features"]


HEX = "[0-9a-f]{16}"


class User:
    def __init__(self, name, age):
        self.name = name
        self.age = age


class Config:
    def __init__(self):
        self.learning_rate = 0.01
        self.epochs = 100


class HashableToken:
    __slots__ = ["value"]

    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return hash(self.value)

    def __eq__(self, other):
        return self.value == other.value


class CustomObj:
    def __str__(self):
        return "CustomObj(data)"


class ProcessingConfig:
    def __init__(self, **options):
        self.__dict__.update(options)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (42, "int:42"),
        ("hello", "str:hello"),
        (3.14, "float:3.14"),
        (True, "bool:True"),
        (None, "None"),
        ([1, 2, "three"], "list:[int:1,int:2,str:three]"),
        ({"b": 2, "a": 1}, "dict:[str:a:int:1,str:b:int:2]"),
        ({3, 1, 2}, "set:[int:1,int:2,int:3]"),
        ((1, 2, 3), "tuple:[int:1,int:2,int:3]"),
        ((1, "hello", 3.0), "tuple:[int:1,str:hello,float:3.0]"),
        ((1, "data", 3.14), "tuple:[int:1,str:data,float:3.14]"),
        (User("Alice", 30), "User:dict:[str:age:int:30,str:name:str:Alice]"),
        (Config(), "Config:dict:[str:epochs:int:100,str:learning_rate:float:0.01]"),
        (CustomObj(), "CustomObj:CustomObj(data)"),
        (
            {"learning_rate": 0.01, "max_depth": 6, "n_estimators": 100},
            "dict:[str:learning_rate:float:0.01,str:max_depth:int:6,str:n_estimators:int:100]",
        ),
        (
            ProcessingConfig(
                normalize=True,
                remove_outliers="iqr",
                feature_selection=["age", "income", "score"],
            ),
            "ProcessingConfig:dict:[str:feature_selection:list:[str:age,str:income,str:score],"
            "str:normalize:bool:True,str:remove_outliers:str:iqr]",
        ),
    ],
)
def test_text_of_a_value(value, text):
    assert serialize_for_cache_key(value) == text


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        (np.array([1, 2, 3]), rf"array:\(3,\):int64:{HEX}"),
        (np.array([[1, 2], [3, 4]]), rf"array:\(2, 2\):int64:{HEX}"),
        (tuple(range(20)), rf"hashed:tuple:{HEX}"),
        (HashableToken("abc123"), rf"hashed:HashableToken:{HEX}"),
    ],
)
def test_text_with_a_digest(value, pattern):
    """A digest of the content, never Python's hash: another process says the same."""
    assert re.fullmatch(pattern, serialize_for_cache_key(value))


def test_the_digest_is_of_the_content():
    text = serialize_for_cache_key
    assert text(np.array([1, 2, 3])) != text(np.array([1, 2, 4]))
    assert text(tuple(range(20))) != text((*range(19), 20))
    assert text(HashableToken("abc123")) == text(HashableToken("abc123"))
    assert text(HashableToken("abc123")) != text(HashableToken("abc124"))


def test_parameters_of_a_model_are_the_key(capsys):
    X, y, model = np.ones((4, 2)), np.array([0, 1, 0, 1]), {"trained": True}  # noqa: N806
    params = {"learning_rate": 0.01, "max_depth": 6, "n_estimators": 100}

    @cached()
    def train_model(X, y, params):  # noqa: N803
        print("training")
        return model

    assert train_model(X, y, params) == train_model(X.copy(), y, dict(reversed(params.items())))
    assert capsys.readouterr().out == "training\n"
    train_model(X, y, {**params, "max_depth": 7})
    assert capsys.readouterr().out == "training\n"


def test_a_configuration_object_is_the_key(cache):
    config = ProcessingConfig(
        normalize=True, remove_outliers="iqr", feature_selection=["age", "income", "score"]
    )
    cache.put("processed", config=config)
    config.remove_outliers = "zscore"
    assert cache.get(config=config) is None
    config.remove_outliers = "iqr"
    assert cache.get(config=config) == "processed"


def test_one_text_everywhere(cache, capsys):
    data = [1, 2, 3]
    test_object = {"model": "xgboost", "params": {"max_depth": 6}}
    cache_key = serialize_for_cache_key(test_object)
    print(f"Cache key: {cache_key}")
    assert capsys.readouterr().out == (
        "Cache key: dict:[str:model:str:xgboost,str:params:dict:[str:max_depth:int:6]]\n"
    )

    stored = cache.put(data, config=test_object)

    @cached()
    def process(config=test_object):
        pass

    assert cache.list_entries()[0]["cache_key_params"]["config"] == cache_key
    # An argument that is spelled out gives the key that put() gives it. One that is left at its
    # default is not part of the key.
    other = {"model": "lightgbm"}
    assert process.cache_key(other) == cache.put(data, config=other)
    assert process.cache_key() == process.cache_key(test_object) != stored
