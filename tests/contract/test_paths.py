"""Paths in keys: by content, by name, and whole directories."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cacheness import CacheConfig, cacheness

pytestmark = pytest.mark.usefixtures("here")


def write(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def fill(folder, files):
    for number in range(files):
        write(f"{folder}/part{number % 7}/{number}.dat", f"content {number}")


def test_content_decides_not_the_place():
    write("data/train.csv", "a,b\n1,2\n")
    write("backup/data/train.csv", "a,b\n1,2\n")
    processed_data = [1, 2]

    config = CacheConfig(hash_path_content=True)
    cache = cacheness(config)
    file1 = Path("data/train.csv")
    file2 = Path("backup/data/train.csv")
    cache.put(processed_data, description="Training data", input_file=file1)
    result = cache.get(input_file=file2)
    assert result == processed_data

    write("backup/data/train.csv", "a,b\n1,3\n")
    assert cache.get(input_file=file2) is None
    assert cache.get(input_file=file1) == processed_data


def test_directories_of_any_size():
    fill("datasets/images", 500)
    fill("config", 10)
    processed_features, config_data = [0.5], {"a": 1}
    cache = cacheness()

    large_dataset_dir = Path("./datasets/images/")
    cache.put(
        processed_features,
        dataset_path=large_dataset_dir,
        model="resnet50",
        preprocessing="augmented",
    )
    small_config_dir = Path("./config/")
    cache.put(config_data, config_path=small_config_dir, version="v1.2")

    def found():
        return (
            cache.get(dataset_path=large_dataset_dir, model="resnet50", preprocessing="augmented"),
            cache.get(config_path=small_config_dir, version="v1.2"),
        )

    assert found() == (processed_features, config_data)
    write("datasets/images/part3/10.dat", "content 11")
    assert found() == (None, config_data)
    (small_config_dir / "part1" / "1.dat").unlink()
    assert found() == (None, None)


def test_directories_of_a_project():
    fill("training_data", 200)
    fill("app_config", 5)
    fill("ml_project/code", 100)
    trained_model, application_state, experiment_results = "model", "state", "results"
    cache = cacheness()

    dataset_path = Path("./training_data/")
    cache.put(trained_model, training_data=dataset_path, model_architecture="cnn", epochs=50)
    config_path = Path("./app_config/")
    cache.put(application_state, config_dir=config_path, environment="production")
    project_path = Path("./ml_project/")
    cache.put(
        experiment_results, project_directory=project_path, experiment_id="housing_prediction_v3"
    )

    # A directory may move, too.
    shutil.move("training_data", "elsewhere")
    moved = Path("elsewhere")
    assert cache.get(training_data=moved, model_architecture="cnn", epochs=50) == "model"
    assert cache.get(config_dir=config_path, environment="production") == "state"
    # An added, a renamed or an emptied member makes another directory.
    write("ml_project/notes.txt", "")
    assert cache.get(project_directory=project_path, experiment_id="housing_prediction_v3") is None
    (project_path / "notes.txt").unlink()
    (project_path / "code/part0/0.dat").rename(project_path / "code/part0/zero.dat")
    assert cache.get(project_directory=project_path, experiment_id="housing_prediction_v3") is None


def test_content_or_name():
    write("data/dataset.csv", "1\n")
    write("data/dataset_v2.csv", "1\n")
    results = {"auc": 0.9}

    config = CacheConfig(hash_path_content=True)
    cache = cacheness(config)
    file_v1 = Path("data/dataset.csv")
    file_v2 = Path("data/dataset_v2.csv")
    cache.put(results, input_data=file_v1)
    cached_results = cache.get(input_data=file_v2)
    assert cached_results == results

    config = CacheConfig(hash_path_content=False)
    cache = cacheness(config)
    cache.put(results, input_data=file_v1)
    cached_results = cache.get(input_data=file_v2)
    assert cached_results is None
    cached_results = cache.get(input_data=file_v1)
    assert cached_results == results
    # By name means that the content does not count.
    write("data/dataset.csv", "2\n")
    assert cache.get(input_data=file_v1) == results


def test_timing_a_directory(capsys):
    fill("datasets/imagenet_subset", 300)
    fill("model_configs", 15)
    feature_embeddings, model_settings = [1.0], {"lr": 0.1}
    cache = cacheness()

    image_dir = Path("./datasets/imagenet_subset/")
    start = time.time()
    cache.put(feature_embeddings, dataset=image_dir, model="efficientnet_b0", input_size=224)
    print(f"Large directory cached in {time.time() - start:.2f}s")
    config_dir = Path("./model_configs/")
    start = time.time()
    cache.put(model_settings, config_path=config_dir, version="v2.1")
    print(f"Small directory cached in {time.time() - start:.3f}s")

    assert cache.get(dataset=image_dir, model="efficientnet_b0", input_size=224) == [1.0]
    assert cache.get(config_path=config_dir, version="v2.1") == {"lr": 0.1}
    assert capsys.readouterr().out.count("directory cached in") == 2


@pytest.mark.parametrize("files", [1, 150])
def test_what_hashing_a_directory_logs(files):
    fill("data", files)
    script = """
from pathlib import Path
from cacheness import CacheConfig, cacheness

config = CacheConfig(
    hash_path_content=True,
    cache_dir="./path_aware_cache",
    default_ttl_hours=48,
)
cache = cacheness(config)

import logging
logging.basicConfig(level=logging.DEBUG)

cache.put("value", folder=Path("data"))
assert cache.get(folder=Path("data")) == "value"
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "irectory" in line]
    method = "parallel" if files > 1 else "sequential"
    folder = Path("data").absolute()
    assert lines[0].startswith(
        f"DEBUG:cacheness:Hashing directory {folder} with {files} file{'s' * (files > 1)} ("
    )
    assert lines[0].endswith(f"MB) using {method} method")
    assert "DEBUG:cacheness:Directory hashing completed in " in lines[1]
    assert lines[1].endswith(" worker" + "s" * (files > 1))


def test_recommended_settings():
    config = CacheConfig(hash_path_content=True, default_ttl_hours=168, max_cache_size_mb=10000)
    with cacheness(config) as cache:
        cache.put("week", a=1)
    assert (config.default_ttl_seconds, config.storage.max_cache_size_mb) == (7 * 86400, 10000)

    config = CacheConfig(hash_path_content=False, default_ttl_hours=24, cleanup_on_init=True)
    with cacheness(config) as cache:
        assert cache.get(a=1) == "week"
    assert config.storage.cleanup_on_init
