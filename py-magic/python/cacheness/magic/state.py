"""State of the process that a cell may read or change without naming it.

Each probe reads one piece of it, before and after a run. What changed is stored with the entry and
set again on a hit. A random generator that the cell drew from was an input as well: its state
before is compared at lookup.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cacheness.fingerprint import fingerprint


@dataclass(frozen=True)
class Probe:
    """One piece of state.

    Attributes:
        module: must be loaded for the state to exist.
        read: takes the state, as plain values.
        write: puts it back, given the state before and after the run.
        is_input: whether a run that changed it depends on what it was before.
    """

    module: str
    read: Callable[[], Any]
    write: Callable[[Any, Any], None]
    is_input: bool = False


def _write_mapping(target: Callable[[], Any]) -> Callable[[Any, Any], None]:
    """Sets what the cell set and removes what it removed, and leaves the rest as it is now."""

    def write(before: dict[Any, Any], after: dict[Any, Any]) -> None:
        mapping = target()
        for name in before.keys() - after.keys():
            mapping.pop(name, None)
        for name, value in after.items():
            if name not in before or before[name] != value:
                mapping[name] = value

    return write


def _numpy_random() -> Any:
    return sys.modules["numpy.random"].mtrand._rand


def _write_numpy_errors(_: Any, after: dict[str, str]) -> None:
    sys.modules["numpy"].seterr(**after)


def _rc_params() -> Any:
    return sys.modules["matplotlib"].rcParams


def _read_rc_params() -> dict[str, Any]:
    # `copy` does not resolve the backend, which reading every item would. The backend is the front
    # end's matter.
    params = _rc_params().copy()
    return {name: value for name, value in dict.items(params) if "backend" not in name}


def _pandas_options() -> dict[str, Any]:
    # `get_option` would warn of each deprecated option.
    return dict(_leaves(sys.modules["pandas._config.config"]._global_config, ""))


def _leaves(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _write_pandas_options(before: dict[str, Any], after: dict[str, Any]) -> None:
    for key, value in after.items():
        if before.get(key) != value:
            sys.modules["pandas"].set_option(key, value)


def _write_path(_: Any, after: list[str]) -> None:
    sys.path[:] = after


PROBES: dict[str, Probe] = {
    "random": Probe(
        "random", random.getstate, lambda _, after: random.setstate(after), is_input=True
    ),
    "numpy.random": Probe(
        "numpy.random",
        lambda: _numpy_random().get_state(legacy=False),
        lambda _, after: _numpy_random().set_state(after),
        is_input=True,
    ),
    "numpy errors": Probe("numpy", lambda: sys.modules["numpy"].geterr(), _write_numpy_errors),
    "numpy print options": Probe(
        "numpy",
        lambda: sys.modules["numpy"].get_printoptions(),
        lambda _, after: sys.modules["numpy"].set_printoptions(**after),
    ),
    "rcParams": Probe("matplotlib", _read_rc_params, _write_mapping(_rc_params)),
    "pandas options": Probe("pandas", _pandas_options, _write_pandas_options),
    "environment": Probe("os", lambda: dict(os.environ), _write_mapping(lambda: os.environ)),
    "working directory": Probe("os", os.getcwd, lambda _, after: os.chdir(after)),
    "sys.path": Probe("sys", lambda: list(sys.path), _write_path),
}


def read_states() -> dict[str, Any]:
    """The state behind every probe whose module is loaded."""
    # Loaded lazily by NumPy: without it, a cell that draws first thing could not be told from one
    # that does not.
    import numpy.random  # noqa: F401

    states = {}
    for name, probe in PROBES.items():
        if probe.module in sys.modules:
            try:
                states[name] = probe.read()
            except Exception:
                continue
    return states


def unusual_options() -> str | None:
    """The digest of options of NumPy, pandas and matplotlib that are not the usual ones.

    What a cell shows, and some of what it computes, follows from them. `None` when all are as they
    are without anyone's doing, so that it makes no difference whether a library is loaded yet.
    """
    found: dict[str, Any] = {}
    numpy, matplotlib = sys.modules.get("numpy"), sys.modules.get("matplotlib")
    for name, usual in (("numpy errors", _USUAL_ERRORS), ("numpy print options", _USUAL_PRINTING)):
        now = PROBES[name].read() if numpy is not None else {}
        found |= {f"{name} {n}": now[n] for n in now.keys() & usual.keys() if now[n] != usual[n]}
    if "pandas" in sys.modules:
        known = sys.modules["pandas._config.config"]._registered_options
        found |= {n: v for n, v in _pandas_options().items() if v != known[n].defval}
    if matplotlib is not None and hasattr(matplotlib, "rcParamsOrig"):
        usual_params = dict(dict.items(matplotlib.rcParamsOrig))
        now = _read_rc_params()
        found |= {n: v for n, v in now.items() if n in usual_params and v != usual_params[n]}
    return fingerprint(dict(sorted(found.items()))) if found else None


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


def state_digest(name: str) -> str | None:
    """The digest of one piece of state as it is now; `None` when it does not exist."""
    probe = PROBES.get(name)
    if probe is None or probe.module not in sys.modules:
        return None
    return fingerprint(probe.read())


@dataclass
class StateChange:
    """What a run changed, and the digests of the inputs among it as they were before."""

    changed: dict[str, tuple[Any, Any]]
    inputs: dict[str, str]


def state_change(before: dict[str, Any], seeded: set[str]) -> StateChange:
    """Compares `before` with now. Generators in `seeded` were seeded before anything was drawn."""
    after = read_states()
    changed = {}
    inputs = {}
    for name, was in before.items():
        now = after.get(name)
        if fingerprint(was) == fingerprint(now):
            continue
        changed[name] = (was, now)
        if PROBES[name].is_input and name not in seeded:
            inputs[name] = fingerprint(was)
    # A library that the cell itself loaded comes with a state of its own, which only matters once
    # it is changed.
    return StateChange(changed, inputs)


def write_states(changed: dict[str, tuple[Any, Any]]) -> None:
    """Sets again what the run changed. Loads a library if that is where the state lives."""
    for name, (before, after) in changed.items():
        probe = PROBES[name]
        __import__(probe.module)
        probe.write(before, after)


class SeedWatch:
    """Notices whether a run seeds a global generator before it draws from it."""

    def __init__(self) -> None:
        self.seeded: set[str] = set()
        self._undo: list[Callable[[], None]] = []

    def start(self, before: dict[str, Any]) -> None:
        self._watch("random", random, before)
        if "numpy.random" in before:
            self._watch("numpy.random", sys.modules["numpy.random"], before)

    def stop(self) -> None:
        while self._undo:
            self._undo.pop()()

    def _watch(self, name: str, module: Any, before: dict[str, Any]) -> None:
        original = module.seed

        def seed(*args: Any, **options: Any) -> Any:
            if (args or options) and fingerprint(PROBES[name].read()) == fingerprint(before[name]):
                self.seeded.add(name)
            return original(*args, **options)

        module.seed = seed

        def undo() -> None:
            if module.seed is seed:
                module.seed = original

        self._undo.append(undo)
