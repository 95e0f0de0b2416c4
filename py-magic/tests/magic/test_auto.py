"""Cells that nobody marked: which of them are cached."""

from pathlib import Path
from typing import Any

import pytest

from cacheness.magic import last

SLOW = "import time as clock\nclock.sleep(0.4)\n"


@pytest.fixture
def auto(shell: Any) -> Any:
    shell.run_line_magic("cacheness", "auto on min=0.2s")
    return shell


def outcome(shell: Any, cell: str) -> str | None:
    """What was said about the cell; `None` for nothing."""
    before = last()
    result = shell.run_cell(cell, store_history=True)
    record = last()
    assert result.success
    return None if record is None or record is before else record.outcome


def test_a_slow_cell_is_stored_and_restored(auto: Any) -> None:
    cell = f"{SLOW}y = [1]"
    assert outcome(auto, cell) == "miss"
    del auto.user_ns["y"]
    assert outcome(auto, cell) == "hit"
    assert auto.user_ns["y"] == [1]


def test_a_quick_cell_is_only_run(auto: Any) -> None:
    for _ in range(3):
        assert outcome(auto, "n = globals().get('n', 0) + 1") is None
        assert outcome(auto, "z = [1, 2]; z.append(3)") is None
    assert auto.user_ns["n"] == 3
    assert auto.user_ns["z"] == [1, 2, 3]


def test_what_was_seen_to_have_an_effect_is_run_again(auto: Any, tmp_path: Path) -> None:
    cell = f"{SLOW}with open('log.txt', 'a') as log: print('ran', file=log)\ndel log"
    assert [outcome(auto, cell) for _ in range(2)] == ["uncacheable"] * 2
    assert (tmp_path / "log.txt").read_text() == "ran\nran\n"
    marked = f"%%cacheness pure=1\n{cell}"
    assert [outcome(auto, marked) for _ in range(2)] == ["miss", "hit"]


def test_it_is_off_unless_asked_for(shell: Any) -> None:
    assert [outcome(shell, f"{SLOW}y = 1") for _ in range(2)] == [None, None]
    shell.run_line_magic("cacheness", "auto on min=0.2s")
    assert outcome(shell, f"{SLOW}y = 1") == "miss"
    shell.run_line_magic("cacheness", "auto off")
    assert outcome(shell, f"{SLOW}y = 1") is None


def test_the_environment_turns_it_on(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHENESS_AUTO", "1")
    monkeypatch.setenv("CACHENESS_AUTO_MIN", "0.2s")
    assert [outcome(shell, f"{SLOW}y = 1") for _ in range(2)] == ["miss", "hit"]


def test_large_inputs_are_hashed_at_the_second_run(
    auto: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown cell may be quick: no time is spent on its inputs before that is known."""
    monkeypatch.setattr("cacheness.magic.auto._FIRST_BUDGET", 1e-4)
    auto.run_cell("import numpy as np\nbig = np.arange(1_000_000)")
    cell = f"{SLOW}big[0] += 1\ntotal = int(big.sum())"
    assert outcome(auto, cell) is None
    auto.run_cell("big = np.arange(1_000_000)")
    assert outcome(auto, cell) == "miss"
    # Another kernel knows as much.
    auto.run_line_magic("reload_ext", "cacheness")
    auto.run_line_magic("cacheness", "auto on min=0.2s")
    auto.run_cell("big = np.arange(1_000_000)")
    assert outcome(auto, cell) == "hit"
    assert auto.user_ns["big"][0] == 1


def test_what_is_as_slow_to_restore_is_not_stored(
    auto: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cacheness.magic.auto._GAIN", 1e6)
    cell = f"{SLOW}y = [1]"
    assert outcome(auto, cell) == "uncacheable"
    # It is not even hashed any more.
    assert outcome(auto, cell) is None


def test_failing_cells_and_other_magics_are_as_without_it(auto: Any) -> None:
    assert not auto.run_cell(f"{SLOW}1 / 0", store_history=True).success
    assert not auto.run_cell("1 / 0", store_history=True).success
    cell = f"%%time\n{SLOW}y = 1"
    assert [outcome(auto, cell) for _ in range(2)] == ["miss", "hit"]
    inner = f"%%time\n%%cacheness key=inner\n{SLOW}y = 2"
    assert [outcome(auto, inner) for _ in range(2)] == ["miss", "hit"]
    assert "inner" in auto.user_ns["get_ipython"]()._cacheness_extension.records


def test_values_decide_not_the_source(auto: Any) -> None:
    cell = f"{SLOW}y = x * 2"
    auto.user_ns["x"] = 1
    assert outcome(auto, cell) == "miss"
    auto.user_ns["x"] = 2
    assert outcome(auto, cell) == "miss"
    assert auto.user_ns["y"] == 4
    auto.user_ns["x"] = 1
    assert outcome(auto, cell) == "hit"
    assert auto.user_ns["y"] == 2
