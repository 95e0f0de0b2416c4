"""The files that a run of a cached function reads, as inputs that its entry depends on.

What it only writes is none: the call is a value, and a hit does not write again.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from cacheness import observe
from cacheness._cacheness import Cache
from cacheness.errors import CacheError

if TYPE_CHECKING:
    from cacheness._cacheness import _PlainInput


class Opened:
    """What is opened from now on, until `inputs` or `abort`."""

    def __init__(self) -> None:
        observe.watch_native_code()
        self._observing = observe.Observing()
        self._observing.start()
        self._started_ns = time.time_ns()

    def abort(self) -> None:
        """Nobody wants to know."""
        self._observing.abort()

    def inputs(self, core: Cache) -> list[_PlainInput]:
        """The files and folders that were read, as they are now.

        Raises:
            CacheError: somebody changed one of them meanwhile, or not everything was seen.
        """
        seen = self._observing.stop((os.fspath(core.directory),))
        if seen.unseen:
            raise CacheError(f"what it read is not known: {seen.unseen}")
        for path in seen.read:
            if path not in seen.written and _changed_ns(path) >= self._started_ns:
                raise CacheError(f"{path} changed while it ran")
        paths = [observe.shortened(path) for path in (*seen.read, *seen.looked_at, *seen.reread)]
        found = zip(paths, core.digest_paths(paths), strict=True)
        files: list[_PlainInput] = [(kind, path, digest, None) for path, (kind, digest) in found]
        return files + [
            ("state", observe.LISTING + folder, observe.listing_digest(folder), None)
            for folder in map(observe.shortened, seen.listed)
        ]


def _changed_ns(path: str) -> int:
    try:
        found = os.stat(path)
    except OSError:
        return 0
    return max(found.st_mtime_ns, found.st_ctime_ns)
