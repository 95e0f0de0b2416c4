use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::bindings::Bindings;
use super::walker::{PATIENCE, Walker};

/// Names of the namespace by number, and which of them are read from outside.
#[derive(Default)]
pub(super) struct Names {
    numbers: HashMap<String, u32>,
    count: u32,
    live: HashSet<u32>,
    /// Bodies of functions that were defined, and had not been loaded when they were.
    pending: Vec<Pending>,
    pending_by_name: HashMap<u32, Vec<usize>>,
    /// Names that code which may run at any time now reads.
    escaped: HashSet<u32>,
    /// Something has been seen that may call any function.
    opaque: bool,
    pub steps: u64,
}

struct Pending {
    reads: Vec<u32>,
    /// The walker's epoch when these reads last took place.
    epoch: u64,
}

impl Names {
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.fresh();
        self.numbers.insert(name.to_owned(), number);
        number
    }

    fn fresh(&mut self) -> u32 {
        self.count += 1;
        self.count - 1
    }

    pub fn live_names(&self) -> BTreeSet<String> {
        let live = self
            .numbers
            .iter()
            .filter(|(_, number)| self.live.contains(number));
        live.map(|(name, _)| name.clone()).collect()
    }
}

/// A scope of Python, outermost first on the walker's stack.
pub(super) enum Scope {
    Module,
    Class(ClassScope),
    Function {
        locals: HashSet<String>,
        globals: HashSet<String>,
    },
    /// A comprehension, or a list of type parameters: bindings inside go past it.
    Inline(HashSet<String>),
}

#[derive(Default)]
pub(super) struct ClassScope {
    name: String,
    globals: HashSet<String>,
    /// Names bound in the body; numbers of their own, since they are not in the namespace.
    own: HashMap<String, u32>,
    /// Bodies of methods that have not been loaded.
    pub methods: Vec<(String, Vec<u32>)>,
}

impl ClassScope {
    pub fn new(name: String, globals: HashSet<String>) -> Self {
        Self {
            name,
            globals,
            ..Self::default()
        }
    }
}

enum Place {
    /// In a function, a comprehension, or bound in the class body for certain.
    Inner,
    Namespace,
}

impl Walker {
    /// The scope of a function or lambda; `bindings` include its parameters.
    pub fn function_scope(&self, bindings: &Bindings<'_>) -> Scope {
        let elsewhere = |name: &&&str| {
            !bindings.globals.contains(**name) && !bindings.nonlocals.contains(**name)
        };
        Scope::Function {
            locals: bindings
                .bound
                .iter()
                .filter(elsewhere)
                .map(|n| self.owned(n))
                .collect(),
            globals: bindings.globals.iter().map(|n| self.owned(n)).collect(),
        }
    }

    pub fn owned(&self, name: &str) -> String {
        self.mangled(name).into_owned()
    }

    /// `__name` in a class body, and in its methods, is `_Class__name`.
    pub fn mangled<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if !name.starts_with("__") || name.ends_with("__") {
            return Cow::Borrowed(name);
        }
        let class = self.scopes.iter().rev().find_map(|scope| match scope {
            Scope::Class(class) => Some(class.name.trim_start_matches('_')),
            _ => None,
        });
        match class {
            Some(class) if !class.is_empty() => Cow::Owned(format!("_{class}{name}")),
            _ => Cow::Borrowed(name),
        }
    }

    fn place(&self, name: &str) -> Place {
        for (depth, scope) in self.scopes.iter().rev().enumerate() {
            match scope {
                Scope::Inline(locals) if locals.contains(name) => return Place::Inner,
                Scope::Function { globals, .. } if globals.contains(name) => break,
                Scope::Function { locals, .. } if locals.contains(name) => return Place::Inner,
                Scope::Class(class) if depth == 0 => {
                    if class.globals.contains(name) {
                        break;
                    }
                    if class.own.get(name).is_some_and(|own| self.state.has(*own)) {
                        return Place::Inner;
                    }
                }
                _ => {}
            }
        }
        Place::Namespace
    }

    /// Whether `name`, used here, means the one in the namespace or a builtin.
    pub fn is_outer(&self, name: &str) -> bool {
        matches!(self.place(&self.mangled(name)), Place::Namespace)
    }

    /// Reads `name`.
    pub fn load(&mut self, name: &str) {
        let name = self.mangled(name);
        self.run_methods(&name);
        if matches!(self.place(&name), Place::Namespace) {
            let number = self.names.number(&name);
            self.read(number);
        }
    }

    /// Binds `name` in the innermost scope that statements bind in.
    pub fn bind(&mut self, name: &str) {
        if let Some(name) = self.touch(name) {
            self.found.writes.insert(name);
        }
    }

    /// Deletes `name`: whether that works depends on what was there.
    pub fn delete(&mut self, name: &str) {
        self.load(name);
        self.unbind(name);
    }

    /// Deletes a name that may be gone already.
    pub fn unbind(&mut self, name: &str) {
        if let Some(name) = self.touch(name) {
            self.found.deletes.insert(name);
        }
    }

    /// Marks `name` as touched, and returns it if it is one of the namespace.
    fn touch(&mut self, name: &str) -> Option<String> {
        let name = self.owned(name);
        let inner = self
            .scopes
            .iter_mut()
            .rev()
            .find(|scope| !matches!(scope, Scope::Inline(_)));
        match inner {
            Some(Scope::Function { globals, .. }) if !globals.contains(&name) => return None,
            Some(Scope::Class(class)) if !class.globals.contains(&name) => {
                let number = *class.own.entry(name).or_insert_with(|| self.names.fresh());
                self.state.touch(number);
                return None;
            }
            _ => {}
        }
        let number = self.names.number(&name);
        self.state.touch(number);
        Some(name)
    }

    fn read(&mut self, number: u32) {
        let outside = !self.state.has(number);
        if let Some(sink) = &mut self.sink {
            if outside {
                sink.insert(number);
            }
            return;
        }
        if outside {
            self.names.live.insert(number);
        }
        self.run_pending(number);
    }

    /// A function's name was loaded here, so its body may run from here on, and so may what the body loads.
    fn run_pending(&mut self, number: u32) {
        if self.names.pending.is_empty() {
            return;
        }
        let names = &mut self.names;
        let mut loaded = vec![number];
        while let Some(number) = loaded.pop() {
            for index in names.pending_by_name.get(&number).into_iter().flatten() {
                let Some(pending) = names.pending.get_mut(*index) else {
                    continue;
                };
                if pending.epoch == self.epoch || names.steps > PATIENCE {
                    continue;
                }
                pending.epoch = self.epoch;
                for read in &pending.reads {
                    names.steps += 1;
                    if !self.state.has(*read) {
                        names.live.insert(*read);
                    }
                    names.escaped.insert(*read);
                    loaded.push(*read);
                }
            }
        }
    }

    /// Code that reads these names may run from here on.
    pub fn run(&mut self, reads: &[u32]) {
        for read in reads {
            self.names.steps += 1;
            self.read(*read);
            if self.sink.is_none() {
                self.names.escaped.insert(*read);
            }
        }
    }

    /// In a class body, a method that is used there may run there.
    fn run_methods(&mut self, name: &str) {
        let Some(Scope::Class(class)) = self.scopes.last_mut() else {
            return;
        };
        let methods = std::mem::take(&mut class.methods);
        let (used, rest): (Vec<_>, _) = methods.into_iter().partition(|(other, _)| other == name);
        class.methods = rest;
        used.iter().for_each(|(_, reads)| self.run(reads));
    }

    /// A function was bound to `name`. Its body waits until the name is loaded if nothing can run it earlier: not
    /// in a loop, whose next round may come by before, and not where code that loads the name already exists.
    pub fn define(&mut self, name: &str, reads: Vec<u32>, may_wait: bool) {
        let number = self.names.number(&self.mangled(name));
        let names = &self.names;
        let caught = names.opaque || names.escaped.contains(&number);
        if !may_wait || caught || self.sink.is_some() || !self.loops.is_empty() {
            return self.run(&reads);
        }
        let name = self.owned(name);
        match self.scopes.last_mut() {
            Some(Scope::Class(class)) if !class.globals.contains(&name) => {
                class.methods.push((name, reads));
            }
            Some(Scope::Class(_)) => self.run(&reads),
            _ => {
                let names = &mut self.names;
                names
                    .pending_by_name
                    .entry(number)
                    .or_default()
                    .push(names.pending.len());
                names.pending.push(Pending {
                    reads,
                    epoch: u64::MAX,
                });
            }
        }
    }

    /// From here on any function may run, those defined later as well.
    pub fn read_everything_pending(&mut self) {
        self.names.opaque = true;
        if let Some(sink) = &mut self.sink {
            sink.extend(self.names.pending.iter().flat_map(|pending| &pending.reads));
        } else {
            let names: Vec<u32> = self.names.pending_by_name.keys().copied().collect();
            names
                .into_iter()
                .for_each(|number| self.run_pending(number));
        }
    }

    /// At the end of the cell: functions that nothing has loaded may run after it.
    pub fn read_what_is_left(&mut self) {
        if self.state.is_unreachable() {
            self.replace(super::flow::Flow::start());
        }
        let names: Vec<u32> = self.names.pending_by_name.keys().copied().collect();
        names
            .into_iter()
            .for_each(|number| self.run_pending(number));
    }
}
