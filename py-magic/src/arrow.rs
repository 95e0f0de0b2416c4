//! Tables cross the boundary through the Arrow C stream protocol, without a copy.

use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

/// The stream that `table.__arrow_c_stream__()` exports.
///
/// # Errors
/// `TypeError` when it exports none, `ValueError` when the stream cannot be opened.
pub fn stream_reader(table: &Bound<'_, PyAny>) -> PyResult<RecordBatchStreamReader> {
    let exported = table.call_method0("__arrow_c_stream__")?;
    let capsule = exported
        .cast_into::<PyCapsule>()
        .map_err(|_| PyTypeError::new_err("__arrow_c_stream__ did not return a capsule"))?;
    let pointer = capsule
        .pointer_checked(Some(c"arrow_array_stream"))?
        .cast::<FFI_ArrowArrayStream>();
    // SAFETY: a capsule of this name holds a valid stream by the Arrow PyCapsule protocol. `from_raw` moves it
    // out and leaves a released one behind, which the capsule's destructor accepts.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) };
    RecordBatchStreamReader::try_new(stream)
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The name and the digest (32 hexadecimal digits) of each column of a table.
#[pyfunction]
pub fn digest_table(py: Python<'_>, table: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    let mut reader = stream_reader(table)?;
    let columns = py
        .detach(|| cacheness::digest_columns(&mut reader))
        .map_err(|error| PyTypeError::new_err(error.to_string()))?;
    Ok(columns
        .into_iter()
        .map(|column| (column.name, column.digest.to_string()))
        .collect())
}
