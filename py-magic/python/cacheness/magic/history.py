"""The cells that this kernel has run, in the order of their first runs."""

from __future__ import annotations

import re

from cacheness.magic.marking import option_line

_KEY = re.compile(r"\bkey[= ](\S+)")


class History:
    """Each cell once, with its execution count and its text as it was last run.

    Cells are told apart by their key, by the id that a front end gave them, or by their text.
    """

    def __init__(self) -> None:
        self._cells: dict[str, tuple[int, str]] = {}

    def remember(self, number: int, raw: str, cell_id: str | None) -> None:
        """Notes that the cell was run."""
        named = _KEY.search(option_line(raw) or "")
        name = named.group(1) if named else cell_id or raw
        if raw.strip():
            self._cells[name] = (number, raw)

    def cells(self) -> list[tuple[int, str]]:
        """Execution counts and texts."""
        return list(self._cells.values())
