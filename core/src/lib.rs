//! The core of cacheness: what names a computation, what keeps its result, what finds it again.
//!
//! It knows neither Python nor notebooks. `ARCHITECTURE.md` at the root of the repository tells how the parts
//! fit together, `FORMAT.md` beside this crate what is written to disk.

mod analysis;
mod blob;
mod cache;
mod clock;
mod config;
mod error;
mod fork;
mod format;
mod hash;
mod key;
mod pool;
mod store;

pub use analysis::{
    CellFacts, Effect, Literal, Magic, MagicKind, Uncacheable, analyse_python, python_source_digest,
};
pub use blob::{Blob, BlobKind};
pub use cache::{
    BlobInfo, Cache, Draft, Entry, ListFilter, Lookup, MissReason, PathDigest, Stats, Stored,
    Summary, digest_environment, digest_path,
};
pub use clock::Clock;
pub use config::{Backend, CacheOptions, Durability, INLINE_LIMIT, MaxAge};
pub use error::{Error, Result};
pub use format::{
    ArrayReader, ArraySpec, Codec, Compression, ObjectReader, Section, TableCodec, TableOptions,
    decode_table, encode_array, encode_object, encode_table, table_can_hold,
};
pub use hash::{ColumnDigest, Digest, ParseDigestError, StableHasher, digest_columns, short};
pub use key::{Change, Input, InputKind, Key, KeyBuilder, Manifest, ParseInputKindError, explain};
pub use pool::threads;
pub use store::{Claim, Collected};
