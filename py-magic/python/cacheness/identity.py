"""A function from call to call: what it depends on, and what its own runs change of that."""

import os
import sys
import threading
from typing import Any, Final

from cacheness.functions import State, Survey
from cacheness.origin import code_origin, is_installed_file

_LONGEST_HISTORY: Final = 10_000
_lock = threading.Lock()


class Identity:
    """Some functions and classes whose results depend on what a `Survey` of them finds.

    A state that only the function's own runs have led to counts as the states before: a counter
    that it reads and increments does not make each call another one. What anybody else changes is
    a change.
    """

    def __init__(self, *roots: Any) -> None:
        self._roots = roots
        self._survey: Survey | None = None
        self._left: State | None = None
        self._before: dict[str, None] = {}
        self._running = 0
        self._ended = 0
        self._lineage = 1

    def now(self) -> State:
        """Raises `CacheError` when what the code reads cannot be told."""
        survey = self._survey
        if survey is not None and survey.constant is not None and survey.holds():
            return survey.constant
        running, ended, lineage = self._running, self._ended, self._lineage
        state = self._look()
        busy = running > 0 or self._running > 0 or ended != self._ended
        return state._replace(lineage=lineage) if self._is_own(state, busy) else state

    def _look(self) -> State:
        survey = self._survey
        if survey is not None and survey.holds():
            state = survey.state()
            if state is not None:
                return state
        for _ in range(3):
            survey = self._survey = Survey(*self._roots)
            state = survey.state()
            if state is not None:
                return state
        raise AssertionError("a survey does not find what it has just found")

    def imported(self) -> dict[str, str]:
        """The modules of the person's own that the code imports when it runs, as far as they are
        loaded, with digests of what it may take from them."""
        survey = self._survey
        found = {name: self.module(name) for name in survey.imports} if survey is not None else {}
        return {name: digest for name, digest in found.items() if digest is not None}

    def module(self, name: str) -> str | None:
        """The digest of such a module now; `None` if it is not loaded."""
        survey, module = self._survey, sys.modules.get(name)
        if survey is None or module is None or code_origin(name) is not None:
            return None
        if name not in survey.imports:
            return None
        state = Survey(module, names=survey.imports[name]).state()
        return None if state is None else state.digest

    def accepts(self, now: State, stored: str) -> bool:
        """Whether what was computed in the state `stored` holds in the state `now`."""
        return stored == now.digest or (now.lineage == self._lineage and stored in self._before)

    def _is_own(self, now: State, busy: bool) -> bool:
        """Whether only runs of this code led from what the last one left to `now`; `busy`: one was
        going on."""
        if self._left is None or now.digest == self._left.digest:
            return True
        # That may have changed what it is known to change.
        return busy and self._foreign(self._left, now, False) is None

    def begin(self, state: State) -> None:
        """Before a run."""
        with _lock:
            if state.lineage != self._lineage and not self._running:
                self._part()
            self._left = self._left or state
            self._running += 1
            self._before[state.digest] = None
            if len(self._before) > _LONGEST_HISTORY:
                del self._before[next(iter(self._before))]

    def end(self, before: State, *, alone: bool) -> str | None:
        """After a run: what somebody else seems to have changed meanwhile, if so. `alone`: no other
        task could."""
        while True:
            ended = self._ended
            after = self.now()
            with _lock:
                if ended != self._ended:  # another run ended: look again
                    continue
                self._ended += 1
                self._running -= 1
                blamed = None
                if after.digest != before.digest:
                    blamed = self._foreign(before, after, alone)
                if blamed is None:
                    self._left = after
                else:
                    self._part()
                return blamed

    def _part(self) -> None:
        """What was stored in earlier states does not hold any longer."""
        self._before.clear()
        self._lineage += 1

    def _foreign(self, before: State, after: State, alone: bool) -> str | None:
        survey = self._survey
        assert survey is not None
        if before.code != after.code:
            return "its code, or a name that it reads,"
        doubtful = False
        for label in before.data.keys() | after.data.keys():
            old, new = before.data.get(label), after.data.get(label)
            if old == new or label in survey.rebound:
                continue
            if old is None or new is None or old[1] != new[1]:
                return label
            doubtful |= label not in survey.changed
        if doubtful and not (alone and _is_alone()):
            return "a value that it reads"
        return None


def _is_alone() -> bool:
    """Whether no other thread is in code of the person's own."""
    me = threading.get_ident()
    for thread, frame in sys._current_frames().items():
        at = frame if thread != me else None
        while at is not None:
            if not is_installed_file(at.f_code.co_filename):
                return False
            at = at.f_back
    return True


def _new_lock() -> None:
    """A fork may copy the lock while another thread holds it."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)
