"""Timing of contestants side by side, and the table of what was found."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

OURS = "cacheness"


@dataclass(frozen=True)
class Contest:
    """One thing that several libraries do.

    Attributes:
        title: what is done.
        runs: what each of them does for it, one operation a call; ours is named `OURS`.
        calls: how many operations one measurement takes, so that it is far above the clock's step.
        before: what some of them need done before each measurement, not counted.
    """

    title: str
    runs: dict[str, Callable[[], object]]
    calls: int = 1
    before: dict[str, Callable[[], object]] = field(default_factory=dict)


@dataclass
class Result:
    """Seconds for each operation of one contestant, one number a round."""

    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """The quickest and the slowest round."""
        return min(self.seconds), max(self.seconds)


def measure(contest: Contest, rounds: int) -> dict[str, Result]:
    """All contestants in every round, each time beginning with another one, so that what else the
    machine does meanwhile meets all of them alike. A round before the first is not counted."""
    results = {name: Result() for name in contest.runs}
    names = list(contest.runs)
    for turn in range(-1, rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            if name in contest.before:
                contest.before[name]()
            seconds = _time(contest.runs[name], contest.calls)
            if turn >= 0:
                results[name].seconds.append(seconds)
    return results


def _time(run: Callable[[], object], calls: int) -> float:
    gc.collect()
    started = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - started) / calls


def rows(contest: Contest, results: dict[str, Result]) -> Iterable[Sequence[str]]:
    """Lines of the table. The last column says how many times as long as ours it took."""
    ours = results[OURS].median
    for name, result in results.items():
        low, high = result.spread
        ratio = "" if name == OURS else f"{result.median / ours:.2g}"
        title = contest.title if name == OURS else ""
        yield title, name, shown(result.median), f"{shown(low)} to {shown(high)}", ratio


HEAD = ("what", "with", "median", "fastest to slowest", "times ours")


def markdown(lines: Iterable[Sequence[str]], head: Sequence[str] = HEAD) -> str:
    """A Markdown table, its columns padded so that it also reads as text."""
    table = [head, *lines]
    widths = [max(len(line[column]) for line in table) for column in range(len(head))]
    rule = "|".join("-" * (width + 2) for width in widths)
    text = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in table
    ]
    return "\n".join([text[0], f"|{rule}|", *text[1:]])


def shown(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, length in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"
