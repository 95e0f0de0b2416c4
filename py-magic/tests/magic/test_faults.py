"""Nothing that goes wrong in the magic changes what a cell does."""

import contextlib
import resource
from pathlib import Path
from typing import Any

import pytest

from cacheness.magic import last

# Each step of ours, where it is called.
_STEPS = [
    "extension.parse_options",
    "extension.Cell",
    "extension.begin",
    "flow.analyse",
    "flow.resolve",
    "flow.take_turn",
    "flow.explain_miss",
    "flow.load",
    "flow.store",
    "flow.Run.finish",
    "recording.Recorder.start",
    "recording.Recorder.stop",
    "recording.Capture.start",
    "recording.read_states",
    "recording.Watch",
    "storing.effects",
    "storing.observed_inputs",
    "storing.state_change",
    "storing.walk_again",
    "storing.graph.dump",
    "hit.Hit.apply",
    "hit.write_states",
    "hit.namespace.apply",
    "progress.publish",
    "report.Record.sentence",
]
_CELL = "%%cacheness\nprint('shown')\nL.append(2)\nx = [1, *L]\nx"


@pytest.mark.parametrize("step", _STEPS)
@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
def test_a_bug_of_ours(
    shell: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, step: str, kind: Any
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise kind("a bug")

    transformers = list(shell.ast_transformers)
    for stored in (False, True):
        if stored:
            shell.user_ns["L"] = [1]
            assert shell.run_cell(_CELL).success
            assert last() is not None
        shell.user_ns |= {"L": [1], "x": None}
        alias = shell.user_ns["L"]
        capsys.readouterr()
        with monkeypatch.context() as broken:
            broken.setattr(f"cacheness.magic.{step}", fail)
            result = shell.run_cell(_CELL)
        shown = capsys.readouterr()
        assert result.success
        assert result.result == shell.user_ns["x"] == [1, 1, 2]
        assert alias == [1, 2]
        assert shown.out.count("shown") == 1
        assert shown.err.count("cacheness:") <= 1
        assert shell.ast_transformers == transformers
    shell.user_ns["L"] = [1]
    assert shell.run_cell(_CELL).success
    shell.user_ns["L"] = [1]
    assert shell.run_cell(_CELL).success
    record = last()
    assert record is not None and record.outcome == "hit"


@pytest.mark.parametrize("step", ["hit.Hit.replay", "hit.replay"])
def test_a_bug_while_outputs_are_shown_again(
    shell: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, step: str
) -> None:
    """What the cell left is in place by then."""

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a bug")

    shell.user_ns["L"] = [1]
    shell.run_cell(_CELL)
    shell.user_ns |= {"L": [1], "x": None}
    capsys.readouterr()
    with monkeypatch.context() as broken:
        broken.setattr(f"cacheness.magic.{step}", fail)
        assert shell.run_cell(_CELL).success
    assert (shell.user_ns["L"], shell.user_ns["x"]) == ([1, 2], [1, 1, 2])
    assert capsys.readouterr().err.count("cacheness:") == 1


_BROKEN = {
    "__repr__": "def __repr__(self): raise ValueError('no')",
    "__eq__": "def __eq__(self, other): raise ValueError('no')",
    "__hash__": "def __hash__(self): raise ValueError('no')",
    "__getstate__": "def __getstate__(self): raise ValueError('no')",
    "__reduce_ex__": "def __reduce_ex__(self, protocol): raise ValueError('no')",
    "exits": "def __reduce_ex__(self, protocol): raise SystemExit",
    "__getattr__": "def __getattr__(self, name): raise ValueError('no')",
    "__getattribute__": "def __getattribute__(self, name): raise ValueError('no')",
    "__class__": "@property\n    def __class__(self): raise ValueError('no')",
    "__bool__": "def __bool__(self): raise ValueError('no')",
    "__len__": "def __len__(self): raise ValueError('no')",
    "__setstate__": "def __setstate__(self, state): raise ValueError('no')",
    "__slots__": "__slots__ = ('a',)\n    def __getstate__(self): raise KeyError(1)",
}


@pytest.mark.parametrize("broken", _BROKEN.values(), ids=_BROKEN)
def test_an_object_whose_methods_fail(shell: Any, capsys: Any, broken: str) -> None:
    shell.run_cell(f"class Broken:\n    {broken}\ngiven = Broken()")
    capsys.readouterr()
    for cell in ("n = n + 1\nheld = given", "n = n + 1\nmade = [Broken()]"):
        for _ in range(2):
            shell.user_ns["n"] = 0
            for name in ("made", "held"):
                shell.user_ns.pop(name, None)
            assert shell.run_cell(f"%%cacheness\n{cell}").success
            assert shell.user_ns["n"] == 1
            assert "made" in shell.user_ns or shell.user_ns["held"] is shell.user_ns["given"]
            assert capsys.readouterr().err.count("cacheness:") <= 1


def test_a_full_disk(shell: Any, capsys: Any) -> None:
    cell = "%%cacheness\nimport numpy as np\nbig = np.random.default_rng(0).random(500_000)"
    shell.run_cell("%%cacheness\nwarm = 1")
    capsys.readouterr()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        assert shell.run_cell(cell).success
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert shell.user_ns["big"].size == 500_000
    assert capsys.readouterr().err.count("cacheness:") == 1
    for wanted in ("miss", "hit"):
        assert shell.run_cell(cell).success
        record = last()
        assert record is not None and record.outcome == wanted


def test_a_directory_that_vanishes(shell: Any, tmp_path: Path) -> None:
    import shutil

    cell = "%%cacheness\nx = [1]"
    for _ in range(2):
        assert shell.run_cell(cell).success
        assert shell.run_cell(cell).success
        assert shell.user_ns.pop("x") == [1]
        shutil.rmtree(tmp_path / "cache")


@pytest.mark.parametrize("phase", ["flow.resolve", "flow.load", "recording.read_states"])
def test_an_interrupt_before_the_body(
    shell: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, phase: str
) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    cell = "%%cacheness\nx = 1"
    if phase == "flow.load":
        shell.run_cell(cell)
        del shell.user_ns["x"]
    capsys.readouterr()
    with monkeypatch.context() as pressed:
        pressed.setattr(f"cacheness.magic.{phase}", interrupt)
        result = shell.run_cell(cell)
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    assert "x" not in shell.user_ns
    shown = capsys.readouterr()
    assert "cacheness/magic" not in shown.out + shown.err
    assert shell.run_cell(cell).success
    assert shell.user_ns["x"] == 1


def test_an_interrupt_while_storing(
    shell: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    cell = "%%cacheness\nx = 1"
    with monkeypatch.context() as pressed:
        pressed.setattr("cacheness.magic.storing.graph.dump", interrupt)
        result = shell.run_cell(cell)
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    assert shell.user_ns["x"] == 1
    shown = capsys.readouterr()
    assert "cacheness/magic" not in shown.out + shown.err
    assert "KeyboardInterrupt" in shown.out + shown.err
    shell.run_cell(cell)
    record = last()
    assert record is not None and record.outcome == "miss"


def test_an_interrupt_while_restoring_is_held_back(
    shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import signal

    from cacheness.magic import namespace

    cell = "%%cacheness\nL.append(2)\nx = 1"
    shell.user_ns["L"] = [1]
    shell.run_cell(cell)
    shell.user_ns |= {"L": [1], "x": None}
    presses: list[None] = []
    alias, apply = shell.user_ns["L"], namespace.apply

    def pressed(*arguments: Any) -> None:
        if not presses:
            presses.append(os.kill(os.getpid(), signal.SIGINT))
        apply(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr("cacheness.magic.hit.namespace.apply", pressed)
        result = shell.run_cell(cell)
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    assert (alias, shell.user_ns["x"]) == ([1], None)
    assert shell.run_cell(cell).success
    assert (alias, shell.user_ns["x"]) == ([1, 2], 1)


def test_loading_twice_unloading_and_reset(shell: Any) -> None:
    before = {name: len(found) for name, found in shell.events.callbacks.items()}
    for line in ("load_ext cacheness", "reload_ext cacheness", "load_ext autoreload"):
        with contextlib.suppress(OSError):
            shell.run_line_magic(*line.split())
    shell.run_line_magic("autoreload", "2")
    shell.run_cell("%%cacheness\nx = 1")
    shell.run_line_magic("reset", "-f")
    assert shell.run_cell("%%cacheness\nx = 1").success
    record = last()
    assert record is not None and record.outcome == "hit"
    shell.run_line_magic("autoreload", "0")
    assert {n: len(f) for n, f in shell.events.callbacks.items() if n != "post_execute"} == {
        name: count + (name == "pre_run_cell")
        for name, count in before.items()
        if name != "post_execute"
    }
