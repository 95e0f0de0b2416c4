"""The metadata backends: which one a directory has, where it lies, what the JSON one shows."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from cacheness import CacheConfigError, CacheVersionError, CacheWarning, cacheness


def test_a_directory_keeps_its_backend(tmp_path):
    for mine, other in (("json", "sqlite"), ("sqlite", "json")):
        with cacheness(tmp_path / mine, metadata_backend=mine) as cache:
            assert cache.actual_backend == cache.get_stats()["backend_type"] == mine
            cache.put(1, a=1)
        with cacheness(tmp_path / mine) as cache:
            assert (cache.actual_backend, cache.get(a=1)) == (mine, 1)
        with pytest.raises(CacheConfigError, match=f'open it with "{mine}" or "auto"'):
            cacheness(tmp_path / mine, metadata_backend=other)


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"metadata_backend": "sqlit"}, "'sqlite'"),
        ({"metadata_backend": "jsn"}, "'json'"),
        ({"metadata_backend": "json", "database_url": "x.db"}, "contradict"),
        ({"database_url": "postgresql://host/db"}, "postgresql"),
        ({"database_url": "sqlite://"}, "sqlite:///path"),
        ({"database_url": "sqlite:///:memory:"}, "names no file"),
    ],
)
def test_bad_choices(parameters, word):
    with pytest.raises(CacheConfigError, match=word):
        cacheness("cache", **parameters)


def test_a_database_of_ones_own_choice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spellings = ["./index.db", "sqlite:///below/index.db", f"sqlite:///{tmp_path}/absolute.db"]
    for number, url in enumerate(spellings):
        with cacheness(f"cache{number}", database_url=url) as cache:
            cache.put(np.arange(50_000), a=1)
            cache.put(2, a=2)
        assert not (tmp_path / f"cache{number}" / "cache_metadata.db").exists()
        for again in (cacheness(f"cache{number}", database_url=url), cacheness(f"cache{number}")):
            with again as cache:
                assert cache.get(a=1).sum() == 1_249_975_000 and cache.get(a=2) == 2
    assert {path.name for path in tmp_path.rglob("*.db")} == {"index.db", "absolute.db"}
    with pytest.raises(CacheConfigError, match=r"is the index of the cache in .*cache0"):
        cacheness("another", database_url="index.db")


def test_a_document_is_for_people(tmp_path):
    with cacheness(tmp_path, metadata_backend="json") as cache:
        cache.put({"a": 1}, description="the model", model="boost", token="t0p", ttl="2h")
    text = (tmp_path / "cache_metadata.json").read_text()
    [entry] = json.loads(text)["entries"]
    details = {one["name"]: one["detail"] for one in entry["manifest"]["inputs"]}
    assert details["model"] == "str:boost" and "t0p" not in text
    assert entry["description"] == "the model" and (tmp_path / entry["blobs"][0]["file"]).exists()
    assert entry["created"][:2] == "20" and entry["expires"].endswith("Z")
    with cacheness(tmp_path, store_cache_key_params=False) as cache:
        cache.put(1, model="unnamed")
    assert "unnamed" not in (tmp_path / "cache_metadata.json").read_text()


def test_a_damaged_document_is_a_miss_with_one_warning(tmp_path):
    cache = cacheness(tmp_path, metadata_backend="json")
    cache.put(1, a=1)
    document = tmp_path / "cache_metadata.json"
    document.write_text(document.read_text()[:-20])
    with pytest.warns(CacheWarning, match="set aside") as told:
        assert cache.get(a=1, default="miss") == "miss"
    assert len(told) == 1
    cache.put(2, a=1)
    assert cache.get(a=1) == 2
    assert (tmp_path / "quarantine" / "cache_metadata.json").exists()


def test_a_directory_of_a_later_version_is_left_alone(tmp_path):
    for backend in ("sqlite", "json"):
        with cacheness(tmp_path / backend, metadata_backend=backend) as cache:
            cache.put(1, a=1)
        [index] = (tmp_path / backend).glob("cache_metadata.*")
        content = index.read_bytes()
        if backend == "json":
            later = content.replace(b'"format": 1,', b'"format": 999,', 1)
        else:
            later = content[:60] + (999).to_bytes(4, "big") + content[64:]
        index.write_bytes(later)
        with pytest.raises(CacheVersionError, match="999"):
            cacheness(tmp_path / backend)
        assert index.read_bytes() == later


WRITER = """
import sys
from cacheness import cacheness
cache = cacheness("cache", metadata_backend="json")
for n in range(15):
    cache.put([sys.argv[1], n], writer=sys.argv[1], n=n)
    assert cache.get(writer=sys.argv[1], n=n) == [sys.argv[1], n]
"""


def test_processes_share_a_document(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, name], cwd=tmp_path) for name in "abc"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    cache = cacheness(tmp_path / "cache")
    assert cache.get_stats()["total_entries"] == 45
    for name in "abc":
        assert [cache.get(writer=name, n=n) for n in range(15)] == [[name, n] for n in range(15)]
    assert os.listdir(tmp_path / "cache" / "drafts") == []
