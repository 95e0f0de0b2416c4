"""An entry, loaded completely, and what restoring it does to the kernel."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from cacheness._cacheness import Entry
from cacheness.errors import CacheError
from cacheness.magic import graph, namespace
from cacheness.magic.capture import replay
from cacheness.magic.cell import Cell, Payload
from cacheness.magic.report import Record
from cacheness.magic.resolve import Resolved
from cacheness.magic.state import write_states


@dataclass
class Hit:
    """A loaded entry that is about to be restored."""

    cell: Cell
    entry: Entry
    resolved: Resolved
    payload: Payload
    sources: dict[str, str]

    @property
    def value(self) -> Any:
        """The value of a body that another magic was to show: nothing was shown of it yet."""
        shown = any(output.kind == "result" for output in self.payload.outputs)
        return None if shown else self.payload.result

    def restore(self) -> Record:
        """Does to the kernel what the cell did."""
        shell, payload = self.cell.shell, self.payload
        graph.remember_sources(self.sources)
        for ordinal, content in payload.contents.items():
            namespace.restore(self.resolved.walk.object(ordinal), content)
        namespace.apply(shell.user_ns, payload.made)
        write_states(payload.states)
        replay(shell, payload.outputs, payload.result)
        self.cell.cache.touch(self.entry.id)
        record = self.cell.record(
            "hit",
            key=self.entry.cache_key,
            restored=payload.restored_names(self.resolved),
            outputs=len(payload.outputs),
            size_bytes=self.entry.size_bytes,
            age_s=max(0.0, time.time() - self.entry.created),
        )
        record.saved_s = (self.entry.elapsed or 0.0) - record.elapsed_s
        return record


def load(cell: Cell, entry: Entry, resolved: Resolved) -> Hit:
    """Everything that the entry holds; nothing is restored yet.

    Raises:
        Exception: whatever reading or unpickling raises.
    """

    def blob(ordinal: int) -> Any:
        return cell.cache.read(entry, ordinal)

    payload = graph.load(blob, cell.shell.user_ns, resolved.walk)
    for ordinal, content in payload.contents.items():
        if not namespace.fits(resolved.walk.object(ordinal), content):
            raise CacheError("an array was resized or retyped in place")
    return Hit(cell, entry, resolved, payload, json.loads(entry.meta)["sources"])
