"""Whether a cell that was run again left what its entry holds (`verify=`)."""

from __future__ import annotations

import re
from typing import Any

from cacheness.errors import UnstableValueError
from cacheness.fingerprint import fingerprint
from cacheness.magic.capture import Output
from cacheness.magic.cell import Payload
from cacheness.magic.resolve import Resolved

# Where an object lies in memory is no property of it.
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")


def differences(stored: Payload, now: Payload, resolved: Resolved) -> list[str]:
    """What came out otherwise, in words. What has no stable content is not compared."""
    found = []
    before, after = stored.made.bound, now.made.bound
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            found.append(f"`{name}` is not bound any more")
        elif name not in before:
            found.append(f"`{name}` was not bound before")
        elif not _same(before[name], after[name]):
            found.append(f"`{name}`")
    if set(stored.made.deleted) != set(now.made.deleted):
        found.append("what it deletes")
    found += [f"`{name}`" for name in _changed_in_place(stored, now, resolved)]
    for name in sorted(stored.states.keys() | now.states.keys()):
        if not _same(stored.states.get(name), now.states.get(name)):
            found.append(f"the state of {name}")
    return [*dict.fromkeys(found), *_outputs(stored.outputs, now.outputs)]


def _changed_in_place(stored: Payload, now: Payload, resolved: Resolved) -> list[str]:
    names = []
    for ordinal in sorted(stored.contents.keys() | now.contents.keys()):
        before, after = stored.contents.get(ordinal), now.contents.get(ordinal)
        if before is None or after is None or not _same(before.value, after.value):
            obj = resolved.walk.object(ordinal)
            held = [name for name, value in resolved.roots.items() if value is obj]
            names.append(held[0] if held else f"a {type(obj).__qualname__}")
    return names


def _same(a: Any, b: Any) -> bool:
    try:
        return fingerprint(a) == fingerprint(b)
    except UnstableValueError:
        return True


def _outputs(stored: list[Output], now: list[Output]) -> list[str]:
    if len(stored) != len(now):
        return [f"{len(now)} outputs in place of {len(stored)}"]
    pairs = enumerate(zip(stored, now, strict=True), 1)
    return [f"output {number} ({b.kind})" for number, (a, b) in pairs if _shown(a) != _shown(b)]


def _shown(output: Output) -> tuple[str, Any]:
    data = output.data
    if isinstance(data, dict):
        return output.kind, {kind: _ADDRESS.sub("0x", str(part)) for kind, part in data.items()}
    return output.kind, _ADDRESS.sub("0x", str(data))
