"""Cells that nobody marked: which of them are worth to be cached.

What a cell reads has to be hashed before it runs, since the run may change it; whether that pays is
known only afterwards. So a cell of which nothing is known yet is hashed within a small budget of
time. Where that does not do, it only runs, by the clock, and is hashed to the end the next time if
it ran long enough.
"""

from __future__ import annotations

import ast
import time
from dataclasses import dataclass
from typing import Any

from cacheness.magic.cell import Cell
from cacheness.magic.flow import Run, begin
from cacheness.magic.hit import Hit
from cacheness.magic.ledger import Ledger, Timing
from cacheness.magic.magics import UncacheableError, analyse
from cacheness.magic.pace import TooCostlyError
from cacheness.magic.report import Record
from cacheness.magic.resolve import source_digest

# For the hashing of a cell of which nothing is known yet, in seconds.
_FIRST_BUDGET = 0.05
# What hashing may cost, as a part of the run, when it probably is in vain.
_IN_VAIN = 0.05
# A hit must be so many times as fast as a run: storing takes time, too, and room.
_GAIN = 2.0
_TOO_COSTLY = "restoring it would not be much faster"


@dataclass
class Attempt:
    """One execution of an unmarked cell.

    Attributes:
        cell: the execution.
        source: the digest of its source, `None` if it cannot even be analysed.
        ledger: what is known of cells.
        minimum: the run time in seconds from which on caching is considered.
        known: what is known of this cell.
        run: records it; `None` if it is only timed.
        refused: why it cannot be cached.
        overran: the budget that hashing it exceeded, in seconds.
    """

    cell: Cell
    source: str | None
    ledger: Ledger
    minimum: float
    known: Timing | None = None
    run: Run | None = None
    refused: str | None = None
    overran: float = 0.0
    _began: float = 0.0

    def start(self) -> None:
        """Right before the body runs."""
        if self.run is not None:
            try:
                self.run.start()
            except TooCostlyError:
                self.overran = self.cell.budget_s
                self.abort()
        self._began = time.monotonic()

    def returns(self, value: Any) -> None:
        """Tells the value of a body that ends inside of another magic: there is none around it."""

    def abort(self) -> None:
        """Takes every tap off and keeps nothing."""
        run, self.run = self.run, None
        if run is not None:
            run.abort()

    def finish(self, succeeded: bool) -> Record | None:
        """Stores the results if that pays. `None`: there is nothing to say about it."""
        elapsed = time.monotonic() - self._began
        if not succeeded:
            self.abort()
            return None
        if elapsed < self.minimum or self.run is None:
            return self._timed(elapsed)
        return self._recorded(self.run, elapsed)

    def _timed(self, elapsed: float) -> Record | None:
        if self.run is not None:
            self.run.discard()
        cost = max(self.overran, self.known.restoring_s if self.known else 0.0)
        self._note(Timing(elapsed, self.cell.hashing_s, cost, self.refused))
        if elapsed < self.minimum or self.refused is None:
            return None
        return self.cell.record("uncacheable", reason=self.refused)

    def _recorded(self, run: Run, elapsed: float) -> Record | None:
        cell = self.cell
        cell.affordable_s = elapsed / _GAIN
        try:
            record = run.finish(succeeded=True)
        except TooCostlyError:
            self._note(Timing(elapsed, cell.hashing_s, cell.affordable_s))
            return cell.record(
                "uncacheable", reason="restoring it would take longer than running it"
            )
        if record.outcome == "error":
            return None
        refused = record.reason if record.outcome == "uncacheable" else None
        self._note(Timing(elapsed, cell.hashing_s, cell.hashing_s + cell.encoding_s, refused))
        return record

    def restored(self, record: Record) -> None:
        """Notes what a hit cost if it did not pay."""
        if record.saved_s <= 0.0:
            ran = record.saved_s + record.elapsed_s
            self._note(Timing(ran, self.cell.hashing_s, record.elapsed_s))

    def _note(self, timing: Timing) -> None:
        if self.source is not None:
            was_long = self.known is not None and self.known.run_s >= self.minimum
            keep = was_long or timing.run_s >= self.minimum
            self.ledger.note(self.source, timing, keep)


def attempt(
    cell: Cell, tree: ast.Module, text: str, ledger: Ledger, minimum: float
) -> Hit | Attempt | None:
    """A hit, or how the cell is to run; `None`: it is not worth a thought."""
    if only_defines(tree):
        return None
    made = Attempt(cell, None, ledger, minimum)
    try:
        made.source = source_digest(analyse(text, cell.shell))
        made.known = ledger.find(made.source)
        budget = _budget(made.known, minimum)
        if budget is None:
            made.refused = made.known.refused if made.known is not None else None
            return made
        cell.budget_s = budget
        found = begin(cell, text)
    except TooCostlyError:
        made.overran = cell.budget_s
        return made
    except UncacheableError as error:
        made.refused = str(error)
        cell.hashing_s = time.monotonic() - cell.began
        return made
    if isinstance(found, Hit):
        found.told = made.restored
        return found
    made.run = found
    return made


def is_worth(cell: Cell, text: str, ledger: Ledger, minimum: float) -> bool:
    """Whether an unmarked cell is known to be looked up."""
    try:
        known = ledger.find(source_digest(analyse(text, cell.shell)))
    except UncacheableError:
        return False
    return known is not None and _budget(known, minimum) is not None


def _budget(known: Timing | None, minimum: float) -> float | None:
    """How long hashing may take, in seconds; `None`: the cell is only timed."""
    if known is None:
        return _FIRST_BUDGET
    if known.run_s < minimum or known.restoring_s * _GAIN >= known.run_s:
        return None
    if known.refused is not None:
        allowed = known.run_s * _IN_VAIN
        return allowed if known.hashing_s <= allowed else None
    return known.run_s / _GAIN


def only_defines(tree: ast.Module) -> bool:
    """Whether a cell only imports, defines, and names constants: that cannot be had cheaper."""
    return all(_defines(statement) for statement in tree.body)


def _defines(statement: ast.stmt) -> bool:
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.ClassDef():
            return True
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return True
        case ast.Expr(ast.Constant()):
            return True
        case ast.Assign(value=value) | ast.AnnAssign(value=value):
            return value is None or _is_constant(value)
    return False


def _is_constant(value: Any) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True
