use std::collections::HashSet;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_pattern, walk_stmt};
use ruff_python_ast::{
    Comprehension, ExceptHandler, Expr, ExprContext, ExprLambda, ExprName, Identifier, Parameters,
    Pattern, Stmt,
};

/// The names that one scope binds itself, and those that it declares to be bound elsewhere.
#[derive(Debug, Default)]
pub(super) struct Bindings<'a> {
    pub bound: HashSet<&'a str>,
    pub globals: HashSet<&'a str>,
    pub nonlocals: HashSet<&'a str>,
}

impl<'a> Bindings<'a> {
    /// Of the body of a function or class, nested scopes left out.
    pub fn of_body(body: &'a [Stmt]) -> Self {
        let mut bindings = Self::default();
        bindings.visit_body(body);
        bindings
    }

    /// Of a lambda's body: only `:=` binds there.
    pub fn of_expr(body: &'a Expr) -> Self {
        let mut bindings = Self::default();
        bindings.visit_expr(body);
        bindings
    }

    pub fn add_parameters(&mut self, parameters: &'a Parameters) {
        self.bound
            .extend(parameters.iter().map(|parameter| parameter.name().as_str()));
    }

    fn add(&mut self, name: &'a Identifier) {
        self.bound.insert(name.as_str());
    }

    fn visit_outside(&mut self, parameters: &'a Parameters) {
        for default in parameters
            .iter()
            .filter_map(|parameter| parameter.default())
        {
            self.visit_expr(default);
        }
    }

    fn visit_definition(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(def) => {
                self.add(&def.name);
                def.decorator_list
                    .iter()
                    .for_each(|decorator| self.visit_decorator(decorator));
                self.visit_outside(&def.parameters);
            }
            Stmt::ClassDef(def) => {
                self.add(&def.name);
                def.decorator_list
                    .iter()
                    .for_each(|decorator| self.visit_decorator(decorator));
                if let Some(arguments) = &def.arguments {
                    self.visit_arguments(arguments);
                }
            }
            _ => {}
        }
    }
}

impl<'a> Visitor<'a> for Bindings<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => self.visit_definition(stmt),
            Stmt::Global(global) => self.globals.extend(global.names.iter().map(|n| n.as_str())),
            Stmt::Nonlocal(nonlocal) => {
                self.nonlocals
                    .extend(nonlocal.names.iter().map(|n| n.as_str()));
            }
            Stmt::Import(import) => {
                self.bound.extend(import.names.iter().map(imported_name));
            }
            Stmt::ImportFrom(import) => {
                self.bound.extend(import.names.iter().map(imported_name));
            }
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(ExprName { id, ctx, .. }) => {
                if matches!(ctx, ExprContext::Store | ExprContext::Del) {
                    self.bound.insert(id.as_str());
                }
            }
            Expr::Lambda(ExprLambda { parameters, .. }) => {
                if let Some(parameters) = parameters {
                    self.visit_outside(parameters);
                }
            }
            _ => walk_expr(self, expr),
        }
    }

    /// The targets of a comprehension are its own; `:=` in it binds outside.
    fn visit_comprehension(&mut self, comprehension: &'a Comprehension) {
        self.visit_expr(&comprehension.iter);
        comprehension
            .ifs
            .iter()
            .for_each(|test| self.visit_expr(test));
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(inner) = handler;
        self.bound
            .extend(inner.name.as_ref().map(Identifier::as_str));
        ruff_python_ast::visitor::walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        self.bound.extend(captured(pattern).map(Identifier::as_str));
        walk_pattern(self, pattern);
    }
}

/// The name that a pattern itself captures, its parts left out.
pub(super) fn captured(pattern: &Pattern) -> Option<&Identifier> {
    match pattern {
        Pattern::MatchAs(capture) => capture.name.as_ref(),
        Pattern::MatchStar(capture) => capture.name.as_ref(),
        Pattern::MatchMapping(capture) => capture.rest.as_ref(),
        Pattern::MatchValue(_)
        | Pattern::MatchSingleton(_)
        | Pattern::MatchSequence(_)
        | Pattern::MatchClass(_)
        | Pattern::MatchOr(_) => None,
    }
}

/// The name that an import binds: `import a.b` binds `a`.
pub(super) fn imported_name(alias: &ruff_python_ast::Alias) -> &str {
    match &alias.asname {
        Some(name) => name.as_str(),
        None => alias.name.split('.').next().unwrap_or_default(),
    }
}

/// The names that the target of a comprehension binds.
pub(super) fn target_names<'a>(target: &'a Expr, names: &mut HashSet<&'a str>) {
    match target {
        Expr::Name(name) => {
            names.insert(name.id.as_str());
        }
        Expr::Starred(starred) => target_names(&starred.value, names),
        Expr::Tuple(tuple) => tuple.elts.iter().for_each(|part| target_names(part, names)),
        Expr::List(list) => list.elts.iter().for_each(|part| target_names(part, names)),
        _ => {}
    }
}
