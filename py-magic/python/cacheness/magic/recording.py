"""What is recorded of a cell while it runs: every tap goes on before it and comes off after it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

from cacheness import observe
from cacheness.magic import namespace
from cacheness.magic.capture import Capture, Output, flush_figures
from cacheness.magic.cell import Cell
from cacheness.magic.comms import open_comms, opened
from cacheness.magic.resolve import Resolved, size_of_files
from cacheness.magic.session import SessionWatch
from cacheness.magic.state import SeedWatch, read_states
from cacheness.magic.watch import Watch


@dataclass
class Recording:
    """One run that went well.

    Attributes:
        elapsed: its wall time in seconds.
        started_ns: when it began, in nanoseconds since the epoch.
        outputs: what it showed.
        result: the value of its last expression, if that was shown.
        before: the names and what they were bound to before it.
        surely_bound: names that it bound, be it to the same object as before.
        members: the names of modules before it.
        states: state of the process before it.
        seeded: generators that it seeded before it drew from them.
        variables: environment variables that it read.
        named: digests of the files that it names, from before it.
        seen: files and effects.
        live: what it opened to the notebook, in words.
        session: what it did to the session that restoring could not do again, in words.
    """

    elapsed: float
    started_ns: int
    outputs: list[Output]
    result: Any
    before: dict[str, Any]
    surely_bound: set[str]
    members: namespace.Members
    states: dict[str, Any]
    seeded: set[str]
    variables: set[str]
    named: dict[str, tuple[str, str]]
    seen: observe.Observation
    live: str | None
    session: str | None


class Recorder:
    """The taps, from `start` to `stop` or `abort`."""

    def __init__(self, cell: Cell, resolved: Resolved) -> None:
        self._cell = cell
        self._resolved = resolved
        self._capture = Capture(cell.shell)
        self._seeds = SeedWatch()
        self._session = SessionWatch()
        self._watch = Watch()
        self._observing = observe.Observing()
        self._named: dict[str, tuple[str, str]] = {}
        self._before: dict[str, Any] = {}
        self._hidden = namespace.Hidden({}, ())
        self._states: dict[str, Any] = {}
        self._members: namespace.Members = []
        self._comms: dict[str, str] = {}
        self._started = 0.0
        self._started_ns = 0

    @property
    def failed(self) -> bool:
        """Whether a traceback was shown."""
        return self._capture.failed

    def start(self) -> None:
        """Notes everything that has to be known from before the run, and puts the taps on."""
        resolved, cell, user_ns = self._resolved, self._cell, self._cell.shell.user_ns
        if resolved.named:
            nbytes = size_of_files(resolved.named)
            with cell.pace.step("hashing the files that the cell names", cell.budget_s):
                cell.pace.tick(nbytes)
                digests = cell.pace.call(lambda: cell.cache.digest_paths(resolved.named), nbytes)
            self._named = dict(zip(resolved.named, digests, strict=True))
        self._before = namespace.snapshot(user_ns)
        imported = (sys.modules.get(name) for name in resolved.facts.imports)
        self._members = namespace.members((*resolved.roots.values(), *imported))
        self._states = read_states()
        self._comms = open_comms(cell.shell)
        self._seeds.start(self._states)
        self._session.start((*resolved.facts.imports, *resolved.facts.members))
        self._observing.start()
        self._watch.start()
        self._capture.start()
        self._hidden = namespace.Hidden(user_ns, resolved.perhaps_bound)
        self._started_ns = time.time_ns()
        self._started = time.monotonic()

    def returns(self, value: Any) -> None:
        """Tells the value of a body that ends inside of another magic."""
        self._capture.result = value

    def abort(self) -> None:
        """Takes every tap off and keeps nothing."""
        self._hidden.put_back()
        self._capture.stop()
        self._seeds.stop()
        self._session.stop()
        self._watch.stop()
        self._observing.abort()

    def stop(self, succeeded: bool) -> Recording:
        """Takes the taps off."""
        elapsed = time.monotonic() - self._started
        surely_bound = self._resolved.surely_bound | self._hidden.bound()
        self._hidden.put_back()
        if succeeded:
            with contextlib.suppress(Exception):
                flush_figures()
        self._capture.stop()
        self._seeds.stop()
        self._session.stop()
        self._watch.stop()
        ignored = (os.fspath(self._cell.cache.directory),)
        seen = self._observing.stop(ignored, self._watch.looked_at)
        return Recording(
            elapsed=elapsed,
            started_ns=self._started_ns,
            outputs=self._capture.outputs,
            result=self._capture.result,
            before=self._before,
            surely_bound=surely_bound,
            members=self._members,
            states=self._states,
            seeded=self._seeds.seeded,
            variables=self._watch.variables,
            named=self._named,
            seen=seen,
            live=opened(self._comms, open_comms(self._cell.shell), self._capture.outputs),
            session=self._session.change(self._uses_pyplot()),
        )

    def _uses_pyplot(self) -> bool:
        pyplot = sys.modules.get("matplotlib.pyplot")
        read = any(value is pyplot for value in self._resolved.roots.values())
        named = any(name.startswith("plt.") for name in self._resolved.called)
        return pyplot is not None and (read or named)
