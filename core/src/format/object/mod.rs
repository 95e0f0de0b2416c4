//! Objects: a pickle stream and the buffers that were taken out of it, in one envelope.

mod encode;
mod envelope;
mod reader;
#[cfg(test)]
mod tests;

pub use encode::{Section, encode_object};
pub use reader::ObjectReader;
