"""What several test modules use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cacheness import UnifiedCache, cacheness
from cacheness._cacheness import Cache


@pytest.fixture(params=["sqlite", "json"])
def backend(request, monkeypatch) -> str:
    """Runs a test once for each metadata backend: it is what "auto" makes in a new directory."""

    def opened(directory, *, backend="auto", **options):
        return Cache(directory, backend=request.param if backend == "auto" else backend, **options)

    monkeypatch.setattr("cacheness.cache.Cache", opened)
    return request.param


@pytest.fixture
def cache(tmp_path: Path) -> UnifiedCache:
    return cacheness(tmp_path / "cache")


@pytest.fixture
def in_process(tmp_path: Path):
    """Runs Python text in a process of its own and returns what it prints."""

    def run(text: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", text],
            env={**os.environ, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
