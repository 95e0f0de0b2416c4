"""The records of one cache: a database that only SQLAlchemy opens, keyed by entry."""

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from cacheness._cacheness import Cache, Stored
from cacheness.custom_metadata import models
from cacheness.custom_metadata.schema import migrate
from cacheness.errors import CacheConfigError, CacheStorageError, CacheValueError
from cacheness.metadata import EntryLink

# Only after those, which say what to install when SQLAlchemy is missing.
from sqlalchemy import URL, create_engine, delete, event, exc, inspect, select  # isort: skip
from sqlalchemy.orm import Query, Session  # isort: skip
from sqlalchemy.pool import NullPool  # isort: skip

_PATIENCE: Final = 30
"""Seconds to wait for another process that writes."""
_open: "Final[weakref.WeakSet[Records]]" = weakref.WeakSet()


class Records:
    """Nothing stays open between two calls: no connection, so none that a fork would copy."""

    def __init__(self, core: Cache, path: str) -> None:
        self._core = core
        self._path = path
        self._ready: object = None
        self._lock = threading.Lock()
        self._engine = create_engine(
            URL.create("sqlite", database=self._path),
            poolclass=NullPool,
            connect_args={"timeout": _PATIENCE},
        )
        event.listen(self._engine, "connect", _no_implicit_transactions)
        event.listen(self._engine, "begin", _begin)
        _open.add(self)

    def migrate(self) -> list[str]:
        """Makes what tables, columns and indexes are missing; returns the statements it took."""
        _make_private(self._path)
        with _told(), self._engine.begin() as connection:
            return migrate(connection, models.tables())

    @contextmanager
    def attaching(
        self, records: dict[str, Any], cache_key: str, key_prefix: str
    ) -> Iterator[Callable[[Stored], None]]:
        """Writes records, which the call of what it yields links to the entry stored meanwhile.
        Whatever fails before the end of the block leaves no trace."""
        with self._writing() as session:
            ids = {}
            for name, record in records.items():
                with _told(f"custom_metadata[{name!r}]"):
                    ids[name] = _written(session, models.model_of(name), record)

            def link(stored: Stored) -> None:
                _unlink(
                    session, EntryLink.cache_key == cache_key, EntryLink.key_prefix == key_prefix
                )
                _unlink(session, EntryLink.entry_id == stored.entry_id)
                for name, record_id in ids.items():
                    session.add(
                        EntryLink(
                            entry_id=stored.entry_id,
                            entry_created=stored.created,
                            cache_key=cache_key,
                            key_prefix=key_prefix,
                            schema=name,
                            record_id=record_id,
                        )
                    )
                session.flush()
                _remove_unlinked(session)

            yield link

    def of_entry(self, cache_key: str, key_prefix: str) -> dict[str, Any]:
        """The records of an entry, by the names of their schemas."""
        self._prepare()
        found: dict[str, Any] = {}
        with _told(), _Reading(self._engine) as session:
            where = EntryLink.cache_key == cache_key, EntryLink.key_prefix == key_prefix
            links = session.scalars(select(EntryLink).where(*where)).all()
            for link in self._alive(links):
                model = models.registered().get(link.schema)
                record = model and session.get(model, link.record_id)
                if record is not None:
                    found[link.schema] = record
        return found

    def query(self, name: str) -> Any:
        """A query over the records of a schema; reads only, and holds nothing open in between."""
        return Query(models.model_of(name), session=_Reading(self._engine, before=self.sweep))

    def keys_of(self, record: Any) -> list[str]:
        """The keys of the entries that a record belongs to, oldest first."""
        names = [name for name, model in models.registered().items() if isinstance(record, model)]
        if not names or record.id is None:
            raise CacheConfigError(f"{record!r} is no record that a query gave")
        self._prepare()
        where = EntryLink.schema == names[0], EntryLink.record_id == record.id
        with _told(), _Reading(self._engine) as session:
            links = session.scalars(select(EntryLink).where(*where).order_by(EntryLink.entry_id))
            return [str(link.cache_key) for link in self._alive(links.all())]

    def forget(self, cache_key: str, key_prefix: str) -> None:
        """Removes the records of an entry that was removed."""
        with self._writing() as session:
            _unlink(session, EntryLink.cache_key == cache_key, EntryLink.key_prefix == key_prefix)
            _remove_unlinked(session)

    def sweep(self) -> int:
        """Removes the records of entries that are gone, whoever removed them; returns how many
        records that were."""
        self._prepare()
        with _told(), _Reading(self._engine) as session:
            links = session.scalars(select(EntryLink)).all()
            # Those of a process that knew the entry, but not the model.
            left = any(
                session.scalars(_unlinked(*one).limit(1)).first()
                for one in models.registered().items()
            )
        known = {link.entry_id for link in self._alive(links)}
        dead = {link.entry_id for link in links} - known
        if not dead and not left:
            return 0
        with self._writing() as session:
            for entry_id in dead:
                _unlink(session, EntryLink.entry_id == entry_id)
            return _remove_unlinked(session)

    def _alive(self, links: Any) -> list[Any]:
        known = set(self._core.alive(sorted({link.entry_id for link in links})))
        return [link for link in links if (link.entry_id, link.entry_created) in known]

    def _prepare(self) -> None:
        """Brings the tables up to date, once for each file and set of models."""
        with self._lock:
            state = self._state()
            if state is None or state != self._ready:
                self.migrate()
                self._ready = self._state()

    def _state(self) -> object:
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return None
        return (found.st_dev, found.st_ino, list(map(id, models.tables())))

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        self._prepare()
        with _told(), Session(self._engine) as session, session.begin():
            yield session


class _Reading(Session):
    """Lets go of the connection after each statement; records that it gave stay readable."""

    def __init__(self, engine: Any, before: Callable[[], object] = int) -> None:
        super().__init__(engine.execution_options(reading=True), expire_on_commit=False)
        self._before = before

    def execute(self, statement: Any, *given: Any, **options: Any) -> Any:
        if not getattr(statement, "is_select", False):
            raise CacheValueError("custom metadata is read by queries, and changed by put() alone")
        self._before()
        with _told():
            result = super().execute(statement, *given, **options).freeze()
        self.close()
        return result()


def migrate_custom_metadata_tables(cache: Any = None) -> list[str]:
    """Makes or updates the tables of all registered models, in the database of `cache` or, without
    one, of every cache that uses custom metadata in this process. Returns the statements it took.

    Raises:
        CacheConfigError: a new column must not be null, but older records have no value for it.
    """
    if cache is not None:
        return cache.custom_metadata.migrate()  # type: ignore[no-any-return]
    return [statement for records in list(_open) for statement in records.migrate()]


def _written(session: Session, model: Any, record: Any) -> int:
    """Writes a record: in place of the one with its id, or with its value in a unique column."""
    columns = [attribute.key for attribute in inspect(model).column_attrs]
    known = inspect(record).dict
    values = {name: known[name] for name in columns if name in known and name != "id"}
    row = _same(session, model, record.id, values)
    if row is None:
        row = model(**values)
        session.add(row)
    else:
        for name, value in values.items():
            setattr(row, name, value)
    session.flush()
    return int(row.id)


def _same(session: Session, model: Any, record_id: int | None, values: dict[str, Any]) -> Any:
    row = None if record_id is None else session.get(model, record_id)
    mapper = inspect(model)
    for attribute in mapper.column_attrs:
        [column] = attribute.columns
        value = values.get(attribute.key)
        if row is None and column.unique and value is not None:
            row = session.scalars(select(model).where(column == value)).first()
    return row


def _unlink(session: Session, *where: Any) -> None:
    session.execute(delete(EntryLink).where(*where))


def _remove_unlinked(session: Session) -> int:
    options = {"synchronize_session": False}
    count = 0
    for name, model in models.registered().items():
        gone = delete(model).where(model.id.in_(_unlinked(name, model)))
        count += session.execute(gone, execution_options=options).rowcount
    return count


def _unlinked(name: str, model: Any) -> Any:
    """Selects the ids of records that belong to no entry."""
    return select(model.id).where(
        model.id.not_in(select(EntryLink.record_id).where(EntryLink.schema == name))
    )


def _no_implicit_transactions(connection: Any, record: object) -> None:
    connection.isolation_level = None


def _begin(connection: Any) -> None:
    """Takes the lock at once where it will be needed: two readers that both want to write would
    otherwise wait for each other."""
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _make_private(path: str) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise CacheStorageError(f"cannot write {path}: {error}") from error


@contextmanager
def _told(what: str = "custom metadata") -> Iterator[None]:
    """SQLAlchemy's errors as ours: what was given was wrong, or the database refused."""
    try:
        yield
    except (exc.IntegrityError, exc.DataError, exc.InterfaceError) as error:
        raise CacheValueError(f"{what}: {error.orig}") from error
    except exc.DBAPIError as error:
        raise CacheStorageError(f"{what}: {error.orig}") from error
    except exc.StatementError as error:
        raise CacheValueError(f"{what}: {error.orig or error}") from error
