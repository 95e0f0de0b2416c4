"""Long hashing, loading and storing, in a real kernel: shown, and interrupted without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cells.kernels import Executed, Kernel

# Taking one apart, storing it and loading it takes a moment each, if it is told to be slow.
_SLOW = """
import builtins, time
builtins.delays = {"take": 0.0, "load": 0.0}
class Slow:
    def __reduce_ex__(self, protocol):
        time.sleep(builtins.delays["take"])
        return Slow.made, ()
    @staticmethod
    def made():
        time.sleep(builtins.delays["load"])
        return Slow()
"""


@pytest.fixture(scope="module")
def started() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.stop()


@pytest.fixture
def kernel(started: Kernel, tmp_path: Path) -> Kernel:
    started.begin(tmp_path, tmp_path / "cache")
    started.execute(_SLOW)
    return started


def slowed(kernel: Kernel, what: str, seconds: float) -> None:
    kernel.execute(f"builtins.delays[{what!r}] = {seconds}")


def was_interrupted(executed: Executed) -> bool:
    shown: list[Any] = [o for o in executed.outputs if o["type"] == "error"]
    plain = all("cacheness/magic" not in line for output in shown for line in output["traceback"])
    names = [output["ename"] for output in shown]
    return executed.status == "error" and names == ["KeyboardInterrupt"] and plain


def test_hashing(kernel: Kernel) -> None:
    cell = "%%cacheness\nn = len(given)"
    kernel.execute("given = [Slow() for _ in range(8)]")
    slowed(kernel, "take", 0.4)
    pressed = kernel.execute(cell, interrupt_after=1.5)
    assert was_interrupted(pressed)
    assert "'n':" not in pressed.namespace
    assert any("hashing" in word for word in pressed.progress)
    slowed(kernel, "take", 0.0)
    assert kernel.execute(cell).outcome == "miss"
    assert kernel.execute(cell).outcome == "hit"


def test_storing(kernel: Kernel) -> None:
    cell = "%%cacheness\nmade = [Slow() for _ in range(8)]"
    slowed(kernel, "take", 0.4)
    pressed = kernel.execute(cell, interrupt_after=1.5)
    assert was_interrupted(pressed)
    assert "made" in pressed.namespace
    assert any("storing" in word for word in pressed.progress)
    slowed(kernel, "take", 0.0)
    again = kernel.execute(cell)
    assert again.record is not None
    assert (again.outcome, again.record["reason"]) == ("miss", "first run")
    assert kernel.execute(cell).outcome == "hit"


def test_loading(kernel: Kernel) -> None:
    cell = "%%cacheness\nL.append(2)\nmade = [Slow() for _ in range(8)]"
    kernel.execute("L = [1]; alias = L")
    assert kernel.execute(cell).outcome == "miss"
    kernel.execute("L.pop(); del made")
    slowed(kernel, "load", 0.4)
    pressed = kernel.execute(cell, interrupt_after=1.5)
    assert was_interrupted(pressed)
    assert "made" not in pressed.namespace
    slowed(kernel, "load", 0.0)
    assert kernel.execute("print(alias)").outputs[0]["text"] == "[1]\n"
    assert kernel.execute(cell).outcome == "hit"
    assert kernel.execute("print(alias)").outputs[0]["text"] == "[1, 2]\n"
