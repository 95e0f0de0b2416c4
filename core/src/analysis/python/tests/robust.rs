use std::fmt::Write;
use std::time::Instant;

use proptest::prelude::*;

use crate::analysis::analyse_python;

/// Deep or large text is answered, or refused with a reason, on a test's own small stack.
#[test]
fn nesting_does_not_overflow() {
    let repeat = |open: &str, middle: &str, close: &str, times: usize| {
        open.repeat(times) + middle + &close.repeat(times)
    };
    for source in [
        repeat("(", "a", ")", 20_000),
        repeat("(", "a", ")", 3_000),
        repeat("[", "", "", 20_000),
        repeat("f(", "a", ")", 2_000),
        repeat("{1:", "a", "}", 1_500),
        format!("a{}", "+a".repeat(10_000)),
        format!("a{}", "+a".repeat(2_900)),
        format!("a{}", ".a".repeat(2_900)),
        format!("a{}", "(1)".repeat(2_000)),
        format!("{}a", "not ".repeat(5_900)),
        format!("{}a", "-".repeat(5_900)),
        format!("{}a", "lambda x, y: ".repeat(20_000)),
        format!("{}a", "lambda x, y: ".repeat(700)),
        format!("a{}", " if a else a".repeat(1_400)),
        format!("a{}", "**a".repeat(2_900)),
        format!("x = {}", "a = ".repeat(20_000)),
        "f'{".repeat(2_000),
        "async ".repeat(20_000),
        "\\\n".repeat(20_000),
        "match a:\n case [".to_owned() + &"[".repeat(5_000),
    ] {
        let _ = analyse_python(&source);
    }
    let indented = |levels: usize| {
        (0..levels).fold(String::new(), |mut text, level| {
            let _ = writeln!(text, "{}if a:", " ".repeat(level));
            text
        }) + &" ".repeat(levels)
            + "b\n"
    };
    assert!(analyse_python(&indented(5_000)).is_err());
    assert!(analyse_python(&indented(99)).is_ok());
    assert!(analyse_python(&("x = 1\n".to_owned() + &"a+".repeat(10_000) + "a")).is_err());
}

#[test]
fn wide_is_not_deep() {
    let list = format!("x = [{}]", "1, ".repeat(100_000));
    assert!(analyse_python(&list).is_ok());
    let text = format!("x = ({})", "'a'\n".repeat(20_000));
    assert!(analyse_python(&text).is_ok());
    let lines = "if a:\n    b = c\nelse:\n    b = d\n".repeat(5_000);
    assert!(analyse_python(&lines).is_ok());
}

/// Functions that call each other cannot make the analysis explode.
#[test]
fn tangled_functions() {
    let mut source = String::new();
    for function in 0..400 {
        let calls: Vec<String> = (0..400).map(|other| format!("f{other}()")).collect();
        let _ = writeln!(source, "def f{function}(): {}", calls.join(";"));
    }
    for function in 0..400 {
        let _ = writeln!(source, "if a: f{function}()");
    }
    let start = Instant::now();
    let _ = analyse_python(&source);
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn errors_name_their_line() {
    let error = analyse_python("a = 1\nb = = 2\n").err();
    assert_eq!(error.and_then(|error| error.line), Some(2));
    assert!(analyse_python("%time f()").is_err());
}

const WORDS: &[&str] = &[
    "a",
    "b",
    "f",
    " ",
    "\n",
    "\n  ",
    "\t",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    ";",
    "=",
    ":=",
    "+=",
    "+",
    "*",
    "**",
    ".",
    "if ",
    "else",
    "elif ",
    "for ",
    " in ",
    "while ",
    "def ",
    "class ",
    "lambda ",
    "try",
    "except ",
    "finally",
    "with ",
    " as ",
    "import ",
    "from ",
    "return ",
    "yield ",
    "await ",
    "async ",
    "match ",
    "case ",
    "global ",
    "nonlocal ",
    "del ",
    "raise ",
    "'",
    "\"",
    "f'",
    "t\"",
    "'''",
    "\\",
    "\\ud800",
    "{a=}",
    "1",
    "1.5e",
    "0x",
    "@",
    "->",
    "...",
    "#",
    "\r",
    "\0",
    "!",
    "?",
    "%",
    "é",
    "\u{feff}",
    "type ",
    "not ",
    " is ",
    "None",
    "True",
    "break",
    "continue",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text(source in any::<String>()) {
        let _ = analyse_python(&source);
    }

    #[test]
    fn any_tokens(words in prop::collection::vec(0..WORDS.len(), 0..60)) {
        let source: String = words.into_iter().filter_map(|word| WORDS.get(word)).copied().collect();
        let _ = analyse_python(&source);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = analyse_python(&String::from_utf8_lossy(&bytes));
    }
}

/// Prints what an ordinary cell costs: `cargo test --release -- --ignored --nocapture cost`.
#[test]
#[ignore = "a measurement"]
fn cost_of_an_ordinary_cell() {
    let part = "import numpy as np\ndef scale(frame, by=2.0):\n    total = frame['price'] * by\n    return total.sum()\nfor name, group in df.groupby('city'):\n    if len(group) > limit:\n        rows.append({'city': name, 'mean': group['price'].mean()})\n    else:\n        skipped += 1\nwith open('data/out.csv', 'w') as target:\n    target.write(f'{scale(df):.2f} {np.mean([r[\"mean\"] for r in rows])}\\n')\ntable = pd.DataFrame(rows).sort_values('mean', ascending=False)\n";
    let source = part.repeat(5);
    let start = Instant::now();
    for _ in 0..1_000 {
        assert!(analyse_python(&source).is_ok());
    }
    println!(
        "{} lines: {:?}",
        source.lines().count(),
        start.elapsed() / 1_000
    );
}
