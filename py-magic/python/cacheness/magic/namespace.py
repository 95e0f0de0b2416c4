"""What a cell did to the namespace and to the objects in it, and how to do it again.

New values are bound by name. Objects that were there before and changed get their new content in
place, so that every other reference to them sees it, as it would have after a run.
"""

from __future__ import annotations

import collections
import random
import sys
import types
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from cacheness.decompose.code import is_single_dispatch
from cacheness.origin import type_home

# Names that IPython keeps for itself.
_OWN = frozenset(
    "In Out get_ipython exit quit open display _ __ ___ _i _ii _iii _ih _oh _dh"
    " __warningregistry__ __builtin__ __builtins__".split()
)
_MISSING = object()


class UnrestorableChangeError(Exception):
    """A change that could not be made again: the cell cannot be cached."""


def is_own_name(name: str) -> bool:
    """Whether IPython manages the name: histories, prompts, the last results."""
    return name in _OWN or (name.startswith("_") and name.lstrip("_i").isdigit())


def snapshot(namespace: dict[str, Any]) -> dict[str, Any]:
    """The names and what they are bound to now."""
    return {name: value for name, value in namespace.items() if not is_own_name(name)}


Members = list[tuple[types.ModuleType, dict[str, Any]]]


def members(values: Iterable[Any]) -> Members:
    """What the names of each module among `values` are bound to now."""
    modules = {id(value): value for value in values if isinstance(value, types.ModuleType)}
    # Which belongs to the interpreter and to IPython, who set names in it all the time.
    modules.pop(id(sys), None)
    return [(module, dict(vars(module))) for module in modules.values()]


def rebound_member(before: Members, namespace: dict[str, Any]) -> str | None:
    """A public name of a module that was set since `before`.

    Modules set names of their own late, so only plain values and the notebook's functions count.
    """
    for module, was in before:
        for name, value in vars(module).items():
            if name.startswith("_") or isinstance(value, types.ModuleType):
                continue
            own = getattr(value, "__globals__", None) is namespace
            plain = isinstance(value, (bool, int, float, str))
            if (own or plain) and was.get(name, _MISSING) is not value:
                return f"{module.__name__}.{name}"
    return None


@dataclass
class Difference:
    """The names that a cell bound to something else, and those that it deleted."""

    bound: dict[str, Any] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)


def difference(
    before: dict[str, Any],
    namespace: dict[str, Any],
    surely: Collection[str] = (),
    deleted: Collection[str] = (),
) -> Difference:
    """Compares by identity: what was changed in place is another matter.

    The names in `surely` count as bound even if they were bound to the same object before, those in
    `deleted` as deleted even if they were not bound: another kernel may not have it, or may.
    """
    after = snapshot(namespace)
    bound = {
        name: value
        for name, value in after.items()
        if name in surely or before.get(name, _MISSING) is not value
    }
    gone = dict.fromkeys((*before, *sorted(deleted)))
    return Difference(bound, [name for name in gone if name not in after])


class Hidden:
    """Names that a cell may bind and does not read, out of sight while it runs.

    Whether it bound them cannot be told otherwise where the object stays the same (`i = 0`).
    """

    def __init__(self, namespace: dict[str, Any], names: Iterable[str]) -> None:
        self._namespace = namespace
        self._values = {name: namespace.pop(name) for name in names if name in namespace}

    def put_back(self) -> None:
        """Brings back the names that were not bound meanwhile."""
        for name, value in self._values.items():
            self._namespace.setdefault(name, value)
        self._values = {}

    def bound(self) -> set[str]:
        """The names that were bound meanwhile."""
        return {name for name in self._values if name in self._namespace}


def apply(namespace: dict[str, Any], made: Difference) -> None:
    """Binds and deletes names as the cell did."""
    for name in made.deleted:
        namespace.pop(name, None)
    namespace.update(made.bound)


def undone(made: Difference, before: dict[str, Any]) -> Difference:
    """What leads back to `before` for the names that `made` binds or deletes."""
    touched = [*made.bound, *made.deleted]
    bound = {name: before[name] for name in touched if name in before}
    return Difference(bound, [name for name in touched if name not in before])


# --- content in place -----------------------------------------------------------------------------


@dataclass
class Content:
    """What an object holds now, in a form that `restore` can put into an equal one.

    Attributes:
        family: which of the families below knows how.
        value: a shallow copy; what it refers to is shared with the object.
        attributes: the instance's own attributes, for objects that have some.
    """

    family: str
    value: Any
    attributes: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Family:
    takes: Callable[[Any], bool]
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], None]
    fits: Callable[[Any, Any], bool] = lambda _obj, _value: True


def fits(obj: Any, stored: Content) -> bool:
    """Whether `restore` can make `obj` hold `stored`: an array keeps its shape and type."""
    return _FAMILIES[stored.family].fits(obj, stored.value)


def content(obj: Any) -> Content:
    """The content of a mutable object.

    Raises:
        UnrestorableChangeError: nothing is known of how to change such an object in place.
    """
    for name, family in _FAMILIES.items():
        if family.takes(obj):
            return Content(name, family.read(obj), _extra_attributes(obj))
    raise UnrestorableChangeError(f"a {type(obj).__qualname__} was changed in place")


def restore(obj: Any, stored: Content) -> None:
    """Makes `obj` hold `stored`."""
    _FAMILIES[stored.family].write(obj, stored.value)
    if stored.attributes is not None:
        vars(obj).clear()
        vars(obj).update(stored.attributes)


def _extra_attributes(obj: Any) -> dict[str, Any] | None:
    """Attributes of instances of subclasses of the built-in containers."""
    if isinstance(obj, (list, dict, set, bytearray, collections.deque)) and hasattr(
        obj, "__dict__"
    ):
        return dict(vars(obj))
    return None


def _write_list(obj: Any, value: Any) -> None:
    obj[:] = value


def _write_by_clearing(add: str) -> Callable[[Any, Any], None]:
    def write(obj: Any, value: Any) -> None:
        obj.clear()
        getattr(obj, add)(value)

    return write


def _write_array(obj: Any, value: tuple[Any, bool]) -> None:
    import numpy as np

    if not obj.flags.writeable:
        obj.flags.writeable = True
    np.copyto(obj, value[0])
    obj.flags.writeable = value[1]


def _fits_array(obj: Any, value: tuple[Any, bool]) -> bool:
    return bool(obj.shape == value[0].shape and obj.dtype == value[0].dtype)


_FUNCTION = tuple(
    f"__{name}__" for name in "code defaults kwdefaults doc name qualname annotations".split()
)


def _read_function(obj: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    if obj.__module__ != "__main__":
        # What changed may be a global of its module.
        name = f"{obj.__module__}.{obj.__qualname__}"
        raise UnrestorableChangeError(f"`{name}` or what it uses was changed")
    if is_single_dispatch(obj):
        raise UnrestorableChangeError(f"`{obj.__name__}` was taught another type")
    return {name: getattr(obj, name) for name in _FUNCTION}, dict(vars(obj))


def _write_function(obj: Any, value: tuple[dict[str, Any], dict[str, Any]]) -> None:
    for name, part in value[0].items():
        setattr(obj, name, part)
    vars(obj).clear()
    vars(obj).update(value[1])


def _read_pandas(obj: Any) -> tuple[Any, list[Any]]:
    # Apart, since a copy has labels of its own, and somebody may hold those of the frame.
    return obj.copy(deep=False), list(obj.axes)


def _write_pandas(obj: Any, content: tuple[Any, list[Any]]) -> None:
    value, axes = content
    # What pandas itself does for `inplace=True`.
    obj._update_inplace(value)
    for name, labels in zip(("index", "columns"), axes, strict=False):
        setattr(obj, name, labels)
    obj.attrs = value.attrs
    obj.flags.allows_duplicate_labels = value.flags.allows_duplicate_labels
    if hasattr(value, "name") and not hasattr(value, "columns"):
        obj.name = value.name


def _instance_state(obj: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    slots = {
        name: getattr(obj, name)
        for name in _slot_names(type(obj))
        if name not in ("__dict__", "__weakref__") and hasattr(obj, name)
    }
    return dict(getattr(obj, "__dict__", {})), slots


def _write_instance(obj: Any, value: tuple[dict[str, Any], dict[str, Any]]) -> None:
    attributes, slots = value
    if hasattr(obj, "__dict__"):
        vars(obj).clear()
        vars(obj).update(attributes)
    for name in _slot_names(type(obj)):
        if name in slots:
            object.__setattr__(obj, name, slots[name])
        elif hasattr(obj, name) and name not in ("__dict__", "__weakref__"):
            object.__delattr__(obj, name)


def _slot_names(kind: type) -> Iterable[str]:
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            private = name.startswith("__") and not name.endswith("__")
            yield f"_{base.__name__.lstrip('_')}{name}" if private else name


def _is_plain_instance(obj: Any) -> bool:
    """Whether attributes are all there is: no state kept in C below them."""
    kind = type(obj)
    if isinstance(obj, (type, types.ModuleType, types.FunctionType)):
        return False
    layout = [base for base in kind.__mro__ if not base.__flags__ & _HEAP_TYPE]
    return layout == [object] or (
        all(base.__dictoffset__ == 0 for base in layout)
        and (layout[0].__basicsize__ == object.__basicsize__)
    )


_HEAP_TYPE = 1 << 9


def _named(*names: str) -> Callable[[Any], bool]:
    wanted = {tuple(name.split(".")) for name in names}

    def takes(obj: Any) -> bool:
        kind = type(obj)
        return (type_home(kind), kind.__name__) in wanted

    return takes


def _is_index(obj: Any) -> bool:
    kinds = type(obj).__mro__
    return any(kind.__name__ == "Index" and type_home(kind) == "pandas" for kind in kinds)


_FAMILIES: dict[str, _Family] = {
    "list": _Family(lambda obj: isinstance(obj, list), list, _write_list),
    "dict": _Family(lambda obj: isinstance(obj, dict), dict, _write_by_clearing("update")),
    "set": _Family(lambda obj: isinstance(obj, set), set, _write_by_clearing("update")),
    "bytearray": _Family(lambda obj: isinstance(obj, bytearray), bytes, _write_list),
    "deque": _Family(
        lambda obj: isinstance(obj, collections.deque), list, _write_by_clearing("extend")
    ),
    "cell": _Family(
        lambda obj: isinstance(obj, types.CellType),
        lambda obj: obj.cell_contents,
        lambda obj, value: setattr(obj, "cell_contents", value),
    ),
    "function": _Family(
        lambda obj: isinstance(obj, types.FunctionType), _read_function, _write_function
    ),
    "array": _Family(
        _named("numpy.ndarray"),
        lambda obj: (obj.copy(order="K"), bool(obj.flags.writeable)),
        _write_array,
        _fits_array,
    ),
    "frame": _Family(
        _named("pandas.DataFrame", "pandas.Series"),
        _read_pandas,
        _write_pandas,
    ),
    # All else that it holds is immutable.
    "index": _Family(
        _is_index, lambda obj: list(obj.names), lambda obj, value: setattr(obj, "names", value)
    ),
    "polars frame": _Family(
        _named("polars.DataFrame"),
        lambda obj: obj.clone(),
        lambda obj, value: setattr(obj, "_df", value._df),
    ),
    "generator": _Family(
        _named("numpy.Generator"),
        lambda obj: obj.bit_generator.state,
        lambda obj, value: setattr(obj.bit_generator, "state", value),
    ),
    "random state": _Family(
        _named("numpy.RandomState"),
        lambda obj: obj.get_state(legacy=False),
        lambda obj, value: obj.set_state(value),
    ),
    "random": _Family(
        lambda obj: type(obj) is random.Random,
        lambda obj: obj.getstate(),
        lambda obj, value: obj.setstate(value),
    ),
    "instance": _Family(_is_plain_instance, _instance_state, _write_instance),
}
