"""Why a cell ran again, in terms of the person's own objects."""

from __future__ import annotations

import difflib
import json
from typing import Any

from cacheness._cacheness import Entry, Key, Miss
from cacheness._cacheness import explain as changes_between
from cacheness.units import duration

# Causes before what they lead to, when only some can be shown.
_ORDER = ("source", "option", "function", "module", "variable", "file", "directory", "absent")
_MOST = 3
_LINE = 60


def first_run() -> str:
    return "first run"


def explain_miss(miss: Miss, previous: Entry | None, key: Key) -> str:
    """One line: what is different from the entry that the cell had before."""
    detail = json.loads(miss.detail)
    if miss.reason == "expired":
        return f"expired {duration(_seconds(detail))} ago"
    if miss.reason == "observed":
        return _observed(detail["input"], detail.get("now"))
    if miss.reason == "damaged":
        return f"its entry was damaged ({detail.get('message', 'unreadable')})"
    if previous is None:
        return first_run()
    return explain_change(previous, key)


def explain_change(previous: Entry, key: Key) -> str:
    """What differs between the manifest of an entry and a key."""
    changes = json.loads(changes_between(previous.manifest, key.manifest))
    changes.sort(key=lambda change: _rank(change["kind"]))
    if not changes:
        return "its entry is gone (evicted or removed)"
    texts = [_change(change) for change in changes[:_MOST]]
    if len(changes) > _MOST:
        texts.append(f"{len(changes) - _MOST} more")
    return "; ".join(texts)


def _rank(kind: str) -> int:
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _seconds(detail: dict[str, Any]) -> float:
    by = detail.get("by", 0)
    return float(by["secs"]) if isinstance(by, dict) else float(by)


def _observed(stored: dict[str, Any], now: str | None) -> str:
    kind, name = stored["kind"], stored["name"]
    if kind == "state":
        return f"{_state_name(name)} is in another state"
    if kind == "absent":
        return f"`{name}` exists now"
    return f"`{name}` changed" if now else f"`{name}` is gone"


def _state_name(name: str) -> str:
    if name.startswith(("environment variable ", "working ")):
        return f"the {name}"
    folder = name.removeprefix("listing ")
    if folder != name:
        return f"the listing of `{folder}`"
    return f"the generator `{name}`"


def _change(change: dict[str, Any]) -> str:
    kind, name = change["kind"], change["name"]
    subject = _subject(kind, name)
    if change["change"] == "added":
        return f"it reads {subject} now" if kind != "option" else f"{name}= is new"
    if change["change"] == "removed":
        return f"it no longer reads {subject}" if kind != "option" else f"{name}= is gone"
    old, new = change["old"].get("detail") or {}, change["new"].get("detail") or {}
    if kind in ("version", "option"):
        return f"{name} {old} → {new}"
    if kind == "source":
        return f"the code changed{_difference(old, new)}"
    return f"{subject} changed{_difference(old, new)}"


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
    for field in ("type", "value", "shape", "length", "dtype"):
        if field in ("shape", "length") and "parts" in old and "parts" in new and _parts(old, new):
            continue
        if field in old and field in new and old[field] != new[field]:
            return f": {_shown(field, old[field])} → {_shown(field, new[field])}"
    parts = _parts(old, new)
    return f": {parts}" if parts else ""


def _lines(old: str, new: str) -> str:
    """`line 3, now `x = 2`` for a changed or added line; how many lines are gone otherwise."""
    before, after = old.splitlines(), new.splitlines()
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


def _shown(field: str, value: Any) -> str:
    if field == "shape":
        return " by ".join(str(size) for size in value) or "scalar"
    return f"{value} items" if field == "length" else str(value)


def _parts(old: dict[str, Any], new: dict[str, Any]) -> str:
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
    texts = [text for text in texts if text != "columns"] or texts
    more = f" and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
    return ", ".join(texts[:_MOST]) + more
