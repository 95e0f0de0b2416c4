"""Observed inputs: what a run was seen to depend on, as it is stored and as it is now."""

from __future__ import annotations

import json
import os

from cacheness import observe
from cacheness._cacheness import Cache, digest_bytes
from cacheness.fingerprint import fingerprint
from cacheness.magic import watch
from cacheness.magic.magics import UncacheableError
from cacheness.magic.recording import Recording
from cacheness.magic.resolve import PlainInput, Resolved
from cacheness.magic.state import state_digest

_PATHS = ("file", "directory", "absent")
_VARIABLE = "environment variable "
# An explanation names the files that are new or gone, of so many.
_MOST_NAMES = 200


def present_digest(_kind: str, name: str, _stored: str) -> str | None:
    """The digest of an observed piece of state as it is now; `None` when it does not exist."""
    if name.startswith(_VARIABLE):
        return _variable_digest(os.environ.get(name.removeprefix(_VARIABLE)))
    if name.startswith(observe.LISTING):
        return observe.listing_digest(name.removeprefix(observe.LISTING))
    return state_digest(name)


def observed_inputs(
    recording: Recording, resolved: Resolved, states: dict[str, str], cache: Cache
) -> list[PlainInput]:
    """The inputs that only the run showed. `states` are digests of state that it depended on.

    Raises:
        UncacheableError: it depended on something that cannot be told any more.
    """
    observed = _files(recording, resolved, cache)
    for folder in map(observe.shortened, recording.seen.listed):
        names = json.dumps(_names_in(folder))
        observed.append(
            ("state", f"{observe.LISTING}{folder}", observe.listing_digest(folder), names)
        )
    before = recording.states["environment"]
    for name in sorted(recording.variables):
        observed.append(("state", _VARIABLE + name, _variable_digest(before.get(name)), None))
    if watch.depends_on_folder(resolved.called):
        folder = fingerprint(recording.states["working directory"])
        observed.append(("state", "working directory", folder, None))
    _refuse_unseen(resolved, observed)
    return observed + [("state", name, digest, None) for name, digest in states.items()]


def effects(recording: Recording, resolved: Resolved) -> dict[str, str]:
    """What the run did to the world or took from it, by the keys of `observe.EFFECTS`."""
    found = recording.seen.effects | watch.effects(resolved.called, resolved.roots.values())
    for kind, _, line, _, _ in resolved.facts.magics:
        if kind == "system":
            found.setdefault("subprocess", line)
    return found


def _variable_digest(value: str | None) -> str:
    return digest_bytes(f"{value is None} {value}".encode("utf-8", "surrogatepass"))


def _files(recording: Recording, resolved: Resolved, cache: Cache) -> list[PlainInput]:
    """What was read as it was before the run, what was written as it is after it."""
    seen, named = recording.seen, recording.named
    declared = {name for _, name, _, _ in resolved.inputs}
    if watch.asks_for_sizes(resolved.called):
        seen.read += seen.looked_at
    written = [path for path in map(observe.shortened, seen.written) if not os.path.isdir(path)]
    read = [
        path
        for path in dict.fromkeys((*named, *map(observe.shortened, seen.read)))
        if path not in declared and path not in written
    ]
    for path in read:
        if os.path.isfile(path) and os.stat(path).st_mtime_ns >= recording.started_ns:
            raise UncacheableError(f"`{path}` changed while the cell ran")
    # Restoring writes no files, so the entry holds as long as they are as the cell left them.
    paths = [*read, *written]
    now = dict(zip(paths, cache.digest_paths(paths), strict=True))
    found = now | {path: named[path] for path in read if path in named}
    return [(kind, path, digest, None) for path, (kind, digest) in found.items()]


def _refuse_unseen(resolved: Resolved, observed: list[PlainInput]) -> None:
    """Files may have been read by native code, which is not seen on every system."""
    if observe.watch_native_code():
        return
    reader = watch.native_reader(resolved.called)
    files = [kind for kind, *_ in (*resolved.inputs, *observed) if kind in _PATHS]
    if reader is not None and not files:
        raise UncacheableError(f"`{reader}` reads files unseen: name them with inputs=")


def _names_in(folder: str) -> list[str]:
    """Some of the names in a folder, which may be gone by now."""
    try:
        return sorted(os.listdir(folder))[:_MOST_NAMES]
    except OSError:
        return []
