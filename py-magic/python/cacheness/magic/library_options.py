"""Options of the interpreter and of libraries: what a cell computes and shows may follow from them.

Only what is not as usual counts, so that it makes no difference whether a library is loaded yet,
and only options of libraries that the cell can reach.
"""

from __future__ import annotations

import decimal
import locale
import logging
import os
import sys
import warnings
from collections.abc import Callable, Collection
from typing import Any

from cacheness.decompose.process import logger_settings
from cacheness.magic.state import (
    PROBES,
    USUAL_SKLEARN,
    pandas_options,
    read_rc_params,
    usual_pandas_options,
    usual_rc_params,
)
from cacheness.origin import code_origin

# What the values of a package can lead to; any other package can lead to all of them.
_REACH = {
    "numpy": ("numpy",),
    "pandas": ("numpy", "pandas", "matplotlib", "pyarrow"),
    "polars": ("numpy", "polars"),
    "pyarrow": ("numpy", "pyarrow"),
    "matplotlib": ("numpy", "matplotlib"),
}
# By which values of any package may appear.
_OPEN = frozenset("pickle shelve marshal importlib import_module __import__ load".split())
_USUAL_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
_USUAL_PRINTING = {
    "edgeitems": 3,
    "threshold": 1000,
    "floatmode": "maxprec",
    "precision": 8,
    "suppress": False,
    "linewidth": 75,
    "nanstr": "nan",
    "infstr": "inf",
    "sign": "-",
    "formatter": None,
    "legacy": False,
}
_CATEGORIES = ("LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY")


def unusual_options(packages: Collection[str], called: Collection[str]) -> dict[str, Any]:
    """Options that are not as usual, by what people call them.

    `packages` are those that the cell's values come from or that it imports, `called` what it
    calls.
    """
    found: dict[str, Any] = {}
    reached = _reached(packages, called)
    for library, read in _LIBRARIES.items():
        if library is None or (library in sys.modules and library in reached):
            found |= read()
    return found


def _reached(packages: Collection[str], called: Collection[str]) -> Collection[str]:
    everything = {library for library in _LIBRARIES if library is not None}
    names = {part.removesuffix("()") for name in called for part in name.split(".")}
    if names & _OPEN or not _OPEN.isdisjoint(packages):
        return everything
    reached: set[str] = set()
    for package in packages:
        if package in sys.stdlib_module_names or package in ("__main__", ""):
            continue
        if package not in _REACH and code_origin(package) is None and package in sys.modules:
            continue  # the person's own: what it imports was met on its own
        reached.update(_REACH.get(package, everything))
    return reached


def _numpy() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, usual in (("errors", _USUAL_ERRORS), ("print options", _USUAL_PRINTING)):
        now = PROBES[f"numpy {name}"].read()
        found |= {
            f"NumPy {name} {option}": now[option]
            for option in now.keys() & usual.keys()
            if now[option] != usual[option]
        }
    return found


def _pandas() -> dict[str, Any]:
    usual = usual_pandas_options()
    return {f"pandas {n}": v for n, v in pandas_options().items() if v != usual[n]}


def _matplotlib() -> dict[str, Any]:
    now = read_rc_params()
    # The inline backend switches it on when it is first used, and so does restoring that use.
    interactive = now["interactive"] or "matplotlib_inline.backend_inline" in sys.modules
    usual = {**usual_rc_params(), "interactive": interactive}
    found: dict[str, Any] = {
        f"rcParams {n}": v for n, v in now.items() if n in usual and v != usual[n]
    }
    inline = sys.modules.get("matplotlib_inline.config")
    if inline is not None and inline.InlineBackend.initialized():
        backend = inline.InlineBackend.instance()
        formats = sorted(backend.figure_formats)
        if formats != ["png"]:
            found["figure formats"] = formats
        if backend.print_figure_kwargs != {"bbox_inches": "tight"}:
            found["figure options"] = dict(backend.print_figure_kwargs)
    return found


def _polars() -> dict[str, Any]:
    return {f"polars {n}": v for n, v in os.environ.items() if n.startswith("POLARS_FMT_")}


def _sklearn() -> dict[str, Any]:
    now = PROBES["sklearn"].read()
    common = now.keys() & USUAL_SKLEARN.keys()
    return {f"scikit-learn {n}": now[n] for n in common if now[n] != USUAL_SKLEARN[n]}


def _interpreter() -> dict[str, Any]:
    """The decimal context, locales, filters of warnings, the root of logging."""
    found: dict[str, Any] = {}
    context = decimal.getcontext()
    usual = decimal.Context()
    for name in ("prec", "rounding", "Emin", "Emax", "capitals", "clamp"):
        if getattr(context, name) != getattr(usual, name):
            found[f"decimal {name}"] = getattr(context, name)
    trapped = {signal.__name__ for signal, on in context.traps.items() if on}
    if trapped != {"DivisionByZero", "InvalidOperation", "Overflow"}:
        found["decimal traps"] = trapped
    for category in _CATEGORIES:
        chosen = locale.setlocale(getattr(locale, category))
        if chosen not in ("C", "POSIX"):
            found[f"locale {category}"] = chosen
    broad = _broad_filters()
    if broad:
        found["filters of warnings"] = broad
    root = logger_settings(logging.root)
    if root != _QUIET_ROOT:
        found["logging"] = root
    return found


_QUIET_ROOT = (0, ("root", logging.WARNING, False, ()), ())
_IGNORED_ANYWAY = (
    DeprecationWarning,
    PendingDeprecationWarning,
    ImportWarning,
    ResourceWarning,
)


def _broad_filters() -> tuple[tuple[str, str], ...]:
    """Filters that hold everywhere; libraries set some too, but for their own messages only."""
    return tuple(
        (action, str(category))
        for action, message, category, module, line in warnings.filters
        if message is None
        and module is None
        and not line
        and getattr(category, "__module__", "") == "builtins"
        and not (action == "ignore" and category in _IGNORED_ANYWAY)
    )


def _ipython() -> dict[str, Any]:
    """What decides how the shell compiles cells and shows their values."""
    shell = sys.modules["IPython"].get_ipython()
    if shell is None:
        return {}
    found: dict[str, Any] = {}
    if shell.ast_node_interactivity != "last_expr":
        found["ast_node_interactivity"] = shell.ast_node_interactivity
    flags = PROBES["future statements"].read()
    if flags:
        found["future statements"] = flags
    formatters = shell.display_formatter.formatters
    precision = formatters["text/plain"].float_precision
    if precision:
        found["%precision"] = precision
    for mime, formatter in formatters.items():
        for kind, function in formatter.type_printers.items():
            if getattr(function, "__module__", None) == "__main__":
                found[f"{mime} of {kind.__qualname__}"] = function
    return found


# By the package whose options they are; `None`: always.
_LIBRARIES: dict[str | None, Callable[[], dict[str, Any]]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "matplotlib": _matplotlib,
    "polars": _polars,
    "sklearn": _sklearn,
    None: lambda: _interpreter() | _ipython(),
}
