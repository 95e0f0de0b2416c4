"""The object graph of a cell: stored as one, so that identity survives.

One pickle stream holds the graph. Large arrays and tables in it are leaves, each in its own format
and each stored once. Three kinds of objects are not stored but referred to: the notebook's
namespace, objects that were there before the cell ran (by the number that the walk over its inputs
gave them), and leaves.
"""

from __future__ import annotations

import functools
import io
import linecache
import pickle
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cloudpickle

from cacheness._cacheness import Blob, Walk, decode_section, encode_object, object_sections
from cacheness.config import CompressionConfig
from cacheness.decompose.parts import Extent
from cacheness.errors import CacheError
from cacheness.handlers.registry import ALL
from cacheness.magic import files, views
from cacheness.magic.pace import Pace
from cacheness.origin import type_home

# Smaller arrays and tables travel inside the stream: a blob of its own would cost more than it
# brings. In bytes.
_LEAF = 1 << 16
_LARGE_BUFFER = 1 << 10
_LEAF_HANDLERS = tuple(name for name in ALL if name != "object_pickle")


class UnstorableError(CacheError):
    """A value that cannot be stored, by the name of its variable."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"`{name}` cannot be stored: {why}")
        self.name = name
        self.why = why


@dataclass
class Graph:
    """A graph as it will be stored: the stream's blob, then the leaves.

    `refers` says that it holds objects that were there before.
    """

    blobs: list[Blob]
    nbytes: int
    sources: dict[str, str] = field(default_factory=dict)
    refers: bool = False


def dump(
    payload: Any,
    namespace: dict[str, Any],
    inputs: Walk,
    pace: Pace,
    existing: Sequence[Extent] = (),
) -> Graph:
    """The graph below `payload`. `existing` is the memory of the arrays among `inputs`.

    Raises:
        Exception: whatever pickling an object in it raises.
    """
    tied: list[Any] = []
    while True:
        memory = views.Memory(existing, tied)
        try:
            return _dump(payload, namespace, inputs, memory, pace)
        except views.TangledError as error:
            tied.append(error.base)


def _dump(
    payload: Any, namespace: dict[str, Any], inputs: Walk, memory: views.Memory, pace: Pace
) -> Graph:
    stream = io.BytesIO()
    pickler = _Pickler(stream, namespace, inputs, memory, pace)
    pickler.dump(payload)
    data = stream.getvalue()
    compression = CompressionConfig()
    blob = encode_object(
        data,
        pickler.buffers,
        codec=compression.pickle_compression_codec,
        level=compression.pickle_compression_level,
        threads=0,
    )
    nbytes = len(data) + sum(view.nbytes for view, _ in pickler.buffers) + pickler.leaf_bytes
    return Graph([blob, *pickler.leaves], nbytes, pickler.sources, pickler.refers)


def load(blobs: Callable[[int], Blob], namespace: dict[str, Any], inputs: Walk) -> Any:
    """The payload again, its references resolved against `namespace` and the walk `inputs`."""
    stream, *buffers = _sections(blobs(0))
    return _Unpickler(io.BytesIO(stream), buffers, blobs, namespace, inputs).load()


def blame(bound: dict[str, Any], namespace: dict[str, Any], inputs: Walk) -> UnstorableError | None:
    """Which of the variables cannot be stored on its own, and why."""
    for name, value in bound.items():
        try:
            memory = views.Memory((), [])
            _Pickler(io.BytesIO(), namespace, inputs, memory, Pace(), dry=True).dump(value)
        except views.TangledError:
            continue
        except Exception as error:
            return UnstorableError(name, f"{type(error).__name__}: {error}")
    return None


def _sections(blob: Blob) -> list[bytearray]:
    sections = [bytearray(length) for length in object_sections(blob)]
    for index, section in enumerate(sections):
        decode_section(blob, index, section)
    return sections


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(
        self,
        stream: io.BytesIO,
        namespace: dict[str, Any],
        inputs: Walk,
        memory: views.Memory,
        pace: Pace,
        dry: bool = False,
    ) -> None:
        self.buffers: list[tuple[memoryview, int]] = []
        super().__init__(stream, protocol=5, buffer_callback=self._keep)
        self.leaves: list[Blob] = []
        self.leaf_bytes = 0
        self.sources: dict[str, str] = {}
        self.refers = False
        self._namespace = namespace
        self._inputs = inputs
        self._memory = memory
        self._pace = pace
        self._dry = dry
        self._leaf_ids: dict[int, tuple[Any, ...]] = {}
        self._kept_alive: list[Any] = []
        # Functions share the notebook's globals instead of a copy of those that they name.
        self.globals_ref[id(namespace)] = namespace

    def dump(self, obj: Any) -> None:
        pickle.Pickler.dump(self, obj)

    def persistent_id(self, obj: Any) -> Any:
        if obj is self._namespace:
            return ("namespace",)
        ordinal = self._inputs.ordinal(obj)
        if ordinal is not None:
            self.refers = True
            return ("existing", ordinal)
        if type_home(type(obj)) in ("numpy", "pandas", "polars"):
            return self._leaf(obj)
        return None

    def reducer_override(self, obj: Any) -> Any:
        self._pace.tick()
        if isinstance(obj, io.IOBase) and not isinstance(obj, (io.BytesIO, io.StringIO)):
            # cloudpickle would store the content of a file that is open for reading.
            return files.reduce(obj)
        if isinstance(obj, functools._lru_cache_wrapper) and obj.__module__ == "__main__":
            # By name it would be whatever has that name when it is loaded.
            return _cached, (obj.__wrapped__, obj.cache_parameters())
        if isinstance(obj, types.FunctionType) and obj.__globals__ is self._namespace:
            self._keep_source(obj.__code__)
            return self._without_globals(super().reducer_override(obj))
        if isinstance(obj, type):
            return _with_slots(obj, super().reducer_override(obj))
        kind: Any = type(obj)
        singleton = _singletons(kind).get(id(obj))
        if singleton is not None:
            return singleton
        mapped = views.mapped(obj)
        if mapped is not None:
            return mapped
        layout = self._layout(obj)
        return super().reducer_override(obj) if layout is None else layout()

    def _without_globals(self, reduced: Any) -> Any:
        if not isinstance(reduced, tuple) or len(reduced) < 3:
            return reduced
        state, slots = reduced[2]
        return (*reduced[:2], (state, {**slots, "__globals__": {}}), *reduced[3:])

    def _keep_source(self, code: types.CodeType) -> None:
        """The text of the cell that defined a function, for tracebacks and `inspect` in another
        kernel.
        """
        lines = linecache.cache.get(code.co_filename)
        if lines is not None and len(lines) > 2:
            self.sources[code.co_filename] = "".join(lines[2])

    def _layout(self, obj: Any) -> Callable[[], tuple[Any, ...]] | None:
        """How to store an array that is more than its items: a view of one that is stored or was
        there before stays a view of it, gaps stay gaps, what is read-only stays so.
        """
        kind = type(obj)
        if (kind.__module__, kind.__name__) != ("numpy", "ndarray") or obj.dtype.hasobject:
            return None
        base = self._memory.base(obj)
        if base is not None:
            return functools.partial(views.reduce, obj, base)
        if not obj.flags.writeable:
            return lambda: (views.locked, (obj.copy(order="K"),))
        return None if obj.flags.forc else functools.partial(views.reduce_spaced, obj)

    def _leaf(self, obj: Any) -> Any:
        known = self._leaf_ids.get(id(obj))
        if known is not None:
            return known
        nbytes = _nbytes(obj)
        if nbytes < _LEAF or self._layout(obj) is not None or views.mapped(obj) is not None:
            return None
        if self._inputs.ordinal(getattr(obj, "index", None)) is not None:
            return None  # labels that were there before stay the same object
        for name in _LEAF_HANDLERS:
            encoded = None if self._dry else self._encoded(name, obj, nbytes)
            if encoded is not None:
                self.leaves.append(encoded.blob)
                self.leaf_bytes += nbytes
                self._kept_alive.append(obj)
                reference = ("leaf", len(self.leaves), name, encoded.meta)
                self._leaf_ids[id(obj)] = reference
                return reference
        return None

    def _encoded(self, handler: str, obj: Any, nbytes: int) -> Any:
        def encode() -> Any:
            return ALL[handler].encode(obj, CompressionConfig())

        self._pace.tick()
        return self._pace.call(encode, nbytes)

    def _keep(self, buffer: pickle.PickleBuffer) -> bool:
        """False takes the buffer out of the stream."""
        try:
            raw = buffer.raw()
        except BufferError:
            return True
        if raw.nbytes < _LARGE_BUFFER:
            return True
        self.buffers.append((raw, memoryview(buffer).itemsize))
        return False


def _with_slots(kind: type, reduced: Any) -> Any:
    """cloudpickle would make a class with an attribute `__slots__`, but without slots."""
    if not isinstance(reduced, tuple) or not vars(kind).get("__slots__"):
        return reduced
    constructor, (meta, name, bases, members, *rest), *others = reduced
    members = {**members, "__slots__": vars(kind)["__slots__"]}
    return (constructor, (meta, name, bases, members, *rest), *others)


@functools.cache
def _singletons(kind: Any) -> dict[int, str]:
    """Instances without any state that the module of their class holds by name, such as
    `dataclasses.MISSING`: identity is all they have, so they are stored as that name."""
    module = sys.modules.get(kind.__module__) if isinstance(kind.__module__, str) else None
    if module is None or module.__name__ in ("__main__", "builtins"):
        return {}
    if kind.__basicsize__ > object.__basicsize__ + 2 * tuple.__itemsize__:
        return {}
    return {
        id(value): name
        for name, value in vars(module).items()
        if type(value) is kind and not getattr(value, "__dict__", None)
    }


def _nbytes(obj: Any) -> int:
    """The size of an array or a table in bytes; 0 for anything else."""
    name = type(obj).__name__
    if name == "ndarray":
        return int(obj.nbytes)
    if name in ("DataFrame", "Series"):
        if hasattr(obj, "estimated_size"):
            return int(obj.estimated_size())
        usage = obj.memory_usage(index=False, deep=False)
        return int(usage.sum() if hasattr(usage, "sum") else usage)
    return 0


def _cached(function: Any, parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def _untracked(make: Callable[..., Any]) -> Callable[..., Any]:
    """A class that a cell made is made anew, as by a run: never the one that is there changed."""

    def made(*arguments: Any) -> Any:
        *description, _tracker, extra = arguments
        return make(*description, None, extra)

    return made


_CLASS_MAKERS = ("_make_skeleton_class", "_make_skeleton_enum")


class _Unpickler(pickle.Unpickler):
    def __init__(
        self,
        stream: io.BytesIO,
        buffers: list[bytearray],
        blobs: Callable[[int], Blob],
        namespace: dict[str, Any],
        inputs: Walk,
    ) -> None:
        super().__init__(stream, buffers=buffers)
        self._blobs = blobs
        self._namespace = namespace
        self._inputs = inputs
        self._leaves: dict[int, Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "__main__":
            raise pickle.UnpicklingError(f"the entry refers to `{name}` by name only")
        found = super().find_class(module, name)
        return _untracked(found) if name in _CLASS_MAKERS else found

    def persistent_load(self, reference: Any) -> Any:
        kind = reference[0]
        if kind == "namespace":
            return self._namespace
        if kind == "existing":
            found = self._inputs.object(reference[1])
            if found is None:
                raise pickle.UnpicklingError("the entry refers to an object that is not there")
            return found
        _, ordinal, handler, meta = reference
        if ordinal not in self._leaves:
            self._leaves[ordinal] = ALL[handler].decode(meta, self._blobs(ordinal))
        return self._leaves[ordinal]


def remember_sources(sources: dict[str, str]) -> None:
    """Makes the text of restored functions known to tracebacks and `inspect`."""
    for name, text in sources.items():
        linecache.cache.setdefault(name, (len(text), None, text.splitlines(keepends=True), name))
