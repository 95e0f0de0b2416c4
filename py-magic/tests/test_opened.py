"""Files that a cached function reads."""

import os
import threading
import time
from pathlib import Path

import pytest

from cacheness import CacheWarning, cached


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def put(path: Path, text: str) -> None:
    """Writes, and lets the clock that dates files go on."""
    path.write_text(text)
    time.sleep(0.02)


READERS = {
    "os": lambda: os.read(os.open("data", os.O_RDONLY), 9),
    "pathlib": lambda: Path("data").read_text(),
    "glob": lambda: [path.read_text() for path in Path().glob("d*")],
    "in a thread": lambda: in_thread(Path("data").read_text),
}


def in_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_file_that_changed_is_read_again(cache, here, reader):
    read = cached(cache=cache)(reader)
    put(here / "data", "one")
    first = read()
    assert read() == first and read.cache_info().hits == 1
    put(here / "data", "two")
    assert read() != first
    put(here / "data", "one")
    assert read() == first and read.cache_info().hits == 2


def test_a_file_that_is_absent_at_first(cache, here):
    @cached(cache=cache)
    def read():
        try:
            return Path("data").read_text()
        except FileNotFoundError:
            return None

    assert read() is None and read() is None and read.cache_info().hits == 1
    put(here / "data", "one")
    assert read() == "one"
    (here / "data").unlink()
    assert read() is None


def test_a_folder_that_is_listed(cache, here):
    @cached(cache=cache)
    def names():
        return sorted(path.name for path in Path().iterdir())

    put(here / "a", "")
    assert names() == names() == ["a"] and names.cache_info().hits == 1
    put(here / "b", "")
    assert names() == ["a", "b"]


def test_a_file_read_by_a_call_that_hits_inside_of_another(cache, here):
    @cached(cache=cache)
    def inner():
        return Path("data").read_text()

    @cached(cache=cache)
    def outer(x):
        return x, inner()

    put(here / "data", "one")
    inner()
    assert outer(1) == outer(1) == (1, "one") and outer.cache_info().hits == 1
    put(here / "data", "two")
    assert outer(1) == (1, "two")


def test_a_file_read_by_a_generator_and_by_a_coroutine(cache, here):
    import asyncio

    @cached(cache=cache)
    def lines():
        with open("data") as file:
            yield from file

    @cached(cache=cache)
    async def text():
        return Path("data").read_text()

    for content in ("one", "two"):
        put(here / "data", content)
        for _ in range(2):
            assert list(lines()) == [asyncio.run(text())] == [content]
    assert lines.cache_info().hits == text.cache_info().hits == 2


def test_what_is_written_is_no_input(cache, here):
    @cached(cache=cache)
    def f(x):
        with open("log", "a") as log:
            log.write("x")
        return x

    assert [f(1), f(2), f(1), f(2)] == [1, 2, 1, 2]
    assert (here / "log").read_text() == "xx"


def test_what_is_written_and_read_again_is(cache, here):
    @cached(cache=cache)
    def f():
        path = Path("fetched")
        if not path.exists():
            path.write_text("one")
        return path.read_text()

    assert f() == f() == "one" and f.cache_info().hits == 1
    put(here / "fetched", "two")
    assert f() == "two"


def test_a_file_that_somebody_else_changes_meanwhile(cache, here):
    def change():
        import subprocess
        import sys

        subprocess.run([sys.executable, "-c", "open('data', 'w').write('two')"], check=True)

    @cached(cache=cache)
    def read():
        text = Path("data").read_text()
        change()
        return text

    put(here / "data", "one")
    with pytest.warns(CacheWarning, match="data changed while it ran"):
        assert read() == "one"
    assert read.cache_info().entries == 0


def test_another_working_folder(cache, here, monkeypatch):
    @cached(cache=cache)
    def read():
        return Path("data").read_text()

    put(here / "data", "one")
    read()
    other = here / "other"
    other.mkdir()
    put(other / "data", "two")
    monkeypatch.chdir(other)
    assert read() == "two"


def test_a_module_that_is_imported_inside(tmp_path, in_process):
    program = """
from cacheness import cached, cacheness
@cached(cache=cacheness("cache"))
def f(x):
    import helpers
    return helpers.scale(x)
print(f(1), f.cache_info().hits)
"""
    helpers = tmp_path / "helpers.py"
    helpers.write_text("FACTOR = 2\ndef scale(x): return x * FACTOR")
    assert in_process(program) == "2 0\n"
    assert in_process(program) == "2 1\n"
    helpers.write_text("FACTOR = 30\ndef scale(x): return x * FACTOR  # another length")
    assert in_process(program) == "30 0\n"
