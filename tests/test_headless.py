"""A notebook that nobody edited, executed headless: one line of configuration, one variable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

_CELLS = (
    "import time\nimport numpy as np",
    "time.sleep(0.5)\nx = np.arange(4)\nprint('made')\nx",
    "x.sum()",
    "time.sleep(0.5)\nx *= 2\nx",
    "open('log.txt', 'a').write('ran;') and time.sleep(0.5)",
)


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    line = 'get_config().InteractiveShellApp.extensions = ["cacheness"]\n'
    (profile / "ipython_config.py").write_text(line)
    for name, value in (
        ("IPYTHONDIR", str(tmp_path / "ipython")),
        ("CACHENESS_CACHE_DIR", str(tmp_path / "cache")),
        ("CACHENESS_AUTO", "1"),
        ("CACHENESS_AUTO_MIN", "0.3s"),
    ):
        monkeypatch.setenv(name, value)
    return tmp_path


def execute(folder: Path) -> tuple[list[Any], list[str | None]]:
    """The outputs of each cell, and what was said about it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in _CELLS])
    NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}).execute()
    outputs, outcomes = [], []
    for cell in notebook.cells:
        own = [o for o in cell.outputs if "cacheness" not in o.get("metadata", {})]
        said = [o.metadata.cacheness.outcome for o in cell.outputs if o not in own]
        outputs.append(own)
        outcomes.append(said[0] if said else None)
    return outputs, outcomes


def test_the_second_execution_restores_what_is_slow(configured: Path) -> None:
    first, outcomes = execute(configured)
    assert outcomes == [None, "miss", None, "miss", "uncacheable"]
    second, outcomes = execute(configured)
    assert outcomes == [None, "hit", None, "hit", "uncacheable"]
    assert second == first
    assert (configured / "log.txt").read_text() == "ran;ran;"
