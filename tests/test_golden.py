"""Cache folders that earlier formats wrote: read rightly, or missed, never misread."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from cacheness import cacheness
from cacheness.fingerprint import fingerprint
from golden.make import HERE, values

FORMATS = sorted(folder.name for folder in HERE.iterdir() if folder.name.isdigit())


@pytest.mark.parametrize("name", values())
@pytest.mark.parametrize("version", FORMATS)
def test_every_value_comes_back(version: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    shutil.copytree(HERE / version, folder)
    with cacheness(str(folder)) as cache:
        found: Any = cache.get(name=name, strict=True)
    assert fingerprint(found) == fingerprint(values()[name])
