"""A progress bar for long work, on a terminal's stderr and nowhere else."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

_PATIENCE: Final = 0.5
_PERIOD: Final = 0.1
_BAR: Final = 30


def track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Passes `items` through; after half a second it shows how far they are."""
    if not sys.stderr.isatty():
        yield from items
        return
    began = drawn = time.monotonic()
    shown = False
    try:
        for done, item in enumerate(items):
            now = time.monotonic()
            if now - began > _PATIENCE and now - drawn > _PERIOD:
                _draw(f"{what} {_bar(done, total)}")
                drawn, shown = now, True
            yield item
    finally:
        if shown:
            _draw("")


def _bar(done: int, total: int) -> str:
    full = _BAR * done // max(1, total)
    return f"[{'#' * full}{' ' * (_BAR - full)}] {done:,} of {total:,}"


def _draw(text: str) -> None:
    """In place of what the line showed before."""
    width = shutil.get_terminal_size().columns
    sys.stderr.write(f"\r\x1b[K{text[: width - 1]}")
    sys.stderr.flush()
