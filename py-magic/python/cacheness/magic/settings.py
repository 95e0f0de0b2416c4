"""Where this kernel's settings come from: the kernel itself, its environment, the project, the defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cacheness.errors import CacheConfigError

_DEFAULTS: dict[str, Any] = {"cache_dir": "./cache", "max_cache_size_mb": 10_000}


class Settings:
    """The settings of one kernel; each is looked up when it is needed."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._own: dict[str, Any] = {}

    def set(self, name: str, value: str) -> None:
        """Sets a value for this kernel.

        Raises:
            CacheConfigError: there is no such setting, or the value is no value for it.
        """
        if name not in _DEFAULTS:
            raise CacheConfigError(f"there is no setting {name!r}: there are {', '.join(_DEFAULTS)}")
        self._own[name] = _checked(name, value)

    def items(self) -> Iterator[tuple[str, Any, str]]:
        """Each setting with its value and where that came from."""
        for name in _DEFAULTS:
            yield (name, *self._find(name))

    def cache_directory(self) -> str:
        """Absolute path of the cache directory."""
        return os.path.abspath(os.path.expanduser(str(self._find("cache_dir")[0])))

    def max_bytes(self) -> int:
        """The size limit in bytes."""
        return int(float(self._find("max_cache_size_mb")[0]) * 1_000_000)

    def notebook(self) -> str | None:
        """The notebook's path, if the front end told it."""
        session = os.environ.get("JPY_SESSION_NAME")
        return self._shell.user_ns.get("__vsc_ipynb_file__") or session or None

    def _find(self, name: str) -> tuple[Any, str]:
        if name in self._own:
            return self._own[name], "this kernel"
        variable = f"CACHENESS_{name.upper()}"
        if os.environ.get(variable):
            return _checked(name, os.environ[variable]), variable
        for source in _project_files():
            found = _table(source).get(name)
            if found is not None:
                return _checked(name, found), str(source)
        return _DEFAULTS[name], "default"


def _checked(name: str, value: Any) -> Any:
    if name == "cache_dir":
        if not str(value).strip() or "\0" in str(value):
            raise CacheConfigError(f"cache_dir={value!r} is not a folder")
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 < number < float("inf"):
        raise CacheConfigError(f"{name}={value!r} is not a number of megabytes above 0")
    return number


def _project_files() -> Iterator[Path]:
    """The project's file, then the person's own."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            yield file
            break
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    yield Path(config) / "cacheness" / "config.toml"


def _table(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as source:
            data = tomllib.load(source)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CacheConfigError(f"{file} cannot be read: {error}") from None
    table = data.get("tool", {}).get("cacheness", {}) if file.name == "pyproject.toml" else data
    return table if isinstance(table, dict) else {}
