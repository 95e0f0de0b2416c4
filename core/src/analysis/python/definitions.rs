use std::collections::HashSet;

use ruff_python_ast::{
    Decorator, Expr, ExprLambda, Parameters, StmtClassDef, StmtFunctionDef, StmtTypeAlias,
    TypeParam, TypeParams,
};

use super::bindings::Bindings;
use super::calls::dotted;
use super::names::{ClassScope, Scope};
use super::walker::Walker;

/// Decorators that do not call what they decorate. Any other may, before the name is bound.
const PASSIVE: &[&str] = &[
    "abstractmethod",
    "asynccontextmanager",
    "cache",
    "cached_property",
    "classmethod",
    "contextmanager",
    "dataclass",
    "deleter",
    "final",
    "fixture",
    "getter",
    "inference_mode",
    "jit",
    "lru_cache",
    "njit",
    "no_grad",
    "overload",
    "override",
    "property",
    "setter",
    "singledispatch",
    "staticmethod",
    "total_ordering",
    "wraps",
];

impl Walker {
    pub fn function_def(&mut self, def: &StmtFunctionDef) {
        def.decorator_list
            .iter()
            .for_each(|decorator| self.expr(&decorator.expression));
        self.defaults(&def.parameters);
        let reads = self.with_type_params(def.type_params.as_deref(), |walker| {
            walker.annotations(&def.parameters);
            if let Some(returns) = &def.returns {
                walker.annotation(returns);
            }
            let mut bindings = Bindings::of_body(&def.body);
            bindings.add_parameters(&def.parameters);
            let scope = walker.function_scope(&bindings);
            walker.functions += 1;
            let reads = walker.deferred(scope, |walker| walker.block(&def.body));
            walker.functions -= 1;
            reads
        });
        let passive = self.are_passive(&def.decorator_list);
        if !passive {
            self.run(&reads);
        }
        self.bind(&def.name);
        self.define(&def.name, reads, passive);
    }

    pub fn lambda(&mut self, lambda: &ExprLambda) -> Vec<u32> {
        let mut bindings = Bindings::of_expr(&lambda.body);
        if let Some(parameters) = &lambda.parameters {
            self.defaults(parameters);
            bindings.add_parameters(parameters);
        }
        let scope = self.function_scope(&bindings);
        self.functions += 1;
        let reads = self.deferred(scope, |walker| walker.expr(&lambda.body));
        self.functions -= 1;
        reads
    }

    pub fn class_def(&mut self, def: &StmtClassDef) {
        def.decorator_list
            .iter()
            .for_each(|decorator| self.expr(&decorator.expression));
        let methods = self.with_type_params(def.type_params.as_deref(), |walker| {
            if let Some(arguments) = &def.arguments {
                walker.arguments(arguments);
            }
            let bindings = Bindings::of_body(&def.body);
            let globals = bindings
                .globals
                .iter()
                .map(|name| walker.owned(name))
                .collect();
            let name = def.name.to_string();
            walker
                .scopes
                .push(Scope::Class(ClassScope::new(name, globals)));
            walker.block(&def.body);
            match walker.scopes.pop() {
                Some(Scope::Class(class)) => class.methods,
                _ => Vec::new(),
            }
        });
        let reads: HashSet<u32> = methods.into_iter().flat_map(|(_, reads)| reads).collect();
        let reads: Vec<u32> = reads.into_iter().collect();
        let passive = self.are_passive(&def.decorator_list);
        if !passive {
            self.run(&reads);
        }
        self.bind(&def.name);
        // A base or metaclass may call methods while it makes the class; they do not look for the class by its own
        // name then, since in a fresh namespace there is none.
        let plain = def
            .arguments
            .as_ref()
            .is_none_or(|arguments| arguments.is_empty());
        self.define(&def.name, reads, passive && plain);
    }

    /// The value is evaluated when something asks for it.
    pub fn type_alias(&mut self, alias: &StmtTypeAlias) {
        let reads = self.with_type_params(alias.type_params.as_deref(), |walker| {
            walker.deferred(Scope::Inline(HashSet::new()), |walker| {
                walker.annotation(&alias.value)
            })
        });
        self.run(&reads);
        self.target(&alias.name);
    }

    fn are_passive(&mut self, decorators: &[Decorator]) -> bool {
        decorators.iter().all(|decorator| {
            let (maker, eager) = match &decorator.expression {
                Expr::Call(call) => (&*call.func, !call.arguments.args.is_empty()),
                other => (other, false),
            };
            let Some(name) = dotted(maker) else {
                return false;
            };
            let last = name.rsplit('.').next().unwrap_or_default();
            let compiles = eager && matches!(last, "jit" | "njit");
            PASSIVE.contains(&last) && !compiles && self.usual(&name)
        })
    }

    fn defaults(&mut self, parameters: &Parameters) {
        for parameter in parameters.iter_non_variadic_params() {
            parameter
                .default()
                .into_iter()
                .for_each(|default| self.expr(default));
        }
    }

    fn annotations(&mut self, parameters: &Parameters) {
        for parameter in parameters.iter() {
            parameter
                .annotation()
                .into_iter()
                .for_each(|annotation| self.annotation(annotation));
        }
    }

    fn with_type_params<T>(
        &mut self,
        params: Option<&TypeParams>,
        walk: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let Some(params) = params else {
            return walk(self);
        };
        let names = params
            .iter()
            .map(|param| self.owned(param.name()))
            .collect();
        self.scopes.push(Scope::Inline(names));
        for param in params {
            let (bound, default) = match param {
                TypeParam::TypeVar(var) => (var.bound.as_deref(), var.default.as_deref()),
                TypeParam::TypeVarTuple(tuple) => (None, tuple.default.as_deref()),
                TypeParam::ParamSpec(spec) => (None, spec.default.as_deref()),
            };
            bound
                .into_iter()
                .chain(default)
                .for_each(|part| self.annotation(part));
        }
        let result = walk(self);
        self.scopes.pop();
        result
    }
}
