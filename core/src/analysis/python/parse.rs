use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ruff_python_ast::ModModule;
use ruff_python_ast::token::TokenKind;
use ruff_python_parser::lexer::lex;
use ruff_python_parser::{Mode, ParseOptions, Parsed, parse_unchecked};
use ruff_text_size::Ranged;

use super::lines::Lines;
use super::syntax::syntax_digest;
use super::walker::walk;
use crate::analysis::{CellFacts, Uncacheable};
use crate::hash::Digest;

/// Syntax nested more deeply than this is not analysed (CPython's own parser stops at the same depth).
const DEEPEST: u32 = 6_000;
/// Up to here the caller's stack is enough, whoever calls.
const SHALLOW: u32 = 60;
/// Room for `DEEPEST` levels of any walker, in a build without optimisation too. Untouched pages cost nothing.
const STACK: usize = 256 << 20;
/// Offsets are 32 bits wide.
const LONGEST: usize = 64 << 20;

/// The facts of a Python cell, whose magics IPython has already turned into calls; `await` may stand at the top.
///
/// Total: text that is not Python, or nested absurdly, is [`Uncacheable`].
pub fn analyse_python(source: &str) -> Result<CellFacts, Uncacheable> {
    guarded(source, |source| {
        let parsed = parse(source)?;
        let quiet = ends_with_semicolon(&parsed);
        let digest = syntax_digest(source, parsed.syntax());
        walk(source, parsed.syntax(), digest, quiet)
    })
}

/// The location-free digest of some Python source, as in [`CellFacts::source`].
pub fn python_source_digest(source: &str) -> Result<Digest, Uncacheable> {
    guarded(source, |source| {
        Ok(syntax_digest(source, parse(source)?.syntax()))
    })
}

/// Runs `work` where neither deep nesting nor a fault in the parser can take the process down.
fn guarded<T: Send>(
    source: &str,
    work: impl Fn(&str) -> Result<T, Uncacheable> + Sync,
) -> Result<T, Uncacheable> {
    if source.len() > LONGEST {
        return Err(uncacheable("the cell is longer than 64 MiB"));
    }
    let source = &*with_plain_newlines(source);
    let run = || {
        catch_unwind(AssertUnwindSafe(|| work(source)))
            .unwrap_or_else(|_| Err(uncacheable("the parser failed on this cell")))
    };
    match depth_bound(source) {
        0..=SHALLOW => run(),
        depth if depth > DEEPEST => Err(uncacheable("the cell is nested too deeply")),
        _ => std::thread::scope(|scope| {
            std::thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, run)
                .map_err(|_| uncacheable("no thread for a deeply nested cell"))?
                .join()
                .unwrap_or_else(|_| Err(uncacheable("the parser failed on this cell")))
        }),
    }
}

/// Python reads `\r\n` and `\r` as `\n`, inside strings too.
fn with_plain_newlines(source: &str) -> Cow<'_, str> {
    if source.contains('\r') {
        Cow::Owned(source.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(source)
    }
}

fn uncacheable(reason: &str) -> Uncacheable {
    Uncacheable {
        reason: reason.to_owned(),
        line: None,
    }
}

/// Parses a module. Syntax that only some versions of Python know is accepted: Python itself will judge it.
fn parse(source: &str) -> Result<Parsed<ModModule>, Uncacheable> {
    let parsed = parse_unchecked(source, ParseOptions::from(Mode::Module));
    if let Some(error) = parsed.errors().first() {
        return Err(Uncacheable {
            reason: format!("a syntax error: {}", error.error),
            line: Some(Lines::new(source).line(error.location.start())),
        });
    }
    parsed
        .try_into_module()
        .ok_or_else(|| uncacheable("not a module"))
}

fn ends_with_semicolon(parsed: &Parsed<ModModule>) -> bool {
    let Some(last) = parsed.syntax().body.last() else {
        return false;
    };
    let after = parsed.tokens().after(last.end());
    after.iter().any(|token| token.kind() == TokenKind::Semi)
}

/// An upper bound of how deeply the syntax tree can be nested: every token since the last comma of each open bracket may be a level.
fn depth_bound(source: &str) -> u32 {
    let mut lexer = lex(source, Mode::Module);
    let (mut open, mut here, mut lambdas, mut indent, mut deepest) = (vec![], 0u32, 0, 0u32, 0);
    let mut outside = 0u32;
    loop {
        match lexer.next_token() {
            TokenKind::EndOfFile => return deepest,
            TokenKind::Comment | TokenKind::NonLogicalNewline | TokenKind::String => {}
            TokenKind::Newline => {
                open.clear();
                (here, outside, lambdas) = (0, 0, 0);
            }
            TokenKind::Indent => indent += 8,
            TokenKind::Dedent => indent = indent.saturating_sub(8),
            TokenKind::Comma | TokenKind::Semi => here = 0,
            kind if opens(kind) => {
                open.push(here + 1);
                outside += here + 1;
                here = 1;
            }
            kind if closes(kind) => {
                here = open.pop().unwrap_or(here);
                outside = outside.saturating_sub(here);
            }
            kind => {
                here += 1;
                lambdas += u32::from(kind == TokenKind::Lambda) * 3;
            }
        }
        deepest = deepest.max(outside + here + lambdas + indent);
        if deepest > DEEPEST {
            return deepest;
        }
    }
}

fn opens(kind: TokenKind) -> bool {
    use TokenKind::{FStringStart, Lbrace, Lpar, Lsqb, TStringStart};
    matches!(kind, Lpar | Lsqb | Lbrace | FStringStart | TStringStart)
}

fn closes(kind: TokenKind) -> bool {
    use TokenKind::{FStringEnd, Rbrace, Rpar, Rsqb, TStringEnd};
    matches!(kind, Rpar | Rsqb | Rbrace | FStringEnd | TStringEnd)
}
