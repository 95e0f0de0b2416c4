"""Run `flights.ipynb` three times in fresh kernels, the third time with one cell edited.

`make demo` calls it. It ends with an error when a cell fails, when a cell that should be restored
was run (or the other way round), or when outputs of the second run differ from the first run's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from execution import CellError, CellRun, execute, read, with_edit, with_parameters

NOTEBOOK = Path(__file__).with_name("flights.ipynb")
QUICK = {"LAST_MONTH": 2, "TREES": 6}


@dataclass(frozen=True)
class Edit:
    """A change of one cell, and all cells that it affects: that one and those that read from it."""

    cell: str
    old: str
    new: str
    affected: frozenset[str]


WIDER_WINDOW = Edit(
    cell="congestion",
    old='np.timedelta64(30, "m")',
    new='np.timedelta64(45, "m")',
    affected=frozenset(
        {
            "congestion",
            "full-model",
            "ablation",
            "importance",
            "importance-figure",
            "bootstrap",
            "summary-figure",
        }
    ),
)


def main() -> int:
    """Run the demo; returns the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="two months, small models")
    quick: bool = arguments.parse_args().quick
    notebook = read(NOTEBOOK)
    if quick:
        notebook = with_parameters(notebook, **QUICK)
    try:
        return demonstrate(notebook, _fresh_state())
    except CellError as failure:
        print(f"\nFAILED: cell {failure.name} raised\n{failure}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped. What had finished is in the cache; the next `make demo` starts afresh.")
        return 130
    return 1


def demonstrate(notebook: NotebookNode, state: Path) -> int:
    """The three runs and their tables; returns the exit status."""
    print(f"{NOTEBOOK.name}, with its cache in {state} (emptied).")
    first = _run("First run, nothing cached", notebook, state)
    second = _run("Second run, in a new kernel", notebook, state)
    print("\nWhat came back\n")
    _print_comparison(first, second)

    edit = WIDER_WINDOW
    edited = with_edit(notebook, edit.cell, edit.old, edit.new)
    print(f"\nNow an edit: in the cell {edit.cell}, {edit.old} becomes {edit.new}.")
    third = _run("Third run, in a new kernel, after the edit", edited, state)
    print("\nWhat the edit made run again\n")
    _print_reasons(first, third)

    problems = check_restored(first, second) + check_affected(first, third, edit.affected)
    for problem in problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    if not problems:
        _print_verdict(first, second, third)
    return 1 if problems else 0


def check_restored(first: list[CellRun], second: list[CellRun]) -> list[str]:
    """What is wrong with a second run: each cached cell must hit, all outputs must be equal."""
    problems = []
    for before, after in zip(first, second, strict=True):
        if after.cached and after.outcome != "hit":
            problems.append(f"second run: {after.name} is a {after.outcome}: {after.reason}")
        if before.canonical() != after.canonical():
            problems.append(f"second run: the outputs of {after.name} differ from the first run's")
    return problems


def check_affected(
    first: list[CellRun], third: list[CellRun], affected: frozenset[str]
) -> list[str]:
    """What is wrong with a run after an edit: the affected cells must run, all others hit."""
    problems = []
    for before, after in zip(first, third, strict=True):
        expected = "miss" if after.name in affected else "hit"
        if after.cached and after.outcome != expected:
            problems.append(
                f"third run: {after.name} is a {after.outcome}, not a {expected}: {after.reason}"
            )
        if after.name not in affected and before.canonical() != after.canonical():
            problems.append(f"third run: the outputs of {after.name} changed")
    return problems


def _fresh_state() -> Path:
    """The demo's own folder for entries, emptied, so that the first run is a first run."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    state = Path(home) / "cacheness" / "demo"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True, mode=0o700)
    return state


def _run(title: str, notebook: NotebookNode, state: Path) -> list[CellRun]:
    """Execute, with one line for each cell as it finishes."""
    print(f"\n{title}\n")
    live = sys.stdout.isatty()

    def start(name: str) -> None:
        print(f"  {name:<20} …", end="\r", flush=True)

    def done(run: CellRun) -> None:
        print(f"  {run.name:<20} {run.elapsed:7.2f} s  {_outcome(run)}", flush=True)

    return execute(
        notebook,
        folder=NOTEBOOK.parent,
        state=state,
        on_cell=done,
        on_start=start if live else None,
    )


def _outcome(run: CellRun) -> str:
    return {"hit": "restored", "miss": "ran, stored", "plain": ""}.get(run.outcome, run.outcome)


def _print_comparison(first: list[CellRun], second: list[CellRun]) -> None:
    print(f"  {'cell':<20} {'first':>9} {'second':>9}  restored")
    for before, after in zip(first, second, strict=True):
        restored = _shortened(after.restored) if after.cached else "(not cached: runs every time)"
        print(f"  {after.name:<20} {before.elapsed:7.2f} s {after.elapsed:7.2f} s  {restored}")
    slow, quick = _total(first), _total(second)
    print(f"  {'total':<20} {slow:7.2f} s {quick:7.2f} s  {slow / quick:.0f} times faster")
    print("  The start of the kernels is not counted.")


def _print_reasons(first: list[CellRun], third: list[CellRun]) -> None:
    print(f"  {'cell':<20} {'first':>9} {'third':>9}  why")
    for before, after in zip(first, third, strict=True):
        ran = f"ran: {after.reason}"
        why = {"hit": "restored", "plain": "(not cached)"}.get(after.outcome, ran)
        print(f"  {after.name:<20} {before.elapsed:7.2f} s {after.elapsed:7.2f} s  {why}")
    print(f"  {'total':<20} {_total(first):7.2f} s {_total(third):7.2f} s")


def _print_verdict(first: list[CellRun], second: list[CellRun], third: list[CellRun]) -> None:
    cached = sum(run.cached for run in second)
    ran = sum(run.outcome == "miss" for run in third)
    print(
        f"\nSecond run: all {cached} cached cells restored, outputs equal to the first run's,"
        f" byte for byte; {_total(first):.1f} s became {_total(second):.1f} s."
        f"\nThird run: {ran} cells ran, {cached - ran} were restored."
    )
    print(
        "\nTo try it by hand, in JupyterLab:\n\n"
        "  make lab\n\n"
        "or  .venv/bin/pip install jupyterlab && .venv/bin/jupyter lab notebooks/flights.ipynb"
    )


def _shortened(names: list[str]) -> str:
    """The names on one line, as many as fit the terminal."""
    room = max(shutil.get_terminal_size((110, 24)).columns - 46, 30)
    text = ", ".join(names) or "outputs only"
    if len(text) <= room:
        return text
    shown = text[:room].rsplit(", ", 1)[0]
    return f"{shown}, and {len(names) - shown.count(', ') - 1} more"


def _total(runs: list[CellRun]) -> float:
    return sum(run.elapsed for run in runs)


if __name__ == "__main__":
    sys.exit(main())
