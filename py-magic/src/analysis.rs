//! What the text of a cell says.

use std::collections::{BTreeMap, BTreeSet};

use cacheness::MagicKind;
use pyo3::prelude::*;

/// (kind, name, line, body, where it stands) of a magic: `line`, `cell`, `system` or `getoutput`.
type Magic = (&'static str, String, String, Option<String>, u32);

/// What a cell reads, writes and does, as far as its text tells.
#[pyclass(frozen, get_all, module = "cacheness._cacheness")]
pub struct CellFacts {
    /// Digest of the syntax, 32 hexadecimal digits.
    source: String,
    quiet: bool,
    reads: BTreeSet<String>,
    writes: BTreeSet<String>,
    deletes: BTreeSet<String>,
    imports: Vec<String>,
    members: Vec<String>,
    /// (text, line) of string constants that could be a path.
    literals: Vec<(String, u32)>,
    attributes: BTreeMap<String, BTreeSet<String>>,
    calls: BTreeSet<String>,
    /// (what, line) of what hides reads or writes.
    dynamic: Vec<(String, u32)>,
    assumes: BTreeSet<String>,
    magics: Vec<Magic>,
    has_await: bool,
    statements: u32,
}

/// The facts of a cell that IPython has transformed, or the reason why there are none.
#[pyfunction]
pub fn analyse_python<'py>(py: Python<'py>, source: &str) -> PyResult<Bound<'py, PyAny>> {
    match cacheness::analyse_python(source) {
        Ok(facts) => Ok(Bound::new(py, CellFacts::from(facts))?.into_any()),
        Err(uncacheable) => {
            let place = uncacheable
                .line
                .map_or_else(String::new, |line| format!(" (line {line})"));
            Ok(format!("{}{place}", uncacheable.reason)
                .into_pyobject(py)?
                .into_any())
        }
    }
}

impl From<cacheness::CellFacts> for CellFacts {
    fn from(facts: cacheness::CellFacts) -> Self {
        let magic = |magic: cacheness::Magic| {
            (
                kind(magic.kind),
                magic.name,
                magic.line,
                magic.body,
                magic.at,
            )
        };
        Self {
            source: facts.source.to_string(),
            quiet: facts.quiet,
            reads: facts.reads,
            writes: facts.writes,
            deletes: facts.deletes,
            imports: facts.imports,
            members: facts.members,
            literals: facts
                .literals
                .into_iter()
                .map(|found| (found.text, found.line))
                .collect(),
            attributes: facts.attributes,
            calls: facts.calls,
            dynamic: facts
                .dynamic
                .into_iter()
                .map(|effect| (effect.what, effect.line))
                .collect(),
            assumes: facts.assumes,
            magics: facts.magics.into_iter().map(magic).collect(),
            has_await: facts.has_await,
            statements: facts.statements,
        }
    }
}

fn kind(kind: MagicKind) -> &'static str {
    match kind {
        MagicKind::LineMagic => "line",
        MagicKind::CellMagic => "cell",
        MagicKind::System => "system",
        MagicKind::GetOutput => "getoutput",
    }
}
