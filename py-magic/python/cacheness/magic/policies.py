"""Verbs of `%cacheness` that decide about cells: `auto`, `plan`, `accept`."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from cacheness.commands.document import Column, Report, Table
from cacheness.commands.session import Session, Verb
from cacheness.errors import CacheConfigError, CacheError
from cacheness.magic.auto import is_worth
from cacheness.magic.marking import option_line
from cacheness.magic.options import Options, parse_options
from cacheness.magic.planning import Step, plan
from cacheness.units import duration

if TYPE_CHECKING:
    from cacheness.magic.extension import Extension


def policy_verbs(extension: Extension) -> tuple[Verb, ...]:
    """The verbs, for one kernel."""
    return (
        Verb(
            "auto",
            "cache every cell that is worth it, marked or not",
            _auto,
            _auto_arguments,
            examples=(
                ("auto on", "from now on"),
                ("auto on min=5s", "cells that run for five seconds or more"),
                ("auto off", "marked cells only"),
            ),
        ),
        Verb(
            "plan",
            "say which cells would be restored, without running any",
            lambda _session, _arguments: _plan(extension),
            about="Looks at the cells that this kernel has run, in the order of their first runs.",
        ),
        Verb(
            "accept",
            "keep a cell's entry across an edit of its code",
            lambda _session, arguments: _accept(extension, arguments),
            _accept_arguments,
            examples=(
                ("accept features", "before the edited cell is run again"),
                ("accept features df", "also if the variable df has changed"),
            ),
            about="The next run of the cell restores the entry from before the edit, if nothing"
            " else has changed.",
        ),
    )


def _auto_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("state", nargs="?", choices=("on", "off"), help="else says how it is")
    parser.add_argument("min", nargs="?", metavar="min=1s", help="the shortest run considered")


def _auto(session: Session, arguments: Namespace) -> Report:
    settings = session.settings
    if arguments.min is not None:
        name, _, value = arguments.min.partition("=")
        if name != "min":
            raise CacheConfigError(f"{arguments.min!r} is no option: give min=1s")
        settings.set("auto_min", value)
    if arguments.state is not None:
        settings.set("auto", arguments.state)
    is_on, source = settings.find("auto")
    minimum = settings.get("auto_min")
    data = {"auto": is_on, "auto_min": minimum}
    if not is_on:
        return Report(data, [f"auto is off ({source}): only marked cells are cached"])
    return Report(
        data,
        [f"auto is on ({source}): cells that run {duration(minimum)} or longer, if it pays"],
    )


def _plan(extension: Extension) -> Report:
    cells = [_step(extension, number, raw) for number, raw in extension.history.cells()]
    steps = plan(cells, extension.shell)
    rows = [(step.label, step.verdict, _remark(step)) for step in steps]
    data = [
        {"cell": step.number, "key": step.label.partition(" ")[2] or None, "verdict": step.verdict}
        | {"why": step.why, "saved_s": step.saved_s}
        for step in steps
    ]
    if not rows:
        return Report(data, ["no cell that is cached has run in this kernel"])
    columns = (Column("cell"), Column("would be"), Column("because"))
    return Report(data, [Table(columns, rows)])


def _step(extension: Extension, number: int, raw: str) -> Step:
    """A cell of the history, as it would be executed now."""
    line, text = option_line(raw), extension.transformed(raw)
    if line is not None:
        options = parse_options(line, extension.evaluate)
        return Step(number, text.partition("\n")[2], extension.cell(options))
    settings = extension.settings
    if settings.get("auto"):
        cell = extension.cell(Options())
        ledger = extension.ledger
        if ledger is not None and is_worth(cell, text, ledger, settings.get("auto_min")):
            return Step(number, text, cell)
    return Step(number, text, None)


def _remark(step: Step) -> str:
    return f"saves {duration(step.saved_s)}" if step.verdict == "hit" else step.why


def _accept_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="its key=; else the last cell")
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help="inputs that may differ, too")


def _accept(extension: Extension, arguments: Namespace) -> Report:
    name = extension.last_name if arguments.name is None else f"key:{arguments.name}"
    entry = extension.cache().previous(name) if name else None
    if entry is None:
        called = arguments.name or "the last cell (give it a key=)"
        raise CacheError(f"there is no entry of {called} to keep")
    extension.accepting[name] = tuple(arguments.inputs)
    age = duration(max(0.0, time.time() - entry.created))
    return Report(
        {"accepting": name, "inputs": arguments.inputs, "key": entry.cache_key},
        [f"the next run of this cell keeps its entry from {age} ago, if only its code changed"],
    )
