"""Two kernels and one cold cell: one of them runs it, the others wait for what it stores."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from typing import Any

from cacheness._cacheness import Claim, Key
from cacheness.errors import CacheError
from cacheness.magic.cell import Cell

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.1


@dataclass
class Turn:
    """The right of this kernel to run a cell.

    Attributes:
        claim: keeps other kernels waiting; `None` when nobody has to wait.
        waited: seconds that this kernel waited for another.
        inherited: whether the other one was killed or interrupted, so that this one takes over.
    """

    claim: Claim | None = None
    waited: float = 0.0
    inherited: bool = False

    def end(self) -> None:
        """Lets the others look again: there is an entry, or there will be none."""
        claim, self.claim = self.claim, None
        if claim is not None:
            claim.release()

    def hand_over(self) -> None:
        """Lets one of the others run the cell in place of this kernel, and the rest wait for it."""
        claim, self.claim = self.claim, None
        if claim is not None:
            claim.abandon()


def take_turn(cell: Cell, key: Key) -> Turn:
    """Waits while another kernel that is alive runs the same cell.

    Where there are no locks, or nothing can be written, nobody waits.
    """
    try:
        claim = cell.cache.claim(key)
        if claim is not None:
            return _started(cell, key, claim, 0.0)
        began = time.monotonic()
        claim = _wait(cell, key)
        waited = time.monotonic() - began
        return Turn(waited=waited) if claim is None else _started(cell, key, claim, waited)
    except CacheError:
        return Turn()


def _wait(cell: Cell, key: Key) -> Claim | None:
    """The claim, or `None` when its holder is dead and only its children keep the lock."""
    pause = _FIRST_PAUSE
    # Its holder may have been about to write its note.
    time.sleep(pause)
    note = cell.cache.claim_note(key)
    with cell.pace.step(f"waiting for {_who(note)}, which runs this cell"):
        while not _is_gone(note):
            cell.pace.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            claim = cell.cache.claim(key)
            if claim is not None:
                return claim
            note = cell.cache.claim_note(key)
    return None


def _started(cell: Cell, key: Key, claim: Claim, waited: float) -> Turn:
    inherited = bool(cell.cache.claim_note(key))
    label = {"process": os.getpid(), "host": socket.gethostname(), **cell.labels}
    claim.write_note(json.dumps(label))
    return Turn(claim, waited, inherited)


def _who(note: str) -> str:
    holder = _read(note)
    notebook = holder.get("notebook")
    where = f" of {os.path.basename(str(notebook))}" if notebook else ""
    return f"the kernel{where} (process {holder.get('process', '?')})"


def _is_gone(note: str) -> bool:
    """Whether the holder is known to be dead."""
    holder = _read(note)
    if holder.get("host") != socket.gethostname():
        return False
    try:
        os.kill(int(holder["process"]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, KeyError, TypeError, ValueError):
        return False
    return False


def _read(note: str) -> dict[str, Any]:
    try:
        found = json.loads(note)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
