"""Objects that stand for state of the process."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from cacheness.decompose.parts import VALUE, Decomposed

if TYPE_CHECKING:
    from cacheness.fingerprint import Decomposer


def logger(_: Decomposer, value: logging.Logger) -> Decomposed:
    return "logger", (logger_settings(value),), VALUE


def logger_settings(value: logging.Logger) -> tuple[Any, ...]:
    """What decides what is logged and how, of a logger and of those that it passes records to."""
    found: list[Any] = [logging.root.manager.disable]
    current: logging.Logger | None = value
    while current is not None:
        handlers = tuple(_handler(handler) for handler in current.handlers)
        found.append((current.name, current.level, current.disabled, handlers))
        found.append(tuple(map(repr, map(type, current.filters))))
        current = current.parent if current.propagate else None
    return tuple(found)


def _handler(handler: logging.Handler) -> tuple[Any, ...]:
    formatter = handler.formatter
    shown = (formatter._fmt, formatter.datefmt) if formatter is not None else None
    target = getattr(handler, "baseFilename", None)
    return type(handler).__qualname__, handler.level, shown, target
