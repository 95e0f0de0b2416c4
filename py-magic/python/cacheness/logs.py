"""What the logger `cacheness` is told: at INFO what a cache did, at DEBUG how."""

import logging
import os
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Final

from cacheness._cacheness import Entry, Miss, digest_threads

logger: Final = logging.getLogger("cacheness")
_MEGABYTE: Final = 1024 * 1024

debug = logger.debug
info = logger.info


def debugging() -> bool:
    """Whether DEBUG is heard: what only it tells need not be found out otherwise."""
    return logger.isEnabledFor(logging.DEBUG)


def key(visible: str, shown: Mapping[str, str | None]) -> None:
    """Which parameters a key was made of; without the text of those that are not to be shown."""
    parts = [name if text is None else f"{name}={text}" for name, text in shown.items()]
    debug("key %s of %s", visible, ", ".join(parts) or "no parameters")


def hit(entry: Entry, seconds: float) -> None:
    info("hit %s (%s)", _named(entry.cache_key, entry.name), entry.data_type)
    debug("read %s in %.2f ms: %d bytes", entry.cache_key, seconds * 1e3, entry.size_bytes)


def miss(visible: str, why: Miss) -> None:
    info("miss %s: %s", visible, why.describe())


def encoded(value: object, handler: str, nbytes: int, seconds: float) -> None:
    kind = type(value).__qualname__
    debug("encoded a %s by %s in %.2f ms: %d bytes", kind, handler, seconds * 1e3, nbytes)


def stored(visible: str, name: str | None, data_type: str, nbytes: int) -> None:
    info("stored %s as %s (%d bytes)", _named(visible, name), data_type, nbytes)


def removed(what: str, count: int) -> None:
    info("%s (%d %s)", what, count, "entry" if count == 1 else "entries")


def directory(path: pathlib.PurePath, digest: Callable[[str], tuple[str, str]]) -> tuple[str, str]:
    """`digest(path)`, told about before and after if the path is a directory."""
    files, nbytes = _contents(path)
    if files is None:
        return digest(str(path))
    workers = max(1, min(files, digest_threads()))
    method = "parallel" if workers > 1 else "sequential"
    text = "Hashing directory %s with %d %s (%.0fMB) using %s method"
    debug(text, os.path.abspath(path), files, _plural("file", files), nbytes / _MEGABYTE, method)
    started = time.perf_counter()
    found = digest(str(path))
    seconds, noun = time.perf_counter() - started, _plural("worker", workers)
    debug("Directory hashing completed in %.2fs using %d %s", seconds, workers, noun)
    return found


def _contents(path: pathlib.PurePath) -> tuple[int | None, int]:
    """How many files lie below a directory, and their bytes; no number: it is none."""
    if not os.path.isdir(path):
        return None, 0
    sizes = []
    for folder, _, names in os.walk(path, followlinks=False):
        for name in names:
            try:
                sizes.append(os.stat(os.path.join(folder, name)).st_size)
            except OSError:  # a link that leads nowhere, or gone
                continue
    return len(sizes), sum(sizes)


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _named(visible: str, name: str | None) -> str:
    return visible if name is None else f"{visible} of {name}"
