"""Packages that only some values need, and the extra of cacheness that brings each."""

from importlib import import_module
from typing import Any, Final

from cacheness.errors import CacheDependencyError

_EXTRAS: Final = {
    "IPython": "notebook",
    "cloudpickle": "notebook",
    "pandas": "dataframes",
    "polars": "dataframes",
    "pyarrow": "dataframes",
    "sqlalchemy": "sql",
}


def load(name: str, purpose: str) -> Any:
    """The package `name`; `CacheDependencyError` says what it is for and how to get it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise missing(error.name or name, purpose) from error


def missing(name: str, purpose: str) -> CacheDependencyError:
    """The error for a package that is needed and not there."""
    package = name.partition(".")[0]
    text = f"{purpose} takes {package}, which is not installed: {how_to_get(package)}"
    return CacheDependencyError(text, name=package)


def how_to_get(package: str) -> str:
    """The command that installs it."""
    extra = _EXTRAS.get(package)
    return f"pip install {package}" if extra is None else f"pip install 'cacheness[{extra}]'"
