"""The shell command `cacheness`."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final, TextIO

from cacheness._cacheness import Cache
from cacheness.commands.document import Report
from cacheness.commands.parser import HelpShownError, MisuseError, Parser, help_texts, parse
from cacheness.commands.progress import track
from cacheness.commands.session import Session, Verb
from cacheness.commands.verbs import SHARED
from cacheness.errors import CacheConfigError, CacheError
from cacheness.settings import Settings

_PROGRAM: Final = "cacheness"
_INDEXES: Final = ("cache_metadata.db", "cache_metadata.json")
FINE, PROBLEM, MISUSE = 0, 1, 2
_BROKEN_PIPE: Final = 141
_INTERRUPTED: Final = 130


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 fine, 1 something is wrong or nothing matched,
    2 the command line or a setting makes no sense."""
    try:
        code = _run(sys.argv[1:] if words is None else words)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read has seen enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return _INTERRUPTED


def _run(words: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names may hold what the terminal's encoding does not.
            stream.reconfigure(errors="replace")
    try:
        if words and words[0] == "--version":
            print(f"{_PROGRAM} {version(_PROGRAM)}")
            return FINE
        if not words or words[0] in ("-h", "--help"):
            print(_overview(_general()))
            return FINE if words else MISUSE
        return _perform(*command_line(words))
    except HelpShownError:
        return FINE
    except MisuseError as error:
        print(f"{_PROGRAM}: {error}\n{error.usage}", file=sys.stderr)
        return MISUSE
    except (CacheError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return MISUSE if isinstance(error, CacheConfigError) else PROBLEM


def command_line(words: Sequence[str]) -> tuple[Verb, Namespace]:
    """The verb and the arguments of a command line.

    Raises:
        MisuseError: it makes no sense.
        HelpShownError: help was printed.
    """
    return parse(_PROGRAM, _VERBS, words, _general())


def _perform(verb: Verb, arguments: Namespace) -> int:
    settings = Settings()
    if arguments.cache_dir is not None:
        settings.set("cache_dir", arguments.cache_dir, "--cache-dir")
    opened: list[Cache] = []

    def opener() -> Cache:
        if not opened:
            opened.append(_open(settings))
        return opened[0]

    session = Session(
        program=_PROGRAM,
        settings=settings,
        open=opener,
        kind=None,
        confirm=_confirm if _is_terminal(sys.stdin) and _is_terminal(sys.stderr) else None,
        track=track,
        in_kernel=False,
    )
    try:
        report = verb.run(session, arguments)
        _print(report, arguments.json)
        return report.code
    finally:
        for cache in opened:
            for warning in cache.warnings():
                print(f"{_PROGRAM}: warning: {warning}", file=sys.stderr)
            cache.close()


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.data, indent=2))
        return
    on_terminal = _is_terminal(sys.stdout)
    width = shutil.get_terminal_size().columns if on_terminal else None
    text = report.text(width, bold=on_terminal and not os.environ.get("NO_COLOR"))
    if text:
        print(text.lstrip("\n"))


def _is_terminal(stream: TextIO | None) -> bool:
    """`None` is a stream that whoever started us has closed."""
    return stream is not None and stream.isatty()


# --- the cache ---


def _open(settings: Settings) -> Cache:
    """Opens a cache that is there: looking at a folder must not make one."""
    directory = settings.cache_directory()
    if not _is_cache(directory):
        raise CacheError(_no_cache(directory, settings.find("cache_dir")[1]))
    return Cache(directory)


def _is_cache(directory: str) -> bool:
    return any(os.path.exists(os.path.join(directory, index)) for index in _INDEXES)


def _no_cache(directory: str, source: str) -> str:
    if not os.path.exists(directory):
        what = "there is no such folder"
    elif not os.path.isdir(directory):
        what = "that is a file"
    elif not os.access(directory, os.R_OK | os.X_OK):
        what = "you may not read that folder"
    else:
        what = "no cache has been used in that folder"
    near = [
        folder for folder in (os.getcwd(), os.path.join(directory, "cache")) if _is_cache(folder)
    ]
    hint = (
        f"There is one in {near[0]}: --cache-dir {os.path.relpath(near[0])}"
        if near
        else "Name another with --cache-dir, CACHENESS_CACHE_DIR, or cache_dir in [tool.cacheness] "
        "of pyproject.toml."
    )
    return f"no cache in {directory} (from: {source}): {what}\n{hint}"


def _confirm(question: str) -> bool:
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


# --- the command line ---


def _general() -> Parser:
    general = Parser(
        prog=_PROGRAM, add_help=False, usage="%(prog)s [--cache-dir DIR] [--json] VERB …"
    )
    general.add_argument(
        "--cache-dir", metavar="DIR", help="the cache; else as `cacheness config` says"
    )
    general.add_argument("--json", action="store_true", help="for programs")
    return general


def _help(_: Session, arguments: Namespace) -> Report:
    return Report(None, [_overview(_general())])


_VERBS: Final = SHARED | {"help": Verb("help", "show this, or the help of one verb", _help)}


def command_help() -> dict[str, str]:
    """The help text of each verb."""
    return help_texts(_PROGRAM, SHARED, _general())


def _overview(general: Parser) -> str:
    lines = [f"  {name:8} {verb.summary}" for name, verb in _VERBS.items()]
    return "\n".join(
        [
            general.format_usage().strip(),
            "",
            "Looks after a cache directory, also while kernels and programs use it.",
            "",
            *lines,
            "",
            "The cache is that of --cache-dir, else of CACHENESS_CACHE_DIR, else of cache_dir in",
            "[tool.cacheness] of pyproject.toml, else of ~/.config/cacheness/config.toml, else",
            "./cache.",
            "Exit codes: 0 fine, 1 something is wrong or nothing matched, 2 wrong usage.",
            "",
            "examples:",
            "  cacheness ls --sort size          # what takes the room",
            "  cacheness show features           # what an entry depends on",
            "  cacheness rm 'tmp*' 1a3693        # by name, pattern or key",
            "  cacheness verify --json           # for scripts",
        ]
    )
