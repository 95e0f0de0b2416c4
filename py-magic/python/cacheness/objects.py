"""Any value <-> a pickle stream and the buffers it refers to (pickle protocol 5, out of band)."""

import io
import pickle
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from cacheness.errors import CacheValueError
from cacheness.optional import how_to_get
from cacheness.unpicklable import culprit

# Below this a buffer travels inside the stream: a section of its own would cost more.
SMALLEST_BUFFER: Final = 1024
PROTOCOL: Final = 5


class Buffer(NamedTuple):
    """A contiguous buffer of the value itself (not a copy), and its item size in bytes."""

    data: memoryview
    itemsize: int


def dump(value: object, *, by_value: bool = False) -> tuple[bytes, list[Buffer]]:
    """The pickle stream of `value` and the large buffers it refers to, which stay the value's own
    memory: encode them before the value can change.

    Classes and functions enter by name where their name can be imported, so that a restored object
    is an instance of the class the program defines. `by_value=True` (a notebook, whose classes may
    not be defined yet when a value comes back) has those of `__main__` enter with their code, which
    takes cloudpickle. What plain pickle refuses, cloudpickle is asked for.
    """
    if by_value:
        cloud = _cloudpickle()
        if cloud is not None:
            return _dump_with(cloud.Pickler, value)
    try:
        return _dump_with(pickle.Pickler, value)
    except RecursionError as error:
        raise CacheValueError(f"a {_kind(value)} nested this deeply cannot be stored") from error
    except Exception as error:
        cloud = _cloudpickle()
        if cloud is None:
            raise _refusal(value, error) from error
    try:
        return _dump_with(cloud.Pickler, value)
    except Exception as error:
        raise _refusal(value, error) from error


def load(stream: bytes | bytearray, buffers: Sequence[object]) -> Any:
    """The value again. `buffers` are those of `dump`, in order; writable ones give writable
    arrays."""
    return pickle.loads(stream, buffers=buffers)


def _refusal(value: object, error: Exception) -> CacheValueError:
    """Says which part it is that cannot be pickled."""
    path, part = culprit(value, _attempt)
    what = f"a {_kind(value)}" if part is value else path
    text = f"{what} cannot be pickled: {_attempt(part) or error}"
    if _cloudpickle() is None:
        text += f" (cloudpickle may: {how_to_get('cloudpickle')})"
    return CacheValueError(text)


def _attempt(value: object) -> Exception | None:
    """What keeps `value` from being pickled."""
    cloud = _cloudpickle()
    failure: Exception | None = None
    for pickler in (pickle.Pickler, *([cloud.Pickler] if cloud else [])):
        try:
            _dump_with(pickler, value)
        except Exception as error:
            failure = error
        else:
            return None
    return failure


def _dump_with(pickler: Any, value: object) -> tuple[bytes, list[Buffer]]:
    buffers: list[Buffer] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        """False takes the buffer out of the stream."""
        try:
            raw = buffer.raw()
        except BufferError:  # not contiguous
            return True
        if raw.nbytes < SMALLEST_BUFFER:
            return True
        buffers.append(Buffer(raw, memoryview(buffer).itemsize))
        return False

    stream = io.BytesIO()
    pickler(stream, protocol=PROTOCOL, buffer_callback=keep).dump(value)
    return stream.getvalue(), buffers


def _cloudpickle() -> Any:
    try:
        import cloudpickle
    except ImportError:
        return None
    return cloudpickle


def _kind(value: object) -> str:
    return type(value).__qualname__
