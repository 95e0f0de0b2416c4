//! What a cell's text says about it: pure functions from text to facts, which touch no file, clock or environment.
//!
//! What is not understood is [`Uncacheable`], never a guess. The facts err on one side only: a name that the cell
//! cannot read may be listed as read (a needless miss), a name that it can read is never left out.

mod facts;
mod python;

pub use facts::{CellFacts, Effect, Literal, Magic, MagicKind, Uncacheable};
pub use python::{analyse_python, python_source_digest};
