"""Reasons in the person's own terms."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cacheness._cacheness import Walk, make_key
from cacheness.fingerprint import Decomposer
from cacheness.magic.describe import describe
from cacheness.magic.explain import explain_change


class Stored:
    """As much of an entry as an explanation reads."""

    def __init__(self, manifest: str) -> None:
        self.manifest = manifest


def variable(name: str, value: object) -> tuple[str, str, str, str | None]:
    digest, parts = Walk(Decomposer()).add(value)
    return "variable", name, digest, json.dumps(describe(value, parts))


def explained(old: object, new: object) -> str:
    before, after = (make_key("cell", [variable("x", value)]) for value in (old, new))
    stored: Any = Stored(before.manifest)
    return explain_change(stored, after)


FRAME = pd.DataFrame({"price": [1, 2], "name": ["a", "b"]})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (1, 2, "`x` changed: 1 → 2"),
        (1, 1.0, "`x` changed: int → float"),
        ("a", "b", "`x` changed: 'a' → 'b'"),
        ([1], [1, 2], "`x` changed: [1] is new"),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, "`x` changed: ['b'] 2 → 3"),
        ({"a": 1}, {"a": 1, "b": 3}, "`x` changed: ['b'] is new"),
        ({"a": 1, "b": 3}, {"a": 1}, "`x` changed: ['b'] is gone"),
        (np.zeros(3), np.zeros(4), "`x` changed: 3 → 4"),
        (np.zeros(3), np.zeros(3, "f4"), "`x` changed: float64 → float32"),
        (FRAME, FRAME.assign(price=[1, 3]), "`x` changed: column price"),
        (FRAME, FRAME.astype({"price": float}), "`x` changed: column price int64 → float64"),
        (FRAME, FRAME.assign(new=1), "`x` changed: column new is new"),
        (FRAME, FRAME.drop(columns="name"), "`x` changed: column name is gone"),
        (FRAME, FRAME.rename(index={0: 5}), "`x` changed: index"),
    ],
)
def test_a_changed_variable(old: object, new: object, expected: str) -> None:
    assert explained(old, new) == expected


def test_causes_come_first_and_a_few_are_enough() -> None:
    digests = [f"{number:032x}" for number in range(2)]

    def key(digest: str) -> Any:
        inputs = [("variable", name, digest, None) for name in "abcd"]
        return make_key("cell", [*inputs, ("source", "cell", digest, None)])

    stored: Any = Stored(key(digests[0]).manifest)
    text = explain_change(stored, key(digests[1]))
    assert text == "the code changed; `a` changed; `b` changed; 2 more"
    assert explain_change(stored, key(digests[0])).startswith("its entry is gone")


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("a = 1\nb = 3\n", "line 2, now `b = 3`"),
        ("a = 1\nb = 2\nc = 3\nd = 4\n", "line 3, now `c = 3` and 1 more line"),
        ("a = 1\n", "a line is gone"),
    ],
)
def test_a_changed_source_names_the_line(new: str, expected: str) -> None:
    def key(text: str, digest: int) -> Any:
        return make_key("cell", [("source", "cell", f"{digest:032x}", json.dumps({"text": text}))])

    stored: Any = Stored(key("a = 1\nb = 2\n", 1).manifest)
    assert explain_change(stored, key(new, 2)) == f"the code changed: {expected}"
