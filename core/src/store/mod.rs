//! The cache directory: blobs, the index over them, and the one commit point of both.
//!
//! It deals in plain data; what keys, manifests and blobs mean is composed in `cache`. All SQL is in
//! `sql.rs`, what lies where on disk in `layout.rs` and `place.rs`, and `FORMAT.md` describes both.

mod blob;
mod connect;
mod document;
mod entry;
mod index;
mod json;
mod layout;
mod lock;
mod memo;
mod open;
mod pending;
mod place;
mod pretty;
mod removal;
mod session;
mod sql;

pub use lock::Claim;
pub use removal::Collected;

pub(crate) use entry::{BlobRecord, Found, Payload, Record, Stored, SummaryRow};
pub(crate) use memo::Remembered;
pub(crate) use open::Store;
