//! Python cells, by ruff's parser.

mod bindings;
mod calls;
mod compound;
mod definitions;
mod expressions;
mod flow;
mod lines;
mod names;
mod parse;
mod patterns;
mod statements;
mod syntax;
mod walker;

#[cfg(test)]
mod tests;

pub use parse::{analyse_python, python_source_digest};
