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

    def board(self, key: str, owner: object) -> _Flight | None:
        """`None`: it is the caller's turn. Otherwise whose turn it is."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                self._flights[key] = _Flight(owner)
            return flight

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


FLIGHTS: Final = Flights()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=FLIGHTS.reset)


@contextmanager
def turn(core: Cache, key: Key) -> Iterator[None]:
    """Holds the computation of `key` against other threads and processes. A call that comes back
    to itself in the same thread is let through, rather than waiting for itself."""
    name, owner = f"{core.directory}\0{key.digest}", threading.get_ident()
    while (flight := FLIGHTS.board(name, owner)) is not None:
        if flight.owner == owner:
            yield
            return
        flight.landed.wait()
    claim: Claim | None = None
    try:
        for pause in _pauses():
            claim, again = _try_claim(core, key)
            if not again:
                break
            time.sleep(pause)
        yield
    finally:
        _release(claim, name)


@asynccontextmanager
async def async_turn(core: Cache, key: Key) -> AsyncIterator[None]:
    """`turn` for coroutines: waits without blocking the loop."""
    import asyncio  # costs more than the rest of the package; a coroutine has paid for it already

    name, owner = f"{core.directory}\0{key.digest}", asyncio.current_task()
    while (flight := FLIGHTS.board(name, owner)) is not None:
        if flight.owner is owner:
            yield
            return
        for pause in _pauses():
            if flight.landed.is_set():
                break
            await asyncio.sleep(pause)
    claim: Claim | None = None
    try:
        for pause in _pauses():
            claim, again = _try_claim(core, key)
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


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 1.5, _LONGEST_PAUSE)
