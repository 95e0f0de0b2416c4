"""What is seen of a run's files: by the interpreter, by native code, in threads and processes."""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cacheness import observe

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="native code is seen on Linux")
observe.watch_native_code()


def _native_open(path: str, flags: int = os.O_RDONLY) -> None:
    c = ctypes.CDLL(None)
    descriptor = c.open(os.fsencode(path), flags, 0o600)
    if descriptor >= 0:
        c.close(descriptor)


def _seen(act: Callable[[], object]) -> observe.Observation:
    observing = observe.Observing()
    observing.start()
    act()
    return observing.stop(())


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("1")


def test_paths_are_absolute_wherever_they_start(tmp_path: Path) -> None:
    def act() -> None:
        _native_open("a.txt")
        folder = os.open(tmp_path, os.O_RDONLY)
        c = ctypes.CDLL(None)
        c.close(c.openat(folder, b"b.txt", os.O_RDONLY))
        os.close(folder)

    assert _seen(act).read == [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]


def test_what_is_opened_to_write_but_not_written_was_read(tmp_path: Path) -> None:
    seen = _seen(lambda: _native_open("a.txt", os.O_RDWR | os.O_CREAT))
    assert (seen.read, seen.written, seen.effects) == ([str(tmp_path / "a.txt")], [], {})
    with (tmp_path / "a.txt").open("r+") as file:
        seen = _seen(lambda: _native_open("a.txt", os.O_RDWR))
        assert seen.written == []
        file.write("2")


def test_a_file_changed_right_after_it_was_made_is_written(tmp_path: Path) -> None:
    def act() -> None:
        with open("a.txt", "r+") as file:
            file.write("2")

    for _ in range(20):
        (tmp_path / "a.txt").write_text("1")
        seen = _seen(act)
        assert seen.written == [str(tmp_path / "a.txt")]


def test_both_names_of_a_file_that_moves_are_written(tmp_path: Path) -> None:
    seen = _seen(lambda: os.rename("a.txt", "b.txt"))
    assert seen.written == [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
    folder = os.open(tmp_path, os.O_RDONLY)
    os.chdir("/")
    seen = _seen(lambda: os.remove("b.txt", dir_fd=folder))
    os.close(folder)
    assert seen.written == [str(tmp_path / "b.txt")]


def test_what_is_gone_again_is_no_effect(tmp_path: Path) -> None:
    def act() -> None:
        _native_open("scratch", os.O_RDWR | os.O_CREAT)
        _native_open("scratch")
        os.remove("scratch")

    seen = _seen(act)
    assert (seen.read, seen.written, seen.effects) == ([], [], {})


def test_every_thread_and_every_observer_sees_all(tmp_path: Path) -> None:
    names = [str(tmp_path / f"{i}") for i in range(2000)]

    def work(part: list[str]) -> None:
        for name in part:
            _native_open(name)

    outer = observe.Observing()
    outer.start()
    _native_open("a.txt")
    inner = observe.Observing()
    inner.start()
    threads = [threading.Thread(target=work, args=(names[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _native_open("a.txt")
    assert set(inner.stop(()).read) == {*names, str(tmp_path / "a.txt")}
    assert set(outer.stop(()).read) == {*names, str(tmp_path / "a.txt")}


def _observe_in_child(name: str) -> list[str]:
    _native_open(name)
    return _seen(lambda: _native_open(f"{name}-inner")).read


def test_processes_that_fork_off_are_seen_and_see_themselves(tmp_path: Path) -> None:
    names = [str(tmp_path / f"{i}") for i in range(8)]
    found: list[list[str]] = []

    def act() -> None:
        with multiprocessing.get_context("fork").Pool(2) as pool:
            found.extend(pool.map(_observe_in_child, names))

    seen = _seen(act)
    inner = [f"{name}-inner" for name in names]
    assert found == [[name] for name in inner]
    assert {*names, *inner} <= set(seen.read)


def test_too_many_files_are_not_forgotten_silently() -> None:
    library = ctypes.CDLL(None)

    def act() -> None:
        for i in range(70):
            library.open(b"x" * 1_000_000 + b"%d" % i, os.O_RDONLY)

    assert "more" in _seen(act).unseen
    assert _seen(lambda: _native_open("a.txt")).unseen == ""


def test_errno_is_the_real_functions() -> None:
    c = ctypes.CDLL(None, use_errno=True)
    codes = []

    def act() -> None:
        codes.append((c.open(b"absent", os.O_RDONLY), ctypes.get_errno()))

    _seen(act)
    assert codes == [(-1, 2)]


_READERS = {
    "polars": "import polars as pl; work = lambda: pl.scan_csv('*.csv').collect()",
    "pyarrow": "import pyarrow.csv as pc; work = lambda: pc.read_csv('d.csv')",
    "duckdb": "import duckdb; work = lambda: duckdb.sql(\"from 'd.csv'\").fetchall()",
    "h5py": "import h5py; work = lambda: h5py.File('d.h5')['a'][:]",
    "sqlite3": "import sqlite3; work = lambda: sqlite3.connect('d.db').execute('select * from t')",
}
_TRACED = """
import json, os, h5py, sqlite3
open("d.csv", "w").write("a\\n1\\n")
with h5py.File("d.h5", "w") as file:
    file["a"] = [1]
database = sqlite3.connect("d.db"); database.execute("create table t (a)"); database.close()
{reader}
work()
from cacheness import observe
observe.watch_native_code()
observing = observe.Observing()
observing.start()
os.access("BEGIN", 0)
work()
os.access("END", 0)
print(json.dumps(observing.stop(()).read))
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("reader", _READERS.values(), ids=_READERS)
def test_what_the_system_opens_was_seen(reader: str, tmp_path: Path) -> None:
    calls = ("access", "open", "openat", "creat", "faccessat", "faccessat2")
    trace = ["strace", "-f", "-qq", "-o", "trace", "-e", f"trace={','.join(calls)}"]
    program = [sys.executable, "-c", _TRACED.format(reader=reader)]
    done = subprocess.run([*trace, *program], capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr:
        pytest.skip("tracing is not allowed here")
    assert done.returncode == 0, done.stderr
    text = Path("trace").read_text()
    during = text[text.index('"BEGIN"') : text.index('"END"')]
    opened = {
        os.path.abspath(name)
        for name, flags in re.findall(r'open(?:at)?\((?:AT_FDCWD, )?"([^"]+)", (\w+)', during)
        if not name.startswith(("/proc", "/sys", "/dev", "/usr", "/etc"))
        and not os.path.isdir(name)
        and os.path.splitext(name)[1] in (".csv", ".h5", ".db")
    }
    assert opened
    assert opened <= {os.path.abspath(path) for path in json.loads(done.stdout)}
