use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ruff_python_ast::{Expr, ModModule};
use ruff_text_size::Ranged;

use super::flow::Flow;
use super::lines::Lines;
use super::names::{Names, Scope};
use crate::analysis::{CellFacts, Effect, Literal, Magic, Uncacheable};
use crate::hash::Digest;

/// Steps of following functions into functions, after which a cell counts as too tangled to analyse.
pub(super) const PATIENCE: u64 = 1 << 23;

/// Walks a cell in the order of evaluation, and knows at each point which names the cell has certainly touched.
pub(super) struct Walker {
    pub lines: Lines,
    pub names: Names,
    pub state: Flow,
    /// Grows whenever `state` is replaced, and not merely added to.
    pub epoch: u64,
    pub scopes: Vec<Scope>,
    pub loops: Vec<Loop>,
    /// Reads of the deferred body that is being walked; `None` in code that runs at once.
    pub sink: Option<BTreeSet<u32>>,
    /// Functions and lambdas around this point.
    pub functions: u32,
    pub in_annotation: bool,
    pub found: Found,
}

/// States that leave a loop's body early.
pub(super) struct Loop {
    pub breaks: Flow,
    pub continues: Flow,
}

/// What goes into the facts as it stands.
#[derive(Default)]
pub(super) struct Found {
    pub writes: BTreeSet<String>,
    pub deletes: BTreeSet<String>,
    pub imports: Vec<String>,
    pub members: Vec<String>,
    /// Name -> what it may have been imported from.
    pub aliases: HashMap<String, BTreeSet<String>>,
    pub literals: Vec<Literal>,
    pub seen_literals: HashSet<String>,
    pub attributes: BTreeMap<String, BTreeSet<String>>,
    pub calls: BTreeSet<String>,
    pub dynamic: BTreeSet<Effect>,
    /// `setattr(root…)` and the like, which matter if `root` is a module.
    pub patches: Vec<(String, Effect)>,
    pub assumes: BTreeSet<String>,
    pub magics: Vec<Magic>,
    pub has_await: bool,
}

/// The facts of a parsed module.
pub(super) fn walk(
    source: &str,
    module: &ModModule,
    digest: Digest,
    quiet: bool,
) -> Result<CellFacts, Uncacheable> {
    let mut walker = Walker {
        lines: Lines::new(source),
        names: Names::default(),
        state: Flow::start(),
        epoch: 0,
        scopes: vec![Scope::Module],
        loops: Vec::new(),
        sink: None,
        functions: 0,
        in_annotation: false,
        found: Found::default(),
    };
    walker.block(&module.body);
    walker.read_what_is_left();
    if walker.names.steps > PATIENCE {
        return Err(Uncacheable {
            reason: "the cell's functions refer to each other in too many ways".to_owned(),
            line: None,
        });
    }
    let statements = u32::try_from(module.body.len()).unwrap_or(u32::MAX);
    Ok(walker.facts(digest, quiet, statements))
}

impl Walker {
    fn facts(self, source: Digest, quiet: bool, statements: u32) -> CellFacts {
        let reads = self.names.live_names();
        let mut found = self.found;
        found.attributes.retain(|root, _| reads.contains(root));
        let mut calls = found.calls.clone();
        for call in &found.calls {
            let (root, rest) = call.split_at(call.find('.').unwrap_or(call.len()));
            for module in found.aliases.get(root).into_iter().flatten() {
                calls.insert(format!("{module}{rest}"));
            }
        }
        let patches = found.patches.into_iter();
        let of_modules = patches.filter(|(root, _)| found.aliases.contains_key(root));
        found.dynamic.extend(of_modules.map(|(_, effect)| effect));
        let mut dynamic: Vec<Effect> = found.dynamic.into_iter().collect();
        dynamic.sort_by_key(|effect| effect.line);
        CellFacts {
            source,
            quiet,
            reads,
            writes: found.writes,
            deletes: found.deletes,
            imports: found.imports,
            members: found.members,
            literals: found.literals,
            attributes: found.attributes,
            calls,
            dynamic,
            assumes: found.assumes,
            magics: found.magics,
            has_await: found.has_await,
            statements,
        }
    }

    /// Goes on from another state, and hands back the one so far.
    pub fn replace(&mut self, state: Flow) -> Flow {
        self.epoch += 1;
        std::mem::replace(&mut self.state, state)
    }

    /// Lets another path come in here.
    pub fn join(&mut self, other: &Flow) {
        let state = self.replace(Flow::Unreachable);
        self.state = state.join(other);
    }

    /// Walks a body that runs some time later, and returns what it reads from outside itself.
    pub fn deferred(&mut self, scope: Scope, walk: impl FnOnce(&mut Self)) -> Vec<u32> {
        let state = self.replace(Flow::start());
        let loops = std::mem::take(&mut self.loops);
        let sink = self.sink.replace(BTreeSet::new());
        self.scopes.push(scope);
        walk(self);
        self.scopes.pop();
        let reads = std::mem::replace(&mut self.sink, sink).unwrap_or_default();
        self.loops = loops;
        self.replace(state);
        reads.into_iter().collect()
    }

    pub fn line(&self, node: &impl Ranged) -> u32 {
        self.lines.line(node.start())
    }

    /// Notes something that hides reads or writes, here, and lets every function known so far count as called.
    pub fn effect(&mut self, what: &str, node: &impl Ranged) {
        let line = self.line(node);
        self.found.dynamic.insert(Effect {
            what: what.to_owned(),
            line,
        });
        self.read_everything_pending();
    }

    /// Annotations count as read where they stand, whether Python evaluates them then, later or never: libraries
    /// look their names up. In strings, whatever looks like a name counts.
    pub fn annotation(&mut self, annotation: &Expr) {
        let before = std::mem::replace(&mut self.in_annotation, true);
        self.expr(annotation);
        self.in_annotation = before;
    }

    /// Reads every identifier in `text`.
    pub fn load_words(&mut self, text: &str) {
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        for word in text.split(|c: char| !inside(c)) {
            if word.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                self.load(word);
            }
        }
    }
}
