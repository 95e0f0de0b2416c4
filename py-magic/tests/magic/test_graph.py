"""Random graphs of values are the same after they were stored: content, identity, shared memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cacheness._cacheness import Walk
from cacheness.fingerprint import Decomposer, fingerprint
from cacheness.magic import graph
from cacheness.magic.pace import Pace

LEAVES = st.one_of(
    st.none(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.builds(lambda n: np.arange(n), st.integers(0, 9_000)),
    st.builds(lambda n: pd.DataFrame({"a": np.arange(n), "b": ["x"] * n}), st.integers(0, 900)),
)


class Node:
    """An object with attributes."""


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Variables that hold each other: objects met before, views of arrays, circles."""
    made: list[Any] = draw(st.lists(LEAVES, min_size=1, max_size=4))
    for _ in range(draw(st.integers(1, 8))):
        parts = draw(st.lists(st.sampled_from(range(len(made))), max_size=4))
        kind = draw(st.sampled_from(["list", "tuple", "dict", "node", "view", "part", "circle"]))
        made.append(_composed(kind, [made[part] for part in parts]))
    return {f"v{i}": value for i, value in enumerate(made)}


def _composed(kind: str, parts: list[Any]) -> Any:
    array = next((part for part in parts if isinstance(part, np.ndarray)), np.arange(3))
    if kind == "view":
        return array[len(array) // 3 :]
    if kind == "part":
        return array[::2]
    if kind == "dict":
        return dict(enumerate(parts))
    if kind == "node":
        node = Node()
        vars(node).update({f"n{i}": part for i, part in enumerate(parts)})
        return node
    made: Any = tuple(parts) if kind == "tuple" else list(parts)
    if kind == "circle":
        made.append(made)
    return made


def arrays(value: Any, found: list[Any], seen: set[int]) -> list[Any]:
    """The arrays of a graph in the order in which they are met."""
    if id(value) in seen:
        return found
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        found.append(value)
    elif isinstance(value, (list, tuple)):
        for item in value:
            arrays(item, found, seen)
    elif isinstance(value, dict):
        arrays(list(value.values()), found, seen)
    elif isinstance(value, Node):
        arrays(list(vars(value).values()), found, seen)
    return found


def sharing(value: Any) -> list[tuple[int, int]]:
    """Which arrays of a graph share memory."""
    met = arrays(value, [], set())
    pairs = [(i, k) for i in range(len(met)) for k in range(i)]
    return [(i, k) for i, k in pairs if np.shares_memory(met[i], met[k])]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs())
def test_a_graph_comes_back(variables: dict[str, Any]) -> None:
    stored = graph.dump(variables, {}, Walk(Decomposer({})), Pace())
    loaded = graph.load(stored.blobs.__getitem__, {}, Walk(Decomposer({})))
    assert list(loaded) == list(variables)
    assert fingerprint(loaded) == fingerprint(variables)
    assert sharing(loaded) == sharing(variables)
    of = [found.flags.forc for found in arrays(variables, [], set())]
    assert [found.flags.forc for found in arrays(loaded, [], set())] == of
