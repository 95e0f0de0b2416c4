"""What a value is taken apart into."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

Parts = tuple[Any, ...] | dict[Any, Any]
# A tag, the parts, and whether the value is mutable or told by its identity.
Decomposed = tuple[str, Parts, bool]

VALUE: Final = False
OBJECT: Final = True


class Extent(NamedTuple):
    """The memory that an array spans, in bytes, and the array."""

    start: int
    end: int
    array: Any
