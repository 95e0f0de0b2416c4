"""The core brings its own SQLite, Python's `sqlite3` (and so SQLAlchemy) another. No file may be
open through both in one process: closing it in one drops the locks of the other."""

import json
import re
from pathlib import Path

import cacheness

PACKAGE = Path(cacheness.__file__).parent

WATCH = """
import json, os, sys

def opened():
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            pass
    return {path for path in found if path.startswith(os.getcwd())}

def family(path):
    return {path + end for end in ("", "-wal", "-shm", "-journal")}

pythons, clashes = set(), set()

def watch(event, arguments):
    if event == "sqlite3.connect":
        path = os.path.realpath(os.fsdecode(arguments[0]))
        pythons.update(family(path))
        # What is open now, the core opened: every connection of Python's is closed between calls.
        clashes.update(family(path) & opened())

sys.addaudithook(watch)
"""

WORK = """
from cacheness import cacheness, cached
from cacheness.custom_metadata import CustomMetadataBase, custom_metadata_model
from cacheness.metadata import Base
from sqlalchemy import Column, Integer
import sqlite3

@custom_metadata_model("runs")
class Run(Base, CustomMetadataBase):
    __tablename__ = "custom_runs"
    rows = Column(Integer, index=True)

cores = set()
for backend in ("sqlite", "json"):
    cache = cacheness(backend, metadata_backend=backend)
    f = cached(cache=cache)(lambda x: x + 1)
    for n in range(3):
        cache.put(bytes(n), n=n, custom_metadata={"runs": Run(rows=n)})
        assert cache.get(n=n) == bytes(n) and f(n) == f(n) == n + 1
        assert cache.get_custom_metadata_for_entry(n=n)["runs"].rows == n
    cores |= opened()
    cache.invalidate(n=0)
    assert cache.query_custom_metadata("runs").count() == 2
    child = os.fork()
    if not child:
        assert cache.get(n=1) == b"\\0" and cache.query_custom_metadata("runs").count() == 2
        os._exit(len(clashes))
    assert os.waitpid(child, 0)[1] == 0, "the child"
    cores |= opened()
    cache.clear_all()
VIOLATE
clashes |= pythons & (opened() | cores)
names = lambda paths: sorted({os.path.basename(path) for path in paths})
databases = {path for path in pythons if path.endswith(".db")}
print(json.dumps([names(cores), names(databases), names(clashes)]))
"""


def run(in_process, violation):
    return json.loads(in_process(WATCH + WORK.replace("VIOLATE", violation)))


def test_no_file_is_open_through_both(in_process):
    cores, pythons, clashes = run(in_process, "pass")
    assert {"cache_metadata.db", "cache_metadata.db-wal"} <= set(cores)
    assert (pythons, clashes) == (["custom_metadata.db"], [])


def test_the_watch_sees_a_violation(in_process):
    violation = "sqlite3.connect(os.path.join('sqlite', 'cache_metadata.db')).close()"
    assert "cache_metadata.db" in run(in_process, violation)[2]


def test_one_module_opens_databases():
    users = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bsqlite3\b|\bcreate_engine\b", path.read_text())
    }
    assert users == {"custom_metadata/records.py"}
