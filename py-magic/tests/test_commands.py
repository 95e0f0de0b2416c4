"""The shell command `cacheness`, and what the line magic shares with it."""

import io
import json
import os
import pty
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cacheness import cached, cacheness
from cacheness.cli import main
from cacheness.commands import progress
from cacheness.commands.document import Column, Report, Table
from cacheness.commands.items import Item, grouped
from cacheness.settings import SETTINGS, Settings


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests, and a folder of its own."""
    for name in SETTINGS:
        monkeypatch.delenv(f"CACHENESS_{name.upper()}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A cache in `./cache`: two values, and three calls of one function."""
    with cacheness(tmp_path / "cache") as cache:
        cache.put(np.random.default_rng(0).normal(size=50_000), model="walk")
        cache.put({"a": 1}, model="run", key_prefix="study")

        @cached(cache=cache)
        def square(x: int) -> int:
            return x * x

        for x in (1, 2, 3):
            square(x)
    return tmp_path / "cache"


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert main(["ls", "--json", *words]) == 0
    return list(json.loads(capsys.readouterr().out))


def test_the_console_script_is_the_command() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    module, _, name = project["project"]["scripts"]["cacheness"].partition(":")
    assert getattr(import_module(module), name) is main


def test_it_needs_no_ipython(filled: Path, in_process: Any) -> None:
    loaded = in_process(
        "import sys; sys.modules['IPython'] = None\n"
        "from cacheness.cli import main\n"
        "assert main(['ls']) == 0 and main(['verify']) == 0\n"
        "assert not any(m.startswith('cacheness.magic') for m in sys.modules)"
    )
    assert "square" in loaded


# --- ls, show, stats ---


def test_ls_folds_the_calls_of_a_function(filled: Path, capsys: Any) -> None:
    assert main(["ls"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 3
    (calls,) = [line for line in lines if "square(…)" in line]
    assert calls.split()[2] == "3"
    assert main(["ls", "--all"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 5


def test_ls_finds_by_name_pattern_and_key(filled: Path, capsys: Any) -> None:
    entries = listed(capsys)
    key = next(one["key"] for one in entries if one["type"] == "array")
    assert [one["key"] for one in listed(capsys, key)] == [key]
    assert [one["key"] for one in listed(capsys, key[:8])] == [key]
    assert len(listed(capsys, "*square*")) == 3
    assert len(listed(capsys, "model='walk'", "study")) == 2
    assert [one["kind"] for one in listed(capsys, "--kind", "value")] == ["value", "value"]


def test_ls_sorts_and_limits(filled: Path, capsys: Any) -> None:
    assert main(["ls", "--sort", "size", "--limit", "1"]) == 0
    out = capsys.readouterr().out
    assert "walk" in out and "square" not in out and "2 more" in out


def test_an_empty_cache_says_so(tmp_path: Path, capsys: Any) -> None:
    cacheness(tmp_path / "cache").close()
    assert main(["ls"]) == 0
    assert "no entries yet" in capsys.readouterr().out


def test_show_tells_what_an_entry_depends_on(filled: Path, capsys: Any) -> None:
    assert main(["show", "*square(x=2)"]) == 0
    out = capsys.readouterr().out
    assert "square(x=2)" in out and "function" in out and "parameter  x" in out
    assert "{" not in out
    assert main(["show", "--json", "*square(x=2)"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["inputs"][0]["name"] == "x"


def test_stats_count_by_kind(filled: Path, capsys: Any) -> None:
    assert main(["stats", "--json"]) == 0
    stats = json.loads(capsys.readouterr().out)
    assert stats["entries"] == 5
    assert stats["kinds"]["function"]["entries"] == 3
    assert stats["size_bytes"] == sum(kind["size_bytes"] for kind in stats["kinds"].values())


def test_a_cache_with_an_index_in_json(tmp_path: Path, capsys: Any) -> None:
    with cacheness(tmp_path / "cache", metadata_backend="json") as cache:
        cache.put(1, a=1)
    assert [one["label"] for one in listed(capsys)] == ["a=1"]
    assert main(["verify"]) == main(["rm", "a=1"]) == 0
    assert listed(capsys_cleared(capsys)) == []


# --- rm, clear, gc ---


def test_rm_takes_several_and_tells_what_it_did_not_find(filled: Path, capsys: Any) -> None:
    assert main(["rm", "--dry-run", "*square*", "study"]) == 0
    assert len(listed(capsys_cleared(capsys))) == 5
    assert main(["rm", "*square*", "nothing", "study"]) == 1
    out = capsys.readouterr().out
    assert "removed 4 entries" in out and "'nothing'" in out
    assert [one["type"] for one in listed(capsys)] == ["array"]


def capsys_cleared(capsys: Any) -> Any:
    capsys.readouterr()
    return capsys


def test_clear_asks_first(filled: Path, capsys: Any) -> None:
    assert main(["clear"]) == 1
    assert "--yes" in capsys.readouterr().out
    assert len(listed(capsys)) == 5
    assert main(["clear", "--kind", "function", "--yes"]) == 0
    assert len(listed(capsys_cleared(capsys))) == 2
    assert main(["clear", "--yes"]) == 0
    assert listed(capsys_cleared(capsys)) == []


@pytest.mark.parametrize(("answer", "left"), [(b"y\n", 0), (b"n\n", 5), (b"\x04", 5), (b"\x03", 5)])
def test_clear_asks_a_person(filled: Path, capsys: Any, answer: bytes, left: int) -> None:
    assert b"Remove 5 entries" in on_terminal("clear", answer=answer)
    assert len(listed(capsys)) == left


def test_gc_removes_what_expired_and_what_nobody_names(filled: Path, capsys: Any) -> None:
    with cacheness(filled) as cache:
        cache.put(1, short=True, ttl="0s")
    orphan = filled / "0123456789abcdef_array_01234567.b2nd"
    orphan.write_bytes(b"left over")
    assert main(["gc", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["expired"], done["orphaned_files"]) == (1, 1)
    assert not orphan.exists()
    assert len(listed(capsys)) == 5


# --- verify ---


def test_verify_finds_and_repairs(filled: Path, capsys: Any) -> None:
    assert main(["verify"]) == 0
    (blob,) = filled.glob("*.b2nd")
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    (filled / "0123456789abcdef_array_01234567.b2nd").write_bytes(b"left over")
    capsys.readouterr()
    for _ in range(2):  # looking changes nothing
        assert main(["verify", "--json"]) == 1
        assert len(json.loads(capsys.readouterr().out)["problems"]) == 2
    assert blob.exists()
    assert main(["verify", "--repair"]) == 0
    assert main(["verify"]) == 0
    assert len(list((filled / "quarantine").iterdir())) == 1
    assert len(listed(capsys_cleared(capsys))) == 4


def test_verify_misses_a_file(filled: Path, capsys: Any) -> None:
    next(filled.glob("*.b2nd")).unlink()
    assert main(["verify", "*walk*"]) == 1
    assert "its file is gone" in capsys.readouterr().out


def test_verify_tells_of_an_index_that_was_set_aside(filled: Path, capsys: Any) -> None:
    for extra in filled.glob("cache_metadata.db-*"):
        extra.unlink()
    (filled / "cache_metadata.db").write_text("hello " * 100)
    assert main(["verify"]) == 1
    assert "set aside" in capsys.readouterr().out


# --- where the cache is ---


def test_looking_makes_no_cache(tmp_path: Path, capsys: Any) -> None:
    assert main(["ls"]) == 1
    assert "no cache" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()
    (tmp_path / "file").touch()
    assert main(["--cache-dir", "file", "ls"]) == 1
    assert "that is a file" in capsys.readouterr().err


def test_it_points_to_the_cache_next_door(filled: Path, capsys: Any) -> None:
    assert main(["--cache-dir", ".", "ls"]) == 1
    assert f"--cache-dir {filled.name}" in capsys.readouterr().err


def test_a_cache_of_a_later_version_is_left_alone(tmp_path: Path, capsys: Any) -> None:
    import contextlib
    import sqlite3

    (tmp_path / "cache").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "cache" / "cache_metadata.db")) as made:
        made.execute("PRAGMA user_version=99")
    assert main(["verify", "--repair"]) == 1
    assert "version 99" in capsys.readouterr().err


def test_settings_come_from_the_nearest_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def value(name: str) -> Any:
        return Settings().find(name)

    assert value("cache_dir") == ("./cache", "default")
    own = tmp_path / "config" / "cacheness" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text("max_cache_size_mb = 5\ncache_dir = '/from/own'")
    assert value("max_cache_size_mb") == (5, str(own))
    project = tmp_path / "pyproject.toml"
    project.write_text("[tool.cacheness]\ncache_dir = 'here'\ndefault_ttl = '7d'\ncache_dri = 1")
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert value("cache_dir") == (str(tmp_path / "here"), str(project))
    assert Settings().default_ttl() == 7 * 86400
    monkeypatch.setenv("CACHENESS_CACHE_DIR", "there")
    assert value("cache_dir") == ("there", "CACHENESS_CACHE_DIR")
    assert main(["config", "--cache-dir", "given"]) == 0
    out = capsys.readouterr().out
    assert "--cache-dir" in out and str(project) in out and "did you mean cache_dir?" in out


@pytest.mark.parametrize(
    ("name", "text"),
    [("max_cache_size_mb", "huge"), ("max_cache_size_mb", "-1"), ("default_ttl", "soon")],
)
def test_a_bad_setting_names_its_source(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, name: str, text: str
) -> None:
    monkeypatch.setenv(f"CACHENESS_{name.upper()}", text)
    assert main(["config"]) == 2
    error = capsys.readouterr().err
    assert f"CACHENESS_{name.upper()}" in error and repr(text) in error


# --- the command line ---


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lss", "did you mean ls?"),
        ("frobnicate", "there are ls, show"),
        ("ls --jsn", "did you mean --json?"),
        ("ls --limit many", "--limit"),
        ("show", "NAME"),
        ("--json", "say what to do"),
        ("--jsno ls", "did you mean --json?"),
        ("-v", "no option '-v'"),
        ("config cache_dir=x", "pyproject.toml"),
    ],
)
def test_wrong_usage_is_told_with_the_right_one(capsys: Any, line: str, said: str) -> None:
    assert main(line.split()) == 2
    caught = capsys.readouterr()
    assert said in caught.err and caught.out == ""


@pytest.mark.parametrize("verb", ["ls", "show", "stats", "rm", "clear", "gc", "verify", "config"])
def test_each_verb_has_help(capsys: Any, verb: str) -> None:
    assert main(["help", verb]) == main([verb, "--help"]) == 0
    first, _, second = (
        capsys.readouterr()
        .out.partition("usage: cacheness " + verb)[2]
        .partition("usage: cacheness " + verb)
    )
    assert first == second and "--json" in first


def test_a_reader_that_leaves_early(filled: Path) -> None:
    command = f"{sys.executable} -m cacheness ls --all --json | head -n 1; echo ${{PIPESTATUS[0]}}"
    with cacheness(filled) as cache:
        for number in range(300):
            cache.put(number, number=number)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["[", "141"]
    assert done.stderr == ""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_is_no_trouble(filled: Path, closed: str) -> None:
    command = f"{sys.executable} -m cacheness ls {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def on_terminal(*words: str, answer: bytes = b"", columns: int = 80) -> bytes:
    """What the command writes on a terminal of so many columns."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["COLUMNS"] = str(columns)
        os.execv(sys.executable, [sys.executable, "-m", "cacheness", *words])
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            break
        if answer and b"[y/N]" in shown:
            os.write(terminal, answer)
            answer = b""
    os.waitpid(pid, 0)
    os.close(terminal)
    return shown


def test_tables_fit_the_terminal(filled: Path) -> None:
    for columns in (100, 60, 45):
        lines = on_terminal("ls", columns=columns).decode().splitlines()
        assert max(len(line.replace("\x1b[1m", "").replace("\x1b[0m", "")) for line in lines) <= (
            columns
        )
        assert "walk" in "".join(lines)


def test_a_column_that_says_nothing_is_left_out() -> None:
    columns = (Column("name"), Column("empty", rank=1), Column("said", rank=2))
    report = Report(None, [Table(columns, [["a", "", ""], ["b", "", "x"]])])
    assert "empty" not in report.text() + report.html()
    assert "said" in report.text() and "said" in report.html()


def test_a_name_cannot_speak_to_the_terminal() -> None:
    report = Report(None, [Table((Column("name"),), [["a\x1b[2Jb\nc"]])])
    assert "\x1b" not in report.text() and len(report.text().splitlines()) == 2
    assert "<b>" not in Report(None, ["<b>"]).html()


def test_progress_is_shown_on_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for on_terminal in (True, False):
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda answer=on_terminal: answer)
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress, "_PATIENCE", -1.0)
        monkeypatch.setattr(progress, "_PERIOD", -1.0)
        assert list(progress.track("abcd", 4, "verifying")) == list("abcd")
        shown = stream.getvalue()
        assert ("2 of 4" in shown and shown.endswith("\x1b[K")) if on_terminal else not shown


# --- beside others ---


def test_programs_keep_working_while_the_command_works(tmp_path: Path, in_process: Any) -> None:
    with cacheness(tmp_path / "cache") as cache:
        for number in range(50):
            cache.put(np.full(20_000, number), number=number)
        in_process("from cacheness.cli import main\nassert main(['verify']) == 0")
        in_process("from cacheness.cli import main\nassert main(['rm', 'number=7']) == 0")
        assert cache.get(number=7) is None
        assert cache.get(number=8)[0] == 8
        cache.put("again", number=7)
        in_process("from cacheness.cli import main\nassert main(['gc']) == main(['verify']) == 0")
        assert cache.get(number=7) == "again"


def test_versions_of_a_cell_are_one_group(tmp_path: Path) -> None:
    from cacheness._cacheness import Cache, blob_of, make_key

    core = Cache(tmp_path / "cells")
    for version in ("1", "2", "3"):
        core.store(
            make_key("cell", [("source", "cell", "0" * 31 + version, None)]),
            scope="",
            face="cell",
            data_type="cell",
            name="features",
            lineage="key:features",
            blobs=[blob_of("object", b"bytes")],
        )
    (group,) = grouped(Item(entry) for entry in core.entries())
    assert [item.label for item in group.items] == ["features"] * 3
    assert group.newest.entry.id == max(item.entry.id for item in group.items)
