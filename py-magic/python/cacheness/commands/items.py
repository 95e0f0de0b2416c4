"""Entries as people know them: a cell, the calls of a function, a value; and finding them again."""

from __future__ import annotations

import fnmatch
import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from cacheness._cacheness import Cache, Entry
from cacheness.listing import moment

KINDS: Final = {"cell": "cell", "function": "call", "value": "put"}
"""What people call the kinds of entries -> the face that stores them."""

_WORDS: Final = {face: kind for kind, face in KINDS.items()}
_PREFIX: Final = re.compile(r"[0-9a-f]{6,16}")
_LABEL: Final = 60


@dataclass(frozen=True)
class Item:
    """One entry."""

    entry: Entry

    @property
    def kind(self) -> str:
        """One of `KINDS`, or the face of an entry that a later version made."""
        return _WORDS.get(self.entry.face, self.entry.face)

    @cached_property
    def manifest(self) -> list[dict[str, Any]]:
        """What its key was made of."""
        return list(json.loads(self.entry.manifest)["inputs"])

    @cached_property
    def observed(self) -> list[dict[str, Any]]:
        """What its run was seen to depend on."""
        return list(json.loads(self.entry.observed))

    @cached_property
    def meta(self) -> dict[str, Any]:
        """What whoever stored it added."""
        return dict(json.loads(self.entry.meta) or {})

    @property
    def variables(self) -> list[str]:
        """The variables that a cell's entry restores."""
        return list(self.meta.get("variables", ()))

    @property
    def accepted(self) -> list[dict[str, Any]]:
        """What a person declared harmless since it was computed: what changed, and when."""
        return list(self.meta.get("accepted", ()))

    @property
    def notebook(self) -> str:
        """The notebook that a cell stood in, if it was known."""
        return str(self.meta.get("labels", {}).get("notebook", ""))

    @cached_property
    def source(self) -> str:
        """The text of a cell."""
        for part in self.manifest:
            detail = part.get("detail")
            if part["kind"] == "source" and isinstance(detail, dict):
                return str(detail.get("text", "")).strip("\n")
        return ""

    @cached_property
    def parameters(self) -> str:
        """What a call or a value was stored under, as `a=1, b='x'`."""
        return ", ".join(
            f"{part['name']}={_plain(part.get('detail'))}"
            for part in self.manifest
            if part["kind"] == "parameter"
        )

    @cached_property
    def label(self) -> str:
        """What to call it: its name, else what it was stored under, else its first line."""
        entry = self.entry
        if entry.face == "call":
            return f"{entry.name}({self.parameters})"
        if entry.name:
            return entry.name
        said = self.parameters or entry.description or _first_line(self.source)
        return f"{entry.scope}: {said}" if entry.scope else said or entry.cache_key

    @property
    def age(self) -> float:
        """Seconds since it was stored."""
        return max(0.0, time.time() - self.entry.created)

    @property
    def saved(self) -> float:
        """Seconds of computing that its hits stood in for."""
        return self.entry.hits * (self.entry.elapsed or 0.0)

    @property
    def expired(self) -> bool:
        """Whether its lifetime is over."""
        return self.entry.expires is not None and self.entry.expires <= time.time()

    def matches(self, word: str) -> bool:
        """Whether `word` is its name, its key or the beginning of it (six digits or more), or a
        pattern (`*`, `?`, `[ab]`) of its name."""
        entry = self.entry
        names = [name for name in (entry.name, entry.description, entry.scope) if name]
        if word in (*names, entry.cache_key, self.label):
            return True
        if _PREFIX.fullmatch(word) and entry.cache_key.startswith(word):
            return True
        if not re.search(r"[*?[]", word):
            return False
        return any(fnmatch.fnmatchcase(name, word) for name in (*names, self.label))

    def as_json(self) -> dict[str, Any]:
        """All of it that is cheap to say; sizes in bytes, durations in seconds, times in ISO
        8601."""
        entry = self.entry
        return {
            "key": entry.cache_key,
            "kind": self.kind,
            "name": entry.name,
            "label": self.label,
            "prefix": entry.scope,
            "description": entry.description,
            "type": entry.data_type,
            "size_bytes": entry.size_bytes,
            "created": moment(entry.created),
            "accessed": moment(entry.accessed),
            "expires": None if entry.expires is None else moment(entry.expires),
            "hits": entry.hits,
            "elapsed_s": entry.elapsed,
            "saved_s": self.saved,
            "variables": self.variables,
            "notebook": self.notebook or None,
        }


@dataclass(frozen=True)
class Group:
    """Entries that are one thing to people: all versions of a cell, all calls of a function.

    Attributes:
        label: what to call it.
        items: newest first, at least one.
    """

    label: str
    items: Sequence[Item]

    @property
    def newest(self) -> Item:
        """The entry that was stored last."""
        return self.items[0]


def items(cache: Cache, face: str | None) -> list[Item]:
    """The entries of one face, or all, newest first."""
    return [Item(entry) for entry in cache.entries(face=face)]


def grouped(found: Iterable[Item]) -> list[Group]:
    """One group for each cell, function and value; in the order of their newest entries."""
    groups: dict[tuple[str, ...], list[Item]] = {}
    for item in found:
        groups.setdefault(_thing(item), []).append(item)
    return [Group(_group_label(members), members) for members in groups.values()]


def _thing(item: Item) -> tuple[str, ...]:
    entry = item.entry
    if entry.face == "cell" and entry.lineage:
        return ("cell", entry.lineage)
    if entry.face == "call" and entry.name:
        return ("call", entry.scope, entry.name)
    return ("entry", str(entry.id))


def _group_label(members: Sequence[Item]) -> str:
    newest = members[0]
    if newest.entry.face == "call" and len(members) > 1:
        return f"{newest.entry.name}(…)"
    return newest.label


def chosen(found: Sequence[Item], words: Sequence[str]) -> tuple[list[Item], list[str]]:
    """The items that any of `words` matches, in order, and the words that match nothing."""
    matched: dict[int, Item] = {}
    missed = []
    for word in words:
        hits = [item for item in found if item.matches(word)]
        matched |= {item.entry.id: item for item in hits}
        if not hits:
            missed.append(word)
    return [item for item in found if item.entry.id in matched], missed


def _plain(detail: Any) -> str:
    """A parameter as Python writes it, if the key's text for it is plain."""
    if not isinstance(detail, str):
        return "…"
    kind, _, value = detail.partition(":")
    if kind == "str":
        return repr(value)
    return value if kind in ("int", "float", "bool") else detail


def _first_line(source: str) -> str:
    """The line that tells most: the first that is neither import nor comment."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    telling = [line for line in lines if not re.match(r"#|%|import\b|from\b", line)]
    line = (telling or lines or [""])[0]
    return line if len(line) <= _LABEL else line[: _LABEL - 1] + "…"
