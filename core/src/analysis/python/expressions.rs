use std::collections::HashSet;

use ruff_python_ast::{
    Arguments, Comprehension, Expr, ExprAttribute, ExprBoolOp, ExprCompare, ExprFString, ExprIf,
    FStringPart, InterpolatedStringElement, InterpolatedStringElements,
};

use super::bindings::target_names;
use super::names::Scope;
use super::walker::Walker;

impl Walker {
    /// Walks an expression that is evaluated here.
    pub fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Name(name) => self.load_name(name),
            Expr::Attribute(attribute) => self.attribute(attribute),
            Expr::Call(call) => self.call(call),
            Expr::BoolOp(op) => self.bool_op(op),
            Expr::If(choice) => self.choice(choice),
            Expr::Compare(compare) => self.compare(compare),
            Expr::Named(named) => {
                self.expr(&named.value);
                self.target(&named.target);
            }
            Expr::BinOp(op) => [&op.left, &op.right]
                .into_iter()
                .for_each(|side| self.expr(side)),
            Expr::UnaryOp(op) => self.expr(&op.operand),
            Expr::Lambda(lambda) => {
                let reads = self.lambda(lambda);
                self.run(&reads);
            }
            Expr::Dict(dict) => {
                for item in &dict.items {
                    item.key
                        .iter()
                        .chain([&item.value])
                        .for_each(|part| self.expr(part));
                }
            }
            Expr::Set(set) => set.elts.iter().for_each(|part| self.expr(part)),
            Expr::List(list) => list.elts.iter().for_each(|part| self.expr(part)),
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|part| self.expr(part)),
            Expr::ListComp(comp) => self.comprehension(&comp.generators, [Some(&*comp.elt), None]),
            Expr::SetComp(comp) => self.comprehension(&comp.generators, [Some(&*comp.elt), None]),
            Expr::DictComp(comp) => {
                self.comprehension(&comp.generators, [comp.key.as_deref(), Some(&*comp.value)]);
            }
            Expr::Generator(comp) => self.generator(&comp.generators, &comp.elt),
            Expr::Await(awaited) => {
                self.found.has_await |= self.functions == 0;
                self.expr(&awaited.value);
            }
            Expr::Yield(yielded) => yielded.value.iter().for_each(|value| self.expr(value)),
            Expr::YieldFrom(yielded) => self.expr(&yielded.value),
            Expr::FString(string) => self.f_string(string),
            Expr::TString(string) => string
                .value
                .iter()
                .for_each(|part| self.elements(&part.elements)),
            Expr::StringLiteral(string) => self.string(string.value.to_str(), string),
            Expr::Subscript(subscript) => {
                self.expr(&subscript.value);
                self.expr(&subscript.slice);
            }
            Expr::Starred(starred) => self.expr(&starred.value),
            Expr::Slice(slice) => {
                let parts = [&slice.lower, &slice.upper, &slice.step]
                    .into_iter()
                    .flatten();
                parts.for_each(|part| self.expr(part));
            }
            Expr::IpyEscapeCommand(command) => self.effect("a magic as text", command),
            Expr::BytesLiteral(_)
            | Expr::NumberLiteral(_)
            | Expr::BooleanLiteral(_)
            | Expr::NoneLiteral(_)
            | Expr::EllipsisLiteral(_) => {}
        }
    }

    fn load_name(&mut self, name: &ruff_python_ast::ExprName) {
        if name.id.as_str() == "get_ipython" && self.is_outer("get_ipython") {
            self.effect("get_ipython", name);
        }
        self.load(&name.id);
    }

    /// `a.b.c`: reads `a`, and notes that `b.c` is read on it.
    fn attribute(&mut self, attribute: &ExprAttribute) {
        let mut path = vec![attribute.attr.as_str()];
        let mut root = &*attribute.value;
        while let Expr::Attribute(inner) = root {
            path.push(inner.attr.as_str());
            root = &*inner.value;
        }
        if let Expr::Name(name) = root
            && self.is_outer(&name.id)
        {
            path.reverse();
            let paths = self
                .found
                .attributes
                .entry(name.id.to_string())
                .or_default();
            paths.insert(path.join("."));
        }
        self.expr(root);
    }

    /// After the first operand the others may be skipped.
    fn bool_op(&mut self, op: &ExprBoolOp) {
        let Some((first, rest)) = op.values.split_first() else {
            return;
        };
        self.expr(first);
        let certain = self.state.clone();
        rest.iter().for_each(|value| self.expr(value));
        self.replace(certain);
    }

    /// `a < b < c` skips `c` unless `a < b`.
    fn compare(&mut self, compare: &ExprCompare) {
        self.expr(&compare.left);
        let Some((first, rest)) = compare.comparators.split_first() else {
            return;
        };
        self.expr(first);
        if !rest.is_empty() {
            let certain = self.state.clone();
            rest.iter().for_each(|value| self.expr(value));
            self.replace(certain);
        }
    }

    fn choice(&mut self, choice: &ExprIf) {
        self.expr(&choice.test);
        let otherwise = self.state.clone();
        self.expr(&choice.body);
        let after = self.replace(otherwise);
        self.expr(&choice.orelse);
        self.join(&after);
    }

    pub fn arguments(&mut self, arguments: &Arguments) {
        arguments
            .args
            .iter()
            .for_each(|argument| self.expr(argument));
        arguments
            .keywords
            .iter()
            .for_each(|keyword| self.expr(&keyword.value));
    }

    /// The first iterable is evaluated outside, the rest in a scope of its own, perhaps never.
    fn comprehension(&mut self, generators: &[Comprehension], parts: [Option<&Expr>; 2]) {
        let Some(first) = generators.first() else {
            return;
        };
        self.expr(&first.iter);
        let certain = self.state.clone();
        self.scopes.push(self.comprehension_scope(generators));
        self.rounds(generators);
        parts.into_iter().flatten().for_each(|part| self.expr(part));
        self.scopes.pop();
        self.replace(certain);
    }

    /// As a comprehension, but it runs when something asks for its items.
    fn generator(&mut self, generators: &[Comprehension], element: &Expr) {
        let Some(first) = generators.first() else {
            return;
        };
        self.expr(&first.iter);
        let scope = self.comprehension_scope(generators);
        let reads = self.deferred(scope, |walker| {
            walker.rounds(generators);
            walker.expr(element);
        });
        self.run(&reads);
    }

    fn comprehension_scope(&self, generators: &[Comprehension]) -> Scope {
        let mut names = HashSet::new();
        generators
            .iter()
            .for_each(|generator| target_names(&generator.target, &mut names));
        Scope::Inline(names.into_iter().map(|name| self.owned(name)).collect())
    }

    fn rounds(&mut self, generators: &[Comprehension]) {
        for (index, generator) in generators.iter().enumerate() {
            self.found.has_await |= generator.is_async && self.functions == 0;
            if index > 0 {
                self.expr(&generator.iter);
            }
            self.comprehension_target(&generator.target);
            generator.ifs.iter().for_each(|test| self.expr(test));
        }
    }

    /// Names are the comprehension's own; `for d[k] in …` reads `d` and `k`.
    fn comprehension_target(&mut self, target: &Expr) {
        match target {
            Expr::Starred(starred) => self.comprehension_target(&starred.value),
            Expr::Tuple(tuple) => tuple
                .elts
                .iter()
                .for_each(|part| self.comprehension_target(part)),
            Expr::List(list) => list
                .elts
                .iter()
                .for_each(|part| self.comprehension_target(part)),
            _ => self.target_parts(target),
        }
    }

    fn f_string(&mut self, string: &ExprFString) {
        let mut constant = Some(String::new());
        for part in &string.value {
            match part {
                FStringPart::Literal(literal) => push(&mut constant, Some(literal.as_str())),
                FStringPart::FString(part) => {
                    self.elements(&part.elements);
                    for element in &part.elements {
                        push(
                            &mut constant,
                            element.as_literal().map(|literal| &*literal.value),
                        );
                    }
                }
            }
        }
        if let Some(text) = constant {
            self.string(&text, string);
        }
    }

    fn elements(&mut self, elements: &InterpolatedStringElements) {
        for element in elements {
            if let InterpolatedStringElement::Interpolation(interpolation) = element {
                self.expr(&interpolation.expression);
                if let Some(spec) = &interpolation.format_spec {
                    self.elements(&spec.elements);
                }
            }
        }
    }
}

/// Adds a constant part, or finds that the whole is not constant.
fn push(whole: &mut Option<String>, part: Option<&str>) {
    match (whole.as_mut(), part) {
        (Some(text), Some(part)) => text.push_str(part),
        _ => *whole = None,
    }
}
