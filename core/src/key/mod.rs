//! What names a computation: its inputs, the digest over them, and the same inputs for people to read.

mod builder;
mod explain;
mod input;
mod name;

pub use builder::{KeyBuilder, Manifest};
pub use explain::{Change, explain};
pub use input::{Input, InputKind, ParseInputKindError};
pub use name::Key;
