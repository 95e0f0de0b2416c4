"""Two real kernels and one cold cell: one computes, the other waits and restores."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from cells.kernels import Executed, Kernel

_CELL = "%%cacheness pure=1\nimport os, time\ntime.sleep(2.5)\nwho = os.getpid()\n"


class Pair:
    """A kernel that runs a cell first, and one that comes second."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2)
        self.leader, self.follower = self._pool.map(lambda _: Kernel(), range(2))
        self._cache = Path()

    def begin(self, folder: Path) -> None:
        self._cache = folder / "cache"
        for kernel in (self.leader, self.follower):
            kernel.begin(folder, self._cache)

    def start(
        self, cell: str = _CELL, interrupt: float | None = None
    ) -> tuple[Future[Executed], Future[Executed]]:
        """The cell in both, in the second one once the first one runs it."""
        leading = self._pool.submit(self.leader.execute, cell)
        while not any(self._cache.glob("locks/*.lock")):
            assert not leading.done()
            time.sleep(0.01)
        return leading, self._pool.submit(self.follower.execute, cell, interrupt)

    def stop(self) -> None:
        for kernel in (self.leader, self.follower):
            kernel.stop()


@pytest.fixture(scope="module")
def kernels() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.stop()


@pytest.fixture
def pair(kernels: Pair, tmp_path: Path) -> Pair:
    kernels.begin(tmp_path)
    return kernels


def test_one_computes_and_the_other_waits(pair: Pair) -> None:
    leading, following = pair.start()
    first, second = leading.result(), following.result()
    assert (first.outcome, second.outcome) == ("miss", "hit")
    assert first.namespace == second.namespace
    assert any("waiting for" in word and "process" in word for word in second.progress)
    assert second.outputs == first.outputs


def test_a_waiter_is_interrupted(pair: Pair) -> None:
    leading, following = pair.start(interrupt=0.5)
    second, first = following.result(), leading.result()
    assert (first.outcome, second.status) == ("miss", "error")
    assert "who" not in second.namespace
    assert [output["ename"] for output in second.outputs] == ["KeyboardInterrupt"]
    assert pair.follower.execute(_CELL).outcome == "hit"


def test_a_leader_that_is_interrupted_is_taken_over(pair: Pair) -> None:
    leading, following = pair.start()
    time.sleep(0.3)
    pair.leader.interrupt()
    assert leading.result().status == "error"
    assert following.result().outcome == "miss"
    assert pair.leader.execute(_CELL).outcome == "hit"


def test_a_leader_that_cannot_store_lets_the_other_run(pair: Pair) -> None:
    leading, following = pair.start(f"{_CELL}\nunstorable = (i for i in ())\n")
    outcomes = [leading.result().outcome, following.result().outcome]
    assert outcomes == ["uncacheable", "uncacheable"]


def test_a_leader_that_is_killed_is_taken_over(pair: Pair, tmp_path: Path) -> None:
    leading, following = pair.start()
    time.sleep(0.3)
    pair.leader.kill()
    assert leading.result().status == "killed"
    assert following.result().outcome == "miss"
    assert pair.follower.execute(_CELL).outcome == "hit"
    pair.leader.restart()
