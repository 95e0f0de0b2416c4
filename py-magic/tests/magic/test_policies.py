"""`plan`, `accept` and `verify=`."""

import json
from typing import Any

import pytest

from cacheness.magic import Record, last


def run(shell: Any, cell: str) -> Record:
    assert shell.run_cell(cell, store_history=True).success
    record = last()
    assert record is not None
    return record


def said(shell: Any, capsys: Any, line: str) -> Any:
    capsys.readouterr()
    shell.run_line_magic("cacheness", f"--json {line}")
    return json.loads(capsys.readouterr().out)


# --- verify ---


def test_an_entry_that_holds_the_same_is_kept(shell: Any) -> None:
    cell = "%%cacheness verify=1\nimport numpy as np\nprint('a')\nx = {'k': np.arange(3)}\nx"
    assert run(shell, cell).outcome == "miss"
    record = run(shell, cell)
    assert (record.outcome, record.reason) == ("miss", "to verify its entry, which holds the same")
    assert run(shell, cell.replace("verify=1", "verify=0")).outcome == "hit"


def test_an_entry_that_holds_something_else_is_replaced(shell: Any) -> None:
    cell = "%%cacheness {}\nL.append(tick())\nprint(L[-1])\ny = L[-1]\nz = 0"
    # What it gives is not seen to be an input.
    shell.run_cell("from time import perf_counter_ns as tick")
    shell.user_ns["L"] = []
    assert run(shell, cell.format("")).outcome == "miss"
    first = shell.user_ns["y"]
    shell.user_ns["L"] = []
    assert run(shell, cell.format("")).outcome == "hit"
    assert shell.user_ns["y"] == first
    shell.user_ns["L"] = []
    record = run(shell, cell.format("verify=1"))
    assert record.reason is not None
    assert record.reason.endswith("held something else: `y`, `L`, output 1 (stdout)")
    second = shell.user_ns["y"]
    assert (shell.user_ns["L"], second != first) == ([second], True)
    shell.user_ns |= {"L": [], "y": 0}
    assert run(shell, cell.format("")).outcome == "hit"
    assert (shell.user_ns["y"], shell.user_ns["L"]) == (second, [second])


@pytest.mark.parametrize("value", ["2", "-0.1", "often", "nan"])
def test_a_probability_is_from_0_to_1(shell: Any, value: str) -> None:
    assert not shell.run_cell(f"%%cacheness verify={value}\nx = 1").success


# --- accept ---


def test_an_edit_that_was_accepted_restores_the_entry(shell: Any, capsys: Any) -> None:
    shell.user_ns["a"] = 1
    assert run(shell, "%%cacheness key=f\nx = [a, object]").outcome == "miss"
    said(shell, capsys, "accept f")
    record = run(shell, "%%cacheness key=f\nx = [a + 0, object]")
    assert record.outcome == "hit"
    assert any(note.startswith("accepted: the code changed") for note in record.notes)
    # From now on without asking, and it can be seen.
    assert run(shell, "%%cacheness key=f\nx = [a + 0, object]").outcome == "hit"
    capsys.readouterr()
    shell.run_line_magic("cacheness", "show f")
    assert "accepted" in capsys.readouterr().out
    # Only that edit was accepted.
    assert run(shell, "%%cacheness key=f\nx = [a + 1, object]").outcome == "miss"


def test_a_changed_input_is_not_accepted_unless_it_is_named(shell: Any, capsys: Any) -> None:
    shell.user_ns |= {"a": 1, "b": 1}
    assert run(shell, "%%cacheness key=f\nx = [a, b]").outcome == "miss"
    shell.user_ns["a"] = 2
    said(shell, capsys, "accept f")
    record = run(shell, "%%cacheness key=f\nx = [a, b, 3]")
    assert record.outcome == "miss"
    assert shell.user_ns["x"] == [2, 1, 3]
    assert "`a` changed as well" in record.sentence()
    shell.user_ns["a"] = 3
    said(shell, capsys, "accept f a")
    assert run(shell, "%%cacheness key=f\nx = [a, b, 3, 4]").outcome == "hit"
    assert shell.user_ns["x"] == [2, 1, 3]


def test_an_entry_that_changes_an_input_is_not_carried_over_to_another(
    shell: Any, capsys: Any
) -> None:
    shell.user_ns["L"] = [1]
    assert run(shell, "%%cacheness key=g\nL.append(2)").outcome == "miss"
    shell.user_ns["L"] = [5]
    said(shell, capsys, "accept g L")
    assert run(shell, "%%cacheness key=g\nL.append(2)").outcome == "miss"
    assert shell.user_ns["L"] == [5, 2]


def test_there_must_be_something_to_accept(shell: Any) -> None:
    assert not shell.run_cell("%cacheness accept nothing").success


# --- plan ---


def verdicts(shell: Any, capsys: Any) -> list[tuple[str, str]]:
    return [(step["verdict"], step["why"]) for step in said(shell, capsys, "plan")]


def test_what_would_be_restored(shell: Any, capsys: Any) -> None:
    run(shell, "%%cacheness key=a\nx = 1")
    shell.run_cell("n = 5", store_history=True)
    run(shell, "%%cacheness key=b\ny = x + n")
    assert verdicts(shell, capsys) == [("hit", ""), ("hit", "")]
    shell.run_cell("n = 6", store_history=True)
    (_, first), (verdict, why) = verdicts(shell, capsys)
    assert (first, verdict) == ("", "unknown")
    assert why == "In[2] sets `n` first"
    assert shell.user_ns["y"] == 6


def test_what_an_earlier_cell_has_to_make_first(shell: Any, capsys: Any) -> None:
    run(shell, "%%cacheness key=a\nx = [1]")
    run(shell, "%%cacheness key=b\ny = x + [2]")
    shell.run_line_magic("cacheness", "rm a")
    (one, _), (other, why) = verdicts(shell, capsys)
    assert (one, other) == ("runs", "unknown")
    assert why == "In[1] a sets `x` first"


def test_a_variable_that_is_changed_further_down(shell: Any, capsys: Any) -> None:
    """Its value now is not the one that the cell will see."""
    run(shell, "%%cacheness key=a\nL = [1]")
    run(shell, "%%cacheness key=b\nL.append(2)")
    assert [verdict for verdict, _ in verdicts(shell, capsys)] == ["hit", "unknown"]


def test_a_function_that_reads_what_is_made_first(shell: Any, capsys: Any) -> None:
    run(shell, "%%cacheness key=a\nscale = 2")
    shell.run_cell("def f(): return scale", store_history=True)
    run(shell, "%%cacheness key=b\ny = f()")
    shell.run_line_magic("cacheness", "rm a")
    assert [verdict for verdict, _ in verdicts(shell, capsys)] == ["runs", "unknown"]
