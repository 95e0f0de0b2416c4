"""Where settings come from: the kernel or the command line, the environment, the project's
`pyproject.toml`, the person's own file, the defaults.
"""

from __future__ import annotations

import difflib
import functools
import os
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cacheness.durations import parse_ttl
from cacheness.errors import CacheConfigError

_MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        default: what holds if nobody says otherwise.
        read: the value of a text or of a TOML value; raises `ValueError` with the end of the
            sentence "cache_dir='' …".
        help: what it is for.
    """

    default: Any
    read: Callable[[Any], Any]
    help: str


def _folder(value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)) or not str(value).strip() or "\0" in str(value):
        raise ValueError("is not a folder")
    return str(value)


def _megabytes(value: Any) -> float:
    try:
        number = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 < number < float("inf"):
        raise ValueError("is not a number of megabytes above 0")
    return int(number) if number.is_integer() else number


def _lifetime(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("takes text such as '7d' or 'never'")
    parse_ttl(value, "it")
    return value


def _switch(value: Any) -> bool:
    lowered = str(value).strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    raise ValueError("is not on or off")


def _seconds(value: Any) -> float:
    seconds = parse_ttl(value)
    if seconds is None:
        raise ValueError("is not a duration")
    return seconds


SETTINGS: Final[dict[str, Setting]] = {
    "cache_dir": Setting("./cache", _folder, "the folder that entries are kept in"),
    "max_cache_size_mb": Setting(
        10_000, _megabytes, "how large it may grow, in megabytes of 1024 * 1024 bytes"
    ),
    "default_ttl": Setting(
        "never", _lifetime, "how long a cell's entry holds, unless its ttl= says otherwise"
    ),
    "quiet": Setting(False, _switch, "no line under cells that says hit or miss"),
    "auto": Setting(False, _switch, "cache every cell that is worth it, marked or not"),
    "auto_min": Setting(1.0, _seconds, "the run time from which on an unmarked cell is considered"),
}


class Settings:
    """The settings of one kernel or command; each is looked up when it is needed."""

    def __init__(self) -> None:
        self._own: dict[str, tuple[Any, str]] = {}

    def set(self, name: str, value: str, source: str = "this kernel") -> None:
        """Sets a value before all other sources.

        Raises:
            CacheConfigError: there is no such setting, or the value is no value for it.
        """
        if name not in SETTINGS:
            raise CacheConfigError(_unknown(name))
        self._own[name] = (_checked(name, value), source)

    def replaced(self, own: dict[str, tuple[Any, str]]) -> dict[str, tuple[Any, str]]:
        """Puts `own` in place of what `set` has set, and returns that."""
        before, self._own = self._own, own
        return before

    @property
    def own(self) -> dict[str, tuple[Any, str]]:
        """A copy of what `set` has set: name -> value and source."""
        return dict(self._own)

    def get(self, name: str) -> Any:
        """The value that holds now."""
        return self.find(name)[0]

    def find(self, name: str) -> tuple[Any, str]:
        """The value that holds now, and where it came from."""
        if name in self._own:
            return self._own[name]
        variable = f"CACHENESS_{name.upper()}"
        if os.environ.get(variable):
            return _checked(name, os.environ[variable], variable), variable
        for source in _files():
            found = _table(source).get(name)
            if found is not None:
                value = _checked(name, found, str(source))
                return _from_folder(name, value, source.parent), str(source)
        return SETTINGS[name].default, "default"

    def items(self) -> Iterator[tuple[str, Any, str]]:
        """Each setting with its value and where that came from."""
        for name in SETTINGS:
            yield (name, *self.find(name))

    def unknown(self) -> list[str]:
        """One sentence for each name in the files that is no setting."""
        return [
            f"{source}: {_unknown(name)}"
            for source in _files()
            for name in _table(source)
            if name not in SETTINGS
        ]

    def cache_directory(self) -> str:
        """Absolute path of the cache directory."""
        return os.path.abspath(os.path.expanduser(str(self.get("cache_dir"))))

    def max_bytes(self) -> int:
        """The size limit in bytes."""
        return int(self.get("max_cache_size_mb") * _MEGABYTE)

    def default_ttl(self) -> float | None:
        """The lifetime of a cell's entry in seconds; `None`: it never expires."""
        return parse_ttl(self.get("default_ttl"))


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(SETTINGS)}"
    return f"there is no setting {name!r}: {hint}"


def _checked(name: str, value: Any, source: str = "") -> Any:
    where = f"{source}: " if source else ""
    try:
        return SETTINGS[name].read(value)
    except CacheConfigError as error:
        raise CacheConfigError(f"{where}{name}={value!r}: {error}") from None
    except ValueError as error:
        raise CacheConfigError(f"{where}{name}={value!r} {error}") from None


def _from_folder(name: str, value: Any, folder: Path) -> Any:
    """A path in a file is relative to that file, wherever the notebook runs."""
    return str(folder / os.path.expanduser(value)) if name == "cache_dir" else value


def _files() -> Iterator[Path]:
    """The project's file, then the person's own."""
    # Looked for at every cell, so by plain texts: those are ten times as quick as paths.
    folder, below = os.getcwd(), ""
    while folder != below:
        file = os.path.join(folder, "pyproject.toml")
        if os.path.isfile(file):
            yield Path(file)
            break
        folder, below = os.path.dirname(folder), folder
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    yield Path(config, "cacheness", "config.toml")


def _table(file: Path) -> dict[str, Any]:
    try:
        state = file.stat()
    except OSError:
        return {}
    return _parsed(file, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=8)
def _parsed(file: Path, _mtime_ns: int, _size: int) -> dict[str, Any]:
    """The table of a file; read again when the file has changed."""
    try:
        with file.open("rb") as source:
            data = tomllib.load(source)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CacheConfigError(f"{file} cannot be read: {error}") from None
    table = data.get("tool", {}).get("cacheness", {}) if file.name == "pyproject.toml" else data
    return table if isinstance(table, dict) else {}
