"""Custom metadata: records of SQLAlchemy models on entries, gone when their entries are."""

import gc
import json
import os
import sqlite3
import subprocess
import sys
import threading
import warnings

import pytest
from sqlalchemy import Column, Float, Integer, String, UniqueConstraint, and_, func

from cacheness import (
    CacheConfigError,
    CacheDependencyError,
    CacheStorageError,
    CacheValueError,
    cacheness,
)
from cacheness.custom_metadata import (
    CustomMetadataBase,
    custom_metadata_model,
    export_custom_metadata_schema,
    list_registered_schemas,
    migrate_custom_metadata_tables,
    validate_custom_metadata_model,
)
from cacheness.metadata import Base, EntryLink

pytestmark = pytest.mark.usefixtures("backend")


@custom_metadata_model("experiments")
class Experiment(Base, CustomMetadataBase):
    __tablename__ = "custom_experiments"

    name = Column(String(100), nullable=False, unique=True, index=True)
    model = Column(String(50), nullable=False, index=True)
    accuracy = Column(Float, nullable=False, index=True)


@custom_metadata_model("runs")
class Run(Base, CustomMetadataBase):
    __tablename__ = "custom_runs"

    rows = Column(Integer, nullable=False, index=True)


def experiment(name="first", accuracy=0.9, model="boost"):
    return Experiment(name=name, model=model, accuracy=accuracy)


def counts(cache):
    """Rows of each table, seen from outside of the process."""
    text = """
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
tables = "custom_experiments", "custom_runs", "custom_metadata_links"
print(json.dumps([connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables]))
"""
    path = os.path.join(cache.get_stats()["cache_dir"], "custom_metadata.db")
    return json.loads(subprocess.check_output([sys.executable, "-c", text, path]))


def test_records_of_an_entry(cache):
    cache.put(
        "model",
        a=1,
        custom_metadata={"experiments": experiment(), "runs": Run(rows=5)},
    )
    found = cache.get_custom_metadata_for_entry(a=1)
    assert set(found) == {"experiments", "runs"}
    assert (found["experiments"].name, found["runs"].rows) == ("first", 5)
    assert found["experiments"].created_at is not None
    [entry] = cache.list_entries()
    by_key = cache.get_custom_metadata_for_entry(cache_key=entry["cache_key"])
    assert by_key["runs"].rows == 5
    assert cache.get_custom_metadata_for_entry(a=2) == {}
    assert cache.get_custom_metadata_for_entry(a=1, key_prefix="other") == {}
    assert cache.custom_metadata.keys_of(found["runs"]) == [entry["cache_key"]]


def test_queries(cache):
    for number in range(6):
        record = experiment(f"e{number}", number / 10, "boost" if number % 2 else "forest")
        cache.put(number, n=number, custom_metadata={"experiments": record})
    query = cache.query_custom_metadata("experiments")
    good = and_(Experiment.accuracy >= 0.3, Experiment.model == "boost")
    assert [e.name for e in query.filter(good).order_by(Experiment.accuracy.desc())] == ["e5", "e3"]
    rows = query.with_entities(
        Experiment.model, func.avg(Experiment.accuracy).label("mean"), func.count(Experiment.id)
    )
    assert sorted(rows.group_by(Experiment.model).all()) == [
        ("boost", pytest.approx(0.3), 3),
        ("forest", pytest.approx(0.2), 3),
    ]
    assert query.count() == 6 and query.order_by(Experiment.created_at).first().name == "e0"
    linked = query.join(EntryLink, EntryLink.record_id == Experiment.id)
    assert linked.filter(EntryLink.schema == "experiments").count() == 6
    best = query.filter_by(name="e5").one()
    assert cache.get(cache_key=cache.custom_metadata.keys_of(best)[0]) == 5
    with pytest.raises(CacheValueError, match="changed by put"):
        query.delete()
    with pytest.raises(CacheConfigError, match="did you mean 'experiments'"):
        cache.query_custom_metadata("experiment")


def test_one_record_on_several_entries(cache):
    record = experiment()
    cache.put(1, n=1, custom_metadata={"experiments": record})
    cache.put(2, n=2, custom_metadata={"experiments": record, "runs": Run(rows=2)})
    query = cache.query_custom_metadata("experiments")
    assert query.count() == 1 and len(cache.custom_metadata.keys_of(query.one())) == 2
    # A later run of the same program: the unique column tells which record it is.
    cache.put(1, n=1, custom_metadata={"experiments": experiment(accuracy=0.95)})
    assert cache.get_custom_metadata_for_entry(n=2)["experiments"].accuracy == 0.95
    cache.put(3, n=3, custom_metadata={"experiments": query.one()})
    assert len(cache.custom_metadata.keys_of(query.one())) == 3
    cache.invalidate(n=1)
    assert query.count() == 1
    cache.invalidate(n=2)
    cache.invalidate(n=3)
    assert query.count() == 0 and counts(cache) == [0, 0, 0]


def test_it_disappears_with_its_entry(cache, tmp_path):
    query = cache.query_custom_metadata("runs")

    def put(n=1, value=1, **options):
        cache.put(value, n=n, custom_metadata={"runs": Run(rows=n)}, **options)
        assert query.count() == 1

    for remove in (
        lambda: cache.invalidate(n=1),
        cache.clear_all,
        lambda: cache.put("replaced", n=1),
        lambda: cache.core.remove_entries([entry.id for entry in cache.core.entries()]),
    ):
        put()
        remove()
        assert cache.get_custom_metadata_for_entry(n=1) == {}
        assert query.count() == 0 and counts(cache) == [0, 0, 0]
    cache.put(1, n=1, custom_metadata={"runs": Run(rows=1)}, ttl="0s")
    assert cache.get_custom_metadata_for_entry(n=1) == {} and query.count() == 0
    small = cacheness(tmp_path / "small", max_cache_size_mb=0.05)
    for n in range(3):
        small.put(os.urandom(40_000), n=n, custom_metadata={"runs": Run(rows=n)})
    assert [run.rows for run in small.query_custom_metadata("runs")] == [2]


def test_another_process_removed_the_entry(cache, in_process):
    cache.put(1, n=1, custom_metadata={"runs": Run(rows=1)})
    cache.put(2, n=2, custom_metadata={"runs": Run(rows=2)})
    in_process("from cacheness import cacheness; assert cacheness('cache').invalidate(n=1) == 1")
    assert [run.rows for run in cache.query_custom_metadata("runs")] == [2]
    assert cache.get_custom_metadata_for_entry(n=1) == {}


def test_an_index_that_starts_anew_gives_no_old_records(tmp_path):
    with cacheness(tmp_path / "c") as cache:
        cache.put(1, n=1, custom_metadata={"runs": Run(rows=1)})
    for path in (tmp_path / "c").glob("cache_metadata.*"):
        path.unlink()
    cache = cacheness(tmp_path / "c")
    cache.put("another value under the same key and id", n=1)
    assert cache.get_custom_metadata_for_entry(n=1) == {}
    assert cache.query_custom_metadata("runs").count() == 0


def test_a_put_that_fails_leaves_everything(cache):
    cache.put(1, n=1, custom_metadata={"experiments": experiment()})
    with pytest.raises(CacheValueError, match=r"custom_metadata\['experiments'\].*NOT NULL.*model"):
        cache.put(2, n=1, custom_metadata={"experiments": Experiment(name="x", accuracy=1.0)})
    with pytest.raises(CacheValueError, match="pickle"):
        cache.put(threading.Lock(), n=1, custom_metadata={"experiments": experiment("y")})
    assert cache.get(n=1) == 1 and counts(cache) == [1, 0, 1]
    assert cache.get_custom_metadata_for_entry(n=1)["experiments"].name == "first"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (experiment(), "takes a dict"),
        ({"experimens": experiment()}, "did you mean 'experiments'"),
        ({"experiments": Run(rows=1)}, "takes a Experiment, not Run"),
        ({"experiments": {"name": "x"}}, "takes a Experiment, not dict"),
        ({5: experiment()}, "no schema 5"),
    ],
)
def test_bad_custom_metadata(cache, given, word):
    with pytest.raises(CacheConfigError, match=word):
        cache.put(1, n=1, custom_metadata=given)
    assert cache.get_stats()["total_entries"] == 0


def test_bad_models():
    with pytest.raises(CacheConfigError, match="Base, CustomMetadataBase"):
        custom_metadata_model("plain")(int)
    with pytest.raises(CacheConfigError, match=r"'runs' is .*Run: give"):

        @custom_metadata_model("runs")
        class Other(Base, CustomMetadataBase):
            __tablename__ = "custom_others"

    assert "plain" not in list_registered_schemas() and "runs" in list_registered_schemas()


def test_a_model_may_be_defined_again(cache):
    """As a notebook does when a cell runs again."""

    def define():
        with warnings.catch_warnings():
            warnings.simplefilter("error")

            @custom_metadata_model("cells")
            class Cell(Base, CustomMetadataBase):
                __tablename__ = "custom_cells"
                number = Column(Integer, nullable=False, index=True)

        return Cell

    old = define()(number=1)
    cache.put(1, n=1, custom_metadata={"cells": old})
    model = define()
    with pytest.raises(CacheConfigError, match="make the record again"):
        cache.put(2, n=2, custom_metadata={"cells": old})
    cache.put(2, n=2, custom_metadata={"cells": model(number=2)})
    assert sorted(one.number for one in cache.query_custom_metadata("cells")) == [1, 2]


def test_validation_and_ddl():
    assert validate_custom_metadata_model(Experiment) == []
    assert len(validate_custom_metadata_model(dict)) == 1

    class Poor(Base, CustomMetadataBase):
        __tablename__ = "poor"
        text = Column(String)

    issues = validate_custom_metadata_model(Poor)
    for word in ("not registered", "begins with 'custom_'", "index=True"):
        assert any(word in issue for issue in issues), issues
    connection = sqlite3.connect(":memory:")
    connection.executescript(export_custom_metadata_schema("experiments"))
    connection.execute(
        "INSERT INTO custom_experiments (name, model, accuracy, created_at) VALUES ('a', 'b', 1, 0)"
    )
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO custom_experiments SELECT * FROM custom_experiments")
    connection.close()
    with pytest.raises(CacheConfigError, match="no schema"):
        export_custom_metadata_schema("none")


def test_migration(cache):
    def define(**columns):
        body = {"__tablename__": "custom_steps", "__module__": __name__, **columns}
        body["__qualname__"] = "Step"
        return custom_metadata_model("steps")(type("Step", (Base, CustomMetadataBase), body))

    first = define(name=Column(String, nullable=False))
    cache.put(1, n=1, custom_metadata={"steps": first(name="old")})
    second = define(
        name=Column(String, nullable=False, index=True),
        rows=Column(Integer, nullable=False, server_default="7"),
        note=Column(String, unique=True),
        place=Column(String),
        __table_args__=(UniqueConstraint("name", "place"),),
    )
    statements = migrate_custom_metadata_tables()
    assert any("ADD COLUMN rows" in statement for statement in statements)
    assert migrate_custom_metadata_tables(cache) == []
    [step] = cache.query_custom_metadata("steps")
    assert (step.name, step.rows, step.note) == ("old", 7, None)
    cache.put(2, n=2, custom_metadata={"steps": second(name="new", note="x")})
    # Without being asked, at the next use.
    define(name=Column(String), rows=Column(Integer), note=Column(String), more=Column(String))
    assert cache.query_custom_metadata("steps").filter_by(note="x").one().more is None
    define(name=Column(String), strict=Column(Integer, nullable=False))
    with pytest.raises(CacheConfigError, match=r"'strict'.*server_default"):
        migrate_custom_metadata_tables(cache)
    define(name=Column(String))


def descriptors(name):
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue
    return [path for path in found if name in path]


def test_nothing_stays_open(cache):
    cache.put(1, n=1, custom_metadata={"runs": Run(rows=1)})
    query = cache.query_custom_metadata("runs")
    iterator = iter(query)
    [found] = query.all()
    assert next(iterator).rows == query.first().rows == 1 and query.count() == 1
    assert descriptors("custom_metadata") == []
    del query, iterator
    gc.collect()
    assert found.rows == 1  # it does not need its session any more


def test_threads(cache):
    failures = []

    def work(thread):
        try:
            for n in range(8):
                record = experiment(f"{thread} {n}", n / 10)
                cache.put(n, thread=thread, n=n, custom_metadata={"experiments": record})
                query = cache.query_custom_metadata("experiments")
                assert query.filter_by(name=f"{thread} {n}").one().accuracy == n / 10
                found = cache.get_custom_metadata_for_entry(thread=thread, n=n)
                assert found["experiments"].name == f"{thread} {n}"
                if n % 2:
                    cache.invalidate(thread=thread, n=n)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert counts(cache) == [16, 0, 16]


def test_a_damaged_database_does_not_break_the_cache(cache):
    cache.put(1, n=1, custom_metadata={"runs": Run(rows=1)})
    path = os.path.join(cache.get_stats()["cache_dir"], "custom_metadata.db")
    with open(path, "wb") as file:
        file.write(b"garbage" * 1000)
    assert cache.get(n=1) == 1
    with pytest.raises(CacheStorageError, match="not a database"):
        cache.get_custom_metadata_for_entry(n=1)
    with pytest.warns(UserWarning, match="custom metadata"):
        assert cache.invalidate(n=1) == 1


ABSENT = """
import sys
sys.modules["sqlalchemy"] = None
from cacheness import CacheDependencyError, CacheError, cacheness
cache = cacheness("cache")
assert cache.put(1, n=2)
for use in (
    lambda: cache.put(1, n=1, custom_metadata={"a": 1}),
    lambda: cache.query_custom_metadata("a"),
    lambda: cache.get_custom_metadata_for_entry(n=2),
    lambda: __import__("cacheness.custom_metadata"),
    lambda: __import__("cacheness.metadata"),
):
    try:
        use()
    except ImportError as error:
        assert isinstance(error, CacheError) and "cacheness[sql]" in str(error), error
    else:
        raise AssertionError
print(cache.get_stats()["total_entries"], cache.clear_all())
"""


def test_without_sqlalchemy(in_process, cache):
    cache.put(1, n=1, custom_metadata={"runs": Run(rows=1)})
    assert issubclass(CacheDependencyError, ImportError)
    assert in_process(ABSENT) == "2 2\n"
    assert cache.query_custom_metadata("runs").count() == 0
