"""Modules, functions, classes and what is made of them.

Code counts as it is loaded, not as its file says, which may have been edited since.
"""

from __future__ import annotations

import dis
import enum
import functools
import os
import sys
import types
from typing import TYPE_CHECKING, Any

from cacheness._cacheness import digest_path
from cacheness.decompose.parts import OBJECT, VALUE, Decomposed
from cacheness.origin import code_origin, lookup, module_version, type_home

if TYPE_CHECKING:
    from cacheness.fingerprint import Decomposer


def module(self: Decomposer, value: types.ModuleType) -> Decomposed:
    origin = code_origin(value.__name__)
    self.packages.add(value.__name__.partition(".")[0])
    if isinstance(origin, str):
        return "module", (value.__name__, origin, _patches(self, value)), VALUE
    # A local module is what its names hold now: the file may have been edited since it was loaded.
    members = {
        f".{name}": member
        for name, member in vars(value).items()
        if not (name.startswith("__") and name.endswith("__"))
    }
    file = getattr(value, "__file__", None)
    source = digest_path(file) if isinstance(file, str) and os.path.isfile(file) else None
    return "local module", {"name": value.__name__, "file": source, **members}, OBJECT


# What is made here only to be walked is a tuple: a dictionary would be taken for an object of the
# person's, and numbered.


def _patches(self: Decomposer, value: Any) -> tuple[tuple[str, Any], ...]:
    """Functions of the notebook that were put into an installed module or class."""
    if self.namespace is None:
        return ()
    return tuple(
        (name, member)
        for name, member in sorted(vars(value).items())
        if type(member) is types.FunctionType and member.__globals__ is self.namespace
    )


def function(self: Decomposer, value: types.FunctionType) -> Decomposed:
    module = value.__module__
    origin = code_origin(module)
    if isinstance(origin, str) and lookup(module, value.__qualname__) is value:
        self.packages.add(module.partition(".")[0])
        return "installed function", (module, value.__qualname__, origin), VALUE
    if is_single_dispatch(value):
        registry = tuple(vars(value)["registry"].items())
        return "single dispatch", (value.__qualname__, registry), OBJECT
    parts: dict[str, Any] = {
        "name": (value.__qualname__, value.__name__),
        "code": value.__code__,
        "defaults": value.__defaults__,
        "keyword defaults": value.__kwdefaults__,
        "closure": value.__closure__,
        "attributes": tuple((k, v) for k, v in vars(value).items() if k != "__wrapped__"),
        "wrapped": vars(value).get("__wrapped__"),
        "annotations": _annotations(value),
        "documentation": value.__doc__,
    }
    names = referenced_globals(value.__code__)
    self.referenced |= names
    self.called |= dotted_names(value.__code__)
    self.strings |= text_constants(value.__code__)
    self.packages |= imported_packages(value.__code__)
    for name in names & _DYNAMIC:
        if name not in value.__globals__:
            raise TypeError(f"`{value.__qualname__}` hides what it reads behind {name}()")
    if self.namespace is not None and value.__globals__ is self.namespace:
        present = names & self.namespace.keys()
        self.wanted |= present
        parts["globals"] = tuple(sorted(names))
    else:
        parts["globals"] = _globals(value.__globals__, names)
    return "function", parts, OBJECT


def is_single_dispatch(value: types.FunctionType) -> bool:
    """Whether `functools.singledispatch` made the function."""
    registry = vars(value).get("registry")
    return value.__globals__ is vars(functools) and isinstance(registry, types.MappingProxyType)


def _annotations(value: types.FunctionType) -> Any:
    try:
        return tuple(value.__annotations__.items())
    except NameError:
        # Since Python 3.14 they are only evaluated now, and may name what is not there yet.
        return getattr(value, "__annotate__", None)


# Builtins by which a function reads names that its code does not show.
_DYNAMIC = frozenset(("globals", "eval", "exec"))


def _globals(namespace: dict[str, Any], names: frozenset[str]) -> tuple[tuple[str, Any], ...]:
    """What `names` mean to a function whose globals are `namespace`; builtins go without saying."""
    return tuple((name, namespace[name]) for name in sorted(names) if name in namespace)


def code_object(self: Decomposer, value: types.CodeType) -> Decomposed:
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
        VALUE,
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
def text_constants(code: types.CodeType) -> frozenset[str]:
    """The strings in `code` and in code nested in it."""
    found = {constant for constant in code.co_consts if isinstance(constant, str)}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= text_constants(constant)
    return frozenset(found)


@functools.lru_cache(maxsize=4096)
def imported_packages(code: types.CodeType) -> frozenset[str]:
    """The top-level packages that `code` or code nested in it imports."""
    found = {
        str(instruction.argval).partition(".")[0]
        for instruction in dis.get_instructions(code)
        if instruction.opname == "IMPORT_NAME"
    }
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= imported_packages(constant)
    return frozenset(found)


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


def builtin(self: Decomposer, value: types.BuiltinFunctionType) -> Decomposed:
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        module = value.__module__ or "builtins"
        self.packages.add(module.partition(".")[0])
        return "builtin", (module, value.__qualname__, module_version(module)), VALUE
    return "builtin method", (value.__name__, owner), VALUE


def method(_: Decomposer, value: types.MethodType) -> Decomposed:
    return "method", (value.__func__, value.__self__), VALUE


def property_(_: Decomposer, value: property) -> Decomposed:
    return "property", (value.fget, value.fset, value.fdel), VALUE


def wrapper(_: Decomposer, value: Any) -> Decomposed:
    return type(value).__name__, (value.__func__,), VALUE


def descriptor(_: Decomposer, value: Any) -> Decomposed:
    return "descriptor", (value.__objclass__.__qualname__, value.__name__), VALUE


def partial(_: Decomposer, value: functools.partial[Any]) -> Decomposed:
    return "partial", (value.func, value.args, value.keywords, vars(value)), OBJECT


def lru_cache(_: Decomposer, value: Any) -> Decomposed:
    return "lru_cache", (value.__wrapped__, value.cache_parameters()), VALUE


# What the interpreter adds to a class, some of it by line number, by address or when an instance is
# pickled for the first time.
CLASS_NOISE = frozenset(
    "__dict__ __weakref__ __module__ __qualname__ __firstlineno__ __static_attributes__"
    " __abstractmethods__ _abc_impl __annotations_cache__ __annotate_func__ __slotnames__".split()
)


def class_(self: Decomposer, value: type) -> Decomposed:
    origin = code_origin(value.__module__)
    if isinstance(origin, str) and lookup(value.__module__, value.__qualname__) is value:
        self.packages.add(type_home(value))
        patches = _patches(self, value)
        if value.__module__.partition(".")[0] in sys.stdlib_module_names:
            origin = "python"  # its instances are the same values in each version
        return "installed class", (value.__module__, value.__qualname__, origin, patches), VALUE
    # By name: a class that was pickled by value has its members in another order.
    members = {
        name: member for name, member in sorted(vars(value).items()) if name not in CLASS_NOISE
    }
    if issubclass(value, enum.Enum):
        code = (types.FunctionType, classmethod, staticmethod, property)
        members = {name: member for name, member in members.items() if isinstance(member, code)}
        members |= {name: member.value for name, member in value.__members__.items()}
    return (
        "class",
        {"name": value.__qualname__, "meta": type(value), "bases": value.__bases__, **members},
        OBJECT,
    )


def generic_alias(_: Decomposer, value: Any) -> Decomposed:
    return "alias", (value.__origin__, value.__args__), VALUE
