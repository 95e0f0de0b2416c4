"""The database that DuckDB keeps in the process for statements that name none: hidden state."""

from __future__ import annotations

import sys

_OBJECTS = """
    select table_name from duckdb_tables() where not internal
    union all select view_name from duckdb_views() where not internal
    union all select function_name from duckdb_functions() where not internal
    union all select database_name from duckdb_databases()
        where not internal and database_name <> 'memory'
"""


def hidden_objects() -> list[str]:
    """Names of the tables, views, macros and attached databases in it, in order."""
    connection = getattr(sys.modules.get("duckdb"), "default_connection", None)
    if connection is None:
        return []
    try:
        return sorted(str(name) for (name,) in connection().sql(_OBJECTS).fetchall())
    except Exception as error:
        # Among others, results of a statement that wait to be fetched.
        return [type(error).__name__]
