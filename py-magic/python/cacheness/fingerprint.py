"""Fingerprints of live values: what `Walk` cannot read by itself is taken apart here.

`Decomposer` turns a value into a tag and plainer parts. It is by content, never by identity or
lineage, and refuses with `TypeError` what has no stable content, rather than guess.
"""

from __future__ import annotations

import enum
import functools
import io
import logging
import pathlib
import re
import types
from collections.abc import Callable
from typing import Any

from cacheness._cacheness import Walk
from cacheness.decompose import arrays, code, columns, frames, process
from cacheness.decompose.parts import OBJECT, VALUE, Decomposed, Extent
from cacheness.origin import type_home


def fingerprint(value: object) -> str:
    """The digest of `value`'s content: 32 hexadecimal digits, the same in every process.

    Raises:
        UnstableValueError: some part of the value has no stable content.
    """
    decomposer = Decomposer()
    return Walk(decomposer).add(value)[0]


class Decomposer:
    """Takes values apart for one walk, and collects what the walk cannot follow by itself.

    `wanted` gathers the global names that functions of `namespace` refer to: they are inputs of
    their own. `extents` gathers the memory of arrays, from which shared memory can be told.
    `called` gathers dotted names that functions of the person's own refer to, `referenced` all
    their global names, `strings` their text constants. `packages` gathers the top-level packages
    that values come from or that functions import.
    """

    def __init__(self, namespace: dict[str, Any] | None = None) -> None:
        self.namespace = namespace
        self.wanted: set[str] = set()
        self.extents: list[Extent] = []
        self.called: set[str] = set()
        self.referenced: set[str] = set()
        self.strings: set[str] = set()
        self.packages: set[str] = set()

    def __call__(self, value: Any) -> Decomposed:
        kind = type(value)
        self.packages.add(type_home(kind))
        known = _EXACT.get(kind)
        if known is not None:
            return known(self, value)
        loaded = _BY_NAME.get((type_home(kind), kind.__name__))
        if loaded is not None:
            return loaded(self, value)
        if isinstance(value, type):
            return code.class_(self, value)
        for base, decompose in _BY_BASE:
            if isinstance(value, base):
                return decompose(self, value)
        for parent in kind.__mro__:
            inherited = _BY_PARENT.get((type_home(parent), parent.__name__))
            if inherited is not None:
                return inherited(self, value)
        return _reduced(self, value)


def _refuse(what: str) -> Callable[[Decomposer, Any], Decomposed]:
    def refuse(_: Decomposer, value: Any) -> Decomposed:
        raise TypeError(f"{what} ({type(value).__qualname__}) has no stable content")

    return refuse


def _mapping_proxy(_: Decomposer, value: Any) -> Decomposed:
    return "mappingproxy", (dict(value),), VALUE


def _range(_: Decomposer, value: range) -> Decomposed:
    return "range", (value.start, value.stop, value.step), VALUE


def _slice(_: Decomposer, value: slice) -> Decomposed:
    return "slice", (value.start, value.stop, value.step), VALUE


def _constant(_: Decomposer, value: Any) -> Decomposed:
    return "constant", (repr(value),), VALUE


def _cell(_: Decomposer, value: types.CellType) -> Decomposed:
    try:
        return "cell", (value.cell_contents,), OBJECT
    except ValueError:
        return "cell", (), OBJECT


def _enum(_: Decomposer, value: enum.Enum) -> Decomposed:
    return "enum", (type(value), value.name, value.value), VALUE


def _path(_: Decomposer, value: pathlib.PurePath) -> Decomposed:
    return "path", (type(value).__name__, str(value)), VALUE


def _uuid(_: Decomposer, value: Any) -> Decomposed:
    return "UUID", (value.int, value.is_safe.name), VALUE


def _zone(self: Decomposer, value: Any) -> Decomposed:
    return ("zone", (value.key,), VALUE) if value.key is not None else _reduced(self, value)


def _set(_: Decomposer, value: Any) -> Decomposed:
    """An instance of a subclass, which pickling lists in the order that hashing gave."""
    reduced = value.__reduce_ex__(4)
    kind: Any = type(value)
    if reduced[0] is not kind:
        raise TypeError(f"a {kind.__qualname__} says itself how it is pickled, in any order")
    return "set", {"class": kind, "items": frozenset(value), **_attributes(reduced[2])}, OBJECT


def _pattern(_: Decomposer, value: re.Pattern[Any]) -> Decomposed:
    return "pattern", (value.pattern, value.flags), VALUE


def _reduced(self: Decomposer, value: Any) -> Decomposed:
    if type(value) is object:
        raise TypeError("a bare object() has no content: pass something that tells it apart")
    try:
        reduced = value.__reduce_ex__(4)
    except TypeError:
        raise
    except Exception as error:
        raise TypeError(
            f"{type(value).__qualname__} has no stable content: its pickling failed with"
            f" {type(error).__name__}: {error}"
        ) from error
    kind = type(value)
    if isinstance(reduced, str):
        return "global", (kind, reduced), VALUE
    function, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    return (
        "object",
        {
            "class": kind,
            "constructor": function,
            "arguments": arguments,
            "items": tuple(items) if items is not None else None,
            "pairs": tuple(tuple(pair) for pair in pairs) if pairs is not None else None,
            **_attributes(state),
        },
        OBJECT,
    )


def _attributes(state: Any) -> dict[str, Any]:
    """An instance's state; plain attributes one by one, so that a change can be named."""
    if isinstance(state, dict) and all(isinstance(name, str) for name in state):
        return {f".{name}": attribute for name, attribute in state.items()}
    return {"state": state}


_EXACT: dict[type, Callable[[Decomposer, Any], Decomposed]] = {
    types.FunctionType: code.function,
    types.BuiltinFunctionType: code.builtin,
    types.MethodType: code.method,
    types.CodeType: code.code_object,
    types.ModuleType: code.module,
    types.CellType: _cell,
    types.MappingProxyType: _mapping_proxy,
    types.GenericAlias: code.generic_alias,
    types.MethodDescriptorType: code.descriptor,
    types.WrapperDescriptorType: code.descriptor,
    types.GetSetDescriptorType: code.descriptor,
    types.MemberDescriptorType: code.descriptor,
    types.ClassMethodDescriptorType: code.descriptor,
    types.GeneratorType: _refuse("a running generator"),
    types.CoroutineType: _refuse("a coroutine"),
    type(Ellipsis): _constant,
    type(NotImplemented): _constant,
    type(None): _constant,
    range: _range,
    slice: _slice,
    property: code.property_,
    staticmethod: code.wrapper,
    classmethod: code.wrapper,
    functools.partial: code.partial,
    functools._lru_cache_wrapper: code.lru_cache,
    re.Pattern: _pattern,
}

# By top-level package and class name, so that nothing is imported to look.
_BY_NAME: dict[tuple[str, str], Callable[[Decomposer, Any], Decomposed]] = {
    ("uuid", "UUID"): _uuid,
    ("zoneinfo", "ZoneInfo"): _zone,
    ("numpy", "ndarray"): arrays.ndarray,
    ("numpy", "MaskedArray"): arrays.masked_array,
    ("numpy", "matrix"): arrays.array_subclass,
    ("numpy", "memmap"): arrays.array_subclass,
    ("numpy", "recarray"): arrays.array_subclass,
    ("numpy", "Generator"): arrays.random_generator,
    ("numpy", "RandomState"): arrays.random_state,
    ("pandas", "DataFrame"): frames.dataframe,
    ("pandas", "Series"): frames.series,
    ("pandas", "Index"): frames.index,
    ("pandas", "RangeIndex"): frames.range_index,
    ("pandas", "DatetimeIndex"): frames.datetime_index,
    ("pandas", "TimedeltaIndex"): frames.datetime_index,
    ("pandas", "PeriodIndex"): frames.index,
    ("pandas", "IntervalIndex"): frames.index,
    ("pandas", "CategoricalIndex"): frames.index,
    ("pandas", "MultiIndex"): frames.multi_index,
    **{("pandas", name): frames.extension_array for name in frames.ARRAYS},
    ("pandas", "CategoricalDtype"): frames.categorical_dtype,
    ("polars", "DataFrame"): columns.polars_frame,
    ("polars", "Series"): columns.polars_series,
    ("pyarrow", "Table"): columns.arrow_table,
    ("pyarrow", "RecordBatch"): columns.arrow_table,
    ("torch", "Tensor"): arrays.torch_tensor,
}

# Families whose members all read alike.
_BY_PARENT: dict[tuple[str, str], Callable[[Decomposer, Any], Decomposed]] = {
    ("numpy", "generic"): arrays.numpy_scalar,
    ("numpy", "dtype"): arrays.numpy_dtype,
    ("scipy", "_spbase"): arrays.sparse,
    ("sklearn", "BinaryTree32"): arrays.neighbour_tree,
    ("sklearn", "BinaryTree64"): arrays.neighbour_tree,
    ("matplotlib", "Artist"): arrays.artist,
    ("polars", "DataType"): columns.polars_dtype,
    ("pyarrow", "Array"): columns.arrow_array,
    ("pyarrow", "ChunkedArray"): columns.arrow_array,
    ("pyarrow", "Scalar"): columns.arrow_scalar,
    ("pyarrow", "DataType"): columns.arrow_type,
    ("pyarrow", "Field"): columns.arrow_field,
    ("pyarrow", "Schema"): columns.arrow_schema,
    ("pyarrow", "Dataset"): columns.arrow_plan,
    ("pyarrow", "Fragment"): columns.arrow_plan,
}

_BY_BASE: list[tuple[type, Callable[[Decomposer, Any], Decomposed]]] = [
    (enum.Enum, _enum),
    (io.IOBase, _refuse("an open file")),
    (logging.Logger, process.logger),
    (pathlib.PurePath, _path),
    (set, _set),
    (frozenset, _set),
    (types.ModuleType, code.module),
]
