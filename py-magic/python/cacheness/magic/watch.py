"""What a run reads without an audit event: the environment, files that are only looked at.

Some of it is not seen even then, but told by the names of what the code calls: the clock, fresh
randomness, the working folder, readers in native code.
"""

from __future__ import annotations

import datetime
import os
import sys
import time
import types
from collections.abc import Callable, Iterable
from typing import Any

from cacheness.origin import is_installed_file, is_standard_file

_CLOCKS = frozenset(
    "time.time time.time_ns time.localtime time.gmtime time.ctime datetime.now datetime.today"
    " datetime.utcnow date.today Timestamp.now Timestamp.today Timestamp.utcnow".split()
)
_CHANCE = frozenset("os.urandom uuid.uuid1 uuid.uuid4 uuid1 uuid4 urandom SystemRandom".split())
_UNSEEDED = ("default_rng()", "RandomState()", "SeedSequence()", "random.Random()", ".seed()")
_FOLDER = frozenset("getcwd cwd abspath realpath resolve absolute".split())
_NATIVE = frozenset(
    "read_parquet scan_parquet read_ipc scan_ipc scan_csv read_ndjson scan_ndjson read_avro"
    " read_delta scan_delta read_table read_feather ParquetFile ParquetDataset".split()
)


class Watch:
    """Taps on the environment and on `os.stat`, from `start` to `stop`.

    Attributes:
        variables: environment variables that the person's own code read.
        looked_at: paths whose state was asked for.
    """

    def __init__(self) -> None:
        self.variables: set[str] = set()
        self.looked_at: list[str] = []
        self._undo: list[Callable[[], None]] = []

    def start(self) -> None:
        """Puts the taps on."""
        get, stat = os._Environ.__getitem__, os.stat

        def tapped_get(environment: Any, name: Any) -> Any:
            if isinstance(name, (str, bytes)) and _is_called_by_own_code():
                self.variables.add(os.fsdecode(name))
            return get(environment, name)

        def tapped_stat(path: Any, *args: Any, **options: Any) -> os.stat_result:
            if isinstance(path, (str, os.PathLike)) and not args and not options.get("dir_fd"):
                self.looked_at.append(str(path))
            return stat(path, *args, **options)

        os._Environ.__getitem__ = tapped_get  # type: ignore[method-assign]
        os.stat = tapped_stat
        self._undo = [
            lambda: setattr(os._Environ, "__getitem__", get),
            lambda: setattr(os, "stat", stat),
        ]

    def stop(self) -> None:
        """Takes the taps off."""
        while self._undo:
            self._undo.pop()()


def _is_called_by_own_code() -> bool:
    """Whether code of the person's own asked, itself or through the standard library."""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None and is_standard_file(frame.f_code.co_filename):
        frame = frame.f_back
    return frame is not None and not is_installed_file(frame.f_code.co_filename)


def effects(called: Iterable[str], values: Iterable[Any]) -> dict[str, str]:
    """What cannot be done again, by the names that are called and the variables that are read."""
    found: dict[str, str] = {}
    for name in sorted(called):
        ending = ".".join(name.split(".")[-2:])
        if ending in _CLOCKS:
            found.setdefault("clock", name)
        elif ending in _CHANCE or ending.startswith("secrets.") or name.endswith(_UNSEEDED):
            found.setdefault("chance", name)
    for value in values:
        if value is time.time or value is time.time_ns or _is_now(value):
            found.setdefault("clock", value.__name__)
        elif value is os.urandom:
            found.setdefault("chance", value.__name__)
    return found


def _is_now(value: Any) -> bool:
    owner = getattr(value, "__self__", None)
    is_date = isinstance(owner, type) and issubclass(owner, datetime.date)
    return isinstance(value, types.BuiltinFunctionType) and is_date


def depends_on_folder(called: Iterable[str]) -> bool:
    """Whether something that is called may tell the working folder."""
    return any(name.rpartition(".")[2] in _FOLDER for name in called)


def asks_for_sizes(called: Iterable[str]) -> bool:
    """Whether native code is called that tells the sizes and times of files that it finds."""
    return any(name.rpartition(".")[2] in ("get_file_info", "FileSelector") for name in called)


def native_reader(called: Iterable[str]) -> str | None:
    """A reader that opens files unseen, if one is called."""
    return next((name for name in sorted(called) if name.rpartition(".")[2] in _NATIVE), None)
