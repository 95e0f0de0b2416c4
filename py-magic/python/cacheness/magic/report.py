"""The line under a cell, and the record that programs read."""

from __future__ import annotations

import html
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cacheness.units import duration, size

Outcome = Literal["hit", "miss", "uncacheable", "error"]

TAG = "cacheness-badge"
_QUOTED = re.compile("`([^`]*)`")
_MARKS: dict[Outcome, str] = {"hit": "●", "miss": "○", "uncacheable": "△", "error": "△"}
_COLOURS: dict[Outcome, str] = {
    "hit": "#1a8a4a",
    "miss": "inherit",
    "uncacheable": "#b26a00",
    "error": "#b26a00",
}


@dataclass
class Record:
    """What happened to one cell: `metadata.cacheness` of the message, and `cacheness.magic.last()`.

    Attributes:
        outcome: whether it was restored, run, or run without being stored.
        name: the cell's `key=`, if it has one.
        key: 16 hexadecimal digits, `None` when the cell has none.
        reason: why it ran, or why nothing was stored; `None` for a hit.
        elapsed_s: wall time of this execution in seconds, hashing and loading or storing included.
        saved_s: on a hit, the time of the original run less `elapsed_s`.
        restored: names of variables that were restored or, on a miss, stored.
        outputs: how many outputs were replayed or, on a miss, stored.
        size_bytes: what the entry takes on disk.
        age_s: on a hit, the age of the entry.
        notes: what else the person should know.
    """

    outcome: Outcome
    name: str | None = None
    key: str | None = None
    reason: str | None = None
    elapsed_s: float = 0.0
    saved_s: float = 0.0
    restored: list[str] = field(default_factory=list)
    outputs: int = 0
    size_bytes: int = 0
    age_s: float = 0.0
    notes: list[str] = field(default_factory=list)

    def as_metadata(self) -> dict[str, Any]:
        """JSON, for the message."""
        return asdict(self)

    def sentence(self) -> str:
        """The line, in plain text."""
        who = f"{self.name}: " if self.name else ""
        parts = [part for part in self._parts() if part]
        return f"{_MARKS[self.outcome]} {who}{' · '.join(parts)}"

    def _parts(self) -> list[str]:
        if self.outcome == "hit":
            took = (
                f"{duration(self.elapsed_s)} instead of {duration(self.saved_s + self.elapsed_s)}"
            )
            pays = f", saves {duration(self.saved_s)}" if self.saved_s > 0 else ": does not pay"
            return [
                f"restored {self._what()}".rstrip(),
                size(self.size_bytes),
                took + pays,
                f"{duration(self.age_s)} old" if self.age_s >= 1 else "just stored",
                *self.notes,
            ]
        ran = f"ran in {duration(self.elapsed_s)}"
        if self.outcome == "miss":
            stored = " ".join(f"stored {self._what()} ({size(self.size_bytes)})".split())
            return [ran, self.reason or "", stored, *self.notes]
        return [ran, f"not cached: {self.reason}", *self.notes]

    def _what(self) -> str:
        return _names(self.restored) or ("outputs" if self.outputs else "")


def publish(shell: Any, record: Record, display_id: str | None = None) -> None:
    """Shows the line under the cell's outputs, or in place of what has this display id."""
    text = record.sentence()
    mark, _, rest = text.partition(" ")
    bundle = {
        "text/plain": text,
        "text/html": (
            '<div class="cacheness-report" style="font-size:85%;opacity:.75;padding:2px 0">'
            f'<span style="color:{_COLOURS[record.outcome]}">{mark}</span> '
            f"<b>cacheness</b> {_marked_up(rest)}</div>"
        ),
    }
    metadata = {"tags": [TAG], "cacheness": record.as_metadata()}
    options: dict[str, Any] = {}
    if display_id is not None:
        options = {"transient": {"display_id": display_id}, "update": True}
    shell.display_pub.publish(bundle, metadata, **options)


def _marked_up(text: str) -> str:
    """HTML of a line in which names stand between backquotes."""
    return _QUOTED.sub(r"<code>\1</code>", html.escape(text))


def _names(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
