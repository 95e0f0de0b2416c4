"""The text that stands for a value in a key.

Two forms of one grammar. `serialize_for_cache_key` prints the readable one. `exact` adds, between
two control characters that no string can contain unescaped, what the readable form leaves out: the
module of a class, the second half of a digest. Keys are made from the exact form.

Strings, names and everything else that is free text have `,` `:` `[` `]` and the backslash escaped,
so that no value can imitate the structure around it.
"""

import abc
import datetime
import decimal
import enum
import fractions
import os
import pathlib
import re
import sys
import types
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final

from cacheness.config import SerializationConfig
from cacheness.errors import CacheKeyError, UnstableValueError

PathDigest = Callable[[pathlib.PurePath], str]
"""Turns a path into `file:<hex>`, `directory:<hex>` or `absent:<name>`."""

_HIDE, _SHOW, _SECRET, _PUBLIC = "\x01", "\x02", "\x03", "\x04"
_HIDDEN = re.compile(f"{_HIDE}[^{_SHOW}]*{_SHOW}|[{_SECRET}{_PUBLIC}]")
_SECRETS = re.compile(f"{_SECRET}[^{_PUBLIC}]*{_PUBLIC}")
_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|token|secret|api_?-?key|access_?-?key|private_?-?key|authorization"
    r"|credential",
    re.IGNORECASE,
)
_ESCAPE = re.compile(r"[\\,:\[\]\x00-\x04]")
_ESCAPES: Final = {chr(code): f"\\{code}" for code in range(5)}
# Longer byte strings enter as a digest: a key is not the place to keep a file.
_LONG_BYTES: Final = 256
# Below this, containers are read by the fingerprint, which needs no stack of Python's.
_DEEPEST: Final = 50
_HUGE_INT_BITS: Final = 8192
_RESERVED: Final = frozenset(
    (
        "None array bool bytearray bytes class complex cycle date datetime decimal dict "
        "enum float fraction frozenset hashed int list path range set slice str time "
        "timedelta timezone tuple uuid"
    ).split()
)
_HEAP_TYPE: Final = 1 << 9


class _Plain:
    """What an instance without any state outside its `__dict__` looks like."""


def serialize_for_cache_key(
    obj: object,
    config: SerializationConfig | None = None,
    *,
    path_digest: PathDigest | None = None,
) -> str:
    """The readable text that stands for `obj` in a key, such as `list:[int:1,str:two]`."""
    return readable(exact(obj, config, path_digest=path_digest))


def exact(
    obj: object,
    config: SerializationConfig | None = None,
    *,
    path_digest: PathDigest | None = None,
    name: str | None = None,
    classes: set[type] | None = None,
) -> str:
    """The unambiguous text that a key is made from; `name` is the parameter, for errors. Adds to
    `classes` those of which the text tells the name, but not the code."""
    config = config or _DEFAULT
    basic = _BASIC.get(type(obj)) if config.enable_basic_types else None
    if basic is not None:
        return basic(obj)
    writer = _Writer(config, path_digest or _path_by_content, name)
    text = writer.write(obj, 0)
    if classes is not None:
        classes |= writer.classes
    return text


def readable(text: str) -> str:
    """The readable form of an exact text."""
    return _HIDDEN.sub("", text)


def redacted(text: str) -> str:
    """The readable form of an exact text, without what is named like a secret."""
    return readable(_SECRETS.sub("[redacted]", text))


def is_secret(name: object) -> bool:
    """Whether a parameter, key or attribute of this name is kept out of what is stored."""
    return type(name) is str and _SECRET_NAME.search(name) is not None


def escape(text: str) -> str:
    """`text` with everything escaped that has a meaning in the grammar."""
    if _ESCAPE.search(text) is None:
        return text
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[0], "\\" + match[0]), text)


class _Writer:
    """One walk over one value."""

    def __init__(
        self, config: SerializationConfig, path_digest: PathDigest, name: str | None
    ) -> None:
        self.config = config
        self.path_digest = path_digest
        self.where = [f"parameter {name!r}" if name is not None else "the value"]
        self.open: dict[int, int] = {}  # containers being written -> their depth
        self.digests: dict[int, tuple[object, str]] = {}
        self.in_secret = False
        self.classes: set[type] = set()

    def write(self, obj: object, depth: int) -> str:
        kind = type(obj)
        if self.config.enable_basic_types:
            basic = _BASIC.get(kind)
            if basic is not None:
                return basic(obj)
        if self.config.enable_special_cases:
            special = self.special(obj, kind)
            if special is not None:
                return special
        collection = _COLLECTIONS.get(kind)
        if collection is not None and self.config.enable_collections:
            return self.nested(obj, depth, collection)
        if self.config.enable_object_introspection and collection is None:
            if _is_named_tuple(kind):
                return self.nested(obj, depth, _Writer.named_tuple)
            if _is_plain(kind):
                return self.nested(obj, depth, _Writer.instance)
        known = kind in _BASIC or kind in _SPECIAL or collection is not None
        return self.hashed(obj) if known or self.config.enable_hashable_fallback else self.told(obj)

    def special(self, obj: object, kind: type) -> str | None:
        writer = _SPECIAL.get(kind)
        if writer is not None:
            return writer(obj)
        if isinstance(obj, enum.Enum):
            self.classes.add(kind)
            return self.member_of(obj) if _is_member(obj) else None
        if isinstance(obj, (datetime.datetime, datetime.time)) and kind in (
            datetime.datetime,
            datetime.time,
        ):
            return self.moment(obj, kind.__name__)
        if kind is slice:
            assert isinstance(obj, slice)
            parts = [self.write(part, 0) for part in (obj.start, obj.stop, obj.step)]
            return f"slice:[{','.join(parts)}]"
        if isinstance(obj, pathlib.Path):
            return f"path:{self.path_digest(obj)}"
        if isinstance(obj, pathlib.PurePath):
            # The module of these classes depends on the version of Python.
            own = not kind.__module__.startswith("pathlib")
            return f"path:pure:{_class_name(kind) if own else kind.__name__}:{escape(str(obj))}"
        numpy = sys.modules.get("numpy")
        if numpy is not None and kind is numpy.ndarray:
            return self.array(numpy, obj)
        return None

    def array(self, numpy: Any, obj: Any) -> str:
        """By shape, dtype and items; how they lie in memory does not matter."""
        from cacheness.decompose.arrays import items

        digest = self.fingerprint(items(numpy.asarray(obj, order="C")))
        return f"array:{obj.shape}:{escape(str(obj.dtype))}:{_short(digest)}"

    def member_of(self, obj: enum.Enum) -> str:
        """By name to read, and by value, which may change while the name stays."""
        text = f"enum:{_class_name(type(obj))}:{escape(obj.name)}"
        try:
            value = self.write(obj.value, 0)
        except CacheKeyError:  # a bare object(), say: then the name is all there is
            return text
        return f"{text}{_HIDE}{_text_digest(value)}{_SHOW}"

    def moment(self, obj: datetime.datetime | datetime.time, head: str) -> str:
        text = f"{head}:{escape(obj.replace(tzinfo=None).isoformat())}"
        if obj.fold:
            text += ":fold"
        zone = obj.tzinfo
        if zone is None:
            return text
        key = getattr(zone, "key", None)
        if type(zone).__module__.startswith("zoneinfo") and key is not None:
            return f"{text}:zone:{escape(key)}"
        if type(zone) is datetime.timezone:
            return f"{text}:zone:{escape(repr(zone))}"
        return f"{text}:zone:{self.hashed(zone)}"

    def nested(self, obj: object, depth: int, body: Callable[..., str]) -> str:
        """Writes a container, unless it is one of its own ancestors or lies too deep."""
        above = self.open.get(id(obj))
        if above is not None:
            return f"cycle:{depth - above}"
        if depth >= max(_DEEPEST, self.config.max_collection_depth):
            return self.hashed(obj)
        self.open[id(obj)] = depth
        try:
            text = body(self, obj, depth + 1)
        finally:
            del self.open[id(obj)]
        if depth < self.config.max_collection_depth:
            return text
        return f"hashed:{_class_name(type(obj))}:{_short(_text_digest(text))}"

    def step(self, obj: object, depth: int, where: str) -> str:
        self.where.append(where)
        text = self.write(obj, depth)
        self.where.pop()
        return text

    def member(self, name: object, obj: object, depth: int, where: str) -> str:
        """A named part of a container; what is named like a secret is marked."""
        if self.in_secret or not is_secret(name):
            return self.step(obj, depth, where)
        self.in_secret = True
        try:
            return f"{_SECRET}{self.step(obj, depth, where)}{_PUBLIC}"
        finally:
            self.in_secret = False

    def items(self, obj: Iterable[object], depth: int) -> list[str]:
        return [self.step(item, depth, f"[{index}]") for index, item in enumerate(obj)]

    def write_list(self, obj: list[object], depth: int) -> str:
        return f"list:[{','.join(self.items(obj, depth))}]"

    def write_tuple(self, obj: tuple[object, ...], depth: int) -> str:
        inner = ",".join(self.items(obj, depth))
        if len(obj) > self.config.max_tuple_recursive_length:
            return f"hashed:tuple:{_short(_text_digest(inner))}"
        return f"tuple:[{inner}]"

    def write_set(self, obj: set[object] | frozenset[object], depth: int) -> str:
        inner = ",".join(sorted(self.step(item, depth, " (an item)") for item in obj))
        return f"{type(obj).__name__}:[{inner}]"

    def write_dict(self, obj: dict[object, object], depth: int) -> str:
        return f"dict:[{self.pairs(obj, depth)}]"

    def pairs(self, obj: dict[Any, object], depth: int) -> str:
        written = [
            f"{self.step(key, depth, f' (the key {key!r:.40})')}:"
            f"{self.member(key, value, depth, f'[{key!r:.40}]')}"
            for key, value in obj.items()
        ]
        return ",".join(sorted(written))

    def named_tuple(self, obj: Any, depth: int) -> str:
        names, name = obj._fields, _class_name(type(obj))
        self.classes.add(type(obj))
        inner = ",".join(
            f"{escape(field)}:{self.member(field, value, depth, f'.{field}')}"
            for field, value in zip(names, obj, strict=True)
        )
        return f"{name}:tuple:[{inner}]"

    def instance(self, obj: object, depth: int) -> str:
        kind, state = type(obj), obj.__dict__
        self.classes.add(kind)
        name = _class_name(kind)
        if not state and self.config.enable_string_fallback:
            text = _own_text(obj, kind)
            if text is not None:
                return f"{name}:{escape(text)}"
        inner = ",".join(
            sorted(
                f"{self.write(key, depth)}:{self.member(key, value, depth, f'.{key}')}"
                for key, value in state.items()
            )
        )
        return f"{name}:dict:[{inner}]"

    def hashed(self, obj: object) -> str:
        digest = self.fingerprint(obj)
        return f"hashed:{_class_name(type(obj))}:{_short(digest)}"

    def told(self, obj: object) -> str:
        """What an object says of itself, to read; the digest of its content, for the key."""
        kind = type(obj)
        text = _own_text(obj, kind) if self.config.enable_string_fallback else None
        if text is None:
            raise self.failure("", f"no form that is enabled takes a {kind.__qualname__}")
        return f"{_class_name(kind)}:{escape(text)}{_HIDE}{self.fingerprint(obj)}{_SHOW}"

    def fingerprint(self, obj: object) -> str:
        known = self.digests.get(id(obj))
        if known is not None:
            return known[1]
        from cacheness.fingerprint import fingerprint

        try:
            digest = fingerprint(obj)
        except UnstableValueError as error:
            raise self.failure(error.path, error.why) from error
        except CacheKeyError as error:
            raise self.failure("", str(error)) from error
        self.digests[id(obj)] = (obj, digest)  # keeps the object, so that its id stays its own
        return digest

    def failure(self, path: str, why: str) -> CacheKeyError:
        return CacheKeyError(
            f"no key can be built from {''.join(self.where)}{path}: {why}. Pass what identifies it "
            "instead (a name, a path, a number), or leave it out of the key"
        )


def _digest(data: Any) -> str:
    from cacheness._cacheness import digest_bytes

    return digest_bytes(data)


def _text_digest(text: str) -> str:
    return _digest(text.encode("utf-8", "surrogatepass"))


def _short(digest: str) -> str:
    """16 digits to read; the other 16 for the key."""
    return f"{digest[:16]}{_HIDE}{digest[16:]}{_SHOW}"


def _class_name(kind: type) -> str:
    """The bare name to read; module and qualified name for the key."""
    name = kind.__name__
    full = escape(f"{kind.__module__}.{kind.__qualname__}")
    shown = full if name in _RESERVED else escape(name)
    return f"{shown}{_HIDE}{full}{_SHOW}" if kind.__module__ != "builtins" else name


def _path_by_content(path: pathlib.PurePath) -> str:
    from cacheness._cacheness import digest_path

    kind, digest = digest_path(os.fspath(path))
    return describe_path(path, kind, digest)


def describe_path(path: pathlib.PurePath, kind: str, digest: str) -> str:
    """`file:<hex>` or `directory:<hex>`: the content decides, wherever it lies. A path where
    nothing is stands for its name."""
    return f"absent:{escape(str(path))}" if kind == "absent" else f"{kind}:{_short(digest)}"


def path_by_name(path: pathlib.PurePath) -> str:
    """The path digest of `hash_path_content=False`: the name decides, the content does not."""
    return f"name:{escape(str(path))}"


def _int(obj: Any) -> str:
    # Decimal digits of a huge number take quadratic time, and Python refuses past a limit.
    return f"int:{obj}" if obj.bit_length() < _HUGE_INT_BITS else f"int:{obj:#x}"


def _bytes(obj: Any) -> str:
    head = type(obj).__name__
    if len(obj) <= _LONG_BYTES:
        return f"{head}:{obj.hex()}"
    return f"hashed:{head}:{len(obj)}:{_short(_digest(obj))}"


def _is_member(obj: enum.Enum) -> bool:
    # Combinations of flags have no name of their own; their value is hashed.
    return obj.name is not None and "|" not in obj.name


def _is_named_tuple(kind: type) -> bool:
    bare = kind.__bases__ == (tuple,) and "__slots__" in kind.__dict__
    return bare and isinstance(kind.__dict__.get("_fields"), tuple)


def _is_plain(kind: type) -> bool:
    """Whether the whole state of an instance is its `__dict__`: written in Python, no slots, no
    built-in base with a state of its own, no say in how it is copied."""
    return (
        bool(kind.__flags__ & _HEAP_TYPE)
        and type(kind) in (type, abc.ABCMeta)
        and kind.__basicsize__ == _Plain.__basicsize__
        and kind.__itemsize__ == 0
        and kind.__dictoffset__ == _Plain.__dictoffset__
        and _inherits(kind, "__reduce_ex__")
        and _inherits(kind, "__reduce__")
        and _inherits(kind, "__getstate__")
        and not any(hasattr(kind, name) for name in ("__getnewargs__", "__getnewargs_ex__"))
    )


def _inherits(kind: type, name: str) -> bool:
    """Whether a class leaves this method as `object` has it."""
    return getattr(kind, name, None) is getattr(object, name)


def _own_text(obj: object, kind: type) -> str | None:
    """What a class without state says about itself, if it says it and says it stably."""
    if _inherits(kind, "__str__") and _inherits(kind, "__repr__"):
        return None
    try:
        text = str(obj)
    except Exception:
        return None
    return None if " at 0x" in text else text


_BASIC: Final[dict[type, Callable[[Any], str]]] = {
    types.NoneType: lambda obj: "None",
    bool: lambda obj: f"bool:{obj}",
    int: _int,
    float: lambda obj: f"float:{obj!r}",
    str: lambda obj: f"str:{escape(obj)}",
    bytes: _bytes,
    complex: lambda obj: f"complex:({obj.real!r}, {obj.imag!r})",
}
_SPECIAL: Final[dict[type, Callable[[Any], str]]] = {
    types.EllipsisType: lambda obj: "Ellipsis",
    bytearray: _bytes,
    range: lambda obj: f"range:({obj.start}, {obj.stop}, {obj.step})",
    decimal.Decimal: lambda obj: f"decimal:{obj}",
    fractions.Fraction: lambda obj: f"fraction:{obj.numerator}/{obj.denominator}",
    datetime.date: lambda obj: f"date:{obj.isoformat()}",
    datetime.timedelta: lambda obj: f"timedelta:{obj.days}d {obj.seconds}s {obj.microseconds}us",
    datetime.timezone: lambda obj: f"timezone:{escape(repr(obj))}",
    uuid.UUID: lambda obj: f"uuid:{obj}",
}
_COLLECTIONS: Final[dict[type, Callable[..., str]]] = {
    list: _Writer.write_list,
    tuple: _Writer.write_tuple,
    set: _Writer.write_set,
    frozenset: _Writer.write_set,
    dict: _Writer.write_dict,
}
_DEFAULT: Final = SerializationConfig()
