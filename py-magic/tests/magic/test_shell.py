"""The extension in a plain IPython shell, without a kernel."""

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cacheness import cacheness
from cacheness.magic import last


def outcome(shell: Any, cell: str) -> str:
    shell.run_cell(cell)
    record = last()
    assert record is not None
    return record.outcome


def test_a_cell_is_restored_in_another_shell(shell: Any, capsys: Any) -> None:
    cell = "%%cacheness key=a\nprint('shown')\nx = [1]\nx"
    assert outcome(shell, cell) == "miss"
    first = capsys.readouterr().out
    shell.user_ns.pop("x")
    assert outcome(shell, cell) == "hit"
    assert shell.user_ns["x"] == [1]
    assert "shown" in first and "shown" in capsys.readouterr().out


def test_unloading_leaves_nothing_behind(shell: Any) -> None:
    events = shell.events.callbacks
    shell.run_line_magic("unload_ext", "cacheness")
    assert "cacheness" not in shell.magics_manager.magics["cell"]
    assert "cacheness" not in shell.magics_manager.magics["line"]
    assert not any("cacheness" in repr(one) for found in events.values() for one in found)
    assert not any("cacheness" in repr(one) for one in shell.ast_transformers)
    assert not shell.run_cell("%%cacheness\nz = 1").success


def test_the_magic_called_as_a_function(shell: Any) -> None:
    """What nbconvert makes of a cell when it writes a script."""
    call = "get_ipython().run_cell_magic('cacheness', 'key=b', 'y = 2\\n')"
    assert outcome(shell, call) == "miss"
    shell.user_ns.pop("y")
    assert outcome(shell, call) == "hit"
    assert shell.user_ns["y"] == 2


@pytest.mark.parametrize("line", ["keey=1", "ttl=banana"])
def test_a_bad_option_stops_the_cell(shell: Any, line: str) -> None:
    result = shell.run_cell(f"%%cacheness {line}\nran = 1")
    assert not result.success
    assert "ran" not in shell.user_ns
    # The transformer must survive its own errors.
    assert outcome(shell, "%%cacheness key=c\nran = 2") == "miss"


def test_a_cache_of_a_later_version_runs_the_cell(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "later" / "cache_metadata.db"
    database.parent.mkdir()
    with contextlib.closing(sqlite3.connect(database)) as made:
        made.execute("PRAGMA user_version=99")
    before = database.read_bytes()
    monkeypatch.setenv("CACHENESS_CACHE_DIR", str(database.parent))
    assert outcome(shell, "%%cacheness\nran = 1") == "uncacheable"
    assert shell.user_ns["ran"] == 1
    assert database.read_bytes() == before


def test_an_unusable_directory_runs_the_cell(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("CACHENESS_CACHE_DIR", str(tmp_path / "file"))
    for value in (1, 2):
        assert outcome(shell, f"%%cacheness key=d\nran = {value}") == "uncacheable"
        assert shell.user_ns["ran"] == value
    assert capsys.readouterr().err.count("a file in its place") == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_a_future_index_is_left_alone(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    import sqlite3

    assert outcome(shell, "%%cacheness key=e\nx = 1") == "miss"
    shell.run_line_magic("unload_ext", "cacheness")
    index = tmp_path / "cache" / "cache_metadata.db"
    with sqlite3.connect(index) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = index.read_bytes()
    shell.run_line_magic("load_ext", "cacheness")
    assert outcome(shell, "%%cacheness key=e\nx = 3") == "uncacheable"
    assert shell.user_ns["x"] == 3
    assert "format version 99" in capsys.readouterr().err
    assert index.read_bytes() == before


def test_a_damaged_blob_is_a_miss_and_heals(shell: Any, tmp_path: Path, capsys: Any) -> None:
    cell = "%%cacheness key=f\nimport numpy as np\nbig = np.random.default_rng(0).random(50_000)"
    assert outcome(shell, cell) == "miss"
    wanted = shell.user_ns.pop("big")
    blob = next((tmp_path / "cache").glob("*_array*"))
    blob.write_bytes(blob.read_bytes()[:-100])
    capsys.readouterr()
    assert outcome(shell, cell) == "miss"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cacheness: ") and "could not be restored" in line
    assert (shell.user_ns.pop("big") == wanted).all()
    assert outcome(shell, cell) == "hit"
    assert (shell.user_ns["big"] == wanted).all()
    assert list((tmp_path / "cache" / "quarantine").iterdir())


def test_a_file_that_the_cell_wrote_must_still_be_there(shell: Any, tmp_path: Path) -> None:
    cell = (
        "%%cacheness key=g\nwith open('out.txt', 'w') as out:\n    n = out.write('result')\ndel out"
    )
    out = tmp_path / "out.txt"
    assert outcome(shell, cell) == "miss"
    assert outcome(shell, cell) == "hit"
    out.write_text("edited")
    assert outcome(shell, cell) == "miss"
    assert out.read_text() == "result"
    out.unlink()
    assert outcome(shell, cell) == "miss"
    assert outcome(shell, cell) == "hit"


def test_importing_a_module_of_ones_own_is_no_effect(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "mine_for_test.py").write_text("def f(): return 1\n")
    shell.run_cell(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.dont_write_bytecode = 0"
    )
    try:
        assert outcome(shell, "%%cacheness\nimport mine_for_test\ny = mine_for_test.f()") == "miss"
    finally:
        shell.run_cell("sys.path.pop(0); sys.modules.pop('mine_for_test')")


def test_a_name_bound_to_the_same_object_is_stored(shell: Any) -> None:
    """The person edits the cell and runs it again: another kernel does not have its variables."""
    cell = (
        "%%cacheness key=h\nimport json as J\nn = 100\nfor i in range(3):\n    flag = True\nr = n{}"
    )
    assert outcome(shell, cell.format("")) == "miss"
    assert outcome(shell, cell.format(" + 1")) == "miss"
    for name in ("J", "n", "i", "flag", "r"):
        del shell.user_ns[name]
    shell.user_ns["n"] = 5
    assert outcome(shell, cell.format(" + 1")) == "hit"
    assert {name: shell.user_ns[name] for name in ("n", "i", "flag", "r")} == {
        "n": 100, "i": 2, "flag": True, "r": 101,
    }  # fmt: skip
    assert shell.user_ns["J"].__name__ == "json"


def test_a_name_that_was_not_bound_is_left_alone(shell: Any) -> None:
    cell = "%%cacheness key=i\nif False:\n    other = 1\nbound = 2"
    shell.user_ns["other"] = 5
    assert outcome(shell, cell) == "miss"
    assert shell.user_ns["other"] == 5
    shell.user_ns["other"] = 7
    assert outcome(shell, cell) == "hit"
    assert shell.user_ns["other"] == 7


def test_a_hidden_name_comes_back_after_an_error(shell: Any) -> None:
    shell.user_ns["other"] = 5
    assert not shell.run_cell("%%cacheness\nif True:\n    1 / 0\n    other = 1").success
    assert shell.user_ns["other"] == 5


def test_what_vars_asks_for_is_an_entry_of_its_own(shell: Any) -> None:
    cell = "a2 = 1\nb2 = 2"
    assert outcome(shell, f"%%cacheness vars=a2\n{cell}") == "miss"
    assert outcome(shell, f"%%cacheness\n{cell}") == "miss"
    del shell.user_ns["b2"]
    assert outcome(shell, f"%%cacheness\n{cell}") == "hit"
    assert shell.user_ns["b2"] == 2


def test_inputs_may_be_patterns_and_must_exist(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.csv").write_text("1")
    cell = "%%cacheness inputs=d/*.csv\nx = 1"
    assert outcome(shell, cell) == "miss"
    (tmp_path / "d" / "a.csv").write_text("22")
    assert outcome(shell, cell) == "miss"
    (tmp_path / "d" / "b.csv").write_text("3")
    assert outcome(shell, cell) == "miss"
    assert outcome(shell, cell) == "hit"
    assert outcome(shell, "%%cacheness inputs=typo.csv\nx = 1") == "uncacheable"


def test_a_module_that_was_edited_after_it_was_loaded(shell: Any, tmp_path: Path) -> None:
    """The loaded code's result must not be filed under the new file."""
    file = tmp_path / "edited_for_test.py"
    file.write_text("def f(): return 'old'\n")
    cell = "%%cacheness key=j\nimport edited_for_test\nr = edited_for_test.f()"
    shell.run_cell(f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
    try:
        assert outcome(shell, cell) == "miss"
        file.write_text("def f(): return 'newer'\n")
        assert outcome(shell, cell) == "miss"
        assert shell.user_ns["r"] == "old"
        # As in a new kernel:
        shell.run_cell("del sys.modules['edited_for_test'], edited_for_test, r")
        assert outcome(shell, cell) == "miss"
        assert shell.user_ns["r"] == "newer"
    finally:
        shell.run_cell("sys.path.pop(0); sys.modules.pop('edited_for_test', None)")


def test_a_recording_that_cannot_start_stores_nothing(
    shell: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def fail() -> None:
        raise OSError("no states today")

    cell = "%%cacheness key=k\nx = 1"
    shell.user_ns["bystander"] = 5
    with monkeypatch.context() as broken:
        broken.setattr("cacheness.magic.recording.read_states", fail)
        assert outcome(shell, cell) == "error"
    assert shell.user_ns["x"] == 1
    assert "no states today" in capsys.readouterr().err
    assert outcome(shell, cell) == "miss"


# --- the line magic ---


def magic(shell: Any, line: str) -> bool:
    return bool(shell.run_cell(f"%cacheness {line}").success)


def test_versions_of_a_cell_are_listed_once_and_removed_together(shell: Any, capsys: Any) -> None:
    for value in (1, 2, 3):
        shell.run_cell(f"%%cacheness key=mine quiet=1\nx = {value}")
    shell.run_cell("%%cacheness key=other quiet=1\ny = 1")
    capsys.readouterr()
    assert magic(shell, "ls")
    assert len(capsys.readouterr().out.splitlines()) == 1 + 2
    assert magic(shell, "rm mine 'oth*'")
    assert "removed 4 entries" in capsys.readouterr().out
    assert magic(shell, "ls") and "no entries yet" in capsys.readouterr().out


def test_the_magic_leaves_other_entries_alone(shell: Any, tmp_path: Path, capsys: Any) -> None:
    with cacheness(tmp_path / "cache") as cache:
        cache.put(1, a=1)
    shell.run_cell("%%cacheness key=mine quiet=1\nx = 1")
    assert magic(shell, "clear") and "--yes" in capsys.readouterr().out
    assert magic(shell, "clear --yes") and "removed 1 entry" in capsys.readouterr().out
    with cacheness(tmp_path / "cache") as cache:
        assert cache.get(a=1) == 1


def test_a_refused_setting_changes_nothing(shell: Any, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "file").touch()
    for change in ("cache_dir=file", "cache_dir=", "cache_dri=x", "default_ttl=soon", "x"):
        assert not magic(shell, f"config {change}")
    assert outcome(shell, "%%cacheness key=a\nx = 1") == "miss"
    assert (tmp_path / "cache" / "cache_metadata.db").exists()


def test_the_default_lifetime_is_a_setting(shell: Any, capsys: Any) -> None:
    assert magic(shell, "config default_ttl=7d")
    shell.run_cell("%%cacheness key=week quiet=1\nx = 1")
    shell.run_cell("%%cacheness key=ever ttl=never quiet=1\nx = 2")
    capsys.readouterr()
    assert magic(shell, "ls --json")
    expires = {one["name"]: one["expires"] for one in json.loads(capsys.readouterr().out)}
    assert expires["week"] is not None and expires["ever"] is None


def test_the_magic_has_help_and_says_what_is_wrong(shell: Any, capsys: Any) -> None:
    assert magic(shell, "help") and "%cacheness verify" in capsys.readouterr().out
    assert magic(shell, "help ls") and "usage: %cacheness ls" in capsys.readouterr().out
    assert "%cacheness verify" in shell.magics_manager.magics["line"]["cacheness"].__doc__
    assert not magic(shell, "lss") and "did you mean ls?" in capsys.readouterr().err
    assert not magic(shell, "ls 'x") and "UsageError" in capsys.readouterr().err


def test_the_line_below_a_cell_says_what_came_back(shell: Any) -> None:
    for cell, what in (("x = 1", "`x`"), ("print(1)", "outputs"), ("pass", "")):
        for start in ("stored", "restored"):
            shell.run_cell(f"%%cacheness\n{cell}")
            record = last()
            assert record is not None
            words = record.sentence().partition(f"{start} ")[2]
            assert words.startswith(f"{what} " if what else ("(", "·")), record.sentence()


def test_a_misplaced_line_says_where_it_belongs(shell: Any, capsys: Any) -> None:
    assert not shell.run_cell("x = 1\n%%cacheness key=a\ny = 2").success
    assert "must be the first line" in capsys.readouterr().err
    assert shell.run_cell("s = '''\n%%cacheness\n'''").success
