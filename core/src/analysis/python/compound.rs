use ruff_python_ast::{
    ExceptHandler, Expr, Number, StmtFor, StmtIf, StmtTry, StmtWhile, StmtWith, WithItem,
};

use super::calls::dotted;
use super::flow::Flow;
use super::walker::{Loop, Walker};

/// Context managers that let exceptions pass, so that the names bound under them are certain. Any other may
/// swallow an exception that was raised before a name was bound.
const TRANSPARENT: &[&str] = &[
    "ExcelFile",
    "ExcelWriter",
    "File",
    "HDFStore",
    "NamedTemporaryFile",
    "PdfPages",
    "Pool",
    "ProcessPoolExecutor",
    "TemporaryDirectory",
    "TemporaryFile",
    "ThreadPoolExecutor",
    "ZipFile",
    "catch_warnings",
    "closing",
    "connect",
    "errstate",
    "fdopen",
    "inference_mode",
    "localcontext",
    "no_grad",
    "nullcontext",
    "open",
    "option_context",
    "printoptions",
    "rc_context",
    "redirect_stderr",
    "redirect_stdout",
    "tqdm",
    "urlopen",
];

impl Walker {
    pub fn if_stmt(&mut self, stmt: &StmtIf) {
        self.expr(&stmt.test);
        let mut after = Flow::Unreachable;
        let mut otherwise = self.branch(
            Some(&stmt.test),
            |walker| walker.block(&stmt.body),
            &mut after,
        );
        for clause in &stmt.elif_else_clauses {
            self.replace(otherwise);
            if let Some(test) = &clause.test {
                self.expr(test);
            }
            otherwise = self.branch(
                clause.test.as_ref(),
                |walker| walker.block(&clause.body),
                &mut after,
            );
        }
        self.replace(otherwise.join(&after));
    }

    /// Walks one branch, adds its end to `after`, and returns the state in which its test failed.
    fn branch(
        &mut self,
        test: Option<&Expr>,
        walk: impl FnOnce(&mut Self),
        after: &mut Flow,
    ) -> Flow {
        let truth = test.map_or(Some(true), constant_truth);
        let tested = self.state.clone();
        let failed = if truth == Some(true) {
            Flow::Unreachable
        } else {
            tested
        };
        if truth == Some(false) {
            self.replace(Flow::Unreachable);
        }
        walk(self);
        let end = self.replace(Flow::Unreachable);
        *after = end.join(after);
        failed
    }

    pub fn while_stmt(&mut self, stmt: &StmtWhile) {
        self.expr(&stmt.test);
        let truth = constant_truth(&stmt.test);
        let tested = self.state.clone();
        let exhausted = if truth == Some(true) {
            Flow::Unreachable
        } else {
            tested
        };
        if truth == Some(false) {
            self.replace(Flow::Unreachable);
        }
        let (_, breaks) = self.looped(|walker| walker.block(&stmt.body));
        self.replace(exhausted);
        self.block(&stmt.orelse);
        self.join(&breaks);
    }

    pub fn for_stmt(&mut self, stmt: &StmtFor) {
        self.found.has_await |= stmt.is_async && self.functions == 0;
        self.expr(&stmt.iter);
        let empty = if self.never_empty(&stmt.iter) {
            Flow::Unreachable
        } else {
            self.state.clone()
        };
        let (end, breaks) = self.looped(|walker| {
            walker.target(&stmt.target);
            walker.block(&stmt.body);
        });
        self.replace(end.join(&empty));
        self.block(&stmt.orelse);
        self.join(&breaks);
    }

    /// Walks a loop's body. Nothing un-touches a name, so the first round knows least and speaks for all. Returns
    /// the states at the end of a round and at its breaks.
    fn looped(&mut self, walk: impl FnOnce(&mut Self)) -> (Flow, Flow) {
        self.loops.push(Loop {
            breaks: Flow::Unreachable,
            continues: Flow::Unreachable,
        });
        walk(self);
        let end = self.replace(Flow::Unreachable);
        match self.loops.pop() {
            Some(around) => (end.join(&around.continues), around.breaks),
            None => (end, Flow::Unreachable),
        }
    }

    /// Whether a loop over `iter` has at least one round: `[a, b]`, `range(3)`.
    fn never_empty(&mut self, iter: &Expr) -> bool {
        let some = |parts: &[Expr]| parts.iter().any(|part| !part.is_starred_expr());
        match iter {
            Expr::Tuple(tuple) => some(&tuple.elts),
            Expr::List(list) => some(&list.elts),
            Expr::Call(call) => {
                let Expr::Name(name) = &*call.func else {
                    return false;
                };
                let [Expr::NumberLiteral(stop)] = &*call.arguments.args else {
                    return false;
                };
                let Number::Int(stop) = &stop.value else {
                    return false;
                };
                let counts = name.id.as_str() == "range" && stop.as_u64().is_some_and(|n| n > 0);
                counts && self.usual("range")
            }
            _ => false,
        }
    }

    /// Relies on the usual meaning of `name`, if the cell does not bind it itself.
    pub fn usual(&mut self, name: &str) -> bool {
        let root = name.split('.').next().unwrap_or(name);
        let bound = self.found.writes.contains(root) && !self.found.aliases.contains_key(root);
        let usual = self.is_outer(root) && !bound;
        if usual {
            self.found.assumes.insert(name.to_owned());
        }
        usual
    }

    pub fn try_stmt(&mut self, stmt: &StmtTry) {
        // An exception may come at any point of the body: only what was certain before it is certain in a handler.
        let before = self.state.clone();
        self.block(&stmt.body);
        self.block(&stmt.orelse);
        for handler in &stmt.handlers {
            let end = self.replace(before.clone());
            self.handler(handler);
            self.join(&end);
        }
        if !stmt.finalbody.is_empty() {
            let end = self.replace(before);
            self.block(&stmt.finalbody);
            let finished = self.replace(Flow::Unreachable);
            self.replace(end.then(&finished));
        }
    }

    fn handler(&mut self, handler: &ExceptHandler) {
        let ExceptHandler::ExceptHandler(handler) = handler;
        handler.type_.iter().for_each(|kind| self.expr(kind));
        if let Some(name) = &handler.name {
            self.bind(name);
        }
        self.block(&handler.body);
        if let Some(name) = &handler.name {
            self.unbind(name);
        }
    }

    pub fn with_stmt(&mut self, stmt: &StmtWith) {
        self.found.has_await |= stmt.is_async && self.functions == 0;
        let mut swallowed = Flow::Unreachable;
        for item in &stmt.items {
            self.expr(&item.context_expr);
            if !self.is_transparent(&item.context_expr) && swallowed.is_unreachable() {
                swallowed = self.entered(item);
            }
            if let Some(target) = &item.optional_vars {
                self.target(target);
            }
        }
        self.block(&stmt.body);
        self.join(&swallowed);
    }

    /// What is certain when the manager of `item` swallows an exception. Binding one name cannot fail, unpacking can.
    fn entered(&mut self, item: &WithItem) -> Flow {
        if let Some(Expr::Name(_)) = item.optional_vars.as_deref() {
            item.optional_vars.iter().for_each(|name| self.target(name));
        }
        self.state.clone()
    }

    fn is_transparent(&mut self, manager: &Expr) -> bool {
        let Expr::Call(call) = manager else {
            return false;
        };
        let Some(name) = dotted(&call.func) else {
            return false;
        };
        let last = name.rsplit('.').next().unwrap_or_default();
        TRANSPARENT.contains(&last) && self.usual(&name)
    }
}

/// The truth of a literal.
fn constant_truth(test: &Expr) -> Option<bool> {
    match test {
        Expr::BooleanLiteral(literal) => Some(literal.value),
        Expr::NoneLiteral(_) => Some(false),
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(int) => Some(int.as_u64() != Some(0)),
            Number::Float(_) | Number::Complex { .. } => None,
        },
        _ => None,
    }
}
