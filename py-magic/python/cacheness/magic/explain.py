"""Why a cell ran again, in terms of the person's own objects."""

from __future__ import annotations

import datetime
import difflib
import json
import os
from collections.abc import Callable
from typing import Any

from cacheness._cacheness import Entry, Key, Miss
from cacheness._cacheness import explain as changes_between
from cacheness.units import duration

# Causes before what they lead to, when only some can be shown.
_ORDER = ("source", "option", "function", "module", "variable", "file", "directory", "absent")
_SHARING = "shared memory between variables"
LastSet = Callable[[str], int | None]
_MOST = 3
_LINE = 60


def first_run() -> str:
    return "first run"


def explain_miss(
    miss: Miss, previous: Entry | None, key: Key, last_set: LastSet = lambda _: None
) -> str:
    """One line: what is different from the entry that the cell had before. `last_set` tells in
    which cell a variable was set.
    """
    detail = json.loads(miss.detail)
    if miss.reason == "expired":
        return f"expired {duration(_seconds(detail))} ago"
    if miss.reason == "observed":
        return _observed(detail["input"], detail.get("now"))
    if miss.reason == "damaged":
        return f"its entry was damaged ({detail.get('message', 'unreadable')})"
    if previous is None:
        return first_run()
    return explain_change(previous, key, last_set)


def explain_change(previous: Entry, key: Key, last_set: LastSet = lambda _: None) -> str:
    """What differs between the manifest of an entry and a key."""
    changes = _causes(json.loads(changes_between(previous.manifest, key.manifest)))
    if not changes:
        return "its entry is gone (evicted or removed)"
    texts = list(dict.fromkeys(_change(change, last_set) for change in changes))
    if len(texts) > _MOST:
        texts[_MOST:] = [f"{len(texts) - _MOST} more"]
    return "; ".join(texts)


def _causes(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The changes without those that only follow from others, the telling ones first."""
    changes = sorted(changes, key=lambda change: _rank(change["kind"]))
    coded = [c for c in changes if c["kind"] in ("source", "function") and c["change"] == "changed"]
    # Other code reads other names; that is no news.
    kept = [
        c
        for c in changes
        if not coded or c["change"] == "changed" or c["kind"] in ("option", "state")
    ]
    sharing = [c for c in kept if c["name"] != _SHARING]
    return sharing or kept


def _rank(kind: str) -> int:
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _seconds(detail: dict[str, Any]) -> float:
    by = detail.get("by", 0)
    return float(by["secs"]) if isinstance(by, dict) else float(by)


def _observed(stored: dict[str, Any], now: str | None) -> str:
    kind, name = stored["kind"], stored["name"]
    if kind == "state":
        listed = name.removeprefix("listing ")
        if listed != name and stored.get("detail") is not None:
            return _listing(listed, stored["detail"])
        changed = name.startswith(("environment variable ", "working "))
        return f"{_state_name(name)} {'changed' if changed else 'is in another state'}"
    if kind == "absent":
        return f"`{name}` exists now"
    there = now is not None and os.path.exists(name)
    return f"`{name}` changed{_when(name)}" if there else f"`{name}` is gone"


def _when(path: str) -> str:
    try:
        changed = datetime.datetime.fromtimestamp(os.stat(path).st_mtime)
    except OSError:
        return ""
    today = changed.date() == datetime.datetime.now().date()
    return f" {changed:%H:%M}" if today else f" {changed:%Y-%m-%d %H:%M}"


def _listing(folder: str, before: list[str]) -> str:
    try:
        after = os.listdir(folder)
    except OSError:
        return f"`{folder}` is gone"
    new, gone = sorted({*after} - {*before}), sorted({*before} - {*after})
    texts = [f"{name} is new" for name in new] + [f"{name} is gone" for name in gone]
    return f"`{folder}` changed: {_few(texts)}"


def _state_name(name: str) -> str:
    if name.startswith(("environment variable ", "working ")):
        return f"the {name}"
    folder = name.removeprefix("listing ")
    if folder != name:
        return f"the listing of `{folder}`"
    return f"the generator `{name}`"


def _change(change: dict[str, Any], last_set: LastSet) -> str:
    kind, name = change["kind"], change["name"]
    old = change.get("old", {}).get("detail") or {}
    new = change.get("new", {}).get("detail") or {}
    option = name.removeprefix("option ") if kind == "state" else name
    if option != name or kind == "option":
        return _option(option if kind == "state" else f"{name}=", change["change"], old, new)
    subject = _subject(kind, name)
    if change["change"] == "added":
        return f"it reads {subject} now"
    if change["change"] == "removed":
        return f"it no longer reads {subject}"
    if kind == "version":
        return f"{name} {old} → {new}"
    if kind == "source":
        return f"the code changed{_difference(old, new)}"
    method = _method(old, new)
    if method:
        return method
    where = last_set(name) if kind == "variable" else None
    when = _when(name) if kind in ("file", "directory") else ""
    said = f"{subject} changed{when}{_difference(old, new)}"
    return said if where is None else f"{said} (last set in cell {where})"


def _option(name: str, change: str, old: Any, new: Any) -> str:
    if change == "added":
        return f"{name.removesuffix('=')} is {new} now"
    return f"{name.removesuffix('=')} is no longer {old}" + ("" if not new else f", but {new}")


def _method(old: Any, new: Any) -> str:
    """Which method of an object's class has another text."""
    before, after = ((d.get("methods") or {}) if isinstance(d, dict) else {} for d in (old, new))
    for name, text in after.items():
        if name not in before:
            return f"`{name}()` is new"
        if before[name] != text:
            return f"`{name}()` changed: {_lines(before[name], text)}"
    return next((f"`{name}()` is gone" for name in before if name not in after), "")


def _subject(kind: str, name: str) -> str:
    if kind == "function":
        return f"`{name}()`"
    if kind == "environment":
        return f"the environment variable {name}"
    if kind == "state":
        return name
    return f"`{name}`"


def _difference(old: Any, new: Any) -> str:
    """`: column price int64 → float64`, as exact as the manifests allow."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return ""
    if old.get("text") and new.get("text") and old["text"] != new["text"]:
        return f": {_lines(old['text'], new['text'])}"
    for field in ("type", "value", "dtype"):
        if field in old and field in new and old[field] != new[field]:
            return f": {old[field]} → {new[field]}"
    rows = _rows(old, new)
    if rows:
        return f": {rows}"
    texts = _items(old, new) or _parts(old, new)
    if not texts:
        sizes = [d.get("shape", d.get("length")) for d in (old, new)]
        texts = [f"{_size(sizes[0])} → {_size(sizes[1])}"] if sizes[0] != sizes[1] else []
    return f": {_few(texts)}" if texts else ""


def _rows(old: dict[str, Any], new: dict[str, Any]) -> str:
    """A frame with the same columns, longer or shorter; an array of another shape."""
    before, after = old.get("shape"), new.get("shape")
    if before is None or after is None or before == after:
        return ""
    if "dtypes" not in old or "dtypes" not in new:
        return f"{_size(before)} → {_size(after)}"
    return f"{before[0]} → {after[0]} rows" if old["dtypes"].keys() == new["dtypes"].keys() else ""


def _items(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """`[3] 1 → 2`: what differs of the plain values inside."""
    before, after = old.get("items") or {}, new.get("items") or {}
    texts = [
        f"{place} {before[place]} → {shown}"
        for place, shown in after.items()
        if place in before and before[place] != shown
    ]
    if texts and "length" in old and old["length"] != new.get("length"):
        # An item was put in before others.
        return []
    inside = old.get("parts") or {}, new.get("parts") or {}
    if not texts and any(inside):
        return []
    texts += [f"{place} is new" for place in after if place not in before]
    return texts + [f"{place} is gone" for place in before if place not in after]


def _lines(old: str, new: str) -> str:
    """`line 3, now `x = 2`` for a changed or added line; how many lines are gone otherwise."""
    before, after = old.splitlines(), new.splitlines()
    if sorted(before) == sorted(after):
        return "lines changed places"
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    places = [block for block in matcher.get_opcodes() if block[0] != "equal"]
    written = [
        number
        for _, _, _, start, end in places
        for number in range(start, end)
        if after[number].strip()
    ]
    if not written:
        gone = sum(end - start for _, start, end, _, _ in places)
        return "a line is gone" if gone == 1 else f"{gone} lines are gone"
    line = after[written[0]].strip()
    shown = line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"
    others = len(written) - 1
    more = f" and {others} more line{'s' * (others > 1)}" if others else ""
    return f"line {written[0] + 1}, now `{shown}`{more}"


def _size(value: Any) -> str:
    if isinstance(value, list):
        return " by ".join(str(size) for size in value) or "scalar"
    return f"{value} items"


def _parts(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    before, after = old.get("parts") or {}, new.get("parts") or {}
    old_types, new_types = old.get("dtypes") or {}, new.get("dtypes") or {}
    texts = []
    for label in [*after, *(label for label in before if label not in after)]:
        if label not in before:
            texts.append(f"{label} is new")
        elif label not in after:
            texts.append(f"{label} is gone")
        elif before[label] != after[label]:
            types = (old_types.get(label), new_types.get(label))
            texts.append(f"{label} {types[0]} → {types[1]}" if types[0] != types[1] else label)
    # New columns change the labels of the frame as well: the label alone is no news then.
    return [text for text in texts if text not in ("columns", "rows")] or texts


def _few(texts: list[str]) -> str:
    more = f" and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
    return ", ".join(texts[:_MOST]) + more
