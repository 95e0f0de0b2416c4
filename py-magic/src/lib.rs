//! The Python face of the core: convert, release the GIL, call core, convert. No policy.

mod arrow;
mod fingerprint;

use pyo3::prelude::*;

#[pymodule]
fn _cacheness(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<fingerprint::Walk>()?;
    module.add_function(wrap_pyfunction!(arrow::digest_table, module)?)
}
