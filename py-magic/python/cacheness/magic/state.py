"""State of the process that a cell may read or change without naming it.

Each probe reads one piece of it, before and after a run. What changed is stored with the entry and
set again on a hit. A random generator that the cell drew from was an input as well: its state
before is compared at lookup.
"""

from __future__ import annotations
import __future__

import decimal
import functools
import operator
import os
import random
import sys
import warnings
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
        usual: the state of a module that has just been loaded, where a run may load it.
    """

    module: str
    read: Callable[[], Any]
    write: Callable[[Any, Any], None]
    is_input: bool = False
    usual: Callable[[], Any] | None = None


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


def read_rc_params() -> dict[str, Any]:
    """All but those that name a backend."""
    # `copy` does not resolve the backend, which reading every item would. The backend is the front
    # end's matter.
    params = _rc_params().copy()
    return {name: value for name, value in dict.items(params) if "backend" not in name}


def usual_rc_params() -> dict[str, Any]:
    """As they were when the library was loaded."""
    usual = dict.items(getattr(sys.modules["matplotlib"], "rcParamsOrig", read_rc_params()))
    return {name: value for name, value in usual if "backend" not in name}


def usual_pandas_options() -> dict[str, Any]:
    """As they are registered."""
    known = sys.modules["pandas._config.config"]._registered_options
    return {name: known[name].defval for name in pandas_options()}


USUAL_SKLEARN = {
    "assume_finite": False,
    "working_memory": 1024,
    "print_changed_only": True,
    "display": "diagram",
    "transform_output": "default",
    "enable_metadata_routing": False,
    "array_api_dispatch": False,
}


def pandas_options() -> dict[str, Any]:
    """The options, by their full names."""
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


_DECIMAL = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp", "flags", "traps")


def _read_decimal() -> dict[str, Any]:
    context = decimal.getcontext()
    found = {name: getattr(context, name) for name in _DECIMAL}
    return found | {name: dict(found[name]) for name in ("flags", "traps")}


def _write_decimal(_: Any, after: dict[str, Any]) -> None:
    context = decimal.getcontext()
    for name, value in after.items():
        setattr(context, name, value)


def _write_filters(before: list[Any], after: list[Any]) -> None:
    """What the run added goes first, as it did then; what it removed is removed."""
    gone = [item for item in before if item not in after]
    new = [item for item in after if item not in before]
    kept = [item for item in warnings.filters if item not in gone and item not in new]
    warnings.filters[:] = [*new, *kept]  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _shell() -> Any:
    return sys.modules["IPython"].get_ipython()


_FUTURE = functools.reduce(
    operator.or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)


def _write_future(before: int, after: int) -> None:
    flags = _shell().compile.flags
    _shell().compile.flags = (flags & ~before | after) if before != after else flags


def _write_limits(_: Any, after: tuple[int, int, float]) -> None:
    sys.setrecursionlimit(after[0])
    sys.set_int_max_str_digits(after[1])
    sys.setswitchinterval(after[2])


def _write_interactivity(_: Any, after: str) -> None:
    _shell().ast_node_interactivity = after


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
    "rcParams": Probe(
        "matplotlib", read_rc_params, _write_mapping(_rc_params), usual=usual_rc_params
    ),
    "pandas options": Probe(
        "pandas", pandas_options, _write_pandas_options, usual=usual_pandas_options
    ),
    "environment": Probe("os", lambda: dict(os.environ), _write_mapping(lambda: os.environ)),
    # A change of these two may be relative to what they were.
    "working directory": Probe("os", os.getcwd, lambda _, after: os.chdir(after), is_input=True),
    "sys.path": Probe("sys", lambda: list(sys.path), _write_path, is_input=True),
    "torch": Probe(
        "torch",
        lambda: sys.modules["torch"].get_rng_state(),
        lambda _, after: sys.modules["torch"].set_rng_state(after),
        is_input=True,
    ),
    "sklearn": Probe(
        "sklearn",
        lambda: sys.modules["sklearn"].get_config(),
        lambda _, after: sys.modules["sklearn"].set_config(**after),
        usual=lambda: dict(USUAL_SKLEARN),
    ),
    "decimal": Probe("decimal", _read_decimal, _write_decimal),
    "filters of warnings": Probe("warnings", lambda: list(warnings.filters), _write_filters),
    "limits": Probe(
        "sys",
        lambda: (sys.getrecursionlimit(), sys.get_int_max_str_digits(), sys.getswitchinterval()),
        _write_limits,
    ),
    "future statements": Probe("IPython", lambda: _shell().compile.flags & _FUTURE, _write_future),
    "interactivity": Probe(
        "IPython", lambda: _shell().ast_node_interactivity, _write_interactivity
    ),
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
    for name, now in after.items():
        usual = PROBES[name].usual
        if name in before:
            was = before[name]
        elif usual is not None:
            was = usual()
        else:
            continue
        if fingerprint(was) == fingerprint(now):
            continue
        changed[name] = (was, now)
        if PROBES[name].is_input and name not in seeded:
            inputs[name] = fingerprint(was)
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
