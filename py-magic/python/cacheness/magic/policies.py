"""Verbs of `%cacheness` that decide about cells: `auto`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from cacheness.commands.document import Report
from cacheness.commands.session import Session, Verb
from cacheness.errors import CacheConfigError
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
