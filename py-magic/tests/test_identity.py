"""What a cached function depends on beside its arguments: programs written to get an old value out
of it, and counters that must not keep it from hitting."""

import itertools
import sys
import threading
import types

import pytest

from cacheness import CacheWarning, cached


def program(source, cache, **options):
    """The namespace of `source` with its `f` cached."""
    space = {"__name__": "program", "cached": cached, "cache": cache}
    exec(source, space)
    if not hasattr(space["f"], "cache_key"):
        space["f"] = cached(cache=cache, **options)(space["f"])
    return space


# -- what must miss ----------------------------------------------------------------------------

CHANGES = [
    # source, statement
    ("K = 1\ndef f(x): return x * K", "K = 5"),
    ("P = {'k': 1}\ndef f(x): return x * P['k']", "P['k'] = 5"),
    ("P = {'a': {'k': [1]}}\ndef f(x): return x * P['a']['k'][0]", "P['a']['k'][0] = 5"),
    # what the function changes itself
    ("S = {'n': 0, 'k': 1}\ndef f(x):\n S['n'] += 1\n return x * S['k']", "S['k'] = 5"),
    ("S = {'n': 0}\ndef f(x):\n S['n'] += 1\n return x * S['n']", "S['n'] = 50"),
    ("n = 0\ndef f(x):\n global n\n n += 1\n return x * n", "n = 50"),
    ("L = []\ndef f(x):\n L.append(1)\n return len(L)", "L.extend([1, 2, 3])"),
    ("m = None\ndef f(x):\n global m\n m = m or 2\n return x * m", "m = 7"),
    # objects
    ("class C:\n k = 1\nc = C()\ndef f(x): return x * c.k", "c.k = 5"),
    ("class C:\n k = 1\nc = C()\ndef f(x): return x * c.k", "C.k = 5"),
    ("class C:\n k = [1]\ndef f(x): return x * C.k[0]", "C.k[0] = 5"),
    ("class C:\n def m(s): return 1\nc = C()\ndef f(x): return c.m()", "C.m = lambda s: 5"),
    ("class C:\n def m(s): return 1\ndef f(x): return x[0].m()", "C.m = lambda s: 5"),
    ("class B:\n k = 1\nclass C(B): pass\nc = C()\ndef f(x): return c.k", "B.k = 5"),
    ("class C:\n def __call__(s): return s.k\nc = C(); c.k = 1\ndef f(x): return c()", "c.k = 5"),
    ("class C:\n k = 1\n @property\n def p(s): return s.k\ndef f(x): return C().p", "C.k = 5"),
    (
        "import threading\nclass C: pass\nc = C(); c.lock = threading.Lock(); c.k = 1\n"
        "def f(x): return x * c.k",
        "c.k = 5",
    ),
    (
        "import threading\nP = {'lock': threading.Lock(), 'k': 1}\ndef f(x): return x * P['k']",
        "P['k'] = 5",
    ),
    (
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n k: int = 1\nc = C()\n"
        "def f(x): return x * c.k",
        "c.k = 5",
    ),
    ("import types\nP = types.SimpleNamespace(k=1)\ndef f(x): return x * P.k", "P.k = 5"),
    # functions
    ("def g(x): return x\ndef f(x): return g(x)", "def g(x): return -x - 1"),
    ("def g(x, k=[1]): return k[0]\ndef f(x): return g(x)", "g.__defaults__[0][0] = 5"),
    ("def g(x, *, k=1): return k\ndef f(x): return g(x)", "g.__kwdefaults__['k'] = 5"),
    ("def g(x): return 1\ndef f(x): return g(x)", "g.__code__ = (lambda x: 5).__code__"),
    ("def g(x): return g.k\ng.k = 1\ndef f(x): return g(x)", "g.k = 5"),
    ("def f(x): return f.k\nf = cached(cache=cache)(f)\nf.k = 1", "f.k = 5"),
    (
        "from functools import partial\ndef g(k, x): return k\np = partial(g, 1)\n"
        "def f(x): return p(x)",
        "p = partial(g, 5)",
    ),
    (
        "class C:\n k = 1\n def m(s): return s.k\nm = C().m\ndef f(x): return m()",
        "m.__self__.k = 5",
    ),
    ("T = {'f': lambda: 1}\ndef f(x): return T['f']()", "T['f'] = lambda: 5"),
    ("L = [lambda: 1]\ndef f(x): return L[0]()", "L[0] = lambda: 5"),
    ("def make():\n k = [1]\n return lambda: k\ng = make()\ndef f(x): return g()[0]", "g()[0] = 5"),
    ("@cached(cache=cache)\ndef g(x): return K\nK = 1\ndef f(x): return g(x)", "K = 5"),
    (
        "import functools\ndef times(k):\n def deco(g):\n  @functools.wraps(g)\n"
        "  def w(x): return k[0] * g(x)\n  return w\n return deco\nK = [1]\n"
        "@times(K)\ndef g(x): return 2\ndef f(x): return g(x)",
        "K[0] = 5",
    ),
    (
        "import functools\ndef times(k):\n def deco(g):\n  @functools.wraps(g)\n"
        "  def w(x): return k[0] * g(x)\n  return w\n return deco\nK = [1]\n"
        "@cached(cache=cache)\n@times(K)\ndef f(x): return 2",
        "K[0] = 5",
    ),
    # an alias, an iterator, a name that appears later
    ("P = [1]\nQ = P\ndef f(x): return Q[0]", "P[0] = 5"),
    ("def f(x):\n try: return K\n except NameError: return 0", "K = 5"),
    ("def f(x): return len('abc')", "len = lambda x: 5"),
    ("import collections\nd = collections.OrderedDict(a=1)\ndef f(x): return d['a']", "d['a'] = 5"),
]


@pytest.mark.parametrize(("source", "statement"), CHANGES, ids=[c[0][:60] for c in CHANGES])
def test_a_change_is_seen(cache, source, statement):
    space = program(source, cache)
    x = [space["C"]()] if "x[0].m()" in source else 3
    f = space["f"]
    first = f(x)
    assert f(x) == first, "it must hit before the change"
    assert f.cache_info().hits == 1
    exec(statement, space)
    assert f(x) != first
    assert f.cache_info().hits == 1


def test_a_change_in_a_module_of_the_program(cache, monkeypatch):
    module = types.ModuleType("settings_of_the_program")
    module.K, module.P = 1, {"k": 1}
    monkeypatch.setitem(sys.modules, module.__name__, module)
    source = "import settings_of_the_program as s\ndef f(x): return s.K, s.P['k']"
    f = program(source, cache)["f"]
    assert f(1) == f(1) == (1, 1)
    module.K = 5
    assert f(1) == (5, 1)
    module.P["k"] = 5
    assert f(1) == (5, 5) and f.cache_info().hits == 1


@pytest.mark.parametrize("names", ["import own_module", "from own_module import K"])
def test_a_module_that_is_imported_inside_and_was_loaded(cache, monkeypatch, names):
    module = types.ModuleType("own_module")
    module.K = 1
    monkeypatch.setitem(sys.modules, module.__name__, module)
    returned = "K" if "from" in names else "own_module.K"
    f = program(f"def f(x):\n {names}\n return {returned}", cache)["f"]
    assert f(1) == f(1) == 1 and f.cache_info().hits == 1
    module.K = 5
    assert f(1) == 5
    monkeypatch.delitem(sys.modules, module.__name__)
    with pytest.raises(ImportError):  # what it would import now is not known
        f(1)


def test_what_is_not_written_in_python(cache):
    import math

    class Own:
        k = 2

        def m(self, x):
            return x * self.k

    own = Own()
    root, method = cached(cache=cache)(math.sqrt), cached(cache=cache)(own.m)
    assert (root(4.0), root(4.0), method(3), method(3)) == (2.0, 2.0, 6, 6)
    assert root.cache_info().hits == method.cache_info().hits == 1
    own.k = 5
    assert method(3) == 15


class Scaled:
    """A method that calls another one, and data of the class."""

    factor = 1
    calls = 0

    def inner(self, x):
        return x

    def outer(self, x):
        Scaled.calls += 1
        self.calls += 1
        return self.inner(x) * self.factor


@pytest.mark.parametrize(("name", "value"), [("inner", lambda s, x: -x), ("factor", 5)])
def test_what_a_method_uses_of_its_class(cache, monkeypatch, name, value):
    monkeypatch.setattr(Scaled, "outer", cached(cache=cache)(Scaled.outer))
    before = Scaled().outer(2)
    assert Scaled().outer(2) == before and Scaled.outer.cache_info().hits == 1
    monkeypatch.setattr(Scaled, name, value)
    assert Scaled().outer(2) != before


def test_what_eval_reads_cannot_be_seen(cache):
    space = program("K = 1\ndef f(x): return eval('x * K')", cache)
    with pytest.warns(CacheWarning, match="eval"):
        assert space["f"](2) == 2
    space["K"] = 5
    with pytest.warns(CacheWarning, match="version="):
        assert space["f"](2) == 10
    named = program("K = 1\ndef f(x): return eval('x * K')", cache, version="1")["f"]
    assert named(2) == named(2) == 2 and named.cache_info().hits == 1


# -- somebody else, meanwhile --------------------------------------------------------------------


@pytest.mark.parametrize("source", ["K = 1", "K = {'k': 1}"])
def test_a_change_by_another_thread_during_a_run(cache, source):
    body = "\ndef f(x):\n started.set(); go.wait(10)\n return x, repr(K)"
    space = program(source + body, cache)
    space["started"], space["go"] = threading.Event(), threading.Event()

    def run():
        with pytest.warns(CacheWarning, match="changed while it ran"):
            space["f"](1)

    thread = threading.Thread(target=run)
    thread.start()
    assert space["started"].wait(10)
    if source == "K = 1":
        space["K"] = 5
    else:
        space["K"]["k"] = 5
    space["go"].set()
    thread.join(10)
    assert space["f"].cache_info().entries == 0
    assert "5" in space["f"](1)[1]
    exec(source, space)
    assert "1" in space["f"](1)[1][-3:]


@pytest.mark.filterwarnings("ignore:the result:cacheness.CacheWarning")
def test_a_change_while_another_thread_is_waited_for(cache):
    """The second caller looked first with K == 1, and computes when K == 5."""
    space = program(
        "K = 1\ndef f(x):\n started.set(); go.wait(10)\n if fail: raise OSError\n return x * K",
        cache,
    )
    space.update(started=threading.Event(), go=threading.Event(), fail=True)
    results = []

    def call():
        try:
            results.append(space["f"](1))
        except OSError:
            results.append("failed")

    threads = [threading.Thread(target=call) for _ in range(2)]
    threads[0].start()
    space["started"].wait(10)
    threads[1].start()
    space["fail"], space["K"] = False, 5
    space["go"].set()
    for thread in threads:
        thread.join(10)
    space["K"] = 1
    assert space["f"](1) == 1


# -- what must hit ---------------------------------------------------------------------------------

COUNTERS = [
    "n = 0\ndef f(x):\n global n\n n += 1\n return x",
    "n = [0]\ndef f(x):\n n[0] += 1\n return x",
    "n = {}\ndef f(x):\n n[x] = x\n return x",
    "n = []\ndef f(x):\n n.append(x)\n return x",
    "class C: n = 0\ndef f(x):\n C.n += 1\n return x",
    "import types\nC = types.SimpleNamespace(n=0)\ndef f(x):\n C.n += 1\n return x",
    "def f(x):\n f.n = 1\n return x",
    "import logging\nlog = logging.getLogger('a')\ndef f(x):\n log.info('x'); return x",
    "import threading\nlock = threading.Lock()\ndef f(x):\n with lock: return x",
]


@pytest.mark.parametrize("source", COUNTERS)
def test_what_is_only_counted_is_no_input(cache, source):
    f, again = program(source, cache)["f"], program(source, cache)["f"]
    assert [f(1), f(2), f(1), f(2)] == [1, 2, 1, 2] and f.cache_info().hits == 2
    # As in another process, which begins where this one did.
    assert [again(2), again(1)] == [2, 1] and again.cache_info().hits == 2


OWN = [
    "n = 0\ndef f(x):\n global n\n n += 1\n return x, n",
    "n = []\ndef f(x):\n n.append(x)\n return x, len(n)",
    "n = {'n': 0}\ndef f(x):\n n['n'] += 1\n return x, n['n']",
    "class C: n = 0\ndef f(x):\n C.n += 1\n return x, C.n",
    "import itertools\nn = itertools.count()\ndef f(x): return x, next(n)",
    "class C:\n def __init__(s): s.n = 0\n def m(s):\n  s.n += 1\n  return s.n\nc = C()\n"
    "def f(x): return x, c.m()",
    "m = None\ndef f(x):\n global m\n if m is None: m = object()\n return x, 1",
    "memo = {}\ndef f(x):\n if x not in memo: memo[x] = x\n return memo[x]",
]


@pytest.mark.parametrize("source", OWN)
def test_what_only_its_own_runs_change_does_not_make_it_miss(cache, source):
    f = program(source, cache)["f"]
    first, second = f(1), f(2)
    assert [f(1), f(2), f(1)] == [first, second, first] and f.cache_info().hits == 3


def test_one_that_fails_first_hits_in_the_end(cache):
    source = (
        "calls = []\ndef f(x):\n calls.append(x)\n if len(calls) == 1: raise OSError\n return x"
    )
    space = program(source, cache)
    with pytest.raises(OSError):
        space["f"](1)
    assert [space["f"](1) for _ in range(3)] == [1, 1, 1] and space["calls"] == [1, 1]


def test_threads_that_count(cache):
    space = program("n = 0\ndef f(x):\n global n\n n += 1\n return x if n else 0", cache)
    threads = [threading.Thread(target=space["f"], args=(x % 4,)) for x in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert space["n"] == 4


def test_factories_keep_their_entries_apart(cache):
    def make(k):
        @cached(cache=cache)
        def f(x):
            return x * k

        return f

    two, three = make(2), make(3)
    assert [two(1), three(1), make(2)(1), two(1)] == [2, 3, 2, 2]


def test_a_counter_that_never_stops_costs_no_memory(cache, monkeypatch):
    monkeypatch.setattr("cacheness.identity._LONGEST_HISTORY", 5)
    f = program("import itertools\nn = itertools.count()\ndef f(x): return next(n)", cache)["f"]
    assert [f(x) for x in range(9)] == list(range(9))
    assert f(8) == 8 and list(itertools.islice(map(f, range(9)), 1)) != [0]
