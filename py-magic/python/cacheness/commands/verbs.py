"""What the verbs do, each from its arguments to its report."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from typing import Any, Final

from cacheness.commands import check, details
from cacheness.commands.document import Column, Heading, Part, Report, Table, fields
from cacheness.commands.items import KINDS, Group, Item, chosen, grouped, items
from cacheness.commands.session import Session, Verb
from cacheness.errors import CacheConfigError
from cacheness.settings import SETTINGS
from cacheness.units import count, duration, size

_MOST_ROWS: Final = 200
_ORDERS: Final[dict[str, Callable[[Group], float]]] = {
    "age": lambda group: group.newest.age,
    "size": lambda group: -_total(group.items),
    "hits": lambda group: -sum(item.entry.hits for item in group.items),
    "saved": lambda group: -sum(item.saved for item in group.items),
}


# --- ls ---


def _ls_arguments(parser: ArgumentParser) -> None:
    _add_names(parser, "*")
    _add_kind(parser)
    parser.add_argument(
        "--all", action="store_true", help="each entry on a line of its own, nothing folded"
    )
    parser.add_argument("--sort", choices=_ORDERS, default="age", help="first the newest (age), …")
    parser.add_argument(
        "--limit",
        type=_whole,
        metavar="N",
        help=f"at most so many lines (0: all; else {_MOST_ROWS})",
    )


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


_whole.__name__ = "number"


def _ls(session: Session, arguments: Namespace) -> Report:
    found = items(session.open(), _face(session, arguments))
    missed: list[str] = []
    if arguments.names:
        found, missed = chosen(found, arguments.names)
    one_each = arguments.all or bool(arguments.names)
    groups = [Group(item.label, [item]) for item in found] if one_each else grouped(found)
    groups.sort(key=_ORDERS[arguments.sort])
    limit = _MOST_ROWS if arguments.limit is None else arguments.limit or len(groups)
    report = Report([item.as_json() for group in groups for item in group.items])
    if not found and not missed:
        report.parts.append(_nothing(session, arguments))
    if groups:
        report.parts.append(Table(_LS_COLUMNS, [_ls_row(group) for group in groups[:limit]]))
    if len(groups) > limit:
        report.parts.append(f"… and {len(groups) - limit:,} more: --limit 0 shows them")
    return _with_missed(session, report, missed)


_LS_COLUMNS: Final = (
    Column("name", least=24),
    Column("kind", rank=5),
    Column("entries", right=True, rank=4),
    Column("size", right=True),
    Column("age", right=True),
    Column("hits", right=True, rank=3),
    Column("saved", right=True, rank=2),
    Column("ran", right=True, rank=6),
    Column("key", least=8, rank=1),
    Column("restores", least=12, rank=7),
    Column("notebook", least=12, rank=8),
)


def _ls_row(group: Group) -> tuple[str, ...]:
    newest = group.newest
    took = newest.entry.elapsed
    saved = sum(item.saved for item in group.items)
    return (
        group.label,
        newest.kind,
        str(len(group.items)),
        size(_total(group.items)),
        duration(newest.age) + (" (expired)" if newest.expired else ""),
        str(sum(item.entry.hits for item in group.items)),
        duration(saved) if saved else "",
        "" if took is None else duration(took),
        newest.entry.cache_key,
        ", ".join(newest.variables),
        newest.notebook.rpartition("/")[2],
    )


def _nothing(session: Session, arguments: Namespace) -> str:
    kind = _face(session, arguments)
    others = session.open().stats().entries if kind else 0
    if others:
        return f"no entries of this kind; there are {count(others, 'other')}: --kind all"
    return "no entries yet"


# --- show ---


def _show_arguments(parser: ArgumentParser) -> None:
    _add_names(parser, "+")
    _add_kind(parser)
    parser.add_argument("--all", action="store_true", help="earlier versions of a cell as well")


def _show(session: Session, arguments: Namespace) -> Report:
    found, missed = chosen(items(session.open(), _face(session, arguments)), arguments.names)
    parts: list[Part] = []
    shown: list[Item] = []
    for group in grouped(found):
        versions = group.items if arguments.all or group.newest.kind != "cell" else group.items[:1]
        shown += versions
        for item in versions:
            parts += details.parts(item)
        if len(versions) < len(group.items):
            older = count(len(group.items) - len(versions), "earlier version")
            parts.append(f"{older} of this cell: --all shows them")
    return _with_missed(session, Report([details.as_json(item) for item in shown], parts), missed)


# --- stats ---


def _stats(session: Session, _: Namespace) -> Report:
    cache = session.open()
    stats = cache.stats()
    limit = session.settings.max_bytes() if stats.max_bytes is None else stats.max_bytes
    asked = stats.hits + stats.misses
    kinds = [(kind, items(cache, face)) for kind, face in KINDS.items()]
    data = {
        "cache_dir": str(cache.directory),
        "entries": stats.entries,
        "size_bytes": stats.size_bytes,
        "max_bytes": limit,
        "hits": stats.hits,
        "misses": stats.misses,
        "saved_s": stats.elapsed_saved,
        "kinds": {
            kind: {"entries": len(found), "size_bytes": _total(found)} for kind, found in kinds
        },
    }
    summary = fields(
        [
            ("directory", str(cache.directory)),
            ("entries", f"{stats.entries:,}"),
            ("size", f"{size(stats.size_bytes)} of {size(limit)}"),
            ("hits", f"{stats.hits:,}" + (f" ({stats.hits / asked:.0%})" if asked else "")),
            ("misses", f"{stats.misses:,}"),
            ("saved", f"{duration(stats.elapsed_saved)} of computing"),
        ]
    )
    rows = [
        (kind, f"{len(found):,}", size(_total(found)), duration(sum(one.saved for one in found)))
        for kind, found in kinds
        if found
    ]
    columns = (Column("kind"), *(Column(name, right=True) for name in ("entries", "size", "saved")))
    table: list[Part] = [Heading("what is kept"), Table(columns, rows)] if rows else []
    return Report(data, [summary, *table])


# --- rm, clear, gc ---


def _rm_arguments(parser: ArgumentParser) -> None:
    _add_names(parser, "+")
    _add_kind(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def _rm(session: Session, arguments: Namespace) -> Report:
    cache = session.open()
    found, missed = chosen(items(cache, _face(session, arguments)), arguments.names)
    listed = [f"  {item.entry.cache_key}  {item.label}" for item in found[:_MOST_ROWS]]
    total = f"{count(len(found), 'entry', 'entries')} ({size(_total(found))})"
    data: dict[str, Any] = {"keys": [item.entry.cache_key for item in found], "missed": missed}
    if arguments.dry_run:
        report = Report({**data, "removed": 0}, [f"would remove {total}", *listed])
    else:
        removed = cache.remove_entries([item.entry.id for item in found])
        report = Report({**data, "removed": removed}, [f"removed {total}"] if found else [])
    return _with_missed(session, report, missed)


def _clear_arguments(parser: ArgumentParser) -> None:
    _add_kind(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def _clear(session: Session, arguments: Namespace) -> Report:
    cache = session.open()
    face = _face(session, arguments)
    found = items(cache, face)
    total = f"{count(len(found), 'entry', 'entries')} ({size(_total(found))})"
    if not arguments.yes and found:
        if session.confirm is None:
            text = f"would remove {total} from {cache.directory}: say {session.program} clear --yes"
            return Report({"removed": 0}, [text], code=1)
        if not session.confirm(f"Remove {total} from {cache.directory}?"):
            return Report({"removed": 0}, ["nothing was removed"], code=1)
    removed = cache.clear() if face is None else cache.remove_where(face=face)
    return Report({"removed": removed}, [f"removed {total}"])


def _gc(session: Session, _: Namespace) -> Report:
    cache = session.open()
    before = cache.stats().size_bytes
    expired = cache.evict_expired()
    files, quarantined = cache.collect()
    freed = max(0, before - cache.stats().size_bytes)
    data = {
        "expired": expired,
        "freed_bytes": freed,
        "orphaned_files": files,
        "quarantined_files": quarantined,
    }
    said = [f"removed {count(expired, 'expired entry', 'expired entries')} ({size(freed)})"]
    if files:
        said.append(f"removed {count(files, 'file')} that no entry named")
    if quarantined:
        said.append(f"removed {count(quarantined, 'file')} that had been in quarantine for a month")
    return Report(data, [*said])


# --- verify ---


def _verify_arguments(parser: ArgumentParser) -> None:
    _add_names(parser, "*")
    _add_kind(parser)
    parser.add_argument(
        "--repair",
        action="store_true",
        help="remove what is damaged (its bytes go to quarantine/) and files that nothing names",
    )


def _verify(session: Session, arguments: Namespace) -> Report:
    cache = session.open()
    face = _face(session, arguments)
    found, missed = items(cache, face), list[str]()
    unreadable = cache.warnings()
    if arguments.names:
        found, missed = chosen(found, arguments.names)
    damage = list(check.damaged(cache, session.track(found, len(found), "verifying")))
    # Which files belong to nothing can only be said of the whole.
    orphans = [] if face or arguments.names else check.orphans(cache)
    if arguments.repair:
        check.repair(cache, damage)
    problems = [
        {"key": one.item.entry.cache_key, "name": one.item.label, "problem": one.problem}
        for one in damage
    ]
    problems += [
        {"key": "", "name": one.file, "problem": f"no entry names it ({size(one.size_bytes)})"}
        for one in orphans
    ]
    data = {
        "checked": len(found),
        "problems": problems,
        "unreadable": unreadable,
        "repaired": bool(arguments.repair),
    }
    report = Report(data, [*unreadable])
    if problems:
        columns = (
            Column("key", rank=1),
            Column("name", least=12),
            Column("problem", least=12),
        )
        report.parts.append(Table(columns, [list(one.values()) for one in problems]))
    if found or not missed:
        said = _verdict(session, arguments, found, len(problems) + len(unreadable))
        report.parts.append(said)
    report.code = 1 if (problems or unreadable) and not arguments.repair else 0
    return _with_missed(session, report, missed)


def _verdict(session: Session, arguments: Namespace, found: Sequence[Item], problems: int) -> str:
    checked = f"checked {count(len(found), 'entry', 'entries')} ({size(_total(found))})"
    if not problems:
        return f"{checked}: all as stored"
    if arguments.repair:
        return f"{checked}: {count(problems, 'problem')}, repaired; what was removed runs again"
    hint = f"`{session.program} verify --repair` removes what is damaged"
    return f"{checked}: {count(problems, 'problem')}; {hint}"


# --- config ---


def _config_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("changes", nargs="*", metavar="NAME=VALUE", help="settings of this kernel")


def _config(session: Session, arguments: Namespace) -> Report:
    settings = session.settings
    if arguments.changes and not session.in_kernel:
        raise CacheConfigError(
            "a command ends before a setting could matter: put it into [tool.cacheness] of "
            "pyproject.toml, or into the environment (CACHENESS_CACHE_DIR=…)"
        )
    if arguments.changes:
        _change(session, arguments.changes)
    found = list(settings.items())
    rows = [(name, str(value), source, SETTINGS[name].help) for name, value, source in found]
    columns = (
        Column("setting"),
        Column("value", least=12),
        Column("from", least=12),
        Column("what it is", rank=1, least=12),
    )
    data = {name: {"value": value, "source": source} for name, value, source in found}
    return Report(data, [Table(columns, rows), *settings.unknown()])


def _change(session: Session, changes: Sequence[str]) -> None:
    """Sets what is asked for, and takes all of it back if no cache can be opened with it."""
    before = session.settings.own
    try:
        for change in changes:
            name, equals, value = change.partition("=")
            if not equals:
                raise CacheConfigError(f"{change!r} is no setting: write NAME=VALUE")
            session.settings.set(name, value)
        session.open()
    except BaseException:
        session.settings.replaced(before)
        raise


# --- what they share ---


def _add_names(parser: ArgumentParser, number: str) -> None:
    parser.add_argument(
        "names",
        nargs=number,
        metavar="NAME",
        help="a name, a key or its first digits, or a pattern in quotes such as 'model*'",
    )


def _add_kind(parser: ArgumentParser) -> None:
    parser.add_argument("--kind", choices=[*KINDS, "all"], help="only entries of this kind")


def _face(session: Session, arguments: Namespace) -> str | None:
    kind = arguments.kind or session.kind
    return None if kind in (None, "all") else KINDS[kind]


def _total(found: Sequence[Item]) -> int:
    return sum(item.entry.size_bytes for item in found)


def _with_missed(session: Session, report: Report, missed: Sequence[str]) -> Report:
    if missed:
        words = ", ".join(repr(word) for word in missed)
        report.parts.append(
            f"nothing is called {words}: `{session.program} ls --kind all` lists all"
        )
        report.code = 1
    return report


SHARED: Final[dict[str, Verb]] = {
    verb.name: verb
    for verb in (
        Verb(
            "ls",
            "list what is kept",
            _ls,
            _ls_arguments,
            (
                ("ls", "a line for each cell, function and value"),
                ("ls --sort size --limit 10", "the ten largest"),
                ("ls 'model*'", "each entry with such a name"),
            ),
            "Versions of one cell and calls of one function are folded into one line.",
        ),
        Verb(
            "show",
            "show entries in full: what they depend on and what they restore",
            _show,
            _show_arguments,
            (("show features", "the newest entry of that name"), ("show 1a3693", "by key")),
        ),
        Verb("stats", "show how full the cache is, its hits, and the time saved", _stats),
        Verb(
            "rm",
            "remove entries",
            _rm,
            _rm_arguments,
            (
                ("rm features", "all versions of that cell"),
                ("rm --dry-run 'tmp*' 1a3693", "only say what would go"),
            ),
        ),
        Verb(
            "clear",
            "remove everything",
            _clear,
            _clear_arguments,
            (("clear --kind function", "only what functions have stored"),),
        ),
        Verb("gc", "remove what has expired, and files that no entry names", _gc),
        Verb(
            "verify",
            "check that every stored byte is what was stored",
            _verify,
            _verify_arguments,
            (
                ("verify", "exit code 1 if anything is wrong"),
                ("verify --repair", "remove what is damaged; it is computed again when needed"),
            ),
            "Reads every blob and compares its digest; finds entries without their files and files "
            "without an entry.",
        ),
        Verb(
            "config",
            "show each setting, its value and where it came from",
            _config,
            _config_arguments,
        ),
    )
}
