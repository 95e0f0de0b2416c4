"""One key for one value and another for another, in every process.

`CACHENESS_SOAK=1` looks at a million random values instead of a few thousand.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cacheness import CacheKeyError
from cacheness.fingerprint import fingerprint
from cacheness.serialization import exact, serialize_for_cache_key
from golden_keys import FILE, vectors
from nested_values import Source, canonical

SOAK = bool(os.environ.get("CACHENESS_SOAK"))
VALUES = 1_000_000 if SOAK else 4_000


@pytest.mark.parametrize("ordered", [False, True], ids=["serialization", "fingerprint"])
def test_injective(ordered: bool) -> None:
    of: Callable[[Any], str] = fingerprint if ordered else exact
    source = Source(20260 + ordered)
    keys: dict[bytes, bytes] = {}
    values: dict[bytes, bytes] = {}
    for _ in range(VALUES):
        value = source.value()
        text = canonical(value, ordered)
        said, key = _digest(text), _digest(of(value))
        assert keys.setdefault(said, key) == key, f"two keys for one value: {text[:2000]}"
        assert values.setdefault(key, said) == said, f"the key of two values: {text[:2000]}"
    print(f"{VALUES:,} values, {len(keys):,} different ones")
    assert len(keys) > VALUES / 4


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def both(value: Any) -> tuple[str, str]:
    return exact(value), fingerprint(value)


def test_golden_vectors() -> None:
    """The same in each supported Python, whatever seeds its hashes."""
    expected = json.loads(FILE.read_text(encoding="utf-8"))
    for vector, golden in zip(vectors(), expected, strict=True):
        assert vector == golden


# -- nesting -------------------------------------------------------------------------------------


class Node:
    def __init__(self, name: object) -> None:
        self.name = name
        self.next: Any = None
        self.near: set[Node] = set()


def nested(kind: str, depth: int, core: object) -> Any:
    value: Any = core
    for _ in range(depth):
        if kind == "object":
            outer = Node(0)
            outer.next = value
            value = outer
        else:
            value = {"list": [value], "tuple": (value,), "dict": {"a": value}}[kind]
    return value


def unravel(value: Any) -> None:
    """Takes it down from the top: freeing it at once could overflow the interpreter's stack."""
    while True:
        if isinstance(value, list):
            value = value.pop()
        elif isinstance(value, dict):
            value = value.pop("a")
        elif isinstance(value, Node):
            node, value = value, value.next
            node.next = None
        else:
            return


@pytest.mark.parametrize("kind", ["list", "tuple", "dict", "object"])
def test_nesting_is_as_deep_as_it_likes(kind: str) -> None:
    deep = 100_000 if kind in ("list", "tuple") or SOAK else 10_000
    values = [nested(kind, *below) for below in ((deep, 1), (deep, 1), (deep, 2), (deep - 1, 1))]
    one, same, *others = map(both, values)
    assert one == same and one not in others and others[0] != others[1]
    for value in values:
        unravel(value)


def test_a_fault_far_down_is_named_in_short() -> None:
    value = nested("list", 100_000, object())
    with pytest.raises(CacheKeyError, match=r"(\[0\])+… \(\d+ levels more\): a bare object"):
        exact(value)
    unravel(value)


def test_sets_in_sets() -> None:
    def tower(core: object) -> object:
        value: object = frozenset([core])
        for at in range(90):
            value = frozenset([value, at])
        return value

    assert both(tower(1)) == both(tower(1)) != both(tower(2))


def graph(names: str, apart: str = "") -> set[Node]:
    """Nodes that all know each other through sets, but for some."""
    nodes = [Node(name) for name in names]
    for node in nodes:
        node.near = {other for other in nodes if apart not in (node.name, other.name)}
    gc.collect()
    return set(nodes)


def test_objects_that_refer_to_each_other_through_sets() -> None:
    """A walk that sorts such sets by all that lies below them does not end."""
    names = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    one = fingerprint(graph(names))
    assert one == fingerprint(graph(names[::-1]))
    assert one != fingerprint(graph(names[:-1] + "ä"))
    assert one != fingerprint(graph(names, apart="c"))


def test_cycles_and_shared_parts() -> None:
    def cycle(length: int) -> list[Any]:
        first: list[Any] = []
        last = first
        for _ in range(length - 1):
            last.append([])
            last = last[0]
        last.append(first)
        return first

    assert len({both(cycle(length)) for length in (1, 2, 3)}) == 3
    assert both(cycle(2)) == both(cycle(2))
    shared: list[int] = []
    assert exact([shared, shared]) == exact([[], []])
    # A later change through one of them shows in the other.
    assert fingerprint([shared, shared]) != fingerprint([[], []])


def test_a_collection_too_deep_to_be_written_is_still_without_order() -> None:
    one, other = nested("list", 20, {"a": 1, "b": 2}), nested("list", 20, {"b": 2, "a": 1})
    assert exact(one) == exact(other)
    assert exact(one) != exact(nested("list", 20, {"a": 1, "b": 3}))


# -- what is no part of a value --------------------------------------------------------------------


def padded(dtype: Any, filler: int) -> Any:
    array = np.zeros(4, dtype)
    array.view("u1")[:] = filler
    if array.dtype.names:
        array["a"], array["b"] = 1, 2
    else:
        array[:] = 1
    return array


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype([("a", "i1"), ("b", "f8")], align=True),
        np.dtype([("a", "i1"), ("b", "g")]),
        "g",
        "G",
    ],
    ids=str,
)
def test_bytes_between_fields_are_no_content(dtype: Any) -> None:
    assert both(padded(dtype, 0)) == both(padded(dtype, 255))


def test_order_in_memory_does_not_show_in_a_serialization() -> None:
    for array in (
        np.arange(24.0).reshape(4, 6),
        np.array([[1, "a"], [None, 2]], object),
        np.array([["a", "b"], ["c", "d"]], np.dtypes.StringDType()),
        padded(np.dtype([("a", "i1"), ("b", "f8")], align=True), 7).reshape(2, 2),
    ):
        wide = np.repeat(array, 2, axis=1)[:, ::2]
        frozen = array.copy()
        frozen.flags.writeable = False
        same = [array, np.asfortranarray(array), wide, frozen, array[::-1][::-1]]
        assert len({serialize_for_cache_key(one) for one in same}) == 1
        # The fingerprint tells what a cell could see: order and locks.
        assert fingerprint(array) == fingerprint(array.copy())


def test_masked_arrays_by_what_they_hold() -> None:
    masked = np.ma.masked_array
    assert both(masked([1, 2])) == both(masked([1, 2], [False, False]))
    different = [
        masked([1, 2]), masked([1, 2], [0, 1]), masked([1, 3]), masked([1, 2], fill_value=7),
        masked([1, 2], hard_mask=True), np.array([1, 2]), masked([1.0, 2.0]),
    ]  # fmt: skip
    assert len({fingerprint(array) for array in different}) == len(different)
    array = masked([1, 2])
    before = fingerprint(array)
    _ = array.fill_value  # which NumPy notes in the array
    assert fingerprint(array) == before


def test_what_libraries_note_in_an_object_is_no_content() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_array(np.eye(3))
    before = fingerprint(matrix)
    assert matrix.has_sorted_indices and matrix.has_canonical_format
    assert fingerprint(matrix) == before != fingerprint(matrix * 2)
    neighbours = pytest.importorskip("sklearn.neighbors")
    points = np.random.default_rng(0).random((50, 2))
    model = neighbours.KNeighborsClassifier(algorithm="kd_tree").fit(points, points[:, 0] > 0.5)
    before = fingerprint(model)
    model.predict(points)
    assert fingerprint(model) == before


def test_a_memoryview_by_what_its_items_mean() -> None:
    bits = np.array([[1, 2]], "i4")
    views = [bits, bits.view("f4"), bits.view("u4"), bits.reshape(2, 1), bits.reshape(2)]
    assert len({fingerprint(memoryview(view)) for view in views}) == len(views)


def test_a_redefined_member_of_an_enumeration() -> None:
    import enum

    one = enum.Enum("Colour", {"RED": 1}, module=__name__)
    other = enum.Enum("Colour", {"RED": 2}, module=__name__)
    assert serialize_for_cache_key(one["RED"]) == "enum:Colour:RED"
    assert exact(one["RED"]) != exact(other["RED"])
    bare = enum.Enum("Bare", {"X": object()})
    assert serialize_for_cache_key(bare["X"]) == "enum:Bare:X"


def test_a_figure_is_refused_with_a_hint() -> None:
    figures = pytest.importorskip("matplotlib.figure")
    with pytest.raises(CacheKeyError, match="draw it in the cell that uses it"):
        fingerprint(figures.Figure())


def test_pydantic_models() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Job", name=(str, ...), sizes=(dict[str, int], {}))
    one, same = model(name="a", sizes={"x": 1}), model(name="a", sizes={"x": 1})
    others = [model(name="b", sizes={"x": 1}), model(name="a", sizes={"x": 2}), model(name="a")]
    assert exact(one) == exact(same)
    assert len({exact(job) for job in (one, *others)}) == 4


SETS = """
from cacheness.fingerprint import fingerprint
class Bag(set): pass
class Node:
    def __init__(self, name): self.name = name; self.near = set()
nodes = [Node(name) for name in "abcdef"]
for node in nodes: node.near = set(nodes)
sets = [Bag("abcdef"), frozenset(["x", frozenset("yz")]), set(nodes), {("a", frozenset("bc"))}]
print(fingerprint(sets))
"""


def test_sets_are_the_same_in_every_process(in_process: Callable[..., str]) -> None:
    assert len({in_process(SETS, PYTHONHASHSEED=seed) for seed in ("0", "1", "77")}) == 1
