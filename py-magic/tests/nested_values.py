"""Random nested values that were picked to be mistaken for each other, and what tells them apart.

`Source` makes them; `canonical` is a text that two values share exactly if they are the same. It is
written without any look at how keys are made.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import pathlib
import random
import struct
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np


class Colour(enum.Enum):
    RED = 1
    BLUE = "1"


class Level(enum.IntEnum):
    LOW = 1


class Number(int):
    pass


class Text(str):
    pass


class Bag(set[Any]):
    pass


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclasses.dataclass
class Point:
    x: Any
    y: Any


class Plain:
    def __init__(self, x: Any, y: Any) -> None:
        self.x = x
        self.y = y


class Slotted:
    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x


PIECES = [
    *", : [ ] \\ | int:1 str: list:[ ]] dict:[ None hashed: bool:True a 1 cycle:1 tuple:[]".split(),
    *("\0", "\x01", "\x02", "\x03", "\x04", "", "\ud800"),
]
ZONES = (
    None,
    dt.UTC,
    ZoneInfo("Europe/Rome"),
    ZoneInfo("Europe/Paris"),
    dt.timezone(dt.timedelta(hours=1)),
    dt.timezone(dt.timedelta(hours=1), "x"),
)
DTYPES = [
    *"? i1 i4 i8 >i8 u8 f2 f4 f8 >f8 g c8 c16 G S1 S2 U1 U2 M8[D] M8[s] m8[s] m8[7s] V2 O".split(),
    [("a", "i1"), ("b", "f8")],
    {"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [0, 8]},
]
DECIMALS = "1 1.0 1E+2 100 -0 NaN".split()
LONG = 12


class Source:
    """A seeded source of values."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        choice = self.random.choice
        self._arrays = [self._array, self._array, self._masked]
        self._atoms: list[Callable[[], Any]] = [
            self._int,
            self._int,
            self._float,
            self._text,
            self._text,
            self._bytes,
            self._scalar,
            lambda: choice((None, ..., True, False, int, float, len, Colour)),
            lambda: bytearray(self._bytes()),
            lambda: complex(self._float(), self._float()),
            lambda: decimal.Decimal(choice(DECIMALS)),
            lambda: fractions.Fraction(self._int(), 3),
            lambda: dt.date(2024, 1, choice((1, 2, 3))),
            lambda: dt.datetime(2024, 1, 1, fold=choice((0, 1)), tzinfo=choice(ZONES)),
            lambda: dt.time(1, fold=choice((0, 1)), tzinfo=choice(ZONES)),
            lambda: dt.timedelta(self._int() % 3, self._int() % 3),
            lambda: uuid.UUID(int=self._int() % 5),
            lambda: range(self._int() % 9, 9, 2),
            lambda: choice((*Colour, Level.LOW)),
            lambda: Number(self._int() % 3),
            lambda: Text(self._text()),
            lambda: pathlib.PurePosixPath(self._text().replace("\0", "0")),
            lambda: pathlib.PureWindowsPath("a"),
        ]

    def value(self, depth: int = 4) -> Any:
        """A value of at most this many levels."""
        chance = self.random.random()
        if depth == 0 or chance < 0.35:
            return self.random.choice(self._atoms)()
        if chance < 0.4:
            return self.random.choice(self._arrays)()
        return self._container(depth - 1)

    def _container(self, depth: int) -> Any:
        many = self.random.choice((0, 0, 1, 1, 2, 2, 3, LONG if depth == 0 else 2))

        def items() -> list[Any]:
            return [self.value(depth) for _ in range(many)]

        def hashable() -> list[Any]:
            return [self._hashable(depth) for _ in range(many)]

        def pairs() -> dict[Any, Any]:
            return dict(zip(hashable(), items(), strict=True))

        def value() -> Any:
            return self.value(depth)

        makers: list[Callable[[], Any]] = [
            items,
            items,
            lambda: tuple(items()),
            pairs,
            pairs,
            lambda: collections.OrderedDict(pairs()),
            lambda: set(hashable()),
            lambda: frozenset(hashable()),
            lambda: Bag(hashable()),
            lambda: Pair(value(), value()),
            lambda: Point(value(), value()),
            lambda: Plain(value(), value()),
            lambda: Slotted(value()),
            lambda: slice(self._int(), self._int()),
            lambda: self._deep(value()),
        ]
        return self.random.choice(makers)()

    def _hashable(self, depth: int) -> Any:
        while True:
            value = self.random.choice(self._atoms)()
            if self.random.random() < 0.2 and depth:
                value = self.random.choice((tuple, frozenset))([self._hashable(depth - 1)])
            try:
                hash(value)
            except TypeError:
                continue
            # NaN is not equal to itself, so that a set may hold it any number of times. Some of
            # NumPy's scalars cannot be compared with a fraction.
            if value == value and not isinstance(value, np.generic):
                return value

    def _deep(self, value: Any) -> Any:
        for _ in range(LONG):
            value = [value]
        return value

    def _int(self) -> int:
        small = self.random.randrange(-2, 4)
        return self.random.choice((small, small, small, 2**63 + small, -(2**63) + small, 2**9000))

    def _float(self) -> float:
        return self.random.choice((0.0, -0.0, 1.0, 0.1, 1e300, float("inf"), float("nan")))

    def _text(self) -> str:
        return "".join(self.random.choices(PIECES, k=self.random.randrange(4)))

    def _bytes(self) -> bytes:
        return self.random.choice((b"", b"1", b"a", b"\0", b"ab", b"x" * 300, b"x" * 301))

    def _scalar(self) -> Any:
        return np.array([1]).astype(
            self.random.choice(("?", "i1", "i8", "u8", "f4", "f8", "M8[D]"))
        )[0]

    def _array(self) -> Any:
        shape = self.random.choice(((), (0,), (1,), (2,), (0, 2), (1, 2), (2, 1), (2, 2)))
        dtype = np.dtype(self.random.choice(DTYPES))
        size = int(np.prod(shape, dtype=int))
        if dtype.hasobject:
            array = np.empty(size, object)
            array[:] = [self.value(0) for _ in range(size)]
        elif dtype.names:
            # What lies between the fields is no part of the array.
            array = np.frombuffer(self.random.randbytes(size * dtype.itemsize), dtype).copy()
            array["a"], array["b"] = 1, self.random.randrange(2)
        elif dtype.kind == "V":
            array = np.frombuffer(bytes([self.random.randrange(2)] * size * 2), dtype).copy()
        else:
            array = np.array([self.random.randrange(2) for _ in range(size)]).astype(dtype)
        return array.reshape(shape)

    def _masked(self) -> Any:
        mask = self.random.choice((False, [False, True], [False, False]))
        return np.ma.masked_array([1, self.random.randrange(2)], mask)


def canonical(value: Any, ordered: bool) -> str:
    """What tells a value from others. The order of dictionaries counts if `ordered`."""
    kind = type(value)
    head = f"{kind.__module__}.{kind.__qualname__}"
    if kind is float:
        return head + (struct.pack("<d", value).hex() if ordered else repr(value))
    if kind is complex:
        return head + canonical([value.real, value.imag], ordered)
    if kind in (list, tuple, Pair):
        return head + _packed([canonical(item, ordered) for item in value])
    if kind in (set, frozenset, Bag):
        inside = ordered or kind is Bag
        return head + _packed(sorted(canonical(item, inside) for item in value))
    if kind in (dict, collections.OrderedDict):
        inside = ordered or kind is not dict
        pairs = [_packed([canonical(part, inside) for part in pair]) for pair in value.items()]
        return head + _packed(pairs if inside else sorted(pairs))
    if kind in (Point, Plain):
        return head + canonical([value.x, value.y], ordered)
    if kind is Slotted:
        return head + canonical(value.x, ordered=True)
    if kind is np.ma.MaskedArray:
        return head + _packed(
            [canonical(part, True) for part in (value.data, value.mask | np.zeros(2, bool))]
        )
    if isinstance(value, (np.ndarray, np.generic)):
        return head + _canonical_array(np.asarray(value))
    if isinstance(value, (dt.datetime, dt.time)):
        return f"{head}{value!r}{value.fold}"
    return f"{head}{value!r}" if value != 2**9000 else "huge"


def _canonical_array(array: Any) -> str:
    dtype = array.dtype
    if dtype.names:
        parts = [_canonical_array(array[name]) for name in dtype.names]
    elif dtype.hasobject:
        parts = [canonical(item, ordered=True) for item in array.ravel().tolist()]
    elif dtype.char in "gG":
        parts = [repr(item) for item in array.ravel()]
    else:
        parts = [array.tobytes().hex()]
    return _packed([repr(dtype), dtype.str, str(array.shape), *parts])


def _packed(parts: list[str]) -> str:
    return "(" + "".join(f"{len(part)}|{part}" for part in parts) + ")"
