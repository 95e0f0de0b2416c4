"""One entry in full: what it depends on, in words."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final

from cacheness.commands.document import Code, Column, Heading, Part, Table, fields
from cacheness.commands.items import Item
from cacheness.units import count, duration, size

_PACKAGES: Final = ("/site-packages/", "/dist-packages/")
_COLUMNS: Final = (
    Column("what", rank=1),
    Column("name", least=12),
    Column("then", least=12),
)
_MOST_LINES: Final = 30


def parts(item: Item) -> list[Part]:
    """The report of one entry."""
    made: list[Part] = [Heading(f"{item.label}  ({item.kind})"), fields(_facts(item))]
    if item.source:
        made += ["", Code(_head(item.source))]
    own = _own(item.observed)
    rows = [_row(part) for part in (*item.manifest, *own) if _is_shown(part)]
    if len(own) < len(item.observed):
        files = count(len(item.observed) - len(own), "file")
        rows.append(("files", "installed packages", files))
    if rows:
        made += [Heading("holds as long as these are what they were"), Table(_COLUMNS, rows)]
    return made


def as_json(item: Item) -> dict[str, Any]:
    """The entry for programs: the listing, the inputs of its key, and what its run depended on."""
    return {
        **item.as_json(),
        "inputs": item.manifest,
        "observed": item.observed,
        "accepted": item.accepted,
        "blobs": [
            {"kind": kind, "size_bytes": nbytes, "file": file}
            for kind, nbytes, file in item.entry.blobs
        ],
    }


def _facts(item: Item) -> list[tuple[str, str]]:
    entry = item.entry
    expires = "never"
    if entry.expires is not None:
        left = entry.expires - time.time()
        expires = f"in {duration(left)}" if left > 0 else f"{duration(-left)} ago"
    stored_as = ", ".join(f"{kind} ({size(nbytes)})" for kind, nbytes, _ in entry.blobs)
    hits = count(entry.hits, "time")
    facts = [
        ("key", entry.cache_key),
        ("stored", f"{duration(item.age)} ago, {_local(entry.created)}"),
        ("expires", expires),
        ("took", "" if entry.elapsed is None else duration(entry.elapsed)),
        ("restored", f"{hits}, {duration(item.saved)} saved" if entry.hits else "never"),
        ("restores", ", ".join(item.variables)),
        ("size", stored_as),
        ("prefix", entry.scope),
        ("said of it", entry.description),
        ("notebook", item.notebook),
        *(("accepted", f"{one['changes']}, {_local(one['at'])}") for one in item.accepted),
    ]
    return [(name, text) for name, text in facts if text]


def _local(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _head(source: str) -> str:
    lines = source.splitlines()
    more = len(lines) - _MOST_LINES
    return (
        "\n".join(lines) if more <= 0 else "\n".join([*lines[:_MOST_LINES], f"… {more} more lines"])
    )


def _own(observed: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the files of installed packages, of which one import opens hundreds."""
    return [
        part
        for part in observed
        if part["kind"] != "file" or not any(mark in part["name"] for mark in _PACKAGES)
    ]


def _is_shown(part: dict[str, Any]) -> bool:
    return not (part["kind"] == "source" or part["name"] == "cell entries")


def _row(part: dict[str, Any]) -> tuple[str, str, str]:
    kind, name = part["kind"], part["name"]
    if kind == "state" and name.startswith("listing "):
        kind, name = "folder", name.removeprefix("listing ")
    elif kind == "state" and name.startswith("environment variable "):
        kind, name = "environment", name.removeprefix("environment variable ")
    elif kind == "state" and name.startswith("function "):
        kind, name = "function", name.removeprefix("function ")
    elif kind == "absent":
        return "file", name, "not there"
    return kind, name, _detail(part.get("detail"))


def _detail(detail: Any) -> str:
    """What a manifest says of a value: `DataFrame 10000 x 2`, `int 3`, `function, 4 lines`."""
    if detail is None:
        return ""
    if not isinstance(detail, dict):
        return str(detail)
    words = [str(detail.get("type", ""))]
    if "shape" in detail:
        words.append(" x ".join(map(str, detail["shape"])) or "scalar")
    if "dtype" in detail:
        words.append(str(detail["dtype"]))
    if "length" in detail:
        words.append(f"of {detail['length']}")
    if "value" in detail:
        words.append(str(detail["value"]))
    if detail.get("text"):
        words.append(f"of {count(len(str(detail['text']).splitlines()), 'line')}")
    return " ".join(filter(None, words))
