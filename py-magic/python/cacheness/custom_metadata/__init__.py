"""Typed metadata on entries, with SQLAlchemy models and queries: `cacheness[sql]`.

Declare a model with `custom_metadata_model` and `CustomMetadataBase`, attach records with
`cache.put(..., custom_metadata={name: record})`, find them with `cache.query_custom_metadata(name)`
and `cache.get_custom_metadata_for_entry(...)`. Records live in `custom_metadata.db` in the cache's
directory and disappear with the entries that they belong to.
"""

from cacheness.custom_metadata.models import (
    CustomMetadataBase,
    custom_metadata_model,
    list_registered_schemas,
)
from cacheness.custom_metadata.records import migrate_custom_metadata_tables
from cacheness.custom_metadata.schema import (
    export_custom_metadata_schema,
    validate_custom_metadata_model,
)

__all__ = [
    "CustomMetadataBase",
    "custom_metadata_model",
    "export_custom_metadata_schema",
    "list_registered_schemas",
    "migrate_custom_metadata_tables",
    "validate_custom_metadata_model",
]
