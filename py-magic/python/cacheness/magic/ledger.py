"""What is known of unmarked cells, by their source: how long they run, and what caching them costs.

Cells that run long are remembered in the cache directory, for the kernels to come.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass

from cacheness._cacheness import Cache, Key, Miss, make_key
from cacheness.errors import CacheError

_FACE = "timing"


@dataclass(frozen=True)
class Timing:
    """The last run of a cell, in seconds.

    Attributes:
        run_s: how long the cell itself took.
        hashing_s: how long it took to find its key; 0 if that was not tried, or not finished.
        restoring_s: what a hit would take: hashing, and as long as encoding took. 0 if unknown.
        refused: why it could not be stored.
    """

    run_s: float
    hashing_s: float = 0.0
    restoring_s: float = 0.0
    refused: str | None = None


class Ledger:
    """The timings of the cells of one cache directory."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._known: dict[str, Timing] = {}

    def find(self, source: str) -> Timing | None:
        """What is known of the cell with this digest of its source."""
        if source not in self._known:
            with contextlib.suppress(CacheError, ValueError, TypeError):
                entry = self._cache.lookup(_key(source), "", None, lambda *_: None)
                if not isinstance(entry, Miss):
                    self._known[source] = Timing(**json.loads(entry.meta))
        return self._known.get(source)

    def note(self, source: str, timing: Timing, keep: bool) -> None:
        """Remembers a run; beyond this kernel if `keep`."""
        self._known[source] = timing
        if keep:
            with contextlib.suppress(CacheError):
                self._cache.store(
                    _key(source),
                    scope="",
                    face=_FACE,
                    data_type=_FACE,
                    blobs=[],
                    meta=json.dumps(asdict(timing)),
                )


def _key(source: str) -> Key:
    return make_key(_FACE, [("source", "cell", source, None)])
