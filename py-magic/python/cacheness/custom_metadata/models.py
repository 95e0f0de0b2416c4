"""Models of custom metadata, by the names that they are registered under."""

import datetime
import difflib
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from cacheness.errors import CacheConfigError
from cacheness.metadata import Base, EntryLink

# Only after that module, which says what to install when SQLAlchemy is missing.
from sqlalchemy import Column, DateTime, Integer  # isort: skip

M = TypeVar("M", bound=type)
_models: Final[dict[str, Any]] = {}
_lock: Final = threading.Lock()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


class CustomMetadataBase:
    """What every model has: `id`, and `created_at` (UTC, without a time zone)."""

    id = Column(Integer, primary_key=True)
    created_at = Column(DateTime, nullable=False, index=True, default=_now)


def custom_metadata_model(name: str) -> Callable[[M], M]:
    """Registers a model, a subclass of `Base` and `CustomMetadataBase`, under `name`.

    Raises:
        CacheConfigError: it is no such class, or another class has the name.
    """
    if not isinstance(name, str) or not name:
        raise CacheConfigError(f"custom_metadata_model takes a name, not {name!r}")

    def register(model: M) -> M:
        table = getattr(model, "__table__", None)
        if (
            table is None
            or not issubclass(model, Base)
            or not issubclass(model, CustomMetadataBase)
        ):
            raise CacheConfigError(
                f"{model.__name__} must be declared as class {model.__name__}(Base, "
                "CustomMetadataBase), with Base from cacheness.metadata"
            )
        with _lock:
            old = _models.get(name)
            if old is not None and _place(old) != _place(model):
                raise CacheConfigError(
                    f"the schema {name!r} is {_place(old)}: give {_place(model)} another name"
                )
            # An id is never given twice: a record that is held somewhere else is never another's.
            table.dialect_options["sqlite"]["autoincrement"] = True
            _models[name] = model
        return model

    return register


def list_registered_schemas() -> list[str]:
    """The names of all registered models."""
    return sorted(_models)


def registered() -> dict[str, Any]:
    """The registered models by name."""
    with _lock:
        return dict(_models)


def model_of(name: object) -> Any:
    """The model of this name.

    Raises:
        CacheConfigError: there is none; names the nearest.
    """
    model = _models.get(name) if isinstance(name, str) else None
    if model is None:
        near = difflib.get_close_matches(str(name), _models, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else "register it with custom_metadata_model"
        raise CacheConfigError(f"no schema {name!r} is registered: {hint}")
    return model


def records_by_name(given: object) -> dict[str, Any]:
    """What `put` was given as `custom_metadata`, checked.

    Raises:
        CacheConfigError: not a dict of registered names and records of their models.
    """
    if not isinstance(given, Mapping):
        raise CacheConfigError(
            f"custom_metadata takes a dict of schema names and records, not {given!r}"
        )
    for name, record in given.items():
        model = model_of(name)
        if isinstance(record, model):
            continue
        if isinstance(record, Base) and _place(type(record)) == _place(model):
            raise CacheConfigError(
                f"custom_metadata[{name!r}] was made before {model.__name__} was defined again: "
                "make the record again too"
            )
        raise CacheConfigError(
            f"custom_metadata[{name!r}] takes a {model.__name__}, not {type(record).__name__}"
        )
    return dict(given)


def tables() -> list[Any]:
    """All tables that records need, that of the links first."""
    return [model.__table__ for model in (EntryLink, *registered().values())]


def _place(model: type) -> str:
    return f"{model.__module__}.{model.__qualname__}"
