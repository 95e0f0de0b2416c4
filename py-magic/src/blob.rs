//! Arrays and objects to and from blobs, straight from and into the memory of Python objects.

use std::sync::{Arc, Mutex, PoisonError};

use cacheness::{ArrayReader, ArraySpec, Codec, Compression, ObjectReader, Section};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffer::{Input, Output};
use crate::errors::{OrRaise, raised};

/// The encoded bytes of a value. Storing it, or decoding a table from it, uses it up.
#[pyclass(frozen, module = "cacheness._cacheness")]
pub struct Blob(Mutex<Option<Arc<cacheness::Blob>>>);

impl Blob {
    pub fn new(kind: cacheness::BlobKind, bytes: Vec<u8>) -> Self {
        Self(Mutex::new(Some(Arc::new(cacheness::Blob { kind, bytes }))))
    }

    /// The blob, shared with whoever decodes it at the moment.
    pub fn share(&self) -> PyResult<Arc<cacheness::Blob>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or_else(used_up)
    }

    /// The blob itself, which is gone from here afterwards.
    pub fn take(&self) -> PyResult<cacheness::Blob> {
        let shared = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .ok_or_else(used_up)?;
        Ok(Arc::try_unwrap(shared).unwrap_or_else(|shared| (*shared).clone()))
    }
}

fn used_up() -> PyErr {
    raised("CacheValueError", "this blob was used up")
}

#[pymethods]
impl Blob {
    /// `array`, `npz`, `table` or `object`.
    #[getter]
    fn kind(&self) -> PyResult<&'static str> {
        Ok(self.share()?.kind.as_str())
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(self.share()?.bytes.len())
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.share()?.bytes))
    }
}

/// A blob of `kind` that holds `data`, as it was read from somewhere else.
#[pyfunction]
pub fn blob_of(kind: &str, data: &Bound<'_, PyAny>) -> PyResult<Blob> {
    Ok(Blob::new(
        kind.parse().or_raise()?,
        Input::new(data)?.bytes().to_vec(),
    ))
}

fn compression(codec: &str, level: u8, threads: usize) -> PyResult<Compression> {
    Ok(Compression {
        codec: codec.parse::<Codec>().or_raise()?,
        level,
        threads,
    })
}

/// An array from the bytes of its items in C order.
#[pyfunction]
#[pyo3(signature = (data, *, dtype, shape, itemsize, codec, level, threads))]
#[expect(clippy::too_many_arguments, reason = "keywords of a Python function")]
pub fn encode_array(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    dtype: &str,
    shape: Vec<u64>,
    itemsize: usize,
    codec: &str,
    level: u8,
    threads: usize,
) -> PyResult<Blob> {
    let data = Input::new(data)?;
    let compression = compression(codec, level, threads)?;
    let spec = ArraySpec {
        dtype,
        shape: &shape,
        itemsize,
    };
    let bytes = py
        .detach(|| cacheness::encode_array(&spec, data.bytes(), &compression))
        .or_raise()?;
    Ok(Blob::new(cacheness::BlobKind::Array, bytes))
}

/// The dtype, shape and item size of an array.
#[pyfunction]
pub fn array_spec(blob: &Blob) -> PyResult<(String, Vec<u64>, usize)> {
    let blob = blob.share()?;
    let reader = ArrayReader::new(&blob.bytes).or_raise()?;
    Ok((
        reader.dtype().to_owned(),
        reader.shape().to_vec(),
        reader.itemsize(),
    ))
}

/// The items of an array, in C order, into `out`.
#[pyfunction]
pub fn decode_array(py: Python<'_>, blob: &Blob, out: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut out = Output::new(out)?;
    let blob = blob.share()?;
    py.detach(|| ArrayReader::new(&blob.bytes)?.decode_into(out.bytes()))
        .or_raise()
}

/// An object from its pickle stream and its buffers, each with the size of its items.
#[pyfunction]
#[pyo3(signature = (stream, buffers, *, codec, level, threads))]
pub fn encode_object(
    py: Python<'_>,
    stream: &Bound<'_, PyAny>,
    buffers: Vec<(Bound<'_, PyAny>, usize)>,
    codec: &str,
    level: u8,
    threads: usize,
) -> PyResult<Blob> {
    let compression = compression(codec, level, threads)?;
    let stream = Input::new(stream)?;
    let buffers = buffers
        .iter()
        .map(|(buffer, typesize)| Ok((Input::new(buffer)?, *typesize)))
        .collect::<PyResult<Vec<_>>>()?;
    let bytes = py
        .detach(|| {
            let sections: Vec<Section<'_>> = buffers
                .iter()
                .map(|(buffer, typesize)| Section {
                    data: buffer.bytes(),
                    typesize: *typesize,
                })
                .collect();
            cacheness::encode_object(stream.bytes(), &sections, &compression)
        })
        .or_raise()?;
    Ok(Blob::new(cacheness::BlobKind::Object, bytes))
}

/// The lengths of an object's pickle stream (the first) and of its buffers, in bytes.
#[pyfunction]
pub fn object_sections(blob: &Blob) -> PyResult<Vec<usize>> {
    let blob = blob.share()?;
    let reader = ObjectReader::new(&blob.bytes).or_raise()?;
    Ok((0..reader.sections())
        .map(|number| reader.section_len(number))
        .collect())
}

/// One section of an object into `out`.
#[pyfunction]
pub fn decode_section(
    py: Python<'_>,
    blob: &Blob,
    number: usize,
    out: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let mut out = Output::new(out)?;
    let blob = blob.share()?;
    py.detach(|| ObjectReader::new(&blob.bytes)?.decode_into(number, out.bytes()))
        .or_raise()
}

/// The sections of an object into `outs`, each as long as its section.
#[pyfunction]
pub fn decode_object(py: Python<'_>, blob: &Blob, outs: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
    let mut outs = outs.iter().map(Output::new).collect::<PyResult<Vec<_>>>()?;
    let blob = blob.share()?;
    py.detach(|| {
        let reader = ObjectReader::new(&blob.bytes)?;
        outs.iter_mut()
            .take(reader.sections())
            .enumerate()
            .try_for_each(|(number, out)| reader.decode_into(number, out.bytes()))
    })
    .or_raise()
}
