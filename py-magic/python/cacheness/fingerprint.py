"""Fingerprints of live values: what `Walk` cannot read by itself is taken apart here.

`Decomposer` turns a value into a tag and plainer parts. It is by content, never by identity or
lineage, and refuses with `TypeError` what has no stable content, rather than guess.
"""

from __future__ import annotations

import dis
import enum
import functools
import importlib.metadata
import io
import os
import re
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from cacheness._cacheness import Walk, digest_path, digest_table

Parts = tuple[Any, ...] | dict[Any, Any]
Decomposed = tuple[str, Parts, bool]

_VALUE = False
_OBJECT = True


class Extent(NamedTuple):
    """The memory that an array spans, in bytes, and the array."""

    start: int
    end: int
    array: Any


def fingerprint(value: object) -> str:
    """The digest of `value`'s content: 32 hexadecimal digits, the same in every process.

    Raises:
        UnstableValueError: some part of the value has no stable content.
    """
    decomposer = Decomposer()
    return Walk(decomposer).add(value)[0]


def type_home(kind: type) -> str:
    """The top-level package of a type; empty where C code gave it none."""
    module = kind.__module__
    return module.partition(".")[0] if isinstance(module, str) else ""


class Decomposer:
    """Takes values apart for one walk, and collects what the walk cannot follow by itself.

    `wanted` gathers the global names that functions of `namespace` refer to: they are inputs of
    their own. `extents` gathers the memory of arrays, from which shared memory can be told.
    `called` gathers dotted names that functions of the person's own refer to.
    """

    def __init__(self, namespace: dict[str, Any] | None = None) -> None:
        self.namespace = namespace
        self.wanted: set[str] = set()
        self.extents: list[Extent] = []
        self.called: set[str] = set()

    def __call__(self, value: Any) -> Decomposed:
        kind = type(value)
        known = _EXACT.get(kind)
        if known is not None:
            return known(self, value)
        loaded = _BY_NAME.get((type_home(kind), kind.__name__))
        if loaded is not None:
            return loaded(self, value)
        if isinstance(value, type):
            return _class(self, value)
        for base, decompose in _BY_BASE:
            if isinstance(value, base):
                return decompose(self, value)
        for parent in kind.__mro__[1:]:
            inherited = _BY_PARENT.get((type_home(parent), parent.__name__))
            if inherited is not None:
                return inherited(self, value)
        return _reduced(self, value)


# --- values of the standard library ---------------------------------------------------------------


def _refuse(what: str) -> Callable[[Decomposer, Any], Decomposed]:
    def refuse(_: Decomposer, value: Any) -> Decomposed:
        raise TypeError(f"{what} ({type(value).__qualname__}) has no stable content")

    return refuse


def _mapping_proxy(_: Decomposer, value: Any) -> Decomposed:
    return "mappingproxy", (dict(value),), _VALUE


def _range(_: Decomposer, value: range) -> Decomposed:
    return "range", (value.start, value.stop, value.step), _VALUE


def _slice(_: Decomposer, value: slice) -> Decomposed:
    return "slice", (value.start, value.stop, value.step), _VALUE


def _constant(_: Decomposer, value: Any) -> Decomposed:
    return "constant", (repr(value),), _VALUE


def _cell(_: Decomposer, value: types.CellType) -> Decomposed:
    try:
        return "cell", (value.cell_contents,), _OBJECT
    except ValueError:
        return "cell", (), _OBJECT


def _enum(_: Decomposer, value: enum.Enum) -> Decomposed:
    return "enum", (type(value), value.name, value.value), _VALUE


def _path(_: Decomposer, value: os.PathLike[str]) -> Decomposed:
    return "path", (type(value).__name__, os.fspath(value)), _VALUE


def _pattern(_: Decomposer, value: re.Pattern[Any]) -> Decomposed:
    return "pattern", (value.pattern, value.flags), _VALUE


# --- code -----------------------------------------------------------------------------------------


def _module(self: Decomposer, value: types.ModuleType) -> Decomposed:
    origin = code_origin(value.__name__)
    if isinstance(origin, str):
        return "module", (value.__name__, origin, _patches(self, value)), _VALUE
    # A local module is what its names hold now: the file may have been edited since it was loaded.
    members = {
        name: member
        for name, member in vars(value).items()
        if not (name.startswith("__") and name.endswith("__"))
    }
    file = getattr(value, "__file__", None)
    source = digest_path(file) if isinstance(file, str) and os.path.isfile(file) else None
    return "local module", {"name": value.__name__, "file": source, "members": members}, _OBJECT


def _patches(self: Decomposer, value: Any) -> dict[str, Any]:
    """Functions of the notebook that were put into an installed module or class."""
    if self.namespace is None:
        return {}
    return {
        name: member
        for name, member in sorted(vars(value).items())
        if type(member) is types.FunctionType and member.__globals__ is self.namespace
    }


def _function(self: Decomposer, value: types.FunctionType) -> Decomposed:
    module = value.__module__
    origin = code_origin(module)
    if isinstance(origin, str) and _lookup(module, value.__qualname__) is value:
        return "installed function", (module, value.__qualname__, origin), _VALUE
    parts: dict[str, Any] = {
        "name": value.__qualname__,
        "code": value.__code__,
        "defaults": value.__defaults__,
        "keyword defaults": value.__kwdefaults__,
        "closure": value.__closure__,
        "attributes": {k: v for k, v in vars(value).items() if k != "__wrapped__"},
        "wrapped": vars(value).get("__wrapped__"),
    }
    names = referenced_globals(value.__code__)
    self.called |= dotted_names(value.__code__)
    for name in names & _DYNAMIC:
        if name not in value.__globals__:
            raise TypeError(f"`{value.__qualname__}` hides what it reads behind {name}()")
    if self.namespace is not None and value.__globals__ is self.namespace:
        present = names & self.namespace.keys()
        self.wanted |= present
        parts["globals"] = tuple(sorted(names))
    else:
        parts["globals"] = _globals(value.__globals__, names)
    return "function", parts, _OBJECT


# Builtins by which a function reads names that its code does not show.
_DYNAMIC = frozenset(("globals", "eval", "exec"))


def _globals(namespace: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """What `names` mean to a function whose globals are `namespace`; builtins go without saying."""
    return {name: namespace[name] for name in sorted(names) if name in namespace}


def _code(self: Decomposer, value: types.CodeType) -> Decomposed:
    # Not the file name, not the line numbers. `co_code` is free of the interpreter's
    # specialisations.
    return (
        "code",
        (
            value.co_name,
            value.co_flags,
            value.co_argcount,
            value.co_posonlyargcount,
            value.co_kwonlyargcount,
            value.co_code,
            value.co_exceptiontable,
            value.co_names,
            value.co_varnames,
            value.co_freevars,
            value.co_cellvars,
            value.co_consts,
        ),
        _VALUE,
    )


@functools.lru_cache(maxsize=4096)
def referenced_globals(code: types.CodeType) -> frozenset[str]:
    """The global names that `code` or code nested in it may load."""
    names = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
    }
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= referenced_globals(constant)
    return frozenset(names)


@functools.lru_cache(maxsize=4096)
def dotted_names(code: types.CodeType) -> frozenset[str]:
    """Names that `code` or code nested in it loads, with their attributes: `os.path.exists`.

    Those that are called without arguments come with parentheses as well.
    """
    names: set[str] = set()
    chain = ""
    for instruction in dis.get_instructions(code):
        name = instruction.argval
        if instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            chain = f"{chain}.{name}"
        elif isinstance(name, str) and instruction.opname.startswith("LOAD_"):
            chain = name
        elif instruction.opname in ("PRECALL", "CALL") and instruction.arg == 0 and chain:
            chain = f"{chain}()"
        else:
            chain = ""
        names.add(chain)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= dotted_names(constant)
    return frozenset(names - {""})


def _builtin(self: Decomposer, value: types.BuiltinFunctionType) -> Decomposed:
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        module = value.__module__ or "builtins"
        return "builtin", (module, value.__qualname__, _version(module)), _VALUE
    return "builtin method", (value.__name__, owner), _VALUE


def _method(_: Decomposer, value: types.MethodType) -> Decomposed:
    return "method", (value.__func__, value.__self__), _VALUE


def _property(_: Decomposer, value: property) -> Decomposed:
    return "property", (value.fget, value.fset, value.fdel), _VALUE


def _wrapper(_: Decomposer, value: Any) -> Decomposed:
    return type(value).__name__, (value.__func__,), _VALUE


def _descriptor(_: Decomposer, value: Any) -> Decomposed:
    return "descriptor", (value.__objclass__.__qualname__, value.__name__), _VALUE


def _partial(_: Decomposer, value: functools.partial[Any]) -> Decomposed:
    return "partial", (value.func, value.args, value.keywords, vars(value)), _OBJECT


def _lru_cache(_: Decomposer, value: Any) -> Decomposed:
    return "lru_cache", (value.__wrapped__, value.cache_parameters()), _VALUE


# What the interpreter adds to a class, some of it by line number, by address or when an instance is
# pickled for the first time.
_CLASS_NOISE = frozenset(
    "__dict__ __weakref__ __module__ __qualname__ __firstlineno__ __static_attributes__ __doc__"
    " __abstractmethods__ _abc_impl __annotations_cache__ __annotate_func__ __slotnames__".split()
)


def _class(self: Decomposer, value: type) -> Decomposed:
    origin = code_origin(value.__module__)
    if isinstance(origin, str) and _lookup(value.__module__, value.__qualname__) is value:
        patches = _patches(self, value)
        return "installed class", (value.__module__, value.__qualname__, origin, patches), _VALUE
    # By name: a class that was pickled by value has its members in another order.
    members = {
        name: member for name, member in sorted(vars(value).items()) if name not in _CLASS_NOISE
    }
    if issubclass(value, enum.Enum):
        code = (types.FunctionType, classmethod, staticmethod, property)
        members = {name: member for name, member in members.items() if isinstance(member, code)}
        members |= {name: member.value for name, member in value.__members__.items()}
    return (
        "class",
        {"name": value.__qualname__, "meta": type(value), "bases": value.__bases__, **members},
        _OBJECT,
    )


def _generic_alias(_: Decomposer, value: Any) -> Decomposed:
    return "alias", (value.__origin__, value.__args__), _VALUE


def _lookup(module: str, qualname: str) -> object:
    found: object = sys.modules.get(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found


@functools.cache
def _prefixes() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Folders of installed packages, and of the standard library."""
    paths = sysconfig.get_paths()
    installed = {os.path.realpath(paths[name]) + os.sep for name in ("purelib", "platlib")}
    installed |= {
        os.path.realpath(path) + os.sep
        for path in sys.path
        if path.endswith(("site-packages", "dist-packages"))
    }
    standard = {os.path.realpath(paths[name]) + os.sep for name in ("stdlib", "platstdlib")}
    return tuple(sorted(installed)), tuple(sorted(standard))


def code_origin(module: str | None) -> str | None:
    """The version of the installed package that `module` belongs to; `None` for code of the
    person's own.
    """
    if module is None or module == "__main__":
        return None
    loaded = sys.modules.get(module)
    if loaded is None:
        return None
    file = getattr(loaded, "__file__", None)
    if file is None:
        spec = getattr(loaded, "__spec__", None)
        origin = getattr(spec, "origin", None)
        builtin = module in sys.builtin_module_names or origin in ("built-in", "frozen")
        return _version(module) if builtin else None
    return _version(module) if is_installed_file(file) else None


@functools.lru_cache(maxsize=4096)
def is_installed_file(file: str) -> bool:
    """Whether a module's file belongs to the standard library or to an installed package."""
    installed, standard = _prefixes()
    return os.path.realpath(file).startswith((*installed, *standard))


def _version(module: str) -> str:
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return f"python {sys.version_info.major}.{sys.version_info.minor}"
    version = package_version(top)
    return version or str(getattr(sys.modules.get(top), "__version__", "unknown"))


# Where the names differ. Others are found as well, by reading the metadata of everything that is
# installed.
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}


@functools.lru_cache(maxsize=4096)
def package_version(top: str) -> str | None:
    """The version of the distribution that provides the top-level package, if one does."""
    try:
        return importlib.metadata.version(_DISTRIBUTIONS.get(top, top))
    except (importlib.metadata.PackageNotFoundError, ValueError):
        pass
    for distribution in _distributions().get(top, ()):
        return importlib.metadata.version(distribution)
    return None


@functools.cache
def _distributions() -> Any:
    return importlib.metadata.packages_distributions()


# --- any other object, by the pickle protocol -----------------------------------------------------


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
        return "global", (kind, reduced), _VALUE
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
        _OBJECT,
    )


def _attributes(state: Any) -> dict[str, Any]:
    """An instance's state; plain attributes one by one, so that a change can be named."""
    if isinstance(state, dict) and all(isinstance(name, str) for name in state):
        return {f".{name}": attribute for name, attribute in state.items()}
    return {"state": state}


# --- NumPy ----------------------------------------------------------------------------------------


def _dtype_name(dtype: Any) -> Any:
    return dtype.str if dtype.names is None and dtype.subdtype is None else repr(dtype)


def _ndarray(self: Decomposer, value: Any) -> Decomposed:
    import numpy as np

    dtype = value.dtype
    flags = (
        bool(value.flags.c_contiguous),
        bool(value.flags.f_contiguous),
        bool(value.flags.writeable),
    )
    header = (_dtype_name(dtype), value.shape, flags)
    if dtype.hasobject:
        return "ndarray", (*header, tuple(value.ravel(order="K").tolist())), _OBJECT
    if value.size:
        start, end = np.lib.array_utils.byte_bounds(value)
        self.extents.append(Extent(start, end, value))
    return "ndarray", (*header, _buffer(value)), _OBJECT


def _buffer(array: Any) -> memoryview:
    """The bytes of an array of plain items: in place when its memory is contiguous, in C order if
    not.
    """
    import numpy as np

    flat: Any = array.T if array.flags.f_contiguous else np.ascontiguousarray(array)
    return memoryview(flat.reshape(-1).view(np.uint8) if flat.size else b"")


def _numpy_scalar(self: Decomposer, value: Any) -> Decomposed:
    dtype = value.dtype
    if dtype.hasobject:
        return "numpy scalar", (repr(dtype), value.item()), _VALUE
    return "numpy scalar", (_dtype_name(dtype), value.tobytes()), _VALUE


def _numpy_dtype(self: Decomposer, value: Any) -> Decomposed:
    return "dtype", (repr(value), value.itemsize, value.alignment), _VALUE


def _random_generator(self: Decomposer, value: Any) -> Decomposed:
    return "Generator", (value.bit_generator.state,), _OBJECT


def _random_state(self: Decomposer, value: Any) -> Decomposed:
    return "RandomState", (value.get_state(legacy=False),), _OBJECT


# --- tables ---------------------------------------------------------------------------------------


def _dataframe(self: Decomposer, value: Any) -> Decomposed:
    columns = value.columns
    series = list(_column_arrays(value))
    parts: dict[Any, Any] = {
        "index": value.index,
        "columns": columns,
        "attrs": value.attrs,
        "unique labels": value.flags.allows_duplicate_labels,
    }
    # Labels may repeat and need not be strings, so the position is part of the name.
    for position, (label, array) in enumerate(zip(columns.tolist(), series, strict=True)):
        parts[(position, label)] = _column(array)
    return "DataFrame", parts, _OBJECT


def _column_arrays(frame: Any) -> Iterator[Any]:
    for position in range(frame.shape[1]):
        yield frame.iloc[:, position].array


def _series(self: Decomposer, value: Any) -> Decomposed:
    return (
        "Series",
        {
            "index": value.index,
            "name": value.name,
            "attrs": value.attrs,
            "values": _column(value.array),
            "unique labels": value.flags.allows_duplicate_labels,
        },
        _OBJECT,
    )


def _column(array: Any) -> tuple[Any, ...]:
    """The values of one pandas array, as parts that do not depend on how they are chunked or
    shared.
    """
    kind = type(array).__name__
    dtype = array.dtype
    if kind in ("NumpyExtensionArray", "PandasArray"):
        return (kind, *_plain(array.to_numpy()))
    if kind in ("DatetimeArray", "TimedeltaArray"):
        return (kind, str(dtype), memoryview(array.asi8))
    if kind == "Categorical":
        return (kind, dtype.ordered, dtype.categories, *_plain(array.codes))
    if kind in ("ArrowStringArray", "ArrowExtensionArray"):
        import pyarrow as pa

        chunks = array.__arrow_array__()
        digests = digest_table(pa.table({"": chunks}))
        return (kind, repr(dtype), str(getattr(dtype, "na_value", None)), digests[0][1])
    if hasattr(array, "_data") and hasattr(array, "_mask"):
        # A masked array keeps any value where it is masked.
        mask = array.isna()
        values = array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        return (kind, str(dtype), *_plain(values), *_plain(mask))
    return (kind, array)


def _plain(array: Any) -> tuple[Any, ...]:
    if array.dtype.hasobject:
        return (_dtype_name(array.dtype), tuple(array.tolist()))
    return (_dtype_name(array.dtype), array.shape, _buffer(array))


def _index(self: Decomposer, value: Any) -> Decomposed:
    return "Index", (type(value).__name__, value.name, _column(value.array)), _VALUE


def _range_index(self: Decomposer, value: Any) -> Decomposed:
    return "RangeIndex", (value.name, value.start, value.stop, value.step), _VALUE


def _datetime_index(self: Decomposer, value: Any) -> Decomposed:
    return "DatetimeIndex", (value.name, value.freqstr, _column(value.array)), _VALUE


def _multi_index(self: Decomposer, value: Any) -> Decomposed:
    levels = tuple(_column(value.get_level_values(i).array) for i in range(value.nlevels))
    return "MultiIndex", (tuple(value.names), levels), _VALUE


def _polars_frame(self: Decomposer, value: Any) -> Decomposed:
    dtypes = {name: repr(dtype) for name, dtype in value.schema.items()}
    parts: dict[Any, Any] = {"shape": value.shape}
    for name, digest in digest_table(value):
        parts[name] = (dtypes[name], digest)
    return "polars DataFrame", parts, _OBJECT


def _polars_series(self: Decomposer, value: Any) -> Decomposed:
    (_, digest), *_rest = digest_table(value.to_frame())
    return (
        "polars Series",
        {"name": value.name, "dtype": repr(value.dtype), "values": digest},
        _OBJECT,
    )


def _polars_dtype(self: Decomposer, value: Any) -> Decomposed:
    return "polars dtype", (repr(value),), _VALUE


def _arrow_table(self: Decomposer, value: Any) -> Decomposed:
    metadata = value.schema.metadata
    parts: dict[Any, Any] = {
        "rows": value.num_rows,
        "types": tuple(str(field.type) for field in value.schema),
        "metadata": dict(metadata) if metadata else None,
    }
    for position, (name, digest) in enumerate(digest_table(value)):
        parts[(position, name)] = digest
    return type(value).__name__, parts, _VALUE


def _torch_tensor(self: Decomposer, value: Any) -> Decomposed:
    if value.device.type != "cpu" or value.layout is not sys.modules["torch"].strided:
        raise TypeError(
            f"a tensor on {value.device} has no stable content: move it to the CPU first"
        )
    return "tensor", (repr(value.dtype), bool(value.requires_grad), value.detach().numpy()), _OBJECT


_EXACT: dict[type, Callable[[Decomposer, Any], Decomposed]] = {
    types.FunctionType: _function,
    types.BuiltinFunctionType: _builtin,
    types.MethodType: _method,
    types.CodeType: _code,
    types.ModuleType: _module,
    types.CellType: _cell,
    types.MappingProxyType: _mapping_proxy,
    types.GenericAlias: _generic_alias,
    types.MethodDescriptorType: _descriptor,
    types.WrapperDescriptorType: _descriptor,
    types.GetSetDescriptorType: _descriptor,
    types.MemberDescriptorType: _descriptor,
    types.ClassMethodDescriptorType: _descriptor,
    types.GeneratorType: _refuse("a running generator"),
    types.CoroutineType: _refuse("a coroutine"),
    type(Ellipsis): _constant,
    type(NotImplemented): _constant,
    type(None): _constant,
    range: _range,
    slice: _slice,
    property: _property,
    staticmethod: _wrapper,
    classmethod: _wrapper,
    functools.partial: _partial,
    functools._lru_cache_wrapper: _lru_cache,
    re.Pattern: _pattern,
}

# By top-level package and class name, so that nothing is imported to look.
_BY_NAME: dict[tuple[str, str], Callable[[Decomposer, Any], Decomposed]] = {
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "Generator"): _random_generator,
    ("numpy", "RandomState"): _random_state,
    ("pandas", "DataFrame"): _dataframe,
    ("pandas", "Series"): _series,
    ("pandas", "Index"): _index,
    ("pandas", "RangeIndex"): _range_index,
    ("pandas", "DatetimeIndex"): _datetime_index,
    ("pandas", "TimedeltaIndex"): _datetime_index,
    ("pandas", "CategoricalIndex"): _index,
    ("pandas", "MultiIndex"): _multi_index,
    ("polars", "DataFrame"): _polars_frame,
    ("polars", "Series"): _polars_series,
    ("pyarrow", "Table"): _arrow_table,
    ("pyarrow", "RecordBatch"): _arrow_table,
    ("torch", "Tensor"): _torch_tensor,
}

# Families whose members all read alike.
_BY_PARENT: dict[tuple[str, str], Callable[[Decomposer, Any], Decomposed]] = {
    ("numpy", "generic"): _numpy_scalar,
    ("numpy", "dtype"): _numpy_dtype,
    ("polars", "DataType"): _polars_dtype,
}

_BY_BASE: list[tuple[type, Callable[[Decomposer, Any], Decomposed]]] = [
    (enum.Enum, _enum),
    (io.IOBase, _refuse("an open file")),
    (os.PathLike, _path),
    (types.ModuleType, _module),
]
