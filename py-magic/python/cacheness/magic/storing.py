"""From a recorded run to an entry, or to the reason why there cannot be one."""

from __future__ import annotations

import json
import math
import time
from typing import Any

from cacheness import observe
from cacheness._cacheness import Walk
from cacheness.errors import UnstableValueError
from cacheness.magic import graph, namespace
from cacheness.magic.capture import compact
from cacheness.magic.cell import Cell, Payload
from cacheness.magic.evidence import effects, observed_inputs
from cacheness.magic.magics import UncacheableError
from cacheness.magic.pace import TooCostlyError, undisturbed
from cacheness.magic.recording import Recording
from cacheness.magic.report import Record
from cacheness.magic.resolve import Resolved, walk_again
from cacheness.magic.state import state_change
from cacheness.magic.statements import class_attribute_set, names_surely_deleted
from cacheness.origin import type_home

_FACE = "cell"


def left_behind(
    cell: Cell, resolved: Resolved, recording: Recording
) -> tuple[Payload, dict[str, str]]:
    """What the run left, and the digests of the state of the process that it depended on.

    Raises:
        UncacheableError: it must not be stored, or could not be done again.
    """
    if recording.seen.unseen:
        raise UncacheableError(recording.seen.unseen)
    _refuse_effects(cell, effects(recording, resolved))
    if recording.live is not None:
        raise UncacheableError(f"it {recording.live}")
    rebound = namespace.rebound_member(recording.members, cell.shell.user_ns)
    if rebound is not None:
        raise UncacheableError(f"it set `{rebound}`")
    set_on_class = class_attribute_set(resolved.source, cell.shell.user_ns)
    if set_on_class is not None:
        raise UncacheableError(f"it set `{set_on_class}`")
    if recording.session is not None:
        raise UncacheableError(recording.session)
    payload = _payload(cell, resolved, recording)
    states = state_change(recording.states, recording.seeded)
    payload.states = states.changed
    return payload, states.inputs


def store(
    cell: Cell,
    resolved: Resolved,
    recording: Recording,
    left: tuple[Payload, dict[str, str]],
    reason: str,
) -> Record:
    """Stores what the run left. `reason` is why the cell ran.

    Raises:
        UncacheableError: it cannot be stored.
        CacheError: the cache did not take it.
    """
    payload, states = left
    observed = observed_inputs(recording, resolved, states, cell.cache)
    stored_graph = _graph(cell, resolved, payload)
    names = payload.restored_names(resolved)
    meta = {
        "sources": stored_graph.sources,
        "labels": cell.labels,
        "variables": names,
        "nbytes": stored_graph.nbytes,
        "refers": stored_graph.refers or bool(payload.contents),
    }
    ttl = cell.default_ttl if cell.options.ttl is None else cell.options.ttl
    # Half of this cannot be undone; an interrupt that comes now comes too late.
    with undisturbed():
        stored = cell.cache.store(
            resolved.key,
            scope="",
            face=_FACE,
            data_type="cell",
            blobs=stored_graph.blobs,
            name=cell.options.key,
            lineage=cell.lineages(resolved.facts.source)[0],
            ttl=None if ttl is None or math.isinf(ttl) else ttl,
            elapsed=recording.elapsed,
            observed=observed,
            meta=json.dumps(meta),
        )
    if stored.oversized:
        cell.notes.append("this entry alone is larger than the cache may be")
    return cell.record(
        "miss",
        key=resolved.key.visible,
        reason=reason,
        restored=names,
        outputs=len(payload.outputs),
        size_bytes=stored.size_bytes,
    )


def _refuse_effects(cell: Cell, found: dict[str, str]) -> None:
    """A run that did something to the world is only cached for a person who asked for it by
    name.
    """
    if not found:
        return
    what = " and ".join(
        f"{observe.EFFECTS[effect]} (`{example[:80]}`)" for effect, example in found.items()
    )
    if not cell.options.insists:
        raise UncacheableError(f"it {what}: give key=, ttl= or pure=1 to cache it all the same")
    if found.keys() - {"write"}:
        cell.notes.append(f"it {what}, which restoring does not do again")


def _payload(cell: Cell, resolved: Resolved, recording: Recording) -> Payload:
    options, user_ns = cell.options, cell.shell.user_ns
    deleted = names_surely_deleted(resolved.source)
    made = namespace.difference(recording.before, user_ns, recording.surely_bound, deleted)
    for name in (*options.variables, *options.exclude):
        if name not in made.bound:
            cell.notes.append(f"it binds no `{name}`")
    if options.variables:
        made.bound = {n: v for n, v in made.bound.items() if n in options.variables}
    for name in options.exclude:
        made.bound.pop(name, None)
    contents = _contents(cell, resolved)
    return Payload(made, contents, {}, compact(recording.outputs), _result(recording.result))


def _contents(cell: Cell, resolved: Resolved) -> dict[int, namespace.Content]:
    """The content of objects that were there before and are different now."""
    try:
        after = walk_again(resolved, cell.shell.user_ns, cell.pace)
    except UnstableValueError as error:
        raise UncacheableError(f"a variable that it changed now holds {error}") from None
    walk = resolved.walk
    try:
        return {n: namespace.content(walk.object(n)) for n in walk.changed(after)}
    except namespace.UnrestorableChangeError as error:
        raise UncacheableError(str(error)) from None


def _result(result: Any) -> Any:
    """The last expression's value, for `Out` and `_`. Artists of a figure that is gone are left
    out.
    """
    first = result[0] if isinstance(result, (list, tuple)) and result else result
    return None if type_home(type(first)) == "matplotlib" else result


def _graph(cell: Cell, resolved: Resolved, payload: Payload) -> graph.Graph:
    """What is stored of the payload.

    Raises:
        TooCostlyError: restoring it would take longer than running it, and nobody asked for it.
    """
    walk, user_ns, began = resolved.walk, cell.shell.user_ns, time.monotonic()
    limit = cell.affordable_s - cell.hashing_s
    with cell.pace.step("storing", limit):
        try:
            made = graph.dump(payload, user_ns, walk, cell.pace, resolved.extents)
        except TooCostlyError:
            raise
        except Exception as error:
            _blame(payload, error, user_ns, walk)
            # The result was shown; that it cannot be had again as `_` is no reason to lose the
            # rest.
            payload.result = None
            cell.notes.append("its last expression's value comes back as output only")
            made = graph.dump(payload, user_ns, walk, cell.pace, resolved.extents)
        cell.pace.tick()
    cell.encoding_s = time.monotonic() - began
    return made


def _blame(payload: Payload, error: Exception, user_ns: dict[str, Any], walk: Walk) -> None:
    """Raises unless it is only the value of the last expression that cannot be stored."""
    blamed = graph.blame({**payload.made.bound, "_": payload.result}, user_ns, walk)
    if blamed is None:
        raise UncacheableError(f"its results cannot be stored: {error}") from error
    if blamed.name != "_":
        hint = f"exclude={blamed.name} caches the rest, without it"
        raise UncacheableError(f"{blamed}; {hint}") from error
