"""`%cacheness plan`: which cells of this kernel's history would be restored, without running any.

Cells are taken in the order in which they were first run. What an unmarked cell binds counts as it
is now. A value that an earlier cell will set anew is not known before that cell has run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from cacheness._cacheness import Entry
from cacheness.magic.cell import Cell
from cacheness.magic.flow import foresee, previous_entry
from cacheness.magic.magics import UncacheableError, analyse

Verdict = Literal["hit", "runs", "unknown"]


@dataclass
class Step:
    """One cell of the history.

    Attributes:
        number: its execution count.
        text: its body as IPython understands it.
        cell: how it would be executed; `None` if it is not cached.
        changes: names that it binds, or whose content it changes.
        verdict: what would happen.
        why: why it runs, or what has to run first.
        saved_s: what a hit saves, in seconds.
    """

    number: int
    text: str
    cell: Cell | None
    changes: set[str] = field(default_factory=set)
    verdict: Verdict = "runs"
    why: str = ""
    saved_s: float = 0.0

    @property
    def label(self) -> str:
        """How the person calls it."""
        name = self.cell.options.key if self.cell is not None else None
        return f"In[{self.number}]" + (f" {name}" if name else "")


def plan(steps: list[Step], shell: Any) -> list[Step]:
    """Fills in the verdicts of the cached cells, and returns those."""
    reads: list[set[str]] = []
    for step in steps:
        facts = []
        try:
            facts = analyse(step.text, shell)
        except UncacheableError as error:
            step.why = str(error)
        step.changes |= set().union(*(fact.writes | fact.deletes for fact in facts))
        if step.cell is not None and facts:
            # What it changes in place cannot be told from its text.
            entry = previous_entry(step.cell, facts[0].source)
            step.changes |= set(json.loads(entry.meta)["variables"]) if entry is not None else set()
        reads.append(set().union(*(fact.reads for fact in facts)))
    for index, step in enumerate(steps):
        if step.cell is not None and not step.why:
            _judge(steps, index, reads[index])
    return [step for step in steps if step.cell is not None]


def _judge(steps: list[Step], index: int, reads: set[str]) -> None:
    step = steps[index]
    if step.cell is None:
        return
    bound = step.cell.shell.user_ns
    needed = _needed(steps, index, reads, bound)
    if needed is None:
        try:
            found, why, read = foresee(step.cell, step.text)
        except UncacheableError as error:
            step.why = str(error)
            return
        needed = _needed(steps, index, read, bound)
    if needed is not None:
        step.verdict, step.why = "unknown", needed
    elif isinstance(found, Entry):
        step.verdict, step.saved_s = "hit", found.elapsed or 0.0
    else:
        step.why = why


def _needed(
    steps: list[Step], index: int, names: Iterable[str], bound: Collection[str]
) -> str | None:
    """Which earlier cell has to run before the cell's inputs are known, and for what."""
    for name in sorted(names):
        earlier = [step for step in steps[:index] if name in step.changes]
        if not earlier:
            continue
        last = earlier[-1]
        runs = last.cell is not None and last.verdict != "hit"
        missing = name not in bound
        changed = any(name in step.changes for step in steps[index:])
        if runs or missing or changed:
            return f"{last.label} sets `{name}` first"
    return None
