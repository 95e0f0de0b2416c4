use std::collections::BTreeSet;

use crate::analysis::analyse_python;

fn names(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn check(table: &[(&str, &str, &str)]) {
    for (source, reads, writes) in table {
        let facts = analyse_python(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(facts.reads, names(reads), "reads of\n{source}");
        assert_eq!(facts.writes, names(writes), "writes of\n{source}");
    }
}

/// (source, what it reads, what it writes)
#[test]
fn straight_lines_and_branches() {
    check(&[
        ("", "", ""),
        ("x", "x", ""),
        ("x = 1", "", "x"),
        ("x = x", "x", "x"),
        ("x = 1\ny = x", "", "x y"),
        ("x = y = z", "z", "x y"),
        ("x += 1", "x", "x"),
        ("x = 0\nx += n", "n", "x"),
        ("a, (b, *c) = t", "t", "a b c"),
        ("[a, b] = b, a", "a b", "a b"),
        ("d['k'] = v", "d v", ""),
        ("d[k] += v", "d k v", ""),
        ("o.a.b = v", "o v", ""),
        ("o.a += 1", "o", ""),
        ("d = {}\nd['k'] = v", "v", "d"),
        ("a[i], a[j] = a[j], a[i]", "a i j", ""),
        ("x: int", "int", ""),
        ("x: int = y", "int y", "x"),
        ("x: 'Frame | None' = y", "Frame None y", "x"),
        ("o.a: T = v", "T o v", ""),
        (
            "from __future__ import annotations\nx: T = 1",
            "T",
            "annotations x",
        ),
        ("import time\ntime.time()", "", "time"),
        ("import a.b.c\na.b.c.f()", "", "a"),
        ("import a.b as m\nm.f(a)", "a", "m"),
        ("from m import x, y as z\nx + y + z", "y", "x z"),
        ("import os, sys\nos; sys", "", "os sys"),
        ("if c:\n    x = 1\nx", "c x", "x"),
        ("if c:\n    x = 1\nelse:\n    x = 2\nx", "c", "x"),
        (
            "if c:\n    x = 1\nelif e:\n    x = 2\nelse:\n    x = 3\nx",
            "c e",
            "x",
        ),
        ("if c:\n    x = 1\nelif e:\n    x = 2\nx", "c e x", "x"),
        ("if c:\n    x = 1\nelse:\n    raise E\nx", "E c", "x"),
        ("if True:\n    x = 1\nx", "", "x"),
        ("if 0:\n    y\nelse:\n    x = 1\nx", "", "x"),
        ("del x", "x", ""),
        ("x = 1\ndel x", "", "x"),
        ("del d[k], o.a", "d k o", ""),
        ("del (x, [y])", "x y", ""),
        ("x = y if c else z", "c y z", "x"),
        ("(x := 1) and (y := 2)\nx, y", "y", "x y"),
        ("a or (x := 1)\nx", "a x", "x"),
        ("1 < (x := 2) < (y := 3)\nx, y", "y", "x y"),
        ("z = (x := 1) if c else (x := 2)\nx", "c", "x z"),
        ("z = (x := 1) if c else 0\nx", "c x", "x z"),
        ("f((x := 1), x)", "f", "x"),
        ("f(x, (x := 1))", "f x", "x"),
        ("assert (x := f())\nx", "f x", "x"),
        ("assert a, m", "a m", ""),
        ("raise a from b\nc", "a b", ""),
        ("print(f'{x} {y:>{w}} {z=!r}')", "print w x y z", ""),
        ("f'{(x := 1)} {x}'", "", "x"),
        ("f(*a, **k)", "a f k", ""),
        ("a[b:c:d, ...]", "a b c d", ""),
        ("{**a, b: c}, {d, e}, [*g]", "a b c d e g", ""),
        ("await f(x)", "f x", ""),
        ("not -a @ b", "a b", ""),
        ("type X = list[T]\nX", "T list", "X"),
        ("type X[T] = list[T]", "list", "X"),
        ("__name__", "__name__", ""),
        ("global x\nx = 1\nx", "", "x"),
        ("ﬁ = 1\nfi", "", "fi"),
        ("x = 1; y = x;", "", "x y"),
    ]);
}

#[test]
fn loops() {
    check(&[
        ("for i in xs:\n    i", "xs", "i"),
        ("for i in xs:\n    pass\ni", "i xs", "i"),
        ("for i in xs:\n    x = 1\nx", "x xs", "i x"),
        ("for i in [1, 2]:\n    x = 1\nx, i", "", "i x"),
        ("for i in [*a]:\n    x = 1\nx", "a x", "i x"),
        ("for i in range(3):\n    x = i\nx", "range", "i x"),
        ("for i in range(0):\n    x = i\nx", "range x", "i x"),
        ("for i in range(n):\n    x = i\nx", "n range x", "i x"),
        (
            "range = f\nfor i in range(3):\n    x = i\nx",
            "f x",
            "i range x",
        ),
        (
            "for i in range(3):\n    if i: break\n    x = i\nx",
            "range x",
            "i x",
        ),
        (
            "for i in range(3):\n    if i: continue\n    x = i\nx",
            "range x",
            "i x",
        ),
        (
            "for i in xs:\n    break\nelse:\n    x = 1\nx",
            "x xs",
            "i x",
        ),
        ("for i in xs:\n    pass\nelse:\n    x = 1\nx", "xs", "i x"),
        ("for i in xs:\n    y = x\n    x = 1", "x xs", "i x y"),
        ("x = 0\nfor i in xs:\n    x = x + i\nx", "xs", "i x"),
        ("for d[k] in xs: pass", "d k xs", ""),
        ("for a, b in xs:\n    a + b", "xs", "a b"),
        ("while True:\n    x = f()\n    if x: break\nx", "f", "x"),
        ("while True:\n    if f(): break\n    x = 1\nx", "f x", "x"),
        ("while c:\n    x = 1\nx", "c x", "x"),
        ("while (x := f()):\n    y = x\nx, y", "f y", "x y"),
        ("while c:\n    pass\nelse:\n    x = 1\nx", "c", "x"),
        ("while 0:\n    a\nb", "b", ""),
        ("while 1:\n    pass\nx", "", ""),
        ("async for i in xs:\n    i", "xs", "i"),
        (
            "for i in xs:\n    for j in i:\n        break\n    else:\n        continue\n    y = j\n    break",
            "xs",
            "i j y",
        ),
    ]);
}

#[test]
fn exceptions_and_managers() {
    check(&[
        ("try:\n    x = 1\nexcept E:\n    x = 2\nx", "E", "x"),
        ("try:\n    x = 1\nexcept E:\n    pass\nx", "E x", "x"),
        ("try:\n    x = f()\nexcept E:\n    x", "E f x", "x"),
        ("try:\n    x = f()\nexcept E:\n    raise\nx", "E f", "x"),
        (
            "try:\n    import a\nexcept ImportError:\n    a = None\na",
            "ImportError",
            "a",
        ),
        ("try:\n    f()\nexcept E as e:\n    e\n", "E f", "e"),
        ("try:\n    f()\nexcept E as e:\n    pass\ne", "E e f", "e"),
        (
            "try:\n    f()\nexcept E:\n    x = 1\nelse:\n    x = 2\nx",
            "E f",
            "x",
        ),
        ("try:\n    x = f()\nfinally:\n    x", "f x", "x"),
        ("try:\n    x = f()\nfinally:\n    y = 1\nx, y", "f", "x y"),
        ("try:\n    pass\nexcept* E:\n    x = 1\nx", "E x", "x"),
        (
            "for i in xs:\n    try:\n        break\n    finally:\n        x = 1\nx",
            "x xs",
            "i x",
        ),
        (
            "while True:\n    try:\n        x = f()\n        break\n    except E:\n        pass\nx",
            "E f",
            "x",
        ),
        (
            "while True:\n    try:\n        x = f()\n    except E:\n        break\nx",
            "E f x",
            "x",
        ),
        ("try:\n    raise E\nexcept E:\n    x = 1\nx", "E", "x"),
        ("with open(p) as f:\n    x = f.read()\nx", "open p", "f x"),
        ("with suppress(E):\n    x = f()\nx", "E f suppress x", "x"),
        ("with lock as a:\n    b = 1\na, b", "b lock", "a b"),
        ("with lock as (a, b):\n    pass\na", "a lock", "a b"),
        (
            "with open(p) as f, s as g:\n    x = 1\nf, g, x",
            "open p s x",
            "f g x",
        ),
        ("with np.errstate(all='ignore'):\n    x = 1\nx", "np", "x"),
        (
            "def open(p): ...\nwith open(p) as f:\n    x = 1\nx",
            "p x",
            "f open x",
        ),
        ("with a as b.c, d as e[i]: pass", "a b d e i", ""),
        ("async with s as r:\n    r", "s", "r"),
        (
            "match v:\n    case 1: x = 1\n    case _: x = 2\nx",
            "v",
            "x",
        ),
        (
            "match v:\n    case 1: x = 1\n    case 2: x = 2\nx",
            "v x",
            "x",
        ),
        (
            "match v:\n    case [a, *b]: a + b\n    case {'k': c, **d}: c + d\n    case P(x=e) | Q(e): e",
            "P Q v",
            "a b c d e",
        ),
        (
            "match v:\n    case a if g(a): pass\n    case M.x as b: pass\na",
            "M a g v",
            "a b",
        ),
        ("match v:\n    case a: pass\na", "v", "a"),
    ]);
}

#[test]
fn inner_scopes() {
    check(&[
        ("[x for x in xs]", "xs", ""),
        ("[x for x in x]", "x", ""),
        ("[x + a for x in xs if b for y in x if y]", "a b xs", ""),
        ("{k: v for k, v in d.items()}", "d", ""),
        ("[y := f(x), y**2]\ny", "f x", "y"),
        ("[(y := x) for x in xs]\ny", "xs y", "y"),
        ("[z for x in xs if (z := x)]", "xs", "z"),
        ("sum(x * w for x in xs)", "sum w xs", ""),
        ("[f for f in fs]; f", "f fs", ""),
        ("[[y for y in x] for x in xs]", "xs", ""),
        ("lambda x, y=d, *z: x + a", "a d", ""),
        ("(lambda: (y := 1) + y)()", "", ""),
        ("f = lambda: a\na = 1\nf()", "", "a f"),
        ("g(lambda: a)\na = 1", "a g", "a"),
        ("f = lambda x: x and f(x)", "", "f"),
        ("def f(x): return x + a", "a", "f"),
        ("def f(): return a\na = 1\nf()", "", "a f"),
        ("def f(): return a\nf()\na = 1", "a", "a f"),
        ("def f(): return a\ng = f\na = 1", "a", "a f g"),
        (
            "def f(): return g()\ndef g(): return a\na = 1\nf()",
            "",
            "a f g",
        ),
        (
            "def f(): return g()\ncb = f\ndef g(): return a\ncb()\na = 1",
            "a g",
            "a cb f g",
        ),
        ("def f(): return f()", "", "f"),
        ("@d\ndef f(): return f(a)\na = 1", "a d f", "a f"),
        ("def f(x=a, *, y: T = b) -> R: pass", "R T a b", "f"),
        (
            "def f():\n    a = 1\n    def g(): return a + b\n    return g",
            "b",
            "f",
        ),
        ("def f():\n    global n\n    n = 1\n    return n", "", "f n"),
        ("def f():\n    global n\n    n += 1", "n", "f n"),
        ("def f():\n    global n\n    n = 1\nf()\nn", "n", "f n"),
        (
            "def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = y\n    g()",
            "y",
            "f",
        ),
        ("def f():\n    x\n    x = 1", "", "f"),
        (
            "def f():\n    for i in xs: pass\n    with a as b: b\n    import c\n    c, i",
            "a xs",
            "f",
        ),
        (
            "def f():\n    [y := 1 for _ in xs]\n    return y",
            "xs",
            "f",
        ),
        ("def f():\n    x: T = 1\n    return x", "", "f"),
        (
            "for i in xs:\n    if i: f()\n    def f(): return a\n    if i: continue\n    a = 1",
            "a f xs",
            "a f i",
        ),
        ("async def f():\n    await g()", "g", "f"),
        ("def f[T: B](x: T) -> T: return T", "B", "f"),
        ("def f():\n    class C:\n        x: T = 1", "T", "f"),
        ("def f():\n    o.a: T = 1", "o", "f"),
        ("class C: pass", "", "C"),
        ("class C(B, metaclass=M): x = y", "B M y", "C"),
        ("class C:\n    x = 1\n    y = x + z", "z", "C"),
        ("class C:\n    x = x", "x", "C"),
        ("class C:\n    if c: x = 1\n    y = x", "c x", "C"),
        ("class C:\n    x = 1\n    def m(self): return x", "x", "C"),
        (
            "class C:\n    xs = []\n    ys = [xs for _ in xs]",
            "xs",
            "C",
        ),
        (
            "class C:\n    def m(self): return a\na = 1\nC().m()",
            "",
            "C a",
        ),
        (
            "class C:\n    def m(self): return a\nC().m()\na = 1",
            "a",
            "C a",
        ),
        (
            "class C:\n    def m(self): return a\n    m(1)\na = 1",
            "a",
            "C a",
        ),
        (
            "class C(B):\n    def m(self): return a\na = 1",
            "B a",
            "C a",
        ),
        ("class C(B):\n    def m(self): return C", "B", "C"),
        ("class C:\n    def m(self): return __x", "_C__x", "C"),
        ("class C:\n    global g\n    g = 1\ng", "", "C g"),
        (
            "class C:\n    @property\n    def m(self): return a",
            "a property",
            "C",
        ),
        ("class C[T]:\n    x: T\n    def m(self) -> T: pass", "", "C"),
        (
            "class C:\n    class D:\n        def m(self): return a\na = 1",
            "",
            "C a",
        ),
        ("@d(x)\nclass C: pass", "d x", "C"),
        ("if c:\n    def f(): return a\nf()\na = 1", "a c f", "a f"),
        ("def f(): return a\nexec(s)\na = 1", "a exec s", "a f"),
        (
            "def f(): return a\ndef g(): exec(s)\ng()\na = 1",
            "a exec s",
            "a f g",
        ),
        (
            "def f(): return a\nget_ipython().run_line_magic('time', 'f()')\na = 1",
            "a get_ipython",
            "a f",
        ),
        ("df.query('x > @limit')", "df limit x", ""),
        (
            "duckdb.sql('select * from frame')",
            "duckdb from frame select",
            "",
        ),
        ("smf.ols('y ~ log(x)', data=df)", "df log smf x y", ""),
    ]);
}

#[test]
fn deletes_are_told() {
    let facts =
        analyse_python("del a\ntry: pass\nexcept E as e: pass\ndef f():\n  global g\n  del g");
    let deletes = facts.map(|facts| facts.deletes);
    assert_eq!(deletes, Ok(names("a e g")));
}
