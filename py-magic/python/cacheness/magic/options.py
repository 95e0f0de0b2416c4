"""The option line of `%%cacheness`: `key=features ttl=24h inputs=data/,"a b.csv" refresh=1`."""

from __future__ import annotations

import difflib
import math
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from cacheness.durations import parse_ttl


class OptionError(ValueError):
    """The option line makes no sense; the cell must not run."""


@dataclass(frozen=True)
class Options:
    """What the person asked for.

    Attributes:
        key: a name to find the cell by; it does not decide a hit.
        ttl: lifetime of a new entry in seconds, `None` for the configured one, `inf` for ever.
        max_age: how old an entry may be, in seconds, to be used now.
        inputs: files and folders that count as read, whatever was observed.
        variables: the only variables to restore, or empty for all.
        exclude: variables to leave alone.
        env: environment variables that the cell depends on.
        version: any text; another one is another entry.
        refresh: run the cell and replace its entry.
        pure: cache the cell whatever its run was seen to do.
        verify: the probability with which a hit is checked by running the cell.
        quiet: no line that says hit or miss; warnings still show.
    """

    key: str | None = None
    ttl: float | None = None
    max_age: float | None = None
    inputs: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    version: str | None = None
    refresh: bool = False
    pure: bool = False
    verify: float = 0.0
    quiet: bool = False
    given: frozenset[str] = field(default_factory=frozenset, compare=False)

    @property
    def insists(self) -> bool:
        """Whether the person asked for caching by more than the bare magic."""
        return self.key is not None or self.ttl is not None or self.pure


def _text(value: str) -> str:
    if not value:
        raise ValueError("it must not be empty")
    return value


def _listed(value: str) -> tuple[str, ...]:
    items = tuple(item for item in (part.strip() for part in value.split(",")) if item)
    if not items:
        raise ValueError("it must name at least one")
    return items


def _names(value: str) -> tuple[str, ...]:
    items = _listed(value)
    for item in items:
        if not item.isidentifier():
            raise ValueError(f"{item!r} is not the name of a variable")
    return items


def _seconds(value: str) -> float:
    seconds = parse_ttl(value, "it")
    return math.inf if seconds is None else seconds


def _probability(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise ValueError("it is a probability: write a number from 0 to 1")
    return number


def _switch(value: str) -> bool:
    lowered = value.lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    raise ValueError("it is on or off: write 1 or 0")


# Option on the line -> field of `Options`, parser, what a help text says.
_OPTIONS: dict[str, tuple[str, Callable[[str], Any], str]] = {
    "key": ("key", _text, "a name to find the cell by"),
    "ttl": ("ttl", _seconds, "lifetime: 90s, 15m, 24h, 7d, 2w or never"),
    "max_age": ("max_age", _seconds, "use no entry older than this"),
    "inputs": ("inputs", _listed, "files and folders that the cell reads"),
    "vars": ("variables", _names, "restore only these variables"),
    "exclude": ("exclude", _names, "leave these variables alone"),
    "env": ("env", _names, "environment variables that the cell depends on"),
    "version": ("version", _text, "any text; another one is another entry"),
    "refresh": ("refresh", _switch, "run the cell and replace its entry"),
    "pure": ("pure", _switch, "cache the cell whatever its run was seen to do"),
    "verify": ("verify", _probability, "how often a hit is checked by running the cell: 0 to 1"),
    "quiet": ("quiet", _switch, "no line that says hit or miss"),
}
_SWITCHES = frozenset(name for name, (_, parse, _h) in _OPTIONS.items() if parse is _switch)

OPTION_NAMES: tuple[str, ...] = tuple(_OPTIONS)


def option_help() -> str:
    """One line an option, for the magic's documentation."""
    return "\n".join(f"    {name + '=…':12} {text}" for name, (_, _p, text) in _OPTIONS.items())


def parse_options(line: str, evaluate: Callable[[str], object] | None = None) -> Options:
    """Reads an option line. `evaluate` expands `{expression}`.

    Raises:
        OptionError: an unknown option or a bad value, naming the nearest right one.
    """
    try:
        tokens = shlex.split(line, comments=False, posix=True)
    except ValueError as error:
        raise OptionError(f"%%cacheness cannot read {line.strip()!r}: {error}") from None
    options = Options()
    given: set[str] = set()
    pending = list(reversed(tokens))
    while pending:
        name, value = _next(pending)
        target, parse, _ = _known(name)
        if name in given:
            raise OptionError(f"%%cacheness: {name}= is given twice")
        given.add(name)
        try:
            parsed = parse(_expanded(value, evaluate))
        except OptionError:
            raise
        except ValueError as error:
            raise OptionError(f"%%cacheness: {name}={value}: {error}") from None
        options = replace(options, **{target: parsed})
    return replace(options, given=frozenset(given))


def _next(pending: list[str]) -> tuple[str, str]:
    """Takes one option off the end of `pending`: `name=value`, `--name value`, or a bare switch."""
    token = pending.pop()
    name, equals, value = token.removeprefix("--").partition("=")
    name = name.replace("-", "_")
    if equals:
        return name, value
    if name in _SWITCHES:
        return name, "1"
    _known(name)
    if token.startswith("--") and pending:
        return name, pending.pop()
    raise OptionError(f"%%cacheness: {name} needs a value, as in {name}=…")


def _known(name: str) -> tuple[str, Callable[[str], Any], str]:
    try:
        return _OPTIONS[name]
    except KeyError:
        near = difflib.get_close_matches(name, _OPTIONS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}=?" if near else f"there are {', '.join(_OPTIONS)}"
        raise OptionError(f"%%cacheness has no option {name!r}: {hint}") from None


def _expanded(value: str, evaluate: Callable[[str], object] | None) -> str:
    if evaluate is None or "{" not in value:
        return value

    def substitute(match: re.Match[str]) -> str:
        try:
            return str(evaluate(match.group(1)))
        except Exception as error:
            raise OptionError(
                f"%%cacheness: {{{match.group(1)}}} failed: {type(error).__name__}: {error}"
            ) from None

    return re.sub(r"\{([^{}]+)\}", substitute, value)
