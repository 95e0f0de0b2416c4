//! The core of cacheness: what names a computation, what keeps its result, what finds it again.
//!
//! It knows neither Python nor notebooks. `ARCHITECTURE.md` at the root of the repository tells how the parts
//! fit together, `FORMAT.md` beside this crate what is written to disk.

mod blob;
mod error;
mod format;
mod hash;

pub use blob::{Blob, BlobKind};
pub use error::{Error, Result};
pub use format::{
    ArrayReader, ArraySpec, Codec, Compression, ObjectReader, Section, TableCodec, TableOptions,
    decode_table, encode_array, encode_object, encode_table, table_can_hold,
};
pub use hash::{ColumnDigest, Digest, ParseDigestError, StableHasher, digest_columns, short};
