//! Random programs, executed by a tiny interpreter that takes every branch by chance: whatever one run reads from
//! outside must be among the reads that the analysis finds.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use crate::analysis::analyse_python;

const NAMES: &[&str] = &["a", "b", "c", "f", "g"];

#[derive(Debug, Clone)]
enum Stmt {
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
enum Form {
    Function,
    Lambda,
    Class,
    Subclass,
    Decorated,
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
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

    fn stmt(&mut self, depth: u32, looped: bool) -> Stmt {
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

    fn print(&self, indent: usize, out: &mut String) {
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

#[derive(Clone, Copy, PartialEq)]
enum End {
    Break,
    Continue,
    Raise,
}

/// `None` in `values`: deleted. `Some(None)`: some value. `Some(Some(body))`: a function.
type Value<'p> = Option<&'p [Stmt]>;

struct Run<'p> {
    chance: Chance,
    values: HashMap<&'static str, Option<Value<'p>>>,
    outside: BTreeSet<String>,
    steps: u32,
}

impl<'p> Run<'p> {
    fn read(&mut self, name: &'static str) -> Result<Value<'p>, End> {
        self.steps += 1;
        let value = match self.values.get(name) {
            None => {
                self.outside.insert(name.to_owned());
                Some(None)
            }
            Some(value) => *value,
        };
        if self.steps > 300 || self.chance.one_in(15) {
            return Err(End::Raise);
        }
        value.ok_or(End::Raise)
    }

    fn bind(&mut self, name: &'static str, value: Value<'p>) {
        self.values.insert(name, Some(value));
    }

    fn block(&mut self, body: &'p [Stmt]) -> Result<(), End> {
        body.iter().try_for_each(|stmt| self.stmt(stmt))
    }

    fn call(&mut self, value: Value<'p>) -> Result<(), End> {
        self.steps += 1;
        match value {
            Some(body) if self.steps < 300 => self.block(body),
            _ => Ok(()),
        }
    }

    fn stmt(&mut self, stmt: &'p Stmt) -> Result<(), End> {
        match stmt {
            Stmt::Read(x) => self.read(x).map(drop)?,
            Stmt::Constant(x) => self.bind(x, None),
            Stmt::Copy(x, y) => {
                let value = self.read(y)?;
                self.bind(x, value);
            }
            Stmt::Augment(x) => {
                self.read(x)?;
                self.bind(x, None);
            }
            Stmt::Delete(x) => {
                self.read(x)?;
                self.values.insert(x, None);
            }
            Stmt::Call(x) => {
                let value = self.read(x)?;
                self.call(value)?;
            }
            Stmt::Perhaps(x, y) if self.chance.one_in(2) => {
                let value = self.read(y)?;
                self.bind(x, value);
            }
            Stmt::Perhaps(..) => {}
            Stmt::Comprehension(x, y, z) => {
                for _ in 0..self.chance.below(3) {
                    let value = self.read(z)?;
                    self.bind(y, value);
                }
                self.bind(x, None);
            }
            Stmt::Define(form, x, body) => {
                if matches!(form, Form::Decorated) && self.chance.one_in(3) {
                    self.call(Some(body))?;
                }
                self.bind(x, Some(body));
            }
            Stmt::Break => return Err(End::Break),
            Stmt::Continue => return Err(End::Continue),
            Stmt::Raise => return Err(End::Raise),
            _ => self.compound(stmt)?,
        }
        Ok(())
    }

    fn compound(&mut self, stmt: &'p Stmt) -> Result<(), End> {
        match stmt {
            Stmt::If(body, orelse) => {
                let branch = if self.chance.one_in(2) { body } else { orelse };
                self.block(branch)
            }
            Stmt::While(body, orelse) => self.rounds(None, body, Some(orelse)),
            Stmt::For(x, body, orelse) => self.rounds(Some(x), body, Some(orelse)),
            Stmt::Forever(body) => self.rounds(None, body, None),
            Stmt::Try(body, handler, orelse, last) => {
                let mut end = self.block(body);
                if end == Ok(()) {
                    end = self.block(orelse);
                } else if end == Err(End::Raise) {
                    end = self.block(handler);
                }
                self.block(last).and(end)
            }
            Stmt::With(body) => match self.block(body) {
                Err(End::Raise) if self.chance.one_in(2) => Ok(()),
                end => end,
            },
            Stmt::Match(x, y, body) => {
                self.read(x)?;
                if self.chance.one_in(2) {
                    self.bind(y, None);
                    self.block(body)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Without `orelse` the loop ends by `break` or an exception only.
    fn rounds(
        &mut self,
        target: Option<&'static str>,
        body: &'p [Stmt],
        orelse: Option<&'p [Stmt]>,
    ) -> Result<(), End> {
        while orelse.is_none() || self.chance.one_in(2) {
            self.steps += 1;
            if self.steps > 300 {
                return Err(End::Raise);
            }
            if let Some(x) = target {
                self.bind(x, None);
            }
            match self.block(body) {
                Ok(()) | Err(End::Continue) => {}
                Err(End::Break) => return Ok(()),
                Err(End::Raise) => return Err(End::Raise),
            }
        }
        orelse.map_or(Ok(()), |orelse| self.block(orelse))
    }
}

#[test]
fn no_read_is_missed() {
    let (mut found, mut seen) = (0, 0);
    for seed in 0..4_000 {
        let mut chance = Chance(seed * 7_919 + 1);
        let program: Vec<Stmt> = (0..=chance.below(5))
            .map(|_| chance.stmt(3, false))
            .collect();
        let mut source = String::new();
        program.iter().for_each(|stmt| stmt.print(0, &mut source));
        let facts = analyse_python(&source).unwrap_or_else(|error| panic!("{error}\n{source}"));
        let mut outside = BTreeSet::new();
        for round in 0..40 {
            let mut run = Run {
                chance: Chance(seed * 1_000 + round),
                values: HashMap::new(),
                outside: BTreeSet::new(),
                steps: 0,
            };
            let _ = run.block(&program);
            outside.append(&mut run.outside);
        }
        let missed: Vec<_> = outside.difference(&facts.reads).collect();
        assert!(missed.is_empty(), "{missed:?} read by\n{source}");
        found += facts
            .reads
            .iter()
            .filter(|name| NAMES.contains(&name.as_str()))
            .count();
        seen += outside.len();
    }
    // Loosely: an analysis that calls everything read would pass otherwise.
    assert!(
        found * 10 < seen * 13,
        "{found} names found, {seen} seen to be read"
    );
}
