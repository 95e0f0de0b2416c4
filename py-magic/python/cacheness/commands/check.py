"""Whether what is on the disk is what was stored."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cacheness._cacheness import Cache
from cacheness.commands.items import Item
from cacheness.errors import CacheIntegrityError


@dataclass(frozen=True)
class Damage:
    """One blob that is not what was stored."""

    item: Item
    ordinal: int
    problem: str


@dataclass(frozen=True)
class Orphan:
    """A blob file that no entry names."""

    file: str
    size_bytes: int


def damaged(cache: Cache, found: Iterable[Item]) -> Iterator[Damage]:
    """Reads every blob of `found` and compares it with its digest."""
    for item in found:
        for ordinal in range(len(item.entry.blobs)):
            problem = cache.check(item.entry, ordinal)
            if problem is not None:
                yield Damage(item, ordinal, problem)


def orphans(cache: Cache) -> list[Orphan]:
    """The blob files that no entry names."""
    made = []
    for name in cache.orphans():
        with contextlib.suppress(FileNotFoundError):
            made.append(Orphan(name, os.stat(os.path.join(cache.directory, name)).st_size))
    return made


def repair(cache: Cache, damage: Iterable[Damage]) -> None:
    """Removes damaged entries; their bytes go to `quarantine/`, and what no entry names is
    deleted."""
    for one in damage:
        # Reading is what quarantines.
        with contextlib.suppress(CacheIntegrityError):
            cache.read(one.item.entry, one.ordinal)
    cache.collect()
