//! Random programs, executed by a tiny interpreter that takes every branch by chance: whatever one run reads from
//! outside must be among the reads that the analysis finds.

use std::collections::{BTreeSet, HashMap};

use super::programs::{Chance, Form, NAMES, Stmt};
use crate::analysis::analyse_python;

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
