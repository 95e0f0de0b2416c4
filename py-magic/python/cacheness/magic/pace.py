"""Long steps of ours: they say that they take long, end when they would cost too much, and can be
interrupted.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

# Seconds until a step says that it takes long, and between two words about it.
_PATIENCE = 1.0
_BETWEEN = 0.5
# Content is hashed at least this fast on anything that runs a notebook, in bytes per second.
_SLOWEST_HASHING = 2e9
# Bytes that are hashed or encoded in a good deal less than a second.
_MANY = 1 << 27


class TooCostlyError(Exception):
    """A step was ended, since it would have taken longer than it was allowed to."""


class Pace:
    """Watches over the steps of one cell. `show` is given what takes long, in a few words."""

    def __init__(self, show: Callable[[str], None] | None = None) -> None:
        self._show = show
        self._what = ""
        self._deadline = math.inf
        self._next = self._began = time.monotonic()

    @contextlib.contextmanager
    def step(self, what: str, limit: float = math.inf) -> Iterator[None]:
        """A step that is allowed to take `limit` seconds, and no longer than one around it."""
        before = (self._what, self._deadline, self._began, self._next)
        self._began = time.monotonic()
        self._what, self._next = what, self._began + _PATIENCE
        self._deadline = min(self._deadline, self._began + limit)
        try:
            yield
        finally:
            self._what, self._deadline, self._began, self._next = before

    def tick(self, nbytes: int = 0) -> None:
        """Called now and then, and before `nbytes` are hashed.

        Raises:
            TooCostlyError: there is no time left for it.
        """
        now = time.monotonic()
        if now + nbytes / _SLOWEST_HASHING > self._deadline:
            raise TooCostlyError(f"{self._what} takes too long")
        if now >= self._next:
            self._next = now + _BETWEEN
            if self._show is not None:
                self._show(f"{self._what}, {now - self._began:.0f} s")

    def sleep(self, seconds: float) -> None:
        """Sleeps, and ticks."""
        time.sleep(seconds)
        self.tick()

    def call(self, function: Callable[[], T], nbytes: int) -> T:
        """The result of a function that leaves Python to go over `nbytes`.

        If those are many it is waited for in small steps, so that it can be interrupted. It then
        goes on in the background, and nobody looks at its result.
        """
        if nbytes < _MANY:
            return function()
        done = threading.Event()
        outcome: list[Any] = []

        def work() -> None:
            try:
                outcome.append((function(), None))
            except BaseException as error:
                outcome.append((None, error))
            done.set()

        threading.Thread(target=work, name="cacheness", daemon=True).start()
        while not done.wait(0.05):
            self.tick()
        result, error = outcome[0]
        if error is not None:
            raise error
        found: T = result
        return found


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Holds an interrupt back until the block has ended well, and raises it then."""
    pending: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if main else None
    if before is not None:
        signal.signal(signal.SIGINT, lambda number, _: pending.append(number))
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
    if pending:
        raise KeyboardInterrupt
