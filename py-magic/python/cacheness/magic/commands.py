"""The line magic `%cacheness`: the verbs over the cache, and those about this kernel."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

from cacheness.commands.document import Code, Report, fields
from cacheness.commands.parser import HelpShownError, MisuseError, Parser, help_texts, parse
from cacheness.commands.session import Session, Verb
from cacheness.commands.verbs import SHARED
from cacheness.errors import CacheError
from cacheness.magic.policies import policy_verbs
from cacheness.units import count, duration, size

if TYPE_CHECKING:
    from cacheness.magic.extension import Extension

T = TypeVar("T")

_PROGRAM: Final = "%cacheness"


class Commands:
    """The magic of one kernel."""

    def __init__(self, extension: Extension) -> None:
        self._extension = extension
        own = (
            Verb("status", "show where the cache of this kernel is and how full", self._status),
            Verb("why", "say why a marked cell ran", self._why, _why_arguments),
            *policy_verbs(extension),
            Verb("help", "show this, or the help of one verb", self._help),
        )
        self._verbs = {verb.name: verb for verb in own} | SHARED
        Commands.line_magic.__doc__ = self._overview()
        self._session = Session(
            program=_PROGRAM,
            settings=extension.settings,
            open=extension.cache,
            kind="cell",
            confirm=None,
            track=_untracked,
            in_kernel=True,
        )

    def line_magic(self, line: str) -> None:
        from IPython.core.error import UsageError

        try:
            words = shlex.split(line) or ["status"]
            verb, arguments = parse(_PROGRAM, self._verbs, words, _general())
            report = verb.run(self._session, arguments)
        except HelpShownError:
            return
        except MisuseError as error:
            raise UsageError(f"{_PROGRAM}: {error}\n{error.usage}") from None
        except (CacheError, ValueError) as error:
            raise UsageError(f"{_PROGRAM}: {error}") from None
        self._show(report, as_json=arguments.json)

    def help_texts(self) -> dict[str, str]:
        """The help text of each verb."""
        return help_texts(_PROGRAM, self._verbs, _general())

    def _show(self, report: Report, as_json: bool) -> None:
        if as_json:
            print(json.dumps(report.data, indent=2))
            return
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        text = report.text(width).lstrip("\n")
        bundle = {"text/plain": text, "text/html": report.html()}
        self._extension.shell.display_pub.publish(bundle)

    def _overview(self) -> str:
        lines = (f"{_PROGRAM} {name:8} {verb.summary}" for name, verb in self._verbs.items())
        return "\n".join(
            ["Looks into the cache of this kernel.", "", *lines, "", f"{_PROGRAM} help ls"]
        )

    # --- verbs of a kernel ---

    def _help(self, _: Session, arguments: Namespace) -> Report:
        return Report(None, [Code(self._overview())])

    def _status(self, session: Session, _: Namespace) -> Report:
        cache = session.open()
        stats = cache.stats()
        data = {"cache_dir": str(cache.directory), "entries": stats.entries}
        used = f"{count(stats.entries, 'entry', 'entries')}, {size(stats.size_bytes)}"
        limit = f" of {size(stats.max_bytes)}" if stats.max_bytes else ""
        last = self._extension.last
        return Report(
            data | {"size_bytes": stats.size_bytes},
            [
                fields(
                    [
                        ("cache", str(cache.directory)),
                        ("used", f"{used}{limit}"),
                        ("saved", f"{duration(stats.elapsed_saved)}, {count(stats.hits, 'hit')}"),
                        ("last cell", last.sentence() if last else "none marked yet"),
                    ]
                )
            ],
        )

    def _why(self, _: Session, arguments: Namespace) -> Report:
        name = arguments.name
        record = self._extension.last if name is None else self._extension.records.get(name)
        if record is None:
            named = "" if name is None else f" as {name!r}"
            return Report(None, [f"no marked cell has run in this kernel{named}"], code=1)
        return Report(record.as_metadata(), [record.sentence()])


def _general() -> Parser:
    general = Parser(prog=_PROGRAM, add_help=False, usage="%(prog)s VERB …")
    general.add_argument("--json", action="store_true", help="for programs")
    return general


def _why_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="its key=; else the last one")


def _untracked(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    return iter(items)
