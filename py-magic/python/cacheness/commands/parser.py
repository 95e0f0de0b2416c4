"""The command line of the verbs, the same in a shell and after `%cacheness`."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from cacheness.commands.session import Verb


class MisuseError(Exception):
    """A command line that makes no sense; `usage` is the line that shows how it goes."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class HelpShownError(Exception):
    """`--help` was asked for and given; there is nothing to run."""


class Parser(argparse.ArgumentParser):
    """Raises instead of leaving the process, which may be a kernel."""

    def __init__(self, **options: Any) -> None:
        self.flags: list[str] = []
        super().__init__(
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **options,
        )

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        self.flags += [name for name in names if str(name).startswith("--")]
        return super().add_argument(*names, **options)

    def error(self, message: str) -> NoReturn:
        raise MisuseError(message, " ".join(self.format_usage().split()))

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise HelpShownError


def parse(
    program: str, verbs: Mapping[str, Verb], words: Sequence[str], general: Parser
) -> tuple[Verb, argparse.Namespace]:
    """The verb of a command line and its arguments. Options of `general` may stand on either side
    of the verb.

    Raises:
        MisuseError: the line makes no sense.
        HelpShownError: help was printed.
    """
    namespace, rest = general.parse_known_args(words)
    if rest[:1] == ["help"] and len(rest) > 1:
        rest = [*rest[1:], "--help"]
    verb, rest = _verb(program, verbs, rest, general)
    parser = _verb_parser(program, verb, general)
    namespace, extra = parser.parse_known_args(rest, namespace)
    unknown = next(iter(extra), None)
    if unknown is not None:
        near = _near(unknown.partition("=")[0], parser.flags)
        parser.error(f"{verb.name} takes no {unknown!r}{near}")
    return verb, namespace


def help_texts(program: str, verbs: Mapping[str, Verb], general: Parser) -> dict[str, str]:
    """The help text of each verb."""
    return {
        name: _verb_parser(program, verb, general).format_help() for name, verb in verbs.items()
    }


def _verb_parser(program: str, verb: Verb, general: Parser) -> Parser:
    """The parser of one verb."""
    width = max((len(line) for line, _ in verb.examples), default=0)
    examples = [f"  {program} {line:{width}}  # {text}" for line, text in verb.examples]
    parser = Parser(
        prog=f"{program} {verb.name}",
        description="\n\n".join(
            filter(None, (verb.summary[0].upper() + verb.summary[1:] + ".", verb.about))
        ),
        epilog="\n".join(["examples:", *examples]) if examples else None,
        parents=[general],
    )
    verb.arguments(parser)
    parser.flags += general.flags
    return parser


def _verb(
    program: str, verbs: Mapping[str, Verb], words: Sequence[str], general: Parser
) -> tuple[Verb, list[str]]:
    for place, word in enumerate(words):
        if word.startswith("-"):
            continue
        verb = verbs.get(word)
        if verb is None:
            near = _near(word, verbs) or f": there are {', '.join(verbs)}"
            general.error(f"there is no verb {word!r}{near}")
        return verb, [*words[:place], *words[place + 1 :]]
    if words:
        general.error(f"there is no option {words[0]!r}{_near(words[0], general.flags)}")
    general.error(f"say what to do: {', '.join(verbs)}")


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f": did you mean {near[0]}?" if near else ""
