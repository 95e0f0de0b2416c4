//! Stable hashing: the same content gives the same digest in every process, on every machine.
//!
//! XXH3 finds changes, not attackers: a digest says that content differs, never that it can be trusted.

mod columns;
mod digest;
mod directory;
mod file;
mod hasher;
mod stamp;

pub use columns::{ColumnDigest, digest_columns};
pub use digest::{Digest, ParseDigestError};
pub use hasher::{StableHasher, short};

pub(crate) use directory::{Member, Node, digest_members, walk};
pub(crate) use file::{FileDigest, digest_absent, digest_regular, leads_nowhere, unreadable};
pub(crate) use stamp::Stamp;
