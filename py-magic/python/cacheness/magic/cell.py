"""One execution of a cell, and what a cell leaves behind."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, field
from typing import Any

from cacheness._cacheness import Cache
from cacheness.magic.capture import Output
from cacheness.magic.namespace import Content, Difference
from cacheness.magic.options import Options
from cacheness.magic.pace import Pace
from cacheness.magic.report import Record
from cacheness.magic.resolve import Resolved
from cacheness.magic.setters import last_set


@dataclass
class Cell:
    """One execution of one cell.

    Attributes:
        options: its option line.
        shell: the IPython shell that executes it.
        cache: where entries are.
        labels: where the cell stands: notebook and cell id, if the front end told.
        began: when its handling began, by the monotonic clock, in seconds.
        default_ttl: lifetime of its entry in seconds where it gives none; `None`: it never expires.
        accepts: inputs whose change is harmless, beside the cell's code; `None`: nothing is.
        pace: watches over long steps.
        budget_s: how long hashing may take before the cell is only run, in seconds.
        hashing_s: how long it took to find its key and to look it up, in seconds.
        encoding_s: how long it took to encode what it left; decoding that takes no longer.
        affordable_s: what restoring it may take at most for it to be stored, in seconds.
        notes: what the report should add.
    """

    options: Options
    shell: Any
    cache: Cache
    labels: dict[str, str]
    began: float
    default_ttl: float | None = None
    accepts: tuple[str, ...] | None = None
    pace: Pace = field(default_factory=Pace)
    budget_s: float = math.inf
    hashing_s: float = 0.0
    encoding_s: float = 0.0
    affordable_s: float = math.inf
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What it is called across edits; empty if nothing tells."""
        if self.options.key is not None:
            return f"key:{self.options.key}"
        return f"cell:{self.labels['cell_id']}" if "cell_id" in self.labels else ""

    def lineages(self, source: str) -> list[str]:
        """What this cell may have been called before, the most telling first.

        `source` is the digest of its code.
        """
        found = [self.name] if self.name else []
        found.append(f"source:{source}")
        return found

    def last_set(self, name: str) -> int | None:
        """The execution count of the cell that last set a variable."""
        return last_set(name, self.shell)

    def record(self, outcome: Any, **fields: Any) -> Record:
        """A record of this execution, which ends now."""
        elapsed = time.monotonic() - self.began
        return Record(
            outcome, name=self.options.key, elapsed_s=elapsed, notes=list(self.notes), **fields
        )


@dataclass
class Payload:
    """What a cell left behind; the root of the graph that is stored."""

    made: Difference
    contents: dict[int, Content]
    states: dict[str, tuple[Any, Any]]
    outputs: list[Output]
    result: Any

    def restored_names(self, resolved: Resolved) -> list[str]:
        """The variables that it binds, then those whose content it changes."""
        changed = [resolved.walk.object(ordinal) for ordinal in self.contents]
        mutated = [
            name for name, value in resolved.roots.items() if any(value is obj for obj in changed)
        ]
        return [*self.made.bound, *(name for name in mutated if name not in self.made.bound)]


def labels_of(shell: Any) -> dict[str, str]:
    """Where the cell that executes stands: notebook and cell id, as far as the front end told."""
    labels = {}
    try:
        parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
        cell_id = (parent.get("metadata") or {}).get("cellId")
        if cell_id:
            labels["cell_id"] = str(cell_id)
    except Exception:
        pass
    notebook = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    if notebook:
        labels["notebook"] = str(notebook)
    return labels
