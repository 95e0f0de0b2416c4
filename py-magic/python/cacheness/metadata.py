"""What models of custom metadata are declared on. Needs SQLAlchemy."""

import warnings
from typing import Any

from cacheness.optional import missing

try:
    from sqlalchemy import BigInteger, Column, Index, Integer, String
    from sqlalchemy.exc import SAWarning
    from sqlalchemy.orm import DeclarativeBase
except ImportError as error:
    raise missing("sqlalchemy", "custom metadata") from error

__all__ = ["Base", "EntryLink"]


class Base(DeclarativeBase):
    """The declarative base of all models. A class may be defined again, as a notebook does when its
    cell runs again; the later definition counts."""

    def __init_subclass__(cls, **options: Any) -> None:
        name = cls.__dict__.get("__tablename__")
        for mapper in cls.registry.mappers:
            old = mapper.class_
            same = (old.__module__, old.__qualname__) == (cls.__module__, cls.__qualname__)
            if same and mapper.local_table is cls.metadata.tables.get(name):
                cls.metadata.remove(mapper.local_table)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This declarative base already", SAWarning)
            super().__init_subclass__(**options)


class EntryLink(Base):
    """Which record belongs to which entry of the cache: an entry has one of each schema, and one
    record may belong to many entries."""

    __tablename__ = "custom_metadata_links"
    __table_args__ = (Index("ix_custom_metadata_links_record", "schema", "record_id"),)

    entry_id = Column(Integer, primary_key=True, autoincrement=False)
    schema = Column(String, primary_key=True)
    entry_created = Column(BigInteger, nullable=False)
    cache_key = Column(String(16), nullable=False, index=True)
    key_prefix = Column(String, nullable=False)
    record_id = Column(Integer, nullable=False)
