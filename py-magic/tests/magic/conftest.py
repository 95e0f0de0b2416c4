"""A plain IPython shell with the extension, without a kernel."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("CACHENESS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "cacheness")
    yield made
    if "cacheness" in made.extension_manager.loaded:
        made.run_line_magic("unload_ext", "cacheness")
    InteractiveShell.clear_instance()
