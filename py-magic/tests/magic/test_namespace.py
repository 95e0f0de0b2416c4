"""Changes to the namespace and in place, made again."""

import collections
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cacheness.magic import namespace
from cacheness.magic.namespace import Difference, UnrestorableChangeError


class Plain:
    def __init__(self) -> None:
        self.a = 1


class Slotted:
    __slots__ = ("a", "b")


class Both(Slotted):
    pass


class Items(list[int]):
    pass


def test_names_are_compared_by_identity() -> None:
    first = [1]
    before = namespace.snapshot({"a": first, "b": 2, "c": 3, "Out": {}, "_3": 1})
    assert set(before) == {"a", "b", "c"}
    made = namespace.difference(before, {"a": [1], "b": 2, "d": 4, "_i5": ""})
    assert made.bound == {"a": [1], "d": 4}
    assert made.deleted == ["c"]
    target: dict[str, Any] = {"a": first, "b": 2, "c": 3}
    namespace.apply(target, Difference({"a": 5}, ["c", "gone already"]))
    assert target == {"a": 5, "b": 2}


def generator_state(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def plain(value: int) -> Plain:
    made = Plain()
    made.a = value
    return made


def slotted(kind: type[Any], value: int) -> Any:
    made = kind()
    made.a = value
    return made


def items(*values: int) -> Items:
    made = Items(values)
    made.note = len(values)  # type: ignore[attr-defined]
    return made


PAIRS: list[tuple[Any, Any]] = [
    ([1], [2, 3]),
    ({"a": 1}, {"b": 2, "a": 3}),
    (collections.OrderedDict(a=1), collections.OrderedDict(b=2, a=1)),
    ({1}, {2, 3}),
    (bytearray(b"a"), bytearray(b"bc")),
    (collections.deque([1]), collections.deque([2, 3])),
    (np.arange(3), np.arange(3) * 2),
    (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1, 2], "b": [3, 4]}, index=[5, 6])),
    (pd.Series([1], name="x"), pd.Series(["a", "b"], name="y")),
    (pl.DataFrame({"a": [1]}), pl.DataFrame({"b": ["x", "y"]})),
    (generator_state(0), generator_state(1)),
    (plain(1), plain(2)),
    (slotted(Slotted, 1), slotted(Slotted, 2)),
    (slotted(Both, 1), slotted(Both, 2)),
    (items(1), items(2, 3)),
]


@pytest.mark.parametrize(("target", "wanted"), PAIRS, ids=lambda value: type(value).__name__)
def test_content_moves_into_the_object_that_is_there(target: Any, wanted: Any) -> None:
    from cacheness.fingerprint import fingerprint

    assert fingerprint(target) != fingerprint(wanted)
    namespace.restore(target, namespace.content(wanted))
    assert fingerprint(target) == fingerprint(wanted)


def test_attributes_that_went_away_go_away() -> None:
    target, wanted = plain(1), Plain()
    del wanted.a
    namespace.restore(target, namespace.content(wanted))
    assert not hasattr(target, "a")
    slots, empty = slotted(Slotted, 1), Slotted()
    namespace.restore(slots, namespace.content(empty))
    assert not hasattr(slots, "a")


def test_a_view_sees_what_was_restored() -> None:
    base = np.zeros(4)
    view = base[1:3]
    namespace.restore(base, namespace.content(np.arange(4.0)))
    assert view.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("value", [len, Plain, iter([])])
def test_what_cannot_be_changed_in_place_is_refused(value: object) -> None:
    with pytest.raises(UnrestorableChangeError):
        namespace.content(value)
