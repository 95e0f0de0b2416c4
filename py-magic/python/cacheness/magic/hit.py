"""An entry, loaded completely, and what restoring it does to the kernel."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cacheness._cacheness import Entry
from cacheness.errors import CacheError
from cacheness.magic import graph, namespace
from cacheness.magic.capture import replay
from cacheness.magic.cell import Cell, Payload
from cacheness.magic.pace import undisturbed
from cacheness.magic.report import Record
from cacheness.magic.resolve import Resolved
from cacheness.magic.state import read_states, write_states


@dataclass
class Hit:
    """A loaded entry that is about to be restored. `told` is given the record when that is done."""

    cell: Cell
    entry: Entry
    resolved: Resolved
    payload: Payload
    sources: dict[str, str]
    told: Callable[[Record], None] = lambda _: None

    @property
    def value(self) -> Any:
        """The value of a body that another magic was to show: nothing was shown of it yet."""
        shown = any(output.kind == "result" for output in self.payload.outputs)
        return None if shown else self.payload.result

    def apply(self) -> None:
        """Does to the namespace, to what is in it and to the process what the cell did: all of it,
        or nothing.
        """
        payload, user_ns = self.payload, self.cell.shell.user_ns
        names, states = dict(user_ns), read_states() if payload.states else {}
        changed: list[tuple[Any, namespace.Content]] = []
        try:
            with undisturbed():
                # Writing into an array that fits cannot fail, so arrays come last, and need no
                # copy to go back to.
                for ordinal, content in sorted(payload.contents.items(), key=_arrays_last):
                    obj = self.resolved.walk.object(ordinal)
                    if content.family != "array":
                        changed.append((obj, namespace.content(obj)))
                    namespace.restore(obj, content)
                namespace.apply(user_ns, payload.made)
                write_states(payload.states)
        except BaseException:
            with undisturbed():
                for obj, content in reversed(changed):
                    namespace.restore(obj, content)
                namespace.apply(user_ns, namespace.undone(payload.made, names))
                write_states({n: (after, states[n]) for n, (_, after) in payload.states.items()})
            raise

    def replay(self) -> Record:
        """Shows what the cell showed. It is as if it had just run then."""
        payload = self.payload
        graph.remember_sources(self.sources)
        replay(self.cell.shell, payload.outputs, payload.result)
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
        self.told(record)
        return record


def _arrays_last(item: tuple[int, namespace.Content]) -> bool:
    return item[1].family == "array"


def load(cell: Cell, entry: Entry, resolved: Resolved) -> Hit:
    """Everything that the entry holds; nothing is restored yet.

    Raises:
        Exception: whatever reading or unpickling raises.
    """

    def blob(ordinal: int) -> Any:
        cell.pace.tick()
        return cell.cache.read(entry, ordinal)

    with cell.pace.step("loading"):
        for name in resolved.modules:
            importlib.import_module(name)
        payload = graph.load(blob, cell.shell.user_ns, resolved.walk)
    for ordinal, content in payload.contents.items():
        if not namespace.fits(resolved.walk.object(ordinal), content):
            raise CacheError("an array was resized or retyped in place")
    return Hit(cell, entry, resolved, payload, json.loads(entry.meta)["sources"])
