use std::collections::{BTreeMap, BTreeSet};

use crate::hash::Digest;

/// What the text of one cell says about what it reads, writes and does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellFacts {
    /// Digest of the syntax: comments, blank lines, formatting, quotes and redundant parentheses do not enter it.
    /// Neither does a trailing `;`, see [`CellFacts::quiet`].
    pub source: Digest,
    /// The last statement ends with `;`, so that IPython shows no result.
    pub quiet: bool,
    /// Names that may be read before the cell itself binds them; builtins are among them, and so are names that are
    /// only defined somewhere else or nowhere: intersect with the namespace.
    pub reads: BTreeSet<String>,
    /// Names that may be bound in the namespace, by `global` in a function as well. `from m import *` binds more.
    pub writes: BTreeSet<String>,
    /// Names that may be deleted from the namespace (`del`, and the name of an `except … as` clause).
    pub deletes: BTreeSet<String>,
    /// Absolute names of modules that any part of the cell imports, in order of appearance.
    pub imports: Vec<String>,
    /// `a.b` for every `from a import b`: `b` may be a module of the package `a`, or anything else in it.
    pub members: Vec<String>,
    /// String constants that could be a path, without duplicates, in order of appearance.
    pub literals: Vec<Literal>,
    /// For each name in `reads` the dotted attribute paths that are read on it: `np` -> `random.rand`.
    pub attributes: BTreeMap<String, BTreeSet<String>>,
    /// Dotted names that are called, as written (`np.random.seed`), and with names imported by this cell spelled out
    /// (`numpy.random.seed`).
    pub calls: BTreeSet<String>,
    /// What makes reads or writes invisible to this analysis.
    pub dynamic: Vec<Effect>,
    /// Names whose usual meaning the analysis relied on: `open` does not swallow exceptions, `range(3)` is not empty.
    pub assumes: BTreeSet<String>,
    /// Magics and shell lines, as IPython's transformation spells them. What their own text reads or binds is not in
    /// `reads` and `writes`.
    pub magics: Vec<Magic>,
    /// The cell awaits at its top level, and needs an event loop.
    pub has_await: bool,
    /// Number of statements at the top level.
    pub statements: u32,
}

/// A string constant that could be a path, and the line where it first stands (counted from 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    pub text: String,
    pub line: u32,
}

/// Something whose effect on names cannot be seen, and where it stands (counted from 1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effect {
    pub what: String,
    pub line: u32,
}

/// Which of IPython's transformed forms a magic came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MagicKind {
    /// `%name line`
    LineMagic,
    /// `%%name line`, with a body
    CellMagic,
    /// `!line`
    System,
    /// `x = !line` or `!!line`
    GetOutput,
}

/// One magic with constant arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Magic {
    pub kind: MagicKind,
    /// The magic's name; `system` or `getoutput` for shell lines.
    pub name: String,
    pub line: String,
    pub body: Option<String>,
    /// The line where it stands, counted from 1.
    pub at: u32,
}

/// The cell's text cannot be analysed, so nothing may be claimed about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Uncacheable {
    pub reason: String,
    /// The line of the trouble, counted from 1, where there is one.
    pub line: Option<u32>,
}
