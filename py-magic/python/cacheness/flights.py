"""One computation at a time for one key, across threads, tasks and processes."""

import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from cacheness._cacheness import Cache, Claim, Key
from cacheness.errors import CacheError
from cacheness.notices import warn

_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05


class _Flight:
    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.landed = threading.Event()


class Flights:
    """Who computes what, in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}
        self._waiting: dict[object, _Flight] = {}

    def board(self, key: str, owner: object) -> _Flight | None:
        """`None`: it is the caller's turn. Otherwise whose turn it is."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                self._flights[key] = _Flight(owner)
            return flight

    def queue(self, flight: _Flight, owner: object) -> bool:
        """Whether the caller may wait for `flight`, until `leave`: not if that waits for it."""
        with self._lock:
            ahead: _Flight | None = flight
            while ahead is not None:
                if ahead.owner == owner:
                    return False
                ahead = self._waiting.get(ahead.owner)
            self._waiting[owner] = flight
            return True

    def leave(self, owner: object) -> None:
        """Ends the caller's wait."""
        with self._lock:
            self._waiting.pop(owner, None)

    def land(self, key: str) -> None:
        """Ends the caller's turn and wakes those who wait."""
        with self._lock:
            flight = self._flights.pop(key, None)
        if flight is not None:
            flight.landed.set()

    def reset(self) -> None:
        """After a fork: the threads that were computing do not exist here."""
        self._lock = threading.Lock()
        self._flights = {}
        self._waiting = {}


FLIGHTS: Final = Flights()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=FLIGHTS.reset)


@contextmanager
def turn(core: Cache, key: Key, *, patience: float | None = None) -> Iterator[None]:
    """Holds the computation of `key` against other threads and processes. A call that comes back
    to itself, also by way of other threads, is let through rather than waiting for itself; so is
    one that has waited for `patience` seconds."""
    name, owner = f"{core.directory}\0{key.digest}", threading.get_ident()
    deadline = _deadline(patience)
    while (flight := FLIGHTS.board(name, owner)) is not None:
        if not FLIGHTS.queue(flight, owner):
            yield
            return
        try:
            landed = flight.landed.wait(_left(deadline))
        finally:
            FLIGHTS.leave(owner)
        if not landed:
            yield
            return
    claim: Claim | None = None
    try:
        for pause in _pauses(deadline):
            claim, again = _try_claim(core, key)
            if not again:
                break
            time.sleep(pause)
        yield
    finally:
        _release(claim, name)


@asynccontextmanager
async def async_turn(
    core: Cache, key: Key, *, patience: float | None = None
) -> AsyncIterator[None]:
    """`turn` for coroutines: waits without blocking the loop."""
    import asyncio  # costs more than the rest of the package; a coroutine has paid for it already

    from cacheness.background import in_thread

    name, owner = f"{core.directory}\0{key.digest}", asyncio.current_task()
    deadline = _deadline(patience)
    while (flight := FLIGHTS.board(name, owner)) is not None:
        if not FLIGHTS.queue(flight, owner):
            yield
            return
        try:
            for pause in _pauses(deadline):
                if flight.landed.is_set():
                    break
                await asyncio.sleep(pause)
        finally:
            FLIGHTS.leave(owner)
        if not flight.landed.is_set():
            yield
            return
    claim: Claim | None = None
    try:
        for pause in _pauses(deadline):
            # A cancelled wait drops the claim, which releases it.
            claim, again = await in_thread(_try_claim, core, key)
            if not again:
                break
            await asyncio.sleep(pause)
        yield
    finally:
        _release(claim, name)


def _try_claim(core: Cache, key: Key) -> tuple[Claim | None, bool]:
    """A claim, or whether to ask again."""
    try:
        claim = core.claim(key)
    except CacheError as error:
        warn(f"processes cannot wait for each other in this cache: {error}")
        return None, False
    return claim, claim is None


def _release(claim: Claim | None, name: str) -> None:
    if claim is not None:
        claim.release()
    FLIGHTS.land(name)


def _deadline(patience: float | None) -> float | None:
    return None if patience is None else time.monotonic() + patience


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _pauses(deadline: float | None) -> Iterator[float]:
    pause = _FIRST_PAUSE
    while deadline is None or time.monotonic() < deadline:
        yield pause
        pause = min(pause * 1.5, _LONGEST_PAUSE)
