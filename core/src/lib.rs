//! The core of cacheness: what names a computation, what keeps its result, what finds it again.
//!
//! It knows neither Python nor notebooks. `ARCHITECTURE.md` at the root of the repository tells how the parts
//! fit together, `FORMAT.md` beside this crate what is written to disk.

mod analysis;
mod error;
mod hash;

pub use analysis::{
    CellFacts, Effect, Literal, Magic, MagicKind, Uncacheable, analyse_python, python_source_digest,
};
pub use error::{Error, Result};
pub use hash::{Digest, ParseDigestError, StableHasher, short};
