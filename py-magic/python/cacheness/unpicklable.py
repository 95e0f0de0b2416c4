"""Which part of a value keeps the whole of it from being pickled."""

import inspect
import types
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

Attempt = Callable[[object], Exception | None]
"""Pickles a value and returns what went wrong, if anything."""

# Of a container with more parts than this, the others are not tried.
_MOST_PARTS: Final = 10_000
_ATOMS: Final = frozenset({types.NoneType, bool, int, float, complex, str, bytes})


def culprit(value: object, attempt: Attempt) -> tuple[str, object]:
    """The path to the innermost part that cannot be pickled, such as `value['model'].lock`, and
    that part. The path is `value` if no part can be blamed."""
    path, seen = "value", {id(value)}
    while True:
        for step, part in islice(_parts(value), _MOST_PARTS):
            if type(part) in _ATOMS or id(part) in seen or attempt(part) is None:
                continue
            path, value = path + step, part
            seen.add(id(part))
            break
        else:
            return path, value


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """What pickle would look into, and how each is reached."""
    if isinstance(value, dict):
        yield from _items(value.items())
    elif isinstance(value, (list, tuple)):
        yield from _numbered(value)
    elif isinstance(value, (set, frozenset)):
        yield from ((" (an item)", item) for item in value)
    elif isinstance(value, types.FunctionType):
        used = inspect.getclosurevars(value)
        for name, part in {**used.nonlocals, **used.globals}.items():
            yield f" (its variable {name})", part
    elif getattr(getattr(value, "dtype", None), "hasobject", False):
        yield from _numbered(value.tolist())  # type: ignore[attr-defined]
    if type(value) not in (dict, list, tuple, set, frozenset) and not callable(value):
        yield from _reduced(value)


def _reduced(value: object) -> Iterator[tuple[str, object]]:
    """The state that an object hands to pickle."""
    try:
        reduced: Any = value.__reduce_ex__(5)
    except Exception:
        return
    if not isinstance(reduced, tuple):
        return
    _, arguments, state, items, pairs, *_ = (*reduced, None, None, None, None)
    # Slots come second, beside the attributes.
    for part in state if isinstance(state, tuple) else (state,):
        if isinstance(part, dict):
            yield from ((f".{name}", one) for name, one in part.items())
        elif part is not None:
            yield ".__getstate__()", part
    yield from _numbered(items or ())
    yield from _items(pairs or ())
    # The class itself is the first of them for most objects.
    for part in arguments:
        if not isinstance(part, type):
            yield " (what it is made of)", part


def _numbered(values: Iterable[object]) -> Iterator[tuple[str, object]]:
    return ((f"[{index}]", item) for index, item in enumerate(values))


def _items(pairs: Iterable[tuple[object, object]]) -> Iterator[tuple[str, object]]:
    for key, item in pairs:
        yield f" (the key {key!r:.40})", key
        yield f"[{key!r:.40}]", item
