//! Stable hashing: the same content gives the same digest in every process, on every machine.
//!
//! XXH3 finds changes, not attackers: a digest says that content differs, never that it can be trusted.

mod columns;
mod digest;
mod hasher;

pub use columns::{ColumnDigest, digest_columns};
pub use digest::{Digest, ParseDigestError};
pub use hasher::{StableHasher, short};
