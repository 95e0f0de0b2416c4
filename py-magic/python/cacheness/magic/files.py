"""File objects: an open one cannot be stored; a closed one, as every `with open(…)` leaves behind,
is its name and mode.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from typing import Any

_KINDS = (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO)


def reduce(file: io.IOBase) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """How a closed file is made again.

    Raises:
        PicklingError: it is open, or of a kind of its own.
    """
    name = getattr(file, "name", "?")
    if type(file) not in _KINDS or not file.closed:
        raise pickle.PicklingError(f"an open file ({name})")
    mode = getattr(file, "mode", "r")
    if isinstance(file, io.TextIOWrapper):
        return closed, (name, mode, {"encoding": file.encoding, "errors": file.errors})
    return closed, (name, mode, {"buffering": 0} if isinstance(file, io.FileIO) else {})


def closed(name: Any, mode: str, options: dict[str, Any]) -> Any:
    """A closed file of that name, which need not exist."""
    file: Any = open(os.devnull, mode.replace("x", "w"), **options)  # noqa: SIM115
    raw = getattr(file, "buffer", file)
    raw = getattr(raw, "raw", raw)
    raw.name = name
    if "buffer" in dir(file):
        file.mode = mode
    file.close()
    return file
