"""One cell from its text to a hit or a stored entry.

`begin` decides before the cell's body is compiled. A hit is loaded completely before it counts as
one, so that nothing of the namespace has been touched when an entry turns out to be damaged. `Run`
is a cell that runs and is recorded.
"""

from __future__ import annotations

import random
import sys
import time
from typing import Any

from cacheness._cacheness import Entry, Miss
from cacheness.errors import CacheError, UnstableValueError
from cacheness.magic.accepting import adopt
from cacheness.magic.cell import Cell, Payload
from cacheness.magic.comparing import differences
from cacheness.magic.evidence import present_digest
from cacheness.magic.explain import explain_miss
from cacheness.magic.hit import Hit, load
from cacheness.magic.magics import UncacheableError, analyse
from cacheness.magic.pace import TooCostlyError, undisturbed
from cacheness.magic.recording import Recorder, Recording
from cacheness.magic.report import Record
from cacheness.magic.resolve import Resolved, resolve, size_of_files
from cacheness.magic.storing import left_behind, store
from cacheness.magic.turns import Turn, take_turn

# Drawing from it changes nothing that a cell could see.
_CHANCE = random.SystemRandom()


def begin(cell: Cell, source: str) -> Hit | Run:
    """Looks the cell up, and either loads its entry or prepares to record its run.

    Waits while another kernel runs the same cell.

    Raises:
        UncacheableError: the cell cannot be cached at all.
    """
    with cell.pace.step("hashing what the cell reads", cell.budget_s):
        resolved = _resolve(cell, source)
        if cell.options.refresh:
            return Run(cell, resolved, "refresh=1", Turn())
        found = _look_up(cell, resolved)
    cell.hashing_s = time.monotonic() - cell.began
    turn = take_turn(cell, resolved.key) if isinstance(found, Miss) else Turn()
    try:
        if turn.waited:
            found = _look_up(cell, resolved)
            if not turn.inherited:
                # Whoever ran it meanwhile stored it or could not: nobody need wait any longer.
                turn.end()
        return _load(cell, resolved, found, turn)
    except BaseException:
        turn.hand_over()
        raise


def foresee(cell: Cell, source: str) -> tuple[Entry | Miss, str, set[str]]:
    """What a lookup finds now, why there is nothing, and the variables that it depends on.

    Raises:
        UncacheableError: the cell cannot be cached at all.
    """
    resolved = _resolve(cell, source)
    found = _look_up(cell, resolved)
    why = ""
    if isinstance(found, Miss):
        previous = previous_entry(cell, resolved.facts.source)
        why = explain_miss(found, previous, resolved.key, cell.last_set)
    return found, why, set(resolved.roots)


def _resolve(cell: Cell, source: str) -> Resolved:
    try:
        facts = analyse(source, cell.shell)
        return resolve(source, facts, cell.shell, cell.options, cell.cache, cell.pace)
    except UnstableValueError as error:
        raise UncacheableError(str(error)) from None


def _look_up(cell: Cell, resolved: Resolved) -> Entry | Miss:
    # The files that it names are mostly those that it was seen to read.
    nbytes = size_of_files(resolved.named)
    return cell.pace.call(
        lambda: cell.cache.lookup(resolved.key, "", cell.options.max_age, present_digest), nbytes
    )


def _load(cell: Cell, resolved: Resolved, found: Entry | Miss, turn: Turn) -> Hit | Run:
    if isinstance(found, Miss):
        previous = previous_entry(cell, resolved.facts.source)
        reason = explain_miss(found, previous, resolved.key, cell.last_set)
        if cell.accepts is not None and previous is not None:
            found = _accepted(cell, resolved, previous, found)
        if isinstance(found, Miss):
            return Run(cell, resolved, reason, turn)
    turn.end()
    try:
        hit = load(cell, found, resolved)
    except Exception as error:
        _warn(f"the cell runs, since its entry could not be restored: {error}")
        reason = f"its entry could not be restored ({type(error).__name__})"
        return Run(cell, resolved, reason, turn)
    if cell.options.verify and _CHANCE.random() < cell.options.verify:
        return Run(cell, resolved, "to verify its entry", turn, hit)
    return hit


def _accepted(cell: Cell, resolved: Resolved, previous: Entry, missed: Miss) -> Entry | Miss:
    """The entry from before an edit that the person declared harmless, if it still holds."""
    assert cell.accepts is not None
    try:
        said = adopt(cell.cache, previous, resolved.key, cell.accepts)
    except CacheError as error:
        cell.notes.append(f"its entry could not be kept: {error}")
        return missed
    cell.notes.append(f"accepted: {said}")
    return _look_up(cell, resolved)


def previous_entry(cell: Cell, source: str) -> Entry | None:
    """The entry that the cell had before. `source` is the digest of its code now."""
    for lineage in cell.lineages(source):
        entry = cell.cache.previous(lineage)
        if entry is not None:
            return entry
    return None


class Run:
    """A cell that runs under observation, and is stored when that went well."""

    def __init__(
        self, cell: Cell, resolved: Resolved, reason: str, turn: Turn, verifies: Hit | None = None
    ) -> None:
        self.cell = cell
        self._verifies = verifies
        self._resolved = resolved
        self._reason = reason
        self._turn = turn
        self._recorder = Recorder(cell, resolved)

    def start(self) -> None:
        """Everything that has to be known before the body runs."""
        self.cell.cache.record_miss()
        self._recorder.start()

    def returns(self, value: Any) -> None:
        """Tells the value of a body that ends inside of another magic."""
        self._recorder.returns(value)

    def abort(self) -> None:
        """Takes every tap off and keeps nothing."""
        self._recorder.abort()
        self._turn.hand_over()

    def discard(self) -> None:
        """Takes every tap off; there will be no entry, and nobody need wait for one."""
        self._recorder.abort()
        self._turn.end()

    def finish(self, succeeded: bool) -> Record:
        """Ends the recording and stores what it saw."""
        try:
            with undisturbed():
                recording = self._recorder.stop(succeeded)
            if not succeeded or self._recorder.failed:
                self._turn.hand_over()
                return self.cell.record("error", reason="it did not finish")
            record = self._keep(recording)
            self._turn.end()
            return record
        except TooCostlyError:
            self._turn.end()
            raise
        except BaseException:
            self._turn.hand_over()
            raise

    def _keep(self, recording: Recording) -> Record:
        try:
            with self.cell.pace.step("storing"):
                left = left_behind(self.cell, self._resolved, recording)
                if self._verifies is not None:
                    verified = self._verified(self._verifies, left[0])
                    if verified is not None:
                        return verified
                return store(self.cell, self._resolved, recording, left, self._reason)
        except UncacheableError as error:
            return self.cell.record("uncacheable", reason=str(error))
        except (CacheError, OSError) as error:
            _warn(f"the cell ran, but its results could not be stored: {error}")
            return self.cell.record("uncacheable", reason="it could not be stored")

    def _verified(self, hit: Hit, payload: Payload) -> Record | None:
        """A record if the entry holds what the run left; otherwise it is removed."""
        found = differences(hit.payload, payload, self._resolved)
        if not found:
            names = payload.restored_names(self._resolved)
            reason = "to verify its entry, which holds the same"
            return self.cell.record("miss", key=hit.entry.cache_key, reason=reason, restored=names)
        self._reason = f"to verify its entry, which held something else: {', '.join(found)}"
        self.cell.cache.remove_entries([hit.entry.id])
        return None


def _warn(message: str) -> None:
    # Not a Python warning: that would show a line of ours as if it were at fault.
    print(f"cacheness: {message}", file=sys.stderr)
