"""Tutorials of other projects show and leave the same, cached or not.

They are fetched from PyPI when the test runs. `CACHENESS_SOAK=1` takes all of them.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fidelity.comparison import AUTO, MARKED, Mode, compare
from fidelity.tutorials import PROJECTS, Project, cells, fetch

_ALL = bool(os.environ.get("CACHENESS_SOAK"))
_TAKEN = [
    (project, name)
    for project in (PROJECTS if _ALL else PROJECTS[:3])
    for name in (project.notebooks if _ALL else project.notebooks[:1])
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Project, Path]:
    """Where the notebooks of each project lie; empty for those that cannot be had."""
    found = {}
    for project in dict.fromkeys(project for project, _ in _TAKEN):
        if importlib.util.find_spec(project.requirement.partition("==")[0]) is None:
            continue
        try:
            found[project] = fetch(project, tmp_path_factory.mktemp("tutorials"))
        except subprocess.CalledProcessError:
            continue
    return found


@pytest.mark.parametrize("mode", [MARKED, AUTO], ids=lambda mode: mode.name)
@pytest.mark.parametrize(("project", "name"), _TAKEN, ids=lambda value: str(value)[:60])
def test_a_tutorial_is_the_same_with_the_cache(
    project: Project, name: str, mode: Mode, folders: dict[Project, Path], tmp_path: Path
) -> None:
    if project not in folders:
        pytest.skip(f"{project.requirement} is not installed, or cannot be fetched from PyPI")
    folder = folders[project]
    found = compare(cells(folder / f"{name}.ipynb"), tmp_path, folder, mode)
    print(f"{name}, {mode.name}: {found}")
    assert found.differences == []
    assert found.stable > 0
    assert found.restored > 0 or mode is AUTO
