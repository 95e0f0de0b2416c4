"""Lifetimes: `ttl="90s" | "15m" | "24h" | "7d" | "2w" | "never"`, or a number of hours."""

import math
import re
from enum import Enum
from typing import Final

from cacheness.errors import CacheConfigError

SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
# The index counts nanoseconds in 64 bits; a century is past any use and far from the limit.
LONGEST: Final = 100 * 365 * 86400.0
_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([smhdw])\s*", re.ASCII | re.IGNORECASE)


class Unset(Enum):
    """The type of `UNSET`, which tells "not given" from `None` (never expires)."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "<not given>"


UNSET: Final = Unset.UNSET


def parse_ttl(text: str | None, what: str | None = None) -> float | None:
    """Seconds of a lifetime such as `"15m"`; `None` and `"never"` give `None`: never expires.
    `what` is what an error calls it."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise CacheConfigError(
            f"ttl takes text such as '15m', not {text!r} (ttl_hours takes a number)"
        )
    if text.strip().lower() == "never":
        return None
    match = _TEXT.fullmatch(text)
    what = f"ttl {text!r}" if what is None else what
    if match is None:
        raise CacheConfigError(
            f"{what} is not a duration: write a number and one of s, m, h, d, w, "
            "as in '90s', '15m', '24h', '7d', '2w', or 'never'"
        )
    return _checked(float(match[1]) * SECONDS[match[2].lower()], what)


def hours_to_seconds(hours: float | None, name: str = "ttl_hours") -> float | None:
    """Seconds of a number of hours; `None` gives `None`: never expires."""
    if hours is None:
        return None
    if isinstance(hours, bool) or not isinstance(hours, (int, float)):
        raise CacheConfigError(f"{name} takes a number of hours or None, not {hours!r}")
    try:
        seconds = float(hours) * 3600.0
    except OverflowError:
        seconds = math.inf
    return _checked(seconds, f"{name}={hours!r}")


def resolve(
    ttl_hours: float | None | Unset, ttl: str | None | Unset, default: float | None | Unset
) -> float | None | Unset:
    """Seconds from whichever spelling was given, else `default`."""
    if ttl is not UNSET and ttl_hours is not UNSET:
        first, second = parse_ttl(ttl), hours_to_seconds(ttl_hours)
        if first != second:
            raise CacheConfigError(f"ttl={ttl!r} and ttl_hours={ttl_hours!r} contradict each other")
        return first
    if ttl is not UNSET:
        return parse_ttl(ttl)
    if ttl_hours is not UNSET:
        return hours_to_seconds(ttl_hours)
    return default


def _checked(seconds: float, what: str) -> float | None:
    if math.isnan(seconds) or seconds < 0:
        raise CacheConfigError(f"{what} is not a lifetime: it must not be negative or NaN")
    # Infinity and the absurdly long mean what they say.
    return None if seconds > LONGEST else seconds
