"""A passing word about what takes long; it is gone when the cell is done."""

from __future__ import annotations

import sys
import uuid
from typing import Any

from cacheness.magic.report import TAG, Record, publish


class Progress:
    """What is said while a cell of one shell is looked up, loaded or stored."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._display: str | None = None
        self._in_terminal = False

    def show(self, text: str) -> None:
        """Says `text` in place of what was said before."""
        if not hasattr(sys.stdout, "pub_thread"):
            if sys.stderr.isatty():
                self._in_terminal = True
                print(f"\r\x1b[K◌ {text}", end="", file=sys.stderr, flush=True)
            return
        update = self._display is not None
        if self._display is None:
            self._display = uuid.uuid4().hex
        self._publish(f"◌ {text}", update)

    def end_before_body(self) -> None:
        """Takes it away; nothing else has been shown yet."""
        display, self._display = self._display, None
        if display is not None:
            self._shell.display_pub.clear_output()
        self._end_in_terminal()

    def end_with(self, record: Record | None) -> None:
        """Puts the report in its place, or nothing."""
        display, self._display = self._display, None
        self._end_in_terminal()
        if record is not None:
            publish(self._shell, record, display)
        elif display is not None:
            self._display = display
            self._publish("", update=True)
            self._display = None

    def _publish(self, text: str, update: bool) -> None:
        self._shell.display_pub.publish(
            {"text/plain": text},
            {"tags": [TAG], "cacheness": {"progress": text}},
            transient={"display_id": self._display},
            update=update,
        )

    def _end_in_terminal(self) -> None:
        if self._in_terminal:
            self._in_terminal = False
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
