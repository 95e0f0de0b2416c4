use ruff_python_ast::{Expr, ExprCall, ExprFString, FStringPart};
use ruff_text_size::Ranged;

use super::walker::Walker;
use crate::analysis::{Effect, Literal, Magic, MagicKind};

/// Longer strings are not paths (`PATH_MAX`).
const LONGEST_PATH: usize = 4096;

/// Methods that look names up in a text: SQL over variables, pandas expressions.
const EVALUATORS: &[&str] = &["eval", "execute", "query", "sql", "sqldf"];

/// The same, but their names mean other things elsewhere: only constant text counts.
const FORMULAS: &[&str] = &[
    "dmatrices",
    "dmatrix",
    "evaluate",
    "from_formula",
    "gee",
    "glm",
    "gls",
    "logit",
    "mixedlm",
    "ols",
    "poisson",
    "probit",
    "quantreg",
    "rlm",
    "wls",
];

/// Functions that hide what they read or write.
const OPAQUE: &[&str] = &[
    "__import__",
    "compile",
    "currentframe",
    "eval",
    "exec",
    "_getframe",
    "globals",
    "locals",
    "run_module",
    "run_path",
    "stack",
];

impl Walker {
    pub fn call(&mut self, call: &ExprCall) {
        if self.magic(call) {
            return;
        }
        let name = dotted(&call.func);
        let last = match &*call.func {
            Expr::Name(name) => name.id.as_str(),
            Expr::Attribute(attribute) => attribute.attr.as_str(),
            _ => "",
        };
        self.expr(&call.func);
        self.arguments(&call.arguments);
        if let Some(name) = name {
            self.named_call(&name, last, call);
            self.found.calls.insert(name);
        }
        let numexpr = matches!(
            dotted(&call.func).as_deref(),
            Some("ne.evaluate" | "numexpr.evaluate")
        );
        if EVALUATORS.contains(&last) || numexpr {
            self.evaluator(last, call, true);
        } else if FORMULAS.contains(&last) {
            self.evaluator(last, call, false);
        }
    }

    fn named_call(&mut self, name: &str, last: &str, call: &ExprCall) {
        let outer = call.func.is_name_expr() && self.is_outer(name);
        let from = ["builtins.", "sys.", "inspect.", "runpy."];
        let known = outer || from.iter().any(|module| name.starts_with(module));
        if known && OPAQUE.contains(&last) && !(outer && matches!(last, "stack")) {
            self.effect(last, call);
        }
        if outer && name == "vars" && call.arguments.is_empty() {
            self.effect("vars", call);
        }
        if outer && matches!(name, "setattr" | "delattr") {
            self.patch(name, call);
        }
        if let ("import_module" | "__import__", Some(text)) =
            (last, call.arguments.args.first().and_then(constant_text))
            && !text.starts_with('.')
        {
            self.note_import(text);
        }
    }

    fn patch(&mut self, what: &str, call: &ExprCall) {
        let target = call.arguments.args.first().and_then(dotted);
        if let Some(target) = target {
            let root = target.split('.').next().unwrap_or_default().to_owned();
            let effect = Effect {
                what: what.to_owned(),
                line: self.line(call),
            };
            self.found.patches.push((root, effect));
        }
    }

    /// Words of constant text count as read; where the first argument is computed, they are hidden.
    fn evaluator(&mut self, what: &str, call: &ExprCall, certain: bool) {
        let arguments = &call.arguments;
        let keywords = arguments.keywords.iter().map(|keyword| &keyword.value);
        for (index, argument) in arguments.args.iter().chain(keywords).enumerate() {
            match argument {
                Expr::StringLiteral(string) => self.load_words(string.value.to_str()),
                Expr::FString(string) => self.computed_words(string),
                _ => {}
            }
            if certain && index == 0 && !argument.is_string_literal_expr() {
                self.effect(what, call);
            }
        }
    }

    fn computed_words(&mut self, string: &ExprFString) {
        for part in &string.value {
            match part {
                FStringPart::Literal(text) => self.load_words(text.as_str()),
                FStringPart::FString(part) => {
                    let texts = part
                        .elements
                        .iter()
                        .filter_map(|element| element.as_literal());
                    texts.for_each(|text| self.load_words(&text.value));
                }
            }
        }
    }

    /// `get_ipython().run_line_magic("name", "line")` and the like. Returns whether it was one.
    fn magic(&mut self, call: &ExprCall) -> bool {
        let Expr::Attribute(method) = &*call.func else {
            return false;
        };
        let Expr::Call(shell) = &*method.value else {
            return false;
        };
        let Expr::Name(name) = &*shell.func else {
            return false;
        };
        let kind = match method.attr.as_str() {
            "run_line_magic" => MagicKind::LineMagic,
            "run_cell_magic" => MagicKind::CellMagic,
            "system" => MagicKind::System,
            "getoutput" => MagicKind::GetOutput,
            _ => return false,
        };
        if name.id.as_str() != "get_ipython" || !self.is_outer("get_ipython") {
            return false;
        }
        self.load("get_ipython");
        let texts: Option<Vec<&str>> = call.arguments.args.iter().map(constant_text).collect();
        let texts = texts.filter(|_| call.arguments.keywords.is_empty());
        match magic_of(kind, texts.as_deref(), self.line(call)) {
            Some(magic) => {
                self.found.magics.push(magic);
                self.read_everything_pending();
            }
            None => {
                self.effect("a magic with computed arguments", call);
                self.arguments(&call.arguments);
            }
        }
        true
    }

    /// A string constant: perhaps a path, and in an annotation perhaps a name.
    pub fn string(&mut self, text: &str, node: &impl Ranged) {
        if self.in_annotation {
            self.load_words(text);
            return;
        }
        let fits = (1..=LONGEST_PATH).contains(&text.len()) && !text.contains(['\n', '\0']);
        if fits && self.found.seen_literals.insert(text.to_owned()) {
            let line = self.line(node);
            self.found.literals.push(Literal {
                text: text.to_owned(),
                line,
            });
        }
    }
}

fn magic_of(kind: MagicKind, texts: Option<&[&str]>, at: u32) -> Option<Magic> {
    let (name, line, body) = match (kind, texts?) {
        (MagicKind::LineMagic, [name, line]) => (*name, *line, None),
        (MagicKind::CellMagic, [name, line, body]) => (*name, *line, Some((*body).to_owned())),
        (MagicKind::System, [line]) => ("system", *line, None),
        (MagicKind::GetOutput, [line]) => ("getoutput", *line, None),
        _ => return None,
    };
    Some(Magic {
        kind,
        name: name.to_owned(),
        line: line.to_owned(),
        body,
        at,
    })
}

fn constant_text(expr: &Expr) -> Option<&str> {
    expr.as_string_literal_expr()
        .map(|string| string.value.to_str())
}

/// `a.b.c` of names and attributes only.
pub(super) fn dotted(expr: &Expr) -> Option<String> {
    let mut path = Vec::new();
    let mut root = expr;
    while let Expr::Attribute(attribute) = root {
        path.push(attribute.attr.as_str());
        root = &attribute.value;
    }
    path.push(root.as_name_expr()?.id.as_str());
    path.reverse();
    Some(path.join("."))
}
