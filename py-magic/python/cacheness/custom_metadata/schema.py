"""Tables of custom metadata: checked, written out as DDL, and brought up to date."""

from collections.abc import Iterator
from typing import Any, Final

from cacheness.custom_metadata.models import CustomMetadataBase, model_of, registered
from cacheness.errors import CacheConfigError
from cacheness.metadata import Base

# Only after those, which say what to install when SQLAlchemy is missing.
from sqlalchemy import UniqueConstraint, inspect  # isort: skip
from sqlalchemy.dialects import sqlite  # isort: skip
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable  # isort: skip

_DIALECT: Final = sqlite.dialect()


def validate_custom_metadata_model(model: type) -> list[str]:
    """What is wrong with a model, or will be: one sentence each, none for a good one."""
    if not (issubclass(model, Base) and issubclass(model, CustomMetadataBase)):
        return [f"{model.__name__} is not declared as a subclass of Base and CustomMetadataBase"]
    table: Any = model.__table__  # type: ignore[attr-defined]
    issues = []
    if model not in registered().values():
        issues.append(f"{model.__name__} is not registered: decorate it with custom_metadata_model")
    if not table.name.startswith("custom_"):
        issues.append(f"the table {table.name!r} should have a name that begins with 'custom_'")
    if [column.name for column in table.primary_key] != ["id"]:
        issues.append("the primary key must be 'id' alone, as CustomMetadataBase declares it")
    own = [column for column in table.columns if column.name not in ("id", "created_at")]
    if not own:
        issues.append("it has no columns of its own")
    elif not any(column.index or column.unique for column in own):
        issues.append("no column has an index: give index=True to those that queries filter by")
    issues += [
        f"the column {column.name!r} refers to another table, which entries do not fill"
        for column in own
        if column.foreign_keys
    ]
    return issues


def export_custom_metadata_schema(name: str) -> str:
    """The SQL (of SQLite) that makes the table of a registered model and its indexes."""
    return ";\n\n".join([*_made(model_of(name).__table__), ""]).rstrip("\n") + "\n"


def migrate(connection: Any, tables: list[Any]) -> list[str]:
    """Makes the tables, columns and indexes that are missing; returns the statements that it took.

    Raises:
        CacheConfigError: a new column must not be null, but older records have no value for it.
    """
    statements = []
    present = set(inspect(connection).get_table_names())
    for table in tables:
        new = _made(table) if table.name not in present else _missing(connection, table)
        for statement in new:
            connection.exec_driver_sql(statement)
            statements.append(statement)
    return statements


def _made(table: Any) -> Iterator[str]:
    yield _sql(CreateTable(table))
    yield from (_sql(CreateIndex(index)) for index in _indexes(table))


def _missing(connection: Any, table: Any) -> Iterator[str]:
    found = inspect(connection)
    columns = {column["name"] for column in found.get_columns(table.name)}
    indexes = {index["name"] for index in found.get_indexes(table.name)}
    quoted = _DIALECT.identifier_preparer.format_table(table)
    new = {column.name: column for column in table.columns if column.name not in columns}
    for column in new.values():
        if not column.nullable and column.server_default is None:
            raise CacheConfigError(
                f"the column {column.name!r} of {table.name!r} is new and must not be null, but "
                "older records have no value for it: give it nullable=True or a server_default"
            )
        yield f"ALTER TABLE {quoted} ADD COLUMN {_sql(CreateColumn(column))}"
    for index in _indexes(table):
        if index.name not in indexes:
            yield _sql(CreateIndex(index))
    # SQLite takes no constraint for a table that is there, but an index that does the same.
    for constraint in table.constraints:
        names = [column.name for column in constraint.columns]
        if isinstance(constraint, UniqueConstraint) and new.keys() & set(names):
            unique = f"uq_{table.name}_{'_'.join(names)}"
            listed = ", ".join(map(_DIALECT.identifier_preparer.quote, names))
            yield f"CREATE UNIQUE INDEX IF NOT EXISTS {unique} ON {quoted} ({listed})"


def _indexes(table: Any) -> list[Any]:
    return sorted(table.indexes, key=lambda index: str(index.name))


def _sql(statement: Any) -> str:
    return str(statement.compile(dialect=_DIALECT)).strip()
