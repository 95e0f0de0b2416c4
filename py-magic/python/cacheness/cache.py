"""The cache as a key-value store: what `cacheness(...)` returns."""

import functools
import json
import os
import time
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, Unpack

from cacheness import durations, logs, observe
from cacheness._cacheness import Cache, Entry, Key, Miss
from cacheness.attachments import Attachments
from cacheness.config import CacheConfig
from cacheness.durations import UNSET, Unset
from cacheness.errors import (
    CacheDependencyError,
    CacheError,
    CacheIntegrityError,
    CacheKeyError,
)
from cacheness.handlers import Handlers
from cacheness.keys import KeyMaker, checked_name
from cacheness.listing import described, totals
from cacheness.notices import warn

if TYPE_CHECKING:
    from cacheness._cacheness import _PlainInput
    from cacheness.custom_metadata.records import Records
    from cacheness.signatures import CacheDecorator, CacheOptions

State = Callable[[str, str, str], str | None]
"""The present digest of an observed input (kind, name, stored digest), or `None`."""

_MEGABYTE: Final = 1024 * 1024
_RESERVED: Final = ("default", "strict", "cache_key")


class Missing:
    """The type of `MISSING`, which tells a stored `None` from a miss."""


MISSING: Final = Missing()


class Draft(NamedTuple):
    """What is known about a value that is about to be stored."""

    key: Key
    scope: str
    face: str
    name: str | None
    description: str
    ttl: float | None
    elapsed: float | None = None
    observed: "tuple[_PlainInput, ...]" = ()


class UnifiedCache:
    """Values in a directory, found again by keyword parameters; `cacheness(...)` opens one.

        cache.put(model, name="churn", fold=3, description="first try", ttl="7d")
        cache.get(fold=3, name="churn")  # the model, or None

    Each keyword is part of the key, by the content of its value: arrays, frames, functions, objects
    and what lies at a `pathlib.Path`. `description`, `custom_metadata`, `ttl_hours`, `ttl` and
    `prefix` are no part of it; `key_prefix` is a namespace, in which `@cached` functions of that
    prefix keep their results too. `cache_key`, `default` and `strict` cannot be names in a key.

    Safe to share between threads and processes; a `with` block closes it. A method that takes a key
    raises `CacheKeyError` (a `TypeError`) for a value without stable content.
    """

    def __init__(self, config: CacheConfig) -> None:
        self.config = config
        limit = config.storage.max_cache_size_mb
        self._core = Cache(
            os.path.abspath(os.fspath(config.storage.cache_dir)),
            backend=config.metadata.backend,
            database=config.metadata.database,
            max_bytes=None if limit is None else int(limit * _MEGABYTE),
        )
        self.actual_backend = self._core.backend
        self._flush = weakref.finalize(self, self._core.flush)
        self.keys = KeyMaker(config, self._core)
        self._handlers = Handlers(config)
        self._attachments = Attachments(self._core)
        self._oversized_told = False
        if config.storage.cleanup_on_init:
            self.cleanup_expired()
        self._tell_warnings()
        logs.debug("opened the cache in %s (%s)", self._core.directory, self.actual_backend)

    # -- storing and finding ------------------------------------------------------------------

    def put(
        self,
        data: object,
        /,
        *,
        description: str = "",
        custom_metadata: object = None,
        ttl_hours: float | None | Unset = UNSET,
        ttl: str | None | Unset = UNSET,
        prefix: str = "",
        key_prefix: str | None = None,
        **key: object,
    ) -> str:
        """Stores `data` under the keyword parameters and returns the entry's key (16 hex digits).

        ttl_hours, ttl: how long it lives, in hours or as `"90s"`, `"15m"`, `"24h"`, `"7d"`,
            `"2w"`; `None` is for ever (default: that of the configuration).
        description: what `list_entries` shows.
        custom_metadata: records by the names of their schemas (see `cacheness.custom_metadata`).

        Raises `CacheValueError` (a `ValueError`) for what cannot be stored, naming the part, and
        `CacheStorageError` (an `OSError`) if the disk refuses. A failure leaves the entry that was
        there readable.
        """
        records = self._attachments.checked(custom_metadata)
        for name in _RESERVED:
            if name in key:
                raise CacheKeyError(f"{name!r} is an argument of get() and cannot be part of a key")
        draft = Draft(
            key=self._key(key, key_prefix, shown=True),
            scope=_scope(key_prefix),
            face="put",
            name=None,
            description=str(description),
            ttl=self.lifetime(ttl_hours, ttl),
        )
        self.store(data, draft, records)
        return draft.key.visible

    def get(
        self,
        /,
        *,
        default: Any = None,
        strict: bool = False,
        cache_key: str | None = None,
        ttl_hours: float | None | Unset = UNSET,
        ttl: str | None | Unset = UNSET,
        description: str = "",
        prefix: str = "",
        key_prefix: str | None = None,
        **key: object,
    ) -> Any:
        """The stored value, or `default` on a miss. `cache_key`, which `put` returned, may stand
        for the parameters.

        `ttl_hours` (or `ttl`) overrides the entry's own lifetime for this read: an entry older than
        that is a miss, a younger one a hit. What is damaged on disk is a miss with a warning;
        `strict=True` raises instead.
        """
        age = _max_age(ttl_hours, ttl)
        scope = _scope(key_prefix)
        try:
            found = self._find_key(cache_key, scope, key, key_prefix)
            value = MISSING if found is None else self.fetch(found, scope, age, strict=strict)
        except CacheKeyError:
            raise
        except CacheError as error:
            if strict:
                raise
            self.warn(f"the cache could not be read: {error}")
            value = MISSING
        if value is MISSING:
            self._core.record_miss()
            return default
        return value

    def contains(
        self,
        /,
        *,
        cache_key: str | None = None,
        ttl_hours: float | None | Unset = UNSET,
        ttl: str | None | Unset = UNSET,
        prefix: str = "",
        key_prefix: str | None = None,
        **key: object,
    ) -> bool:
        """Whether `get` would find something, without reading it."""
        scope = _scope(key_prefix)
        found = self._find_key(cache_key, scope, key, key_prefix)
        if found is None:
            return False
        entry = self._core.lookup(found, scope, _max_age(ttl_hours, ttl), _as_stored)
        return isinstance(entry, Entry)

    def invalidate(
        self,
        /,
        *,
        cache_key: str | None = None,
        prefix: str = "",
        key_prefix: str | None = None,
        **key: object,
    ) -> int:
        """Removes the entry with these parameters; returns how many there were."""
        scope = _scope(key_prefix)
        found = self._find_key(cache_key, scope, key, key_prefix)
        if found is None:
            return 0
        count = self._core.remove(found, scope)
        self._attachments.forget(found.visible, scope)
        logs.removed(f"removed {found.visible}", count)
        return count

    def clear_all(self) -> int:
        """Removes every entry; returns how many there were."""
        count = self._core.clear()
        self._attachments.forget()
        logs.removed("cleared the cache", count)
        return count

    def cleanup_expired(self) -> int:
        """Removes the entries whose lifetime is over; returns how many there were."""
        count = self._core.evict_expired()
        if count:
            self._attachments.forget()
            logs.removed("removed what had expired", count)
        return count

    # -- looking at it ------------------------------------------------------------------------

    def list_entries(
        self, *, key_prefix: str | None = None, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """One dict an entry, newest first; those of one `key_prefix` if given, and no more than
        `limit`.

        Each has `cache_key`, `key_prefix`, `description`, `data_type` (`array`, `object`,
        `pandas_dataframe`, …), `size_bytes`, `size_mb`, `created_at`, `last_accessed`, `expires_at`
        (ISO 8601, UTC; `None`: never), `expired`, `hits`, `elapsed` (seconds that computing it
        took, if known), `function` (of `@cached`) and `cache_key_params` (texts by name).
        """
        scope = None if key_prefix is None else _scope(key_prefix)
        return [described(entry) for entry in self._core.summaries(scope=scope, limit=limit)]

    def get_stats(self) -> dict[str, Any]:
        """Counts and sizes of the directory, over all processes: `total_entries`, `total_size_mb`,
        `total_size_bytes`, `max_cache_size_mb` (MB of 1024 * 1024 bytes), `cache_hits`,
        `cache_misses`, `hit_rate` (0 to 1), `elapsed_saved` (seconds that hits have saved),
        `backend_type` (`sqlite` or `json`) and `cache_dir`."""
        return {
            **totals(self._core.stats()),
            "max_cache_size_mb": self.config.storage.max_cache_size_mb,
            "backend_type": self.actual_backend,
            "cache_dir": str(self._core.directory),
        }

    def get_custom_metadata_for_entry(
        self,
        /,
        *,
        cache_key: str | None = None,
        prefix: str = "",
        key_prefix: str | None = None,
        **key: object,
    ) -> dict[str, Any]:
        """The records attached to an entry by the names of their schemas; none for a miss."""
        scope = _scope(key_prefix)
        found = self._find_key(cache_key, scope, key, key_prefix)
        return {} if found is None else self._attachments.of_entry(found.visible, scope)

    def query_custom_metadata(self, schema: str) -> Any:
        """An SQLAlchemy `Query` over the records of a schema that belong to entries. It only reads,
        gives records that stay readable, and holds no connection between two statements."""
        return self.custom_metadata.query(schema)

    @property
    def custom_metadata(self) -> "Records":
        """The records of all entries: `keys_of(record)`, `sweep()`, `migrate()`.

        Raises:
            CacheDependencyError: SQLAlchemy is not installed.
        """
        return self._attachments.records

    def cached(self, **options: Unpack["CacheOptions"]) -> "CacheDecorator":
        """`cacheness.cached(cache=self, ...)`: decorates functions to keep their results here."""
        from cacheness.decorators import cached

        return cached(cache=self, **options)

    # -- life ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Writes what is pending and lets go of the directory. Further use is an error."""
        if self._flush.detach() is not None:
            self._core.close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return not self._flush.alive

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (UnifiedCache, (self.config,))

    def __repr__(self) -> str:
        return f"<cacheness in {self._core.directory}>"

    # -- what the decorator shares ------------------------------------------------------------

    def lifetime(self, ttl_hours: float | None | Unset, ttl: str | None | Unset) -> float | None:
        """Seconds an entry lives: what was given, else the default of the configuration."""
        default = self.config.default_ttl_seconds
        seconds = durations.resolve(ttl_hours, ttl, default)
        return default if isinstance(seconds, Unset) else seconds

    def fetch(
        self,
        key: Key,
        scope: str,
        max_age: float | None,
        state: State | None = None,
        *,
        strict: bool = False,
        log: bool = True,
    ) -> Any:
        """The value of `key`, or `MISSING`. Damage is a miss with one warning, unless `strict`.

        `max_age` in seconds: `None` is the entry's own lifetime, infinity any age.
        """
        found = self._core.lookup(key, scope, max_age, state or _as_stored)
        if isinstance(found, Miss):
            if found.reason == "damaged":
                self._damaged(found.describe(), strict)
            self._tell_warnings()
            if log:
                logs.miss(key.visible, found)
            return MISSING
        started = time.perf_counter()
        try:
            value = self._read(found)
        except Exception as error:
            reason = f"entry {found.cache_key} cannot be read: {error or type(error).__name__}"
            self._damaged(reason, strict, error)
            return MISSING
        if value is MISSING:
            return MISSING
        if observe.is_going_on():
            observe.tell_inputs(json.loads(found.observed))
        self._core.touch(found.id)
        logs.hit(found, time.perf_counter() - started)
        return value

    def store(self, value: object, draft: Draft, records: dict[str, Any] | None = None) -> None:
        """Encodes and commits `value`, replacing the entry of the same key and scope."""
        started = time.perf_counter()
        encoded = self._handlers.encode(value)
        seconds = time.perf_counter() - started
        logs.encoded(value, encoded.handler, len(encoded.blob), seconds)
        meta = {"handler": encoded.handler, **encoded.meta}
        with self._attachments.attaching(records or {}, draft.key.visible, draft.scope) as attach:
            stored = self._core.store(
                draft.key,
                scope=draft.scope,
                face=draft.face,
                name=draft.name,
                description=draft.description,
                data_type=encoded.data_type,
                ttl=draft.ttl,
                elapsed=draft.elapsed,
                observed=list(draft.observed),
                meta=json.dumps(meta),
                blobs=[encoded.blob],
            )
            attach(stored)
        logs.stored(draft.key.visible, draft.name, encoded.data_type, stored.size_bytes)
        self._tell_warnings()
        if stored.oversized and not self._oversized_told:
            self._oversized_told = True
            self.warn(
                f"entry {draft.key.visible} ({stored.size_bytes / _MEGABYTE:.1f} MB) alone exceeds "
                f"max_cache_size_mb={self.config.storage.max_cache_size_mb}; it is kept until the "
                "next entry needs the room"
            )

    def warn(self, message: str) -> None:
        """One warning, shown at the line outside this package that called it."""
        warn(message)

    @property
    def core(self) -> Cache:
        """The cache beneath."""
        return self._core

    # -- details ------------------------------------------------------------------------------

    def _key(
        self, parameters: dict[str, object], key_prefix: str | None, *, shown: bool = False
    ) -> Key:
        if not parameters and key_prefix is None:
            raise CacheKeyError("give at least one keyword parameter: it is what finds the entry")
        return self.keys.of(parameters, shown=shown)

    def _find_key(
        self, visible: str | None, scope: str, parameters: dict[str, object], prefix: str | None
    ) -> Key | None:
        if visible is None:
            return self._key(parameters, prefix)
        if parameters:
            names = ", ".join(sorted(parameters))
            raise CacheKeyError(f"give either cache_key or the parameters ({names}), not both")
        for entry in self._core.find(checked_name(visible)):
            if entry.scope == scope:
                return entry.key
        return None

    def _tell_warnings(self) -> None:
        for message in self._core.warnings():
            self.warn(message)

    def _read(self, entry: Entry) -> Any:
        meta = _meta(entry.meta)
        blob = self._core.read(entry, 0)
        if blob is None:  # removed by somebody since it was found
            return MISSING
        return self._handlers.decode(meta["handler"], meta, blob)

    def _damaged(self, reason: str, strict: bool, error: Exception | None = None) -> None:
        if strict:
            if isinstance(error, CacheDependencyError):
                raise error
            raise CacheIntegrityError(reason) from error
        self.warn(f"{reason}; it counts as a miss, and the next put replaces it")


@functools.lru_cache(maxsize=256)
def _meta(text: str) -> dict[str, Any]:
    """What a handler left beside a value; most values of a kind leave the same."""
    found: dict[str, Any] = json.loads(text)
    return found


def _scope(key_prefix: str | None) -> str:
    return "" if key_prefix is None else checked_name(key_prefix)


def _max_age(ttl_hours: float | None | Unset, ttl: str | None | Unset) -> float | None:
    seconds = durations.resolve(ttl_hours, ttl, UNSET)
    if isinstance(seconds, Unset):
        return None
    return float("inf") if seconds is None else seconds


def _as_stored(kind: str, name: str, digest: str) -> str:
    """A manual read takes what a function stored, whatever its source was."""
    return digest
