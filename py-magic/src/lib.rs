//! The Python face of cacheness: converts, releases the GIL, calls the core, converts. No policy is made here.

mod analysis;
mod arrow;
mod blob;
mod buffer;
mod cache;
mod entry;
mod errors;
mod fingerprint;
mod key;
mod recording;
mod table;

/// What the Python package is built on; not a public interface.
#[pyo3::pymodule]
mod _cacheness {
    #[pymodule_export]
    use super::analysis::{CellFacts, analyse_python};
    #[pymodule_export]
    use super::arrow::digest_table;
    #[pymodule_export]
    use super::blob::{
        Blob, array_spec, blob_of, decode_array, decode_object, decode_section, encode_array,
        encode_object, object_sections,
    };
    #[pymodule_export]
    use super::cache::{Cache, Claim, Stats, Stored, digest_path, digest_threads};
    #[pymodule_export]
    use super::entry::{Entry, Miss, Summary};
    #[pymodule_export]
    use super::fingerprint::Walk;
    #[pymodule_export]
    use super::key::{Key, digest_bytes, explain, make_key};
    #[pymodule_export]
    use super::recording::{Recording, watch_native};
    #[pymodule_export]
    use super::table::{Table, decode_table, encode_table};
}
