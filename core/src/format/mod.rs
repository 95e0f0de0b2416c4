//! Values as bytes: arrays, tables and objects. Bytes in, bytes out; no file, no clock.
//!
//! Every decoder expects bytes whose digest was verified by the caller. It still checks every size that the bytes
//! declare before it allocates or slices by it; `FORMAT.md` says what that does and does not promise.

mod array;
mod blosc2;
mod chunks;
mod compression;
mod object;
mod parallel;
mod sample;
mod table;

pub use array::{ArrayReader, ArraySpec, encode_array};
pub use compression::{Codec, Compression};
pub use object::{ObjectReader, Section, encode_object};
pub use table::{TableCodec, TableOptions, decode_table, encode_table, table_can_hold};
