//! Tables to and from blobs through the Arrow C stream protocol, without a copy.

use std::sync::{Mutex, PoisonError};

use arrow_array::RecordBatchReader;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use cacheness::{TableCodec, TableOptions};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::arrow::stream_reader;
use crate::blob::Blob;
use crate::errors::{OrRaise, raised};

/// A decoded table, for whoever takes an Arrow stream; it can be taken once.
#[pyclass(frozen, module = "cacheness._cacheness")]
pub struct Table(Mutex<Option<Box<dyn RecordBatchReader + Send>>>);

#[pymethods]
impl Table {
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The protocol lets a producer ignore the wish.
        let _ = requested_schema;
        let reader = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .ok_or_else(|| raised("CacheValueError", "this table was taken already"))?;
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), c"arrow_array_stream")
    }
}

/// A table from anything that exports an Arrow stream.
#[pyfunction]
#[pyo3(signature = (table, *, codec, level = 3))]
pub fn encode_table(
    py: Python<'_>,
    table: &Bound<'_, PyAny>,
    codec: &str,
    level: i32,
) -> PyResult<Blob> {
    let options = TableOptions {
        codec: codec.parse::<TableCodec>().or_raise()?,
        level,
    };
    let mut batches = stream_reader(table)?;
    let bytes = py
        .detach(|| cacheness::encode_table(&mut batches, &options))
        .or_raise()?;
    Ok(Blob::new(cacheness::BlobKind::Table, bytes))
}

/// The table of a blob, which is used up.
#[pyfunction]
pub fn decode_table(py: Python<'_>, blob: &Blob) -> PyResult<Table> {
    let bytes = blob.take()?.bytes;
    let reader = py.detach(|| cacheness::decode_table(bytes)).or_raise()?;
    Ok(Table(Mutex::new(Some(reader))))
}
