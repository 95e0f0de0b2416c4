"""Custom metadata as a cache sees it: there on demand, SQLAlchemy loaded only then."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from cacheness._cacheness import Cache, Stored
from cacheness.errors import CacheDependencyError, CacheError
from cacheness.notices import warn

if TYPE_CHECKING:
    from cacheness.custom_metadata.records import Records

FILE: Final = "custom_metadata.db"


class Attachments:
    """The custom metadata of one cache."""

    def __init__(self, core: Cache) -> None:
        self._core = core
        self._records: Records | None = None

    @property
    def records(self) -> "Records":
        """The database of records.

        Raises:
            CacheDependencyError: SQLAlchemy is not installed.
        """
        if self._records is None:
            from cacheness.custom_metadata.records import Records

            self._records = Records(self._core, self._path)
        return self._records

    def checked(self, given: object) -> dict[str, Any]:
        """What `put` was given, as records by the names of their schemas."""
        if given is None:
            return {}
        from cacheness.custom_metadata.models import records_by_name

        return records_by_name(given)

    def attaching(
        self, records: dict[str, Any], cache_key: str, key_prefix: str
    ) -> AbstractContextManager[Callable[[Stored], object]]:
        """Around the storing of an entry; call what it gives with what was stored."""
        if not records:
            return nullcontext(bool)
        return self.records.attaching(records, cache_key, key_prefix)

    def of_entry(self, cache_key: str, key_prefix: str) -> dict[str, Any]:
        """The records of an entry by the names of their schemas."""
        return self.records.of_entry(cache_key, key_prefix) if self._exists else {}

    def forget(self, cache_key: str | None = None, key_prefix: str = "") -> None:
        """Removes the records of an entry that was removed, or of all such. Where that fails,
        the next query does it."""
        if not self._exists:
            return
        try:
            if cache_key is None:
                self.records.sweep()
            else:
                self.records.forget(cache_key, key_prefix)
        except CacheDependencyError:
            pass
        except CacheError as error:
            warn(f"custom metadata of removed entries is still there: {error}")

    @property
    def _path(self) -> str:
        return os.path.join(self._core.directory, FILE)

    @property
    def _exists(self) -> bool:
        return os.path.exists(self._path)
