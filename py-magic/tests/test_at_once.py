"""Calls of cached functions that meet: in threads, tasks and processes, interrupted, cancelled,
killed, in circles."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cacheness import cached

WORKER = """
import os, sys, time
from cacheness import cached, cacheness
@cached(cache=cacheness("cache"))
def f(x):
    os.close(os.open("called", os.O_CREAT | os.O_WRONLY))
    with open("calls", "a") as calls:
        calls.write("x")
    time.sleep(float(sys.argv[1]))
    return x + 1
print(f(1))
"""


def worker(folder, seconds):
    command = [sys.executable, "-c", WORKER, str(seconds)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_eight_processes_compute_once(tmp_path):
    workers = [worker(tmp_path, 0.5) for _ in range(8)]
    assert [one.communicate(timeout=60)[0] for one in workers] == [b"2\n"] * 8
    assert Path(tmp_path, "calls").read_text() == "x"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_leader_that_dies_is_taken_over(tmp_path, how):
    leader = worker(tmp_path, 60)
    wait_for(Path(tmp_path, "called").exists)
    follower = worker(tmp_path, 0)
    time.sleep(0.2)
    leader.send_signal(how)
    assert follower.communicate(timeout=30)[0] == b"2\n"
    leader.communicate(timeout=30)
    assert leader.returncode != 0 and Path(tmp_path, "calls").read_text() == "xx"


def test_a_hundred_tasks_compute_once(cache):
    calls = []

    @cached(cache=cache)
    async def f(x):
        calls.append(x)
        await asyncio.sleep(0.05)
        return x

    async def main():
        return await asyncio.gather(*(f(7) for _ in range(100)))

    assert asyncio.run(main()) == [7] * 100 and calls == [7]


def test_the_loop_goes_on_while_the_cache_works(cache, monkeypatch):
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        await asyncio.sleep(0)
        assert await f(1) == 1
        ticking.cancel()
        return ticks

    @cached(cache=cache)
    async def f(x):
        return x

    looking, storing = f.cache_info.__self__.look, cache.store
    slow = lambda function: lambda *args: (time.sleep(0.2), function(*args))[1]  # noqa: E731
    monkeypatch.setattr(f.cache_info.__self__, "look", slow(looking))
    monkeypatch.setattr(cache, "store", slow(storing))
    assert asyncio.run(main()) > 50


def test_a_cancelled_leader_lets_the_next_one_try(cache):
    calls = []

    @cached(cache=cache)
    async def f(x):
        calls.append(x)
        await asyncio.sleep(30 if len(calls) == 1 else 0)
        return x

    async def main():
        leader = asyncio.create_task(f(1))
        while not calls:
            await asyncio.sleep(0.01)
        others = [asyncio.create_task(f(1)) for _ in range(3)]
        await asyncio.sleep(0.05)
        others[0].cancel()
        leader.cancel()
        return await asyncio.gather(leader, *others, return_exceptions=True)

    outcomes = asyncio.run(asyncio.wait_for(main(), 20))
    assert [type(outcome) for outcome in outcomes[:2]] == [asyncio.CancelledError] * 2
    assert outcomes[2:] == [1, 1] and calls == [1, 1]


def test_threads_that_wait_for_each_other_in_a_circle(cache):
    meet = threading.Barrier(2, timeout=10)
    began = set()

    @cached(cache=cache, version="1")
    def even(n):
        return both("even", n, odd)

    @cached(cache=cache, version="1")
    def odd(n):
        return both("odd", n, even)

    def both(name, n, other):
        if name in began:
            return n
        began.add(name)
        meet.wait()
        return other(n)

    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(even, 1), pool.submit(odd, 1)]
        assert [future.result(20) for future in futures] == [1, 1]


def test_mutual_recursion(cache):
    @cached(cache=cache)
    def even(n):
        return n == 0 or odd(n - 1)

    @cached(cache=cache)
    def odd(n):
        return n > 0 and even(n - 1)

    assert even(30) is True and odd(30) is False and odd(29) is True
    assert odd.cache_info().hits > 0


def test_a_generator_is_computed_once(cache):
    calls = []

    @cached(cache=cache)
    def f(n):
        calls.append(n)
        for item in range(n):
            time.sleep(0.02)
            yield item

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: list(f(5)), range(8)))
    assert found == [list(range(5))] * 8 and calls == [5]


def test_a_generator_that_is_left_in_the_middle(cache, monkeypatch):
    monkeypatch.setattr("cacheness.decorators._PATIENCE", 0.1)

    @cached(cache=cache)
    def f(n):
        yield from range(n)

    left = f(3)
    assert next(left) == 0
    with ThreadPoolExecutor() as pool:
        assert pool.submit(lambda: list(f(3))).result(20) == [0, 1, 2]
    assert list(f(3)) == [0, 1, 2] and next(left) == 1
    left.close()
    assert f.cache_info().entries == 1


def test_an_abandoned_generator_stores_nothing(cache):
    @cached(cache=cache)
    def f(n):
        yield from range(n)

    for _ in f(3):
        break
    with pytest.raises(ValueError, match="thrown"):
        running = f(3)
        next(running)
        running.throw(ValueError("thrown"))
    assert f.cache_info().entries == 0


@cached
def in_a_module(x):
    return os.getpid(), x


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_decorated_functions_go_to_other_processes(tmp_path, monkeypatch, method):
    monkeypatch.chdir(tmp_path)
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.map(in_a_module, [1, 1, 1, 2])
    assert [x for _, x in found] == [1, 1, 1, 2]
    assert len({pid for pid, x in found if x == 1}) == 1
    assert in_a_module(1) == found[0]


def test_by_value(cache):
    cloudpickle = pytest.importorskip("cloudpickle")

    def make(k):
        @cached(cache=cache)
        def f(x):
            return x * k

        return f

    f = make(3)
    assert f(2) == 6
    copy = cloudpickle.loads(cloudpickle.dumps(f))
    assert copy(2) == 6 and copy.cache_info().hits == 1


def test_a_fork_while_others_compute(cache):
    @cached(cache=cache)
    def f(x):
        time.sleep(0.3)
        return x

    thread = threading.Thread(target=f, args=(1,))
    thread.start()
    time.sleep(0.05)
    child = os.fork()
    if child == 0:
        os._exit(0 if f(2) == 2 and f(1) == 1 else 1)
    wait_for(lambda: os.waitpid(child, os.WNOHANG)[0] == child)
    thread.join()
    assert f(1) == 1
