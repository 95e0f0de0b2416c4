"""The flights notebook in a real JupyterLab: run, restarted and run again, edited."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
pytest.importorskip("playwright", reason="Playwright is not installed")
if not shutil.which("chromium"):
    pytest.skip("Chromium is not installed", allow_module_level=True)

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "notebooks")]

from demo import NOTEBOOK, QUICK  # noqa: E402
from execution import read, with_parameters  # noqa: E402
from lab.tour import Tour, tour  # noqa: E402


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> Tour:
    """What cacheness showed on two months of flights."""
    return tour(with_parameters(read(NOTEBOOK), **QUICK), tmp_path_factory.mktemp("pictures"))


def test_the_first_run_stores_and_the_restarted_one_restores(toured: Tour) -> None:
    assert len(toured.cold) == len(toured.restored) > 15
    assert {line[0] for line in toured.cold} == {"○"}
    assert {line[0] for line in toured.restored} == {"●"}


def test_an_edit_is_explained_in_the_cell_and_in_those_that_read_from_it(toured: Tour) -> None:
    assert 'WINDOW = np.timedelta64(45, "m")' in toured.edited
    assert "congestion changed" in toured.affected


def test_the_entries_are_listed(toured: Tour) -> None:
    assert "weather-figure" in toured.listing
