use crate::analysis::{CellFacts, Magic, MagicKind, analyse_python};

fn facts(source: &str) -> CellFacts {
    analyse_python(source).unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn effects(source: &str) -> String {
    let facts = facts(source);
    let effects = facts
        .dynamic
        .iter()
        .map(|effect| format!("{}@{}", effect.what, effect.line));
    effects.collect::<Vec<_>>().join(" ")
}

#[test]
fn semicolons() {
    for (source, quiet) in [
        ("df.head();", true),
        ("df.head() ; # shown: nothing\n\n", true),
        ("a;\nb", false),
        ("a = ';'", false),
        ("a # ;", false),
        ("if a:\n    b;\n", true),
        ("", false),
    ] {
        assert_eq!(facts(source).quiet, quiet, "{source}");
    }
}

#[test]
fn literals_that_could_be_paths() {
    let source = "'''doc'''\n\"note\"\na = open('d/x.csv')\ndef f():\n    'doc'\n    return g('y', f'z', f'{a}q', 'd/' 'x.csv')\nb = 'l\\n', '', 'n\\0', b'bytes', 'y'\nx: 'T' = 'v'";
    let found = facts(source).literals;
    let found: Vec<_> = found
        .iter()
        .map(|found| (found.text.as_str(), found.line))
        .collect();
    assert_eq!(found, [("d/x.csv", 3), ("y", 6), ("z", 6), ("v", 8)]);
}

#[test]
fn imports() {
    let facts = facts(
        "import a.b, c as d\nfrom e.f import g as h, i\nfrom . import j\ndef k():\n    import l\nimportlib.import_module('m.n')\nimport c",
    );
    assert_eq!(facts.imports, ["a.b", "c", "e.f", "l", "m.n"]);
    assert_eq!(facts.members, ["e.f.g", "e.f.i"]);
}

#[test]
fn attributes_of_what_is_read() {
    let facts = facts(
        "np.random.rand(3) + np.mean(x.T).real\nimport os\nos.path\ndef f(q): return q.a, pd.DataFrame().b",
    );
    let found: Vec<String> = facts
        .attributes
        .iter()
        .map(|(root, paths)| format!("{root}: {paths:?}"))
        .collect();
    let expected = [
        r#"np: {"mean", "random.rand"}"#,
        r#"pd: {"DataFrame"}"#,
        r#"x: {"T"}"#,
    ];
    assert_eq!(found, expected);
}

#[test]
fn calls_are_named_as_written_and_as_imported() {
    let calls = facts("import numpy as np\nfrom time import time\nnp.random.seed(0)\ntime()\nopen('x').read()\na[0]()").calls;
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    assert_eq!(
        calls,
        [
            "np.random.seed",
            "numpy.random.seed",
            "open",
            "time",
            "time.time"
        ]
    );
}

#[test]
fn what_hides_names() {
    for (source, expected) in [
        ("exec('a')", "exec@1"),
        ("\neval(s)", "eval@2"),
        ("globals()['a'] = locals()", "globals@1 locals@1"),
        ("vars()", "vars@1"),
        ("vars(o)", ""),
        ("from m import *", "from … import *@1"),
        ("__import__('m')", "__import__@1"),
        ("compile(s, '', 'exec')", "compile@1"),
        ("re.compile(s)", ""),
        ("model.eval()", ""),
        ("import m\nsetattr(m, 'a', 1)", "setattr@2"),
        ("setattr(o, 'a', 1)", ""),
        ("sys._getframe()", "_getframe@1"),
        ("import __main__", "import __main__@1"),
        ("get_ipython().ex('a')", "get_ipython@1"),
        (
            "get_ipython().run_line_magic(n, 'l')",
            "a magic with computed arguments@1",
        ),
        ("df.query(q)", "query@1"),
        ("df.query(f'a > {b}')", "query@1"),
        ("df.query('a > 1')", ""),
        ("rng.poisson(lam)", ""),
        ("def f(exec): exec()", ""),
    ] {
        assert_eq!(effects(source), expected, "{source}");
    }
}

#[test]
fn magics() {
    let source = "get_ipython().run_line_magic('time', 'f(x)')\nget_ipython().run_cell_magic('bash', '-s', 'ls\\n')\nget_ipython().system('ls')\nfiles = get_ipython().getoutput('ls -a')";
    let magic = |kind, name: &str, line: &str, body: Option<&str>, at| Magic {
        kind,
        name: name.to_owned(),
        line: line.to_owned(),
        body: body.map(str::to_owned),
        at,
    };
    let facts = facts(source);
    assert_eq!(
        facts.magics,
        [
            magic(MagicKind::LineMagic, "time", "f(x)", None, 1),
            magic(MagicKind::CellMagic, "bash", "-s", Some("ls\n"), 2),
            magic(MagicKind::System, "system", "ls", None, 3),
            magic(MagicKind::GetOutput, "getoutput", "ls -a", None, 4),
        ]
    );
    assert!(facts.dynamic.is_empty());
    assert!(facts.reads.contains("get_ipython"));
}

#[test]
fn awaits_and_statements() {
    for (source, awaits, statements) in [
        ("await f()", true, 1),
        ("async with a: pass\nb", true, 2),
        ("async for a in b: pass", true, 1),
        ("x = [a async for a in b]", true, 1),
        ("async def f():\n    await g()\n    return g", false, 1),
        ("", false, 0),
    ] {
        let facts = facts(source);
        assert_eq!(
            (facts.has_await, facts.statements),
            (awaits, statements),
            "{source}"
        );
    }
}

#[test]
fn assumptions_are_told() {
    let facts = facts("with gzip.open(p) as f:\n    x = 1\nfor i in range(2): y = 1");
    let assumed: Vec<&str> = facts.assumes.iter().map(String::as_str).collect();
    assert_eq!(assumed, ["gzip.open", "range"]);
}
