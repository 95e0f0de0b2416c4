//! Tables as standard Parquet files, with the Arrow schema and the schema metadata (pandas') kept.

mod categories;
mod decode;
mod encode;
mod support;
#[cfg(test)]
mod tests;

pub use decode::decode_table;
pub use encode::{TableCodec, TableOptions, encode_table};
pub use support::table_can_hold;
