"""What a verb works on, and what a verb is."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cacheness._cacheness import Cache
from cacheness.commands.document import Report
from cacheness.settings import Settings

T = TypeVar("T")


class Track(Protocol):
    """Passes items through and shows how far they are."""

    def __call__(self, items: Iterable[T], total: int, what: str) -> Iterator[T]: ...


@dataclass(frozen=True)
class Session:
    """Who asks, and where.

    Attributes:
        program: how verbs are called here: `cacheness` or `%cacheness`.
        settings: the settings that hold here.
        open: opens the cache, or gives the one that is open; raises `CacheError`.
        kind: the kind of entries that verbs look at unless told otherwise, `None` for all.
        confirm: asks a person; `None` where nobody can be asked.
        track: shows progress.
        in_kernel: whether settings can be changed here.
    """

    program: str
    settings: Settings
    open: Callable[[], Cache]
    kind: str | None
    confirm: Callable[[str], bool] | None
    track: Track
    in_kernel: bool


@dataclass(frozen=True)
class Verb:
    """One verb.

    Attributes:
        name: the word.
        summary: what it does, in half a line.
        run: does it.
        arguments: declares its arguments.
        examples: lines that work as they stand, without the program's name, each with what it
            does.
        about: what there is to know, in a few sentences.
    """

    name: str
    summary: str
    run: Callable[[Session, argparse.Namespace], Report]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    examples: tuple[tuple[str, str], ...] = ()
    about: str = ""
