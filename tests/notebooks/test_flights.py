"""The flights notebook executed for real, on two months: cold, again, after an edit.

`make demo` does the same in full.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from nbformat import NotebookNode

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "notebooks"))

from demo import NOTEBOOK, QUICK, WIDER_WINDOW, check_affected, check_restored  # noqa: E402
from execution import CellRun, execute, read, with_edit, with_parameters  # noqa: E402


@dataclass(frozen=True)
class Executed:
    """The notebook, the folder with its entries, and its first two runs."""

    notebook: NotebookNode
    state: Path
    first: list[CellRun]
    second: list[CellRun]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    """Two executions in two kernels that share nothing but the folder of entries."""
    notebook = with_parameters(read(NOTEBOOK), **QUICK)
    state = tmp_path_factory.mktemp("state")
    first = execute(notebook, folder=NOTEBOOK.parent, state=state)
    second = execute(notebook, folder=NOTEBOOK.parent, state=state)
    return Executed(notebook, state, first, second)


def test_first_run_stores_every_cached_cell(executed: Executed) -> None:
    cached = [run for run in executed.first if run.cached]
    assert len(cached) > 15
    assert {run.name: run.outcome for run in cached} == {run.name: "miss" for run in cached}


def test_second_run_restores_every_cached_cell_with_equal_outputs(executed: Executed) -> None:
    assert check_restored(executed.first, executed.second) == []


def test_second_run_restores_text_tables_and_figures(executed: Executed) -> None:
    seen = {
        kind
        for run in executed.second
        if run.outcome == "hit"
        for output in run.outputs
        for kind in (output.get("data") or {output["output_type"]: ""})
    }
    assert {"stream", "text/html", "image/png"} <= seen


def test_an_edit_runs_exactly_the_cells_that_it_affects(executed: Executed) -> None:
    edit = WIDER_WINDOW
    edited = with_edit(executed.notebook, edit.cell, edit.old, edit.new)
    third = execute(edited, folder=NOTEBOOK.parent, state=executed.state)
    assert check_affected(executed.first, third, edit.affected) == []
    assert all(run.reason for run in third if run.outcome == "miss")


def test_the_notebook_is_committed_without_outputs() -> None:
    notebook = read(NOTEBOOK)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count] == []
    assert all(run.source.startswith("%%cacheness") for run in code[3:])
