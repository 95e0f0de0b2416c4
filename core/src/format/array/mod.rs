//! Arrays as standard contiguous blosc2 frames with the `b2nd` metalayer, which `blosc2.open` of Python reads.

mod encode;
mod frame;
mod layout;
mod reader;
#[cfg(test)]
mod tests;

pub use encode::{ArraySpec, encode_array};
pub use reader::ArrayReader;
