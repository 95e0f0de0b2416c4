use ruff_python_ast::{Pattern, StmtMatch};

use super::bindings::captured;
use super::flow::Flow;
use super::walker::Walker;

impl Walker {
    pub fn match_stmt(&mut self, stmt: &StmtMatch) {
        self.expr(&stmt.subject);
        let mut after = Flow::Unreachable;
        for case in &stmt.cases {
            // A pattern or guard that fails may have bound some of its names, or none.
            let otherwise = self.state.clone();
            self.pattern(&case.pattern);
            if let Some(guard) = &case.guard {
                self.expr(guard);
            }
            self.block(&case.body);
            let otherwise = if case.guard.is_none() && case.pattern.is_irrefutable() {
                Flow::Unreachable
            } else {
                otherwise
            };
            after = after.join(&self.replace(otherwise));
        }
        self.join(&after);
    }

    fn pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::MatchValue(value) => self.expr(&value.value),
            Pattern::MatchSingleton(_) | Pattern::MatchStar(_) => {}
            Pattern::MatchSequence(sequence) => {
                sequence.patterns.iter().for_each(|part| self.pattern(part));
            }
            Pattern::MatchMapping(mapping) => {
                mapping.keys.iter().for_each(|key| self.expr(key));
                mapping.patterns.iter().for_each(|part| self.pattern(part));
            }
            Pattern::MatchClass(class) => {
                self.expr(&class.cls);
                class
                    .arguments
                    .patterns
                    .iter()
                    .for_each(|part| self.pattern(part));
                class
                    .arguments
                    .keywords
                    .iter()
                    .for_each(|part| self.pattern(&part.pattern));
            }
            Pattern::MatchAs(capture) => {
                capture.pattern.iter().for_each(|part| self.pattern(part));
            }
            Pattern::MatchOr(or) => or.patterns.iter().for_each(|part| self.pattern(part)),
        }
        if let Some(name) = captured(pattern) {
            self.bind(name);
        }
    }
}
