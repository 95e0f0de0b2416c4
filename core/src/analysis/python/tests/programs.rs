//! Random programs in a small part of Python.

use std::fmt::Write;

pub(super) const NAMES: &[&str] = &["a", "b", "c", "f", "g"];

#[derive(Debug, Clone)]
pub(super) enum Stmt {
    Read(&'static str),
    Constant(&'static str),
    Copy(&'static str, &'static str),
    Augment(&'static str),
    Delete(&'static str),
    Call(&'static str),
    /// `unknown() and (x := y)`
    Perhaps(&'static str, &'static str),
    /// `x = [y := z for _ in unknown()]`
    Comprehension(&'static str, &'static str, &'static str),
    Define(Form, &'static str, Vec<Stmt>),
    If(Vec<Stmt>, Vec<Stmt>),
    While(Vec<Stmt>, Vec<Stmt>),
    Forever(Vec<Stmt>),
    For(&'static str, Vec<Stmt>, Vec<Stmt>),
    Try(Vec<Stmt>, Vec<Stmt>, Vec<Stmt>, Vec<Stmt>),
    With(Vec<Stmt>),
    Match(&'static str, &'static str, Vec<Stmt>),
    Break,
    Continue,
    Raise,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Function,
    Lambda,
    Class,
    Subclass,
    Decorated,
}

pub(super) struct Chance(pub u64);

impl Chance {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    pub(super) fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.below(NAMES.len() as u64) as usize]
    }

    fn body(&mut self, depth: u32, looped: bool) -> Vec<Stmt> {
        (0..=self.below(3))
            .map(|_| self.stmt(depth, looped))
            .collect()
    }

    fn simple(&mut self) -> Stmt {
        match self.below(8) {
            0 => Stmt::Constant(self.name()),
            1 => Stmt::Copy(self.name(), self.name()),
            2 => Stmt::Augment(self.name()),
            3 => Stmt::Read(self.name()),
            4 if self.one_in(3) => Stmt::Delete(self.name()),
            5 => Stmt::Perhaps(self.name(), self.name()),
            _ => Stmt::Call(self.name()),
        }
    }

    fn define(&mut self) -> Stmt {
        let forms = [
            Form::Function,
            Form::Function,
            Form::Lambda,
            Form::Class,
            Form::Subclass,
            Form::Decorated,
        ];
        let form = forms[self.below(6) as usize];
        let body = (0..=self.below(2)).map(|_| match form {
            Form::Lambda if self.one_in(2) => Stmt::Call(self.name()),
            Form::Lambda => Stmt::Read(self.name()),
            _ => self.simple(),
        });
        Stmt::Define(form, "f", body.collect()).named(self.name())
    }

    pub(super) fn stmt(&mut self, depth: u32, looped: bool) -> Stmt {
        if depth == 0 || self.one_in(2) {
            return match self.below(12) {
                0 if looped => Stmt::Break,
                1 if looped => Stmt::Continue,
                2 if self.one_in(2) => Stmt::Raise,
                3 => Stmt::Comprehension(self.name(), self.name(), self.name()),
                4..=6 => self.define(),
                _ => self.simple(),
            };
        }
        let depth = depth - 1;
        match self.below(8) {
            0 | 1 => Stmt::If(self.body(depth, looped), self.body(depth, looped)),
            2 => Stmt::While(self.body(depth, true), self.body(depth, looped)),
            3 => Stmt::For(
                self.name(),
                self.body(depth, true),
                self.body(depth, looped),
            ),
            4 => Stmt::With(self.body(depth, looped)),
            5 => Stmt::Match(self.name(), self.name(), self.body(depth, looped)),
            6 => Stmt::Forever(self.body(depth, true)),
            _ => Stmt::Try(
                self.body(depth, looped),
                self.body(depth, looped),
                self.body(depth, looped),
                self.body(depth, looped),
            ),
        }
    }
}

impl Stmt {
    fn named(self, name: &'static str) -> Self {
        match self {
            Self::Define(form, _, body) => Self::Define(form, name, body),
            other => other,
        }
    }

    pub(super) fn print(&self, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        let block = |head: &str, body: &[Self], out: &mut String| {
            let _ = writeln!(out, "{pad}{head}:");
            body.iter().for_each(|stmt| stmt.print(indent + 1, out));
        };
        let line = |text: String, out: &mut String| {
            let _ = writeln!(out, "{pad}{text}");
        };
        match self {
            Self::Read(x) => line((*x).to_owned(), out),
            Self::Constant(x) => line(format!("{x} = 1"), out),
            Self::Copy(x, y) => line(format!("{x} = {y}"), out),
            Self::Augment(x) => line(format!("{x} += 1"), out),
            Self::Delete(x) => line(format!("del {x}"), out),
            Self::Call(x) => line(format!("{x}()"), out),
            Self::Perhaps(x, y) => line(format!("unknown() and ({x} := {y})"), out),
            Self::Comprehension(x, y, z) => {
                line(format!("{x} = [{y} := {z} for _ in unknown()]"), out);
            }
            Self::Define(form, x, body) => print_definition(*form, x, body, indent, out),
            Self::If(body, orelse) => {
                block("if unknown()", body, out);
                block("else", orelse, out);
            }
            Self::While(body, orelse) => {
                block("while unknown()", body, out);
                block("else", orelse, out);
            }
            Self::Forever(body) => block("while True", body, out),
            Self::For(x, body, orelse) => {
                block(&format!("for {x} in unknown()"), body, out);
                block("else", orelse, out);
            }
            Self::Try(body, handler, orelse, last) => {
                block("try", body, out);
                block("except", handler, out);
                block("else", orelse, out);
                block("finally", last, out);
            }
            Self::With(body) => block("with unknown()", body, out),
            Self::Match(x, y, body) => {
                let _ = writeln!(out, "{pad}match {x}:\n{pad} case [{y}]:");
                body.iter().for_each(|stmt| stmt.print(indent + 2, out));
            }
            Self::Break => line("break".to_owned(), out),
            Self::Continue => line("continue".to_owned(), out),
            Self::Raise => line("raise".to_owned(), out),
        }
    }
}

fn print_definition(form: Form, name: &str, body: &[Stmt], indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    let inner = match form {
        Form::Lambda => {
            let mut parts = String::new();
            for stmt in body {
                stmt.print(0, &mut parts);
            }
            let _ = writeln!(
                out,
                "{pad}{name} = lambda: [{}]",
                parts.trim().replace('\n', ", ")
            );
            return;
        }
        Form::Function => {
            let _ = writeln!(out, "{pad}def {name}():");
            indent + 1
        }
        Form::Decorated => {
            let _ = writeln!(out, "{pad}@unknown\n{pad}def {name}():");
            indent + 1
        }
        Form::Class => {
            let _ = writeln!(out, "{pad}class {name}:\n{pad} def __init__(self):");
            indent + 2
        }
        Form::Subclass => {
            let _ = writeln!(
                out,
                "{pad}class {name}(unknown):\n{pad} def __init__(self):"
            );
            indent + 2
        }
    };
    let _ = writeln!(out, "{}global {}", " ".repeat(inner), NAMES.join(", "));
    body.iter().for_each(|stmt| stmt.print(inner, out));
}
