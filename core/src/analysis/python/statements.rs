use ruff_python_ast::{
    Alias, Expr, ExprLambda, Stmt, StmtAnnAssign, StmtAssign, StmtAugAssign, StmtImport,
    StmtImportFrom,
};

use super::bindings::imported_name;
use super::flow::Flow;
use super::names::Scope;
use super::walker::Walker;

impl Walker {
    pub fn block(&mut self, body: &[Stmt]) {
        body.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::FunctionDef(def) => self.function_def(def),
            Stmt::ClassDef(def) => self.class_def(def),
            Stmt::Delete(delete) => delete
                .targets
                .iter()
                .for_each(|part| self.delete_target(part)),
            Stmt::TypeAlias(alias) => self.type_alias(alias),
            Stmt::Assign(assign) => self.assign(assign),
            Stmt::AugAssign(assign) => self.aug_assign(assign),
            Stmt::AnnAssign(assign) => self.ann_assign(assign),
            Stmt::For(stmt) => self.for_stmt(stmt),
            Stmt::While(stmt) => self.while_stmt(stmt),
            Stmt::If(stmt) => self.if_stmt(stmt),
            Stmt::With(stmt) => self.with_stmt(stmt),
            Stmt::Match(stmt) => self.match_stmt(stmt),
            Stmt::Try(stmt) => self.try_stmt(stmt),
            Stmt::Return(stmt) => self.leave(stmt.value.as_deref(), None),
            Stmt::Raise(stmt) => self.leave(stmt.exc.as_deref(), stmt.cause.as_deref()),
            Stmt::Assert(stmt) => {
                // `python -O` skips it, so that what it binds is not certain.
                let before = self.state.clone();
                self.expr(&stmt.test);
                stmt.msg.iter().for_each(|msg| self.expr(msg));
                self.replace(before);
            }
            Stmt::Import(import) => self.import(import),
            Stmt::ImportFrom(import) => self.import_from(import),
            Stmt::Expr(stmt) => self.expr_stmt(&stmt.value),
            Stmt::Break(_) => self.jump(true),
            Stmt::Continue(_) => self.jump(false),
            Stmt::Global(_) | Stmt::Nonlocal(_) | Stmt::Pass(_) => {}
            Stmt::IpyEscapeCommand(command) => self.effect("a magic as text", command),
        }
    }

    /// A string that stands alone is a docstring or a note, not a path.
    fn expr_stmt(&mut self, value: &Expr) {
        if !matches!(value, Expr::StringLiteral(_)) {
            self.expr(value);
        }
    }

    fn leave(&mut self, first: Option<&Expr>, second: Option<&Expr>) {
        first
            .into_iter()
            .chain(second)
            .for_each(|expr| self.expr(expr));
        self.replace(Flow::Unreachable);
    }

    fn jump(&mut self, breaks: bool) {
        let state = self.replace(Flow::Unreachable);
        if let Some(around) = self.loops.last_mut() {
            let exit = if breaks {
                &mut around.breaks
            } else {
                &mut around.continues
            };
            *exit = state.join(exit);
        }
    }

    fn assign(&mut self, assign: &StmtAssign) {
        // `f = lambda: …` is a definition: nothing can call it before `f` is loaded.
        if let ([Expr::Name(name)], Expr::Lambda(lambda)) = (&*assign.targets, &*assign.value) {
            self.define_lambda(&name.id, lambda);
            return;
        }
        self.expr(&assign.value);
        assign.targets.iter().for_each(|target| self.target(target));
    }

    fn define_lambda(&mut self, name: &str, lambda: &ExprLambda) {
        let reads = self.lambda(lambda);
        self.bind(name);
        self.define(name, reads, true);
    }

    fn aug_assign(&mut self, assign: &StmtAugAssign) {
        if let Expr::Name(name) = &*assign.target {
            self.load(&name.id);
            self.expr(&assign.value);
            self.bind(&name.id);
        } else {
            self.target(&assign.target);
            self.expr(&assign.value);
        }
    }

    fn ann_assign(&mut self, assign: &StmtAnnAssign) {
        // Annotations of a function's own variables are never evaluated, nor kept.
        let own = matches!(self.scopes.last(), Some(Scope::Function { .. }));
        if !own {
            self.annotation(&assign.annotation);
        }
        if let Some(value) = &assign.value {
            self.expr(value);
            self.target(&assign.target);
        } else if !assign.simple {
            self.target_parts(&assign.target);
        }
    }

    /// Binds what `target` names, and reads what it needs for that.
    pub fn target(&mut self, target: &Expr) {
        match target {
            Expr::Name(name) => self.bind(&name.id),
            Expr::Starred(starred) => self.target(&starred.value),
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|part| self.target(part)),
            Expr::List(list) => list.elts.iter().for_each(|part| self.target(part)),
            _ => self.target_parts(target),
        }
    }

    fn delete_target(&mut self, target: &Expr) {
        match target {
            Expr::Name(name) => self.delete(&name.id),
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|part| self.delete_target(part)),
            Expr::List(list) => list.elts.iter().for_each(|part| self.delete_target(part)),
            _ => self.target_parts(target),
        }
    }

    /// `o.a = v` and `d[k] = v` read `o`, `d` and `k`.
    pub fn target_parts(&mut self, target: &Expr) {
        match target {
            Expr::Name(_) => {}
            Expr::Attribute(attribute) => self.expr(&attribute.value),
            _ => self.expr(target),
        }
    }

    fn import(&mut self, import: &StmtImport) {
        for alias in &import.names {
            let bound = imported_name(alias);
            self.note_import(&alias.name);
            if alias.name.as_str() == "__main__" {
                self.effect("import __main__", alias);
            }
            let whole = if alias.asname.is_some() {
                alias.name.as_str()
            } else {
                bound
            };
            self.note_alias(bound, whole.to_owned());
            self.bind(bound);
        }
    }

    fn import_from(&mut self, import: &StmtImportFrom) {
        let module = import.module.as_ref().map_or("", |module| module.as_str());
        if import.level == 0 {
            self.note_import(module);
        }
        if module == "__main__" {
            self.effect("import __main__", import);
        }
        for alias in &import.names {
            if alias.name.as_str() == "*" {
                self.effect("from … import *", alias);
            } else {
                self.import_member(module, import.level, alias);
            }
        }
    }

    fn import_member(&mut self, module: &str, level: u32, alias: &Alias) {
        let bound = imported_name(alias);
        if level == 0 {
            let member = format!("{module}.{}", alias.name);
            self.note_alias(bound, member.clone());
            if !self.found.members.contains(&member) {
                self.found.members.push(member);
            }
        }
        self.bind(bound);
    }

    fn note_alias(&mut self, bound: &str, whole: String) {
        self.found
            .aliases
            .entry(bound.to_owned())
            .or_default()
            .insert(whole);
    }

    pub fn note_import(&mut self, module: &str) {
        if !self.found.imports.iter().any(|known| known == module) {
            self.found.imports.push(module.to_owned());
        }
    }
}
