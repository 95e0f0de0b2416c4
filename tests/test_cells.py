"""Runs `cells/*.md` in real kernels, with the magic and without: both must leave the same."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cells.kernels import Executed, Kernel
from cells.scenarios import Scenario, Step, read

_SCENARIOS = [s for file in sorted(Path(__file__).parent.glob("cells/*.md")) for s in read(file)]


class Kernels:
    """The two kernels that all scenarios share: one with marked cells, one without marks."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2)
        self.marked, self.plain = self._pool.map(lambda _: Kernel(), range(2))

    def both(self, step: Step) -> tuple[Executed, Executed]:
        """The step in both kernels at once."""
        after = 0.5 if step.what == "interrupt" else None
        one = self._pool.submit(self.marked.execute, step.source, after)
        other = self._pool.submit(self.plain.execute, step.unmarked, after)
        return one.result(), other.result()

    def restart(self) -> None:
        list(self._pool.map(Kernel.restart, (self.marked, self.plain)))

    def stop(self) -> None:
        list(self._pool.map(Kernel.stop, (self.marked, self.plain)))


@pytest.fixture(scope="module")
def kernels() -> Iterator[Kernels]:
    started = Kernels()
    yield started
    started.stop()


@pytest.mark.parametrize("scenario", _SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario(
    scenario: Scenario, kernels: Kernels, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cells-")
    for kernel, name in ((kernels.marked, "marked"), (kernels.plain, "plain")):
        (folder / name).mkdir()
        kernel.begin(folder / name, folder / f"{name}-cache")
    try:
        _play(scenario, kernels, folder)
    except BaseException:
        kernels.restart()
        raise


def _play(scenario: Scenario, kernels: Kernels, folder: Path) -> None:
    compare = True
    for step in scenario.steps:
        if step.what == "compare nothing":
            compare = False
        elif step.what == "restart kernel":
            kernels.restart()
        elif step.what == "edit file":
            for name in ("marked", "plain"):
                file = folder / name / step.file
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(step.source, encoding="utf-8")
        elif step.what == "reset":
            for kernel, name in ((kernels.marked, "marked"), (kernels.plain, "plain")):
                kernel.begin(folder / name, folder / f"{name}-cache")
        else:
            _check(scenario, step, *kernels.both(step), compare)


def _check(
    scenario: Scenario, step: Step, marked: Executed, plain: Executed, compare: bool
) -> None:
    where = f"{scenario.file.name}:{step.line}"
    reason = str((marked.record or {}).get("reason") or "")
    shown = f"{where}: {marked.outcome} ({reason}), outputs {marked.outputs}"
    assert marked.outcome == step.outcome, shown
    assert step.reason in reason, shown
    if compare and marked.status != "killed":
        assert marked.outputs == plain.outputs, where
        assert marked.namespace == plain.namespace, where
