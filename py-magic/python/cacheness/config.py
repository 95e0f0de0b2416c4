"""Configuration: one `CacheConfig`, whose parameters may be given flat or by section."""

import difflib
import functools
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, TypeVar, dataclass_transform

from cacheness import durations
from cacheness.errors import CacheConfigError

BACKENDS: Final = ("auto", "sqlite", "json")
BLOSC_CODECS: Final = ("lz4", "lz4hc", "zstd", "zlib", "blosclz")
PARQUET_CODECS: Final = ("lz4", "snappy", "zstd", "none")
HANDLERS: Final = (
    "pandas_dataframes",
    "polars_dataframes",
    "pandas_series",
    "polars_series",
    "numpy_arrays",
    "object_pickle",
)

S = TypeVar("S")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def _section(cls: type[S]) -> type[S]:
    """A frozen dataclass that names the nearest parameter for an unknown one, accepts the aliases
    in `_aliases`, and remembers what was given (to find contradictions)."""
    made = dataclass(frozen=True, kw_only=True)(cls)
    names = [field.name for field in fields(made)]  # type: ignore[arg-type]
    aliases: Mapping[str, str] = getattr(cls, "_aliases", {})
    plain: Callable[..., None] = made.__init__

    @functools.wraps(plain)
    def init(self: Any, **given: Any) -> None:
        values: dict[str, Any] = {}
        for name, value in given.items():
            target = aliases.get(name, name)
            if target not in names:
                raise unknown_parameter(cls.__name__, name, [*names, *aliases])
            if target in values and values[target] != value:
                raise contradiction(target, values[target], name, value)
            values[target] = value
        plain(self, **values)
        object.__setattr__(self, "_given", frozenset(values))

    made.__init__ = init  # type: ignore[method-assign]
    return made


def unknown_parameter(owner: str, name: str, known: list[str]) -> TypeError:
    """The error for a parameter that does not exist, naming the nearest one that does."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(sorted(known))}"
    return TypeError(f"{owner} has no parameter {name!r}: {hint}")


def contradiction(first: str, a: object, second: str, b: object) -> CacheConfigError:
    """The error for one setting that was given twice with different values."""
    return CacheConfigError(f"{first}={a!r} and {second}={b!r} contradict each other")


@_section
class CacheStorageConfig:
    """Where the cache lives and how large it may grow.

    cache_dir: its directory, made on first use for its owner alone.
    max_cache_size_mb: MB of 1024 * 1024 bytes on disk, past which the entries go that were used
        longest ago; `None` is no limit.
    cleanup_on_init: opening removes what has expired.
    """

    cache_dir: str | os.PathLike[str] = "./cache"
    max_cache_size_mb: float | None = 2000
    cleanup_on_init: bool = True

    def __post_init__(self) -> None:
        _path("cache_dir", self.cache_dir)
        if self.max_cache_size_mb is not None:
            _number("max_cache_size_mb", self.max_cache_size_mb)
        _flags(self, "cleanup_on_init")


@_section
class CacheMetadataConfig:
    """The index of the entries.

    backend: `"sqlite"`, `"json"` (for reading by people, and small caches) or `"auto"` (SQLite).
    database_url: another place for the SQLite file.
    verify_cache_integrity: checks stored bytes before they are decoded. It is always done, whatever
        is said here: the checksum costs less than the read that it guards.
    store_cache_key_params: keeps the parameters of keys for people to read, without secrets.
    """

    _aliases: ClassVar[dict[str, str]] = {"metadata_backend": "backend"}

    backend: str = "auto"
    database_url: str | None = None
    verify_cache_integrity: bool = True
    store_cache_key_params: bool = True

    def __post_init__(self) -> None:
        _choice("backend", self.backend, BACKENDS)
        if self.database_url is not None:
            _database(self.database_url, self.backend)
        _flags(self, "verify_cache_integrity", "store_cache_key_params")

    @property
    def database(self) -> str | None:
        """The absolute path of the database, where `database_url` names one."""
        return None if self.database_url is None else _database(self.database_url, self.backend)


@_section
class CompressionConfig:
    """Codecs and levels, by family of values. Data that does not shrink is stored as it is.

    use_blosc2_arrays: arrays as `.b2nd` frames (blosc2); otherwise as NumPy's `.npz`.
    npz_compression: compresses an `.npz`.
    pickle_compression_codec, pickle_compression_level: of objects; lz4, lz4hc, zstd, zlib or
        blosclz; 0 (none) to 9.
    blosc2_array_codec, blosc2_array_level: the same of arrays.
    parquet_compression: of frames and series; lz4, snappy, zstd or none.
    enable_multithreading: large values are compressed by all cores.
    auto_optimize_threads: values under 1 MiB are compressed by one thread.
    """

    use_blosc2_arrays: bool = True
    npz_compression: bool = True
    pickle_compression_codec: str = "zstd"
    pickle_compression_level: int = 5
    blosc2_array_codec: str = "lz4"
    blosc2_array_level: int = 5
    parquet_compression: str = "lz4"
    enable_multithreading: bool = True
    auto_optimize_threads: bool = True

    def __post_init__(self) -> None:
        _choice("pickle_compression_codec", self.pickle_compression_codec, BLOSC_CODECS)
        _choice("blosc2_array_codec", self.blosc2_array_codec, BLOSC_CODECS)
        _choice("parquet_compression", self.parquet_compression, PARQUET_CODECS)
        _whole("pickle_compression_level", self.pickle_compression_level, 0, 9)
        _whole("blosc2_array_level", self.blosc2_array_level, 0, 9)
        _flags(
            self,
            "use_blosc2_arrays",
            "npz_compression",
            "enable_multithreading",
            "auto_optimize_threads",
        )


@_section
class SerializationConfig:
    """How values are written into keys: which tiers apply, and how deep they look. What a tier that
    is switched off would have taken enters the key as a digest of its content.

    enable_basic_types: `int:42`, `str:hello`.
    enable_special_cases: arrays, paths, dates, enums, ranges.
    enable_collections: `list:[int:1,int:2]`, to `max_collection_depth` levels; tuples to
        `max_tuple_recursive_length` items.
    enable_object_introspection: `User:dict:[str:age:int:30]`, by the attributes of an object.
    enable_hashable_fallback: other objects, as `hashed:Token:` and a digest of their content. Off,
        they are shown by the text that they define for themselves, or refused.
    enable_string_fallback: that text, also for objects without attributes.
    """

    enable_basic_types: bool = True
    enable_special_cases: bool = True
    enable_collections: bool = True
    enable_object_introspection: bool = True
    enable_hashable_fallback: bool = True
    enable_string_fallback: bool = True
    max_collection_depth: int = 10
    max_tuple_recursive_length: int = 10

    def __post_init__(self) -> None:
        _flags(self, *(name for name in self.__dataclass_fields__ if name.startswith("enable_")))
        # Past this depth Python's own stack would be at risk; deeper levels enter as a digest.
        _whole("max_collection_depth", self.max_collection_depth, 0, 100)
        _whole("max_tuple_recursive_length", self.max_tuple_recursive_length, 0, 1_000_000)


@_section
class HandlerConfig:
    """Which families of values get a format of their own, and in which order they are asked.

    enable_...: off, the family is left to the ones that follow.
    handler_priority: names out of `pandas_dataframes`, `polars_dataframes`, `pandas_series`,
        `polars_series`, `numpy_arrays`, `object_pickle`. Families that are not named come after
        those that are, except after `object_pickle`, which takes everything.
    """

    enable_pandas_dataframes: bool = True
    enable_polars_dataframes: bool = True
    enable_pandas_series: bool = True
    enable_polars_series: bool = True
    enable_numpy_arrays: bool = True
    enable_object_pickle: bool = True
    handler_priority: list[str] | None = None

    def __post_init__(self) -> None:
        _flags(self, *(f"enable_{name}" for name in HANDLERS))
        if self.handler_priority is None:
            return
        if isinstance(self.handler_priority, str):
            raise CacheConfigError("handler_priority takes a list of names, not one text")
        for name in self.handler_priority:
            _choice("handler_priority", name, HANDLERS)
            if not getattr(self, f"enable_{name}"):
                raise contradiction(
                    "handler_priority", self.handler_priority, f"enable_{name}", False
                )

    def order(self) -> list[str]:
        """The enabled handlers: those of `handler_priority` first, then the others."""
        listed = list(dict.fromkeys([*(self.handler_priority or ()), *HANDLERS]))
        # Pickle takes everything, so whatever follows it would never be asked.
        rest = [name for name in HANDLERS if name not in (self.handler_priority or ())]
        if self.handler_priority and "object_pickle" in self.handler_priority:
            listed = [name for name in listed if name not in rest]
        return [name for name in listed if getattr(self, f"enable_{name}")]


SECTIONS: Final[dict[str, type[Any]]] = {
    "storage": CacheStorageConfig,
    "metadata": CacheMetadataConfig,
    "compression": CompressionConfig,
    "serialization": SerializationConfig,
    "handlers": HandlerConfig,
}
FLAT: Final[dict[str, tuple[str, str]]] = {
    **{
        field.name: (section, field.name)
        for section, cls in SECTIONS.items()
        for field in fields(cls)
        if field.name != "backend"
    },
    "metadata_backend": ("metadata", "backend"),
}
_OWN: Final = ("default_ttl_hours", "default_ttl", "hash_path_content")
_SECTION_NAMES: Final = {
    **{name: name for name in SECTIONS},
    **{f"{name}_config": name for name in SECTIONS},
    "handler_config": "handlers",
}


class CacheConfig:
    """Every setting of a cache.

        CacheConfig(cache_dir="./models", default_ttl="7d", max_cache_size_mb=5000)
        CacheConfig(storage=CacheStorageConfig(cache_dir="./models"), default_ttl_hours=168)

    Flat parameters and sections mix; a section may also be a dict. Each flat parameter can be read
    as an attribute (`config.max_cache_size_mb` is `config.storage.max_cache_size_mb`).

    default_ttl_hours, default_ttl: how long an entry lives (24 hours), as a number or as
        `"90s"`, `"15m"`, `"24h"`, `"7d"`, `"2w"`; `None` is for ever.
    hash_path_content: a `pathlib.Path` in a key counts by what lies there (True), or by its name.
    storage, metadata, compression, serialization, handlers: `CacheStorageConfig`,
        `CacheMetadataConfig`, `CompressionConfig`, `SerializationConfig`, `HandlerConfig` of
        `cacheness.config`, which tell their parameters.

    Raises `TypeError` for an unknown parameter, naming the nearest, and `CacheConfigError` (a
    `ValueError`) for a value that makes no sense, or two that contradict each other.
    """

    storage: CacheStorageConfig
    metadata: CacheMetadataConfig
    compression: CompressionConfig
    serialization: SerializationConfig
    handlers: HandlerConfig
    default_ttl_hours: float | None
    hash_path_content: bool

    def __init__(self, **parameters: Any) -> None:
        flat: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        given: dict[str, tuple[str, Any]] = {}
        own: dict[str, Any] = {}
        for name, value in parameters.items():
            if name in FLAT:
                section, field = FLAT[name]
                flat[section][field] = value
            elif name in _SECTION_NAMES:
                section = _SECTION_NAMES[name]
                made = _made_section(name, section, value)
                if section in given and given[section][1] != made:
                    raise contradiction(given[section][0], given[section][1], name, made)
                given[section] = (name, made)
            elif name in _OWN:
                own[name] = value
            else:
                raise unknown_parameter(
                    "CacheConfig", name, [*FLAT, *_OWN, *SECTIONS, "metadata_config"]
                )
        for section, cls in SECTIONS.items():
            spelled, base = given.get(section, (section, None))
            setattr(self, section, _merged(cls, spelled, base, flat[section]))
        self.default_ttl_hours = _default_ttl(own)
        self.hash_path_content = own.get("hash_path_content", True)
        _flags(self, "hash_path_content")

    def __getattr__(self, name: str) -> Any:
        if name in FLAT:
            section, field = FLAT[name]
            return getattr(self.__dict__[section], field)
        raise AttributeError(f"CacheConfig has no attribute {name!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CacheConfig) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((str(self.cache_dir), self.default_ttl_hours))

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"CacheConfig({inner})"

    @property
    def default_ttl_seconds(self) -> float | None:
        """The default lifetime of an entry in seconds; `None`: it never expires."""
        return durations.hours_to_seconds(self.default_ttl_hours, "default_ttl_hours")


def _made_section(name: str, section: str, value: Any) -> Any:
    cls = SECTIONS[section]
    if isinstance(value, Mapping):
        return cls(**value)
    if not isinstance(value, cls):
        raise CacheConfigError(
            f"{name} takes a {cls.__name__} or a dict of its parameters, not {value!r}"
        )
    return value


def _merged(cls: type[Any], spelled: str, base: Any, flat: dict[str, Any]) -> Any:
    if base is None:
        return cls(**flat)
    values = {name: getattr(base, name) for name in base._given}
    for name, value in flat.items():
        if name in values and values[name] != value:
            raise contradiction(name, value, f"{spelled}.{name}", values[name])
    return cls(**values, **{name: value for name, value in flat.items() if name not in values})


def _default_ttl(own: dict[str, Any]) -> float | None:
    hours = own.get("default_ttl_hours", durations.UNSET)
    seconds = durations.resolve(hours, own.get("default_ttl", durations.UNSET), durations.UNSET)
    if isinstance(seconds, durations.Unset):
        return 24
    if hours is not durations.UNSET and seconds is not None:
        return hours  # type: ignore[no-any-return]
    return None if seconds is None else seconds / 3600.0


def _path(name: str, value: object) -> None:
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise CacheConfigError(f"{name} takes a path, not {value!r}")
    if not text or "\0" in text:
        raise CacheConfigError(f"{name}={text!r} is not a usable path")


def _database(url: str, backend: str) -> str:
    _path("database_url", url)
    scheme, separated, path = os.fspath(url).partition("://")
    if not separated:
        path = os.fspath(url)
    elif scheme != "sqlite":
        raise CacheConfigError(f"database_url={url!r}: only SQLite files, not {scheme!r}")
    elif path[:1] != "/" or path in ("/", "/:memory:"):
        raise CacheConfigError(
            f"database_url={url!r} names no file: write 'sqlite:///path/file.db'"
        )
    else:
        path = path[1:]
    if backend == "json":
        raise contradiction("database_url", url, "metadata_backend", backend)
    return os.path.abspath(path)


def _number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CacheConfigError(f"{name} takes a number or None, not {value!r}")
    if not value > 0 or (isinstance(value, float) and math.isinf(value)):
        raise CacheConfigError(f"{name}={value!r} must be a finite number above zero")


def _whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise CacheConfigError(f"{name} takes a whole number from {low} to {high}, not {value!r}")


def _choice(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(map(repr, known))}"
        raise CacheConfigError(f"{name}={value!r} is not known: {hint}")


def _flags(owner: object, *names: str) -> None:
    for name in names:
        value = getattr(owner, name)
        if not isinstance(value, bool):
            raise CacheConfigError(f"{name} takes True or False, not {value!r}")
