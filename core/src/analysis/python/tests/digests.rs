use crate::analysis::python_source_digest;

fn digest(source: &str) -> String {
    python_source_digest(source)
        .unwrap_or_else(|error| panic!("{source}: {error}"))
        .to_string()
}

#[test]
fn presentation_does_not_matter() {
    let pairs = [
        ("x=1", "x = 1  # one\n\n"),
        ("x = 'a'", "x = \"a\""),
        ("x = 'a'", "x = '''a'''"),
        ("x = u'a'", "x = 'a'"),
        ("x = 'a' 'b'", "x = 'ab'"),
        ("x = ('a'\n  'b')", "x = 'ab'"),
        ("x = r'\\d'", "x = '\\\\d'"),
        ("x = b'a' b'b'", "x = b'ab'"),
        ("x = '\\x41'", "x = 'A'"),
        ("x = (1)", "x = 1"),
        ("x = (1, 2)", "x = 1, 2"),
        ("x = ((a) + (b))", "x = a + b"),
        ("f(a,b,)", "f(\n    a,\n    b,\n)"),
        ("if a:\n  b", "if a:\n        b\n"),
        ("if a: b", "if a:\n    b"),
        ("a; b;", "a\nb"),
        ("a = \\\n  1", "a = 1"),
        ("x = 1_000", "x = 1000"),
        ("x = 0xff", "x = 255"),
        ("x = 1.50", "x = 1.5"),
        ("x = 1e3", "x = 1000.0"),
        ("f((x for x in y))", "f(x for x in y)"),
        ("f'{x}'", "f'{ x }'"),
        ("f'{x}' 'y'", "f'{x}y'"),
        (
            "def f(a,b): return a",
            "def f(a, b):\n    # comment\n    return a",
        ),
        ("\u{feff}x = 1", "x = 1"),
        ("x = '''a\r\nb'''\r\n", "x = '''a\nb'''\n"),
        ("@d\n\n# c\ndef f(): pass", "@d\ndef f(): pass"),
        ("x: (int) = 1", "x: int = 1"),
        ("with (a as b, c): pass", "with a as b, c: pass"),
        ("ﬁ = 1", "fi = 1"),
    ];
    for (a, b) in pairs {
        assert_eq!(digest(a), digest(b), "{a:?} and {b:?}");
    }
}

#[test]
fn meaning_matters() {
    let pairs = [
        ("x = 1000", "x = '1000'"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 0.0", "x = -0.0"),
        ("x = 1.0", "x = 1j"),
        ("x = 'a'", "x = b'a'"),
        ("x = 'a'", "x = f'a'"),
        ("x = f'a{b}'", "x = t'a{b}'"),
        ("f(x)", "f(*x)"),
        ("f(*x)", "f(**x)"),
        ("f(x)", "f(x=x)"),
        ("f(a, b)", "f(b, a)"),
        ("f(a=1, b=2)", "f(b=2, a=1)"),
        ("x = a, b", "x = [a, b]"),
        ("x = (a,)", "x = a"),
        ("x = {}", "x = set()"),
        ("x = a - (b - c)", "x = a - b - c"),
        ("x = (a < b) < c", "x = a < b < c"),
        ("x = (a and b) and c", "x = a and b or c"),
        ("a\nb", "b\na"),
        ("if a:\n  b\nc", "if a:\n  b\n  c"),
        ("f'{x=}'", "f'{x = }'"),
        ("f'{x=}'", "f'{x}'"),
        ("f'{x!r}'", "f'{x!s}'"),
        ("f'{x!r}'", "f'{x}'"),
        ("f'{x:>3}'", "f'{x:<3}'"),
        ("f'{x}'", "f'{x:}'"),
        ("t'{a+b}'", "t'{a + b}'"),
        ("f'{t\"{a+b}\"}'", "f'{t\"{a + b}\"}'"),
        ("x = '\\ud800'", "x = '\\ud801'"),
        ("f'\\ud800{x}'", "f'\\ud801{x}'"),
        ("x = '\\ud800'", "x = '\\ufffd'"),
        ("for x in y: pass", "for x in y: pass\nelse: pass"),
        ("async def f(): pass", "def f(): pass"),
        ("def f(a, /): pass", "def f(a): pass"),
        ("def f(*, a): pass", "def f(a): pass"),
        ("def f(a=1): pass", "def f(a): pass"),
        ("def f(a: int): pass", "def f(a): pass"),
        ("def f(): 'doc'", "def f(): 'cod'"),
        ("def f(): global a", "def f(): nonlocal a"),
        ("def f[T](): pass", "def f[*T](): pass"),
        ("def f[T: int](): pass", "def f[T = int](): pass"),
        ("import a.b", "import a.b as b"),
        ("from a import b", "from .a import b"),
        ("from a import b", "from a.b import b"),
        ("x: int", "x: int = 1"),
        ("x: int = 1", "(x): int = 1"),
        ("try: a\nexcept E: b", "try: a\nexcept* E: b"),
        ("try: a\nexcept E: b", "try: a\nfinally: b"),
        ("match a:\n  case b: pass", "match a:\n  case b.c: pass"),
        (
            "match a:\n  case [b]: pass",
            "match a:\n  case {'b': b}: pass",
        ),
        ("match a:\n  case None: pass", "match a:\n  case True: pass"),
        ("x = ...", "x = None"),
        ("[a for a in b]", "(a for a in b)"),
        ("[a async for a in b]", "[a for a in b]"),
        ("{a: b for a in c}", "{a for a in c}"),
        ("x[1:2]", "x[1, 2]"),
        ("x[1:]", "x[:1]"),
        ("x += 1", "x = x + 1"),
        ("await x", "x"),
        ("yield x", "yield from x"),
        ("x = 18446744073709551616", "x = 18446744073709551617"),
        ("del a, b", "del a\ndel b"),
        ("with a, b: pass", "with (a, b) as c: pass"),
        ("raise a", "raise a from b"),
        ("x = 'ab', 'c'", "x = 'a', 'bc'"),
        ("a = 'b'", "a = 'b' 'c'"),
        ("# nothing", "pass"),
    ];
    for (a, b) in pairs {
        assert_ne!(digest(a), digest(b), "{a:?} and {b:?}");
    }
}

/// The digests of entries on disk: a change here needs a new `VERSION` in `syntax.rs`.
#[test]
fn golden() {
    let sources = [
        ("", "3b1c2a7aa7a75db54a0a1181ed5b4409"),
        ("x = 1", "ec5c048760081b07444c9fbc0fae1d8a"),
        (
            "import numpy as np\ny = [np.sin(v) ** 2 for v in 'abc' if v != b'\\0']\n",
            "47b93753ab939efe6464c4d7f2e4976a",
        ),
        (
            "def f(a, *b: int, c=1.5, **d) -> 'T':\n    return f'{a!r:>{c}} {b=}'\n",
            "f0911b6f537ef59eb8041f738b9df41e",
        ),
        (
            "match a:\n    case {'k': [1, *_], **rest} if rest: x = '\\ud800', t'{ a }'\n",
            "862743e4ff3f96874803103117222fec",
        ),
        (
            "async def g():\n    async with a as b:\n        await b[1:2, ...]\n",
            "d68ba7eb3cf516fdc780d2527cc0e1e7",
        ),
    ];
    let found = sources.map(|(source, _)| digest(source));
    let golden = sources.map(|(_, golden)| golden.to_owned());
    assert_eq!(found, golden);
}
