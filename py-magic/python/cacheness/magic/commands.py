"""The line magic `%cacheness`: what is in the cache, and why a cell ran."""

from __future__ import annotations

import difflib
import json
import shlex
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cacheness._cacheness import Entry
from cacheness.errors import CacheError
from cacheness.magic.report import duration, size

if TYPE_CHECKING:
    from cacheness.magic.extension import Extension


class Commands:
    """One method a verb; each returns the text that is shown."""

    def __init__(self, extension: Extension) -> None:
        self._extension = extension
        self._verbs: dict[str, Callable[[list[str]], str]] = {
            "status": self._status,
            "ls": self._ls,
            "show": self._show,
            "why": self._why,
            "stats": self._stats,
            "rm": self._rm,
            "clear": self._clear,
            "gc": self._gc,
            "config": self._config,
        }

    def line_magic(self, line: str) -> None:
        """Looks into the cache of this kernel.

        %cacheness status            where the cache is and how full
        %cacheness ls                its entries
        %cacheness show KEY          one entry: what it depends on, what it restores
        %cacheness why [NAME]        why the last marked cell (or the one of that name) ran
        %cacheness stats             hits, misses, time saved
        %cacheness rm KEY            removes the entries of a name or key
        %cacheness clear             removes all cells' entries
        %cacheness gc                removes what has expired, and leftovers
        %cacheness config [A=B …]    shows or changes this kernel's settings
        """
        from IPython.core.error import UsageError

        words = shlex.split(line) or ["status"]
        verb = self._verbs.get(words[0])
        if verb is None:
            near = difflib.get_close_matches(words[0], self._verbs, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(self._verbs)}"
            raise UsageError(f"%cacheness has no verb {words[0]!r}: {hint}")
        try:
            print(verb(words[1:]))
        except CacheError as error:
            raise UsageError(f"%cacheness {words[0]}: {error}") from None

    def _status(self, _: list[str]) -> str:
        stats = self._extension.cache().stats()
        used = f"{stats.entries} entries, {size(stats.size_bytes)}"
        limit = f" of {size(stats.max_bytes)}" if stats.max_bytes else ""
        return f"{self._extension.cache().directory}\n{used}{limit}\n{self._stats([])}"

    def _stats(self, _: list[str]) -> str:
        stats = self._extension.cache().stats()
        saved = duration(stats.elapsed_saved)
        return f"{stats.hits} hits, {stats.misses} misses, {saved} of computing saved"

    def _ls(self, _: list[str]) -> str:
        entries = self._extension.cache().entries(face="cell")
        rows = [("key", "name", "size", "age", "hits", "ran", "restores")]
        rows += [_row(entry) for entry in entries]
        if not entries:
            return "no entries"
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)

    def _show(self, words: list[str]) -> str:
        texts = []
        for entry in self._selected(words):
            manifest = json.loads(entry.manifest)
            texts.append("  ".join(_row(entry)))
            for part in (*manifest["inputs"], *json.loads(entry.observed)):
                detail = part.get("detail")
                shown = "" if detail is None else f"  {_shortened(detail)}"
                texts.append(f"  {part['kind']:12} {part['name']:24} {part['digest'][:16]}{shown}")
        return "\n".join(texts)

    def _why(self, words: list[str]) -> str:
        record = self._extension.records.get(words[0]) if words else self._extension.last
        if record is None:
            return "no marked cell has run in this kernel" + (f" as {words[0]!r}" if words else "")
        return record.sentence()

    def _rm(self, words: list[str]) -> str:
        entries = self._selected(words)
        return f"removed {self._extension.cache().remove_entries([entry.id for entry in entries])}"

    def _clear(self, _: list[str]) -> str:
        return f"removed {self._extension.cache().remove_where(face='cell')}"

    def _gc(self, _: list[str]) -> str:
        return f"removed {self._extension.cache().evict_expired()} expired"

    def _config(self, words: list[str]) -> str:
        for word in words:
            name, _, value = word.partition("=")
            self._extension.settings.set(name, value)
        return "\n".join(
            f"{name} = {value}  ({source})" for name, value, source in self._extension.settings.items()
        )

    def _selected(self, words: list[str]) -> list[Entry]:
        if len(words) != 1:
            raise CacheError("give one name or key (`%cacheness ls` shows them)")
        cache = self._extension.cache()
        found = cache.entries(face="cell", name=words[0]) or cache.find(words[0])
        if not found:
            raise CacheError(f"there is no entry {words[0]!r}")
        return found


def _row(entry: Entry) -> tuple[str, ...]:
    meta: dict[str, Any] = json.loads(entry.meta) or {}
    return (
        entry.cache_key,
        entry.name or "",
        size(entry.size_bytes),
        duration(max(0.0, time.time() - entry.created)),
        str(entry.hits),
        duration(entry.elapsed or 0.0),
        ", ".join(meta.get("variables", [])),
    )


def _shortened(detail: Any) -> str:
    if isinstance(detail, dict):
        detail = {name: value for name, value in detail.items() if name not in ("parts", "dtypes")}
    return json.dumps(detail)
