"""One cell from its text to a hit or a stored entry.

`begin` decides before the cell's body is compiled. A hit is loaded completely before it counts as
one, so that nothing of the namespace has been touched when an entry turns out to be damaged. `Run`
records a cell that runs.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
import warnings
from dataclasses import dataclass, field
from typing import Any

from cacheness._cacheness import Cache, Entry, Miss, digest_bytes
from cacheness.errors import CacheError, CacheWarning, UnstableValueError
from cacheness.fingerprint import fingerprint
from cacheness.magic import graph, namespace, observe, watch
from cacheness.magic.capture import Capture, Output, compact, flush_figures, replay
from cacheness.magic.explain import explain_miss
from cacheness.magic.options import Options
from cacheness.magic.report import Record
from cacheness.magic.resolve import (
    PlainInput,
    Resolved,
    UncacheableError,
    analyse,
    resolve,
    walk_again,
)
from cacheness.magic.state import SeedWatch, read_states, state_change, state_digest, write_states
from cacheness.magic.watch import Watch
from cacheness.origin import type_home

_FACE = "cell"
_PATHS = ("file", "directory", "absent")
_LISTING = "listing "
_VARIABLE = "environment variable "


@dataclass
class Cell:
    """One execution of one marked cell.

    Attributes:
        options: its option line.
        shell: the IPython shell that executes it.
        cache: where entries are, `None` when it could not be opened.
        labels: where the cell stands: notebook and cell id, if the front end told.
        began: when its handling began, by the monotonic clock, in seconds.
        notes: what the report should add.
    """

    options: Options
    shell: Any
    cache: Cache
    labels: dict[str, str]
    began: float
    notes: list[str] = field(default_factory=list)

    def lineages(self, resolved: Resolved) -> list[str]:
        """What this cell may have been called before, the most telling first."""
        found = []
        if self.options.key is not None:
            found.append(f"key:{self.options.key}")
        elif "cell_id" in self.labels:
            found.append(f"cell:{self.labels['cell_id']}")
        found.append(f"source:{resolved.facts.source}")
        return found

    def record(self, outcome: Any, **fields: Any) -> Record:
        """A record of this execution, which ends now."""
        elapsed = time.monotonic() - self.began
        return Record(
            outcome, name=self.options.key, elapsed_s=elapsed, notes=list(self.notes), **fields
        )


@dataclass
class Payload:
    """What a cell left behind; the root of the graph that is stored."""

    made: namespace.Difference
    contents: dict[int, namespace.Content]
    states: dict[str, tuple[Any, Any]]
    outputs: list[Output]
    result: Any


@dataclass
class Hit:
    """A loaded entry that is about to be restored."""

    cell: Cell
    entry: Entry
    resolved: Resolved
    payload: Payload
    sources: dict[str, str]

    @property
    def value(self) -> Any:
        """The value of a body that another magic was to show: nothing was shown of it yet."""
        shown = any(output.kind == "result" for output in self.payload.outputs)
        return None if shown else self.payload.result

    def restore(self) -> Record:
        """Does to the kernel what the cell did."""
        shell, payload = self.cell.shell, self.payload
        graph.remember_sources(self.sources)
        for ordinal, content in payload.contents.items():
            namespace.restore(self.resolved.walk.object(ordinal), content)
        namespace.apply(shell.user_ns, payload.made)
        write_states(payload.states)
        replay(shell, payload.outputs, payload.result)
        self.cell.cache.touch(self.entry.id)
        record = self.cell.record(
            "hit",
            key=self.entry.cache_key,
            restored=_names(payload, self.resolved),
            size_bytes=self.entry.size_bytes,
            age_s=max(0.0, time.time() - self.entry.created),
        )
        record.saved_s = (self.entry.elapsed or 0.0) - record.elapsed_s
        return record


def begin(cell: Cell, source: str) -> Hit | Run:
    """Looks the cell up, and either loads its entry or prepares to record its run.

    Raises:
        UncacheableError: the cell cannot be cached at all.
    """
    try:
        facts = analyse(source, cell.shell.transform_cell)
        resolved = resolve(source, facts, cell.shell.user_ns, cell.options, cell.cache)
    except UnstableValueError as error:
        raise UncacheableError(str(error)) from None
    if cell.options.refresh:
        return Run(cell, resolved, "refresh=1")
    found = cell.cache.lookup(resolved.key, "", _max_age(cell.options), _present_digest)
    if isinstance(found, Miss):
        reason = explain_miss(found, _previous(cell, resolved), resolved.key)
        return Run(cell, resolved, reason)
    try:
        return _load(cell, found, resolved)
    except Exception as error:
        _warn(f"the cell runs, since its entry could not be restored: {error}")
        return Run(cell, resolved, f"its entry could not be restored ({type(error).__name__})")


def _max_age(options: Options) -> float | None:
    return options.max_age if options.max_age is not None else None


def _previous(cell: Cell, resolved: Resolved) -> Entry | None:
    for lineage in cell.lineages(resolved):
        entry = cell.cache.previous(lineage)
        if entry is not None:
            return entry
    return None


def _variable_digest(value: str | None) -> str:
    return digest_bytes(f"{value is None} {value}".encode("utf-8", "surrogatepass"))


def _present_digest(kind: str, name: str, _stored: str) -> str | None:
    if name.startswith(_VARIABLE):
        return _variable_digest(os.environ.get(name.removeprefix(_VARIABLE)))
    if name.startswith(_LISTING):
        return _listing_digest(name.removeprefix(_LISTING))
    return state_digest(name)


def _listing_digest(folder: str) -> str:
    return digest_bytes(observe.listing_digest_text(folder).encode("utf-8", "surrogatepass"))


def _load(cell: Cell, entry: Entry, resolved: Resolved) -> Hit:
    def blob(ordinal: int) -> Any:
        return cell.cache.read(entry, ordinal)

    payload = graph.load(blob, cell.shell.user_ns, resolved.walk)
    for ordinal, content in payload.contents.items():
        if not namespace.fits(resolved.walk.object(ordinal), content):
            raise CacheError("an array was resized or retyped in place")
    return Hit(cell, entry, resolved, payload, json.loads(entry.meta)["sources"])


class Run:
    """A cell that runs under observation, and is stored when that went well."""

    def __init__(self, cell: Cell, resolved: Resolved, reason: str) -> None:
        self.cell = cell
        self.resolved = resolved
        self.reason = reason
        self._capture = Capture(cell.shell)
        self._seeds = SeedWatch()
        self._watch = Watch()
        self._observing = False
        self._named: dict[str, tuple[str, str]] = {}
        self._before: dict[str, Any] = {}
        self._hidden = namespace.Hidden({}, ())
        self._surely_bound = resolved.surely_bound
        self._states: dict[str, Any] = {}
        self._members: namespace.Members = []
        self._started = 0.0
        self._started_ns = 0

    def start(self) -> None:
        """Everything that has to be known before the body runs."""
        self.cell.cache.record_miss()
        named = self.resolved.named
        self._named = dict(zip(named, self.cell.cache.digest_paths(named), strict=True))
        user_ns = self.cell.shell.user_ns
        self._before = namespace.snapshot(user_ns)
        imported = (sys.modules.get(name) for name in self.resolved.facts.imports)
        self._members = namespace.members((*self.resolved.roots.values(), *imported))
        self._states = read_states()
        self._seeds.start(self._states)
        self._observing = observe.start()
        self._watch.start()
        self._capture.start()
        self._hidden = namespace.Hidden(user_ns, self.resolved.perhaps_bound)
        self._started_ns = time.time_ns()
        self._started = time.monotonic()

    def returns(self, value: Any) -> None:
        """Tells the value of a body that ends inside of another magic."""
        self._capture.result = value

    def abort(self) -> None:
        """Takes every tap off and keeps nothing."""
        self._hidden.put_back()
        self._capture.stop()
        self._seeds.stop()
        self._watch.stop()
        if self._observing:
            observe.stop(())
            self._observing = False

    def finish(self, succeeded: bool) -> Record:
        """Ends the recording and stores what it saw."""
        elapsed = time.monotonic() - self._started
        self._surely_bound = self._surely_bound | self._hidden.bound()
        self._hidden.put_back()
        if succeeded:
            with contextlib.suppress(Exception):
                flush_figures()
        self._capture.stop()
        self._seeds.stop()
        self._watch.stop()
        ignored = (os.fspath(self.cell.cache.directory),)
        seen = observe.stop(ignored, self._watch.looked_at) if self._observing else None
        self._observing = False
        if not succeeded or self._capture.failed:
            return self.cell.record("error", reason="it did not finish")
        try:
            if seen is None:
                raise UncacheableError("another cell was being observed at the same time")
            return self._store(seen, elapsed)
        except UncacheableError as error:
            return self.cell.record("uncacheable", reason=str(error))
        except (CacheError, OSError) as error:
            _warn(f"the cell ran, but its results could not be stored: {error}")
            return self.cell.record("uncacheable", reason="it could not be stored")

    # --- after the run ---

    def _store(self, seen: observe.Observation, elapsed: float) -> Record:
        cell, shell = self.cell, self.cell.shell
        self._refuse_effects(seen)
        rebound = namespace.rebound_member(self._members, shell.user_ns)
        if rebound is not None:
            raise UncacheableError(f"it set `{rebound}`")
        payload = self._payload()
        states = state_change(self._states, self._seeds.seeded)
        payload.states = states.changed
        observed = self._observed(seen, states.inputs)
        stored_graph = self._graph(payload)
        names = _names(payload, self.resolved)
        meta = {
            "sources": stored_graph.sources,
            "labels": cell.labels,
            "variables": names,
            "nbytes": stored_graph.nbytes,
            "execution_count": getattr(shell, "execution_count", None),
        }
        ttl = cell.options.ttl
        stored = cell.cache.store(
            self.resolved.key,
            scope="",
            face=_FACE,
            data_type="cell",
            blobs=stored_graph.blobs,
            name=cell.options.key,
            lineage=cell.lineages(self.resolved)[0],
            ttl=None if ttl is None or math.isinf(ttl) else ttl,
            elapsed=elapsed,
            observed=observed,
            meta=json.dumps(meta),
        )
        if stored.oversized:
            cell.notes.append("this entry alone is larger than the cache may be")
        return cell.record(
            "miss",
            key=self.resolved.key.visible,
            reason=self.reason,
            restored=names,
            size_bytes=stored.size_bytes,
        )

    def _refuse_effects(self, seen: observe.Observation) -> None:
        """A run that did something to the world is only cached for a person who asked for it by
        name.
        """
        resolved = self.resolved
        seen.effects |= watch.effects(resolved.called, resolved.roots.values())
        for kind, _, line, _, _ in resolved.facts.magics:
            if kind == "system":
                seen.effects.setdefault("subprocess", line)
        if not seen.effects:
            return
        what = " and ".join(
            f"{observe.EFFECTS[effect]} (`{example[:80]}`)"
            for effect, example in seen.effects.items()
        )
        if not self.cell.options.insists:
            raise UncacheableError(f"it {what}: give key=, ttl= or pure=1 to cache it all the same")
        if seen.effects.keys() - {"write"}:
            self.cell.notes.append(f"it {what}, which restoring does not do again")

    def _payload(self) -> Payload:
        options = self.cell.options
        made = namespace.difference(self._before, self.cell.shell.user_ns, self._surely_bound)
        for name in (*options.variables, *options.exclude):
            if name not in made.bound:
                self.cell.notes.append(f"it binds no `{name}`")
        if options.variables:
            made.bound = {n: v for n, v in made.bound.items() if n in options.variables}
        for name in options.exclude:
            made.bound.pop(name, None)
        return Payload(made, self._contents(), {}, compact(self._capture.outputs), self._result())

    def _contents(self) -> dict[int, namespace.Content]:
        """The content of objects that were there before and are different now."""
        try:
            after = walk_again(self.resolved, self.cell.shell.user_ns)
        except UnstableValueError as error:
            raise UncacheableError(f"a variable that it changed now holds {error}") from None
        walk = self.resolved.walk
        try:
            return {n: namespace.content(walk.object(n)) for n in walk.changed(after)}
        except namespace.UnrestorableChangeError as error:
            raise UncacheableError(str(error)) from None

    def _result(self) -> Any:
        """The last expression's value, for `Out` and `_`. Artists of a figure that is gone are left
        out.
        """
        result = self._capture.result
        first = result[0] if isinstance(result, (list, tuple)) and result else result
        return None if type_home(type(first)) == "matplotlib" else result

    def _graph(self, payload: Payload) -> graph.Graph:
        walk, user_ns = self.resolved.walk, self.cell.shell.user_ns
        try:
            return graph.dump(payload, user_ns, walk, self.resolved.extents)
        except Exception as error:
            blamed = graph.blame({**payload.made.bound, "_": payload.result}, user_ns, walk)
            if blamed is None:
                raise UncacheableError(f"its results cannot be stored: {error}") from error
            if blamed.name != "_":
                raise UncacheableError(str(blamed)) from error
        # The result was shown; that it cannot be had again as `_` is no reason to lose the rest.
        payload.result = None
        self.cell.notes.append("its last expression's value comes back as output only")
        return graph.dump(payload, user_ns, walk, self.resolved.extents)

    def _observed(self, seen: observe.Observation, states: dict[str, str]) -> list[PlainInput]:
        observed = self._observed_files(seen)
        for folder in map(_shortened, seen.listed):
            observed.append(("state", f"{_LISTING}{folder}", _listing_digest(folder), None))
        before = self._states["environment"]
        for name in sorted(self._watch.variables):
            observed.append(("state", _VARIABLE + name, _variable_digest(before.get(name)), None))
        if watch.depends_on_folder(self.resolved.called):
            folder = fingerprint(self._states["working directory"])
            observed.append(("state", "working directory", folder, None))
        self._refuse_unseen(observed)
        return observed + [("state", name, digest, None) for name, digest in states.items()]

    def _observed_files(self, seen: observe.Observation) -> list[PlainInput]:
        """What was read as it was before the run, what was written as it is after it."""
        declared = {name for _, name, _, _ in self.resolved.inputs}
        written = [path for path in map(_shortened, seen.written) if not os.path.isdir(path)]
        read = [
            path
            for path in dict.fromkeys((*self._named, *map(_shortened, seen.read)))
            if path not in declared and path not in written
        ]
        for path in read:
            if os.path.isfile(path) and os.stat(path).st_mtime_ns >= self._started_ns:
                raise UncacheableError(f"`{path}` changed while the cell ran")
        # Restoring writes no files, so the entry holds as long as they are as the cell left them.
        paths = [*read, *written]
        now = dict(zip(paths, self.cell.cache.digest_paths(paths), strict=True))
        found = now | {path: self._named[path] for path in read if path in self._named}
        return [(kind, path, digest, None) for path, (kind, digest) in found.items()]

    def _refuse_unseen(self, observed: list[PlainInput]) -> None:
        """Files may have been read by native code, which nobody sees."""
        reader = watch.native_reader(self.resolved.called)
        files = [kind for kind, *_ in (*self.resolved.inputs, *observed) if kind in _PATHS]
        if reader is not None and not files:
            raise UncacheableError(f"`{reader}` reads files unseen: name them with inputs=")


def _shortened(path: str) -> str:
    """Relative to the working folder if it is below: a moved project keeps its entries."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def _names(payload: Payload, resolved: Resolved) -> list[str]:
    """The variables that an entry restores: those it binds, then those whose content it changes."""
    changed = [resolved.walk.object(ordinal) for ordinal in payload.contents]
    mutated = [
        name for name, value in resolved.roots.items() if any(value is obj for obj in changed)
    ]
    return [*payload.made.bound, *(name for name in mutated if name not in payload.made.bound)]


def _warn(message: str) -> None:
    warnings.warn(f"cacheness: {message}", CacheWarning, stacklevel=2)
