//! The core of cacheness: what names a computation, what keeps its result, what finds it again.
//!
//! It knows neither Python nor notebooks. `ARCHITECTURE.md` at the root of the repository tells how the parts
//! fit together, `FORMAT.md` beside this crate what is written to disk.

mod error;
mod hash;

pub use error::{Error, Result};
pub use hash::{ColumnDigest, Digest, ParseDigestError, StableHasher, digest_columns, short};
