//! Memory of Python objects as slices, without a copy.

use std::slice;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;

/// The bytes of a contiguous buffer of unsigned bytes, for reading.
pub struct Input(PyBuffer<u8>);

/// The bytes of a contiguous, writable buffer of unsigned bytes.
pub struct Output(PyBuffer<u8>);

impl Input {
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let buffer = PyBuffer::get(object)?;
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err("the buffer is not contiguous"));
        }
        Ok(Self(buffer))
    }

    pub fn bytes(&self) -> &[u8] {
        match self.0.as_slice_ptr() {
            // SAFETY: the exporter keeps the memory in place and alive until the buffer is released, which
            // `self` outlives no longer than the slice. Another thread may write to it meanwhile, as it may
            // while any extension reads a buffer without the GIL: the bytes are then some mixture, and nothing
            // here relies on their values.
            Some(bytes) if !self.0.buf_ptr().is_null() => unsafe {
                slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len())
            },
            _ => &[],
        }
    }
}

impl Output {
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let buffer = PyBuffer::<u8>::get(object)?;
        if buffer.readonly() || !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err(
                "the buffer is not writable and contiguous",
            ));
        }
        Ok(Self(buffer))
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        match self.0.as_slice_ptr() {
            // SAFETY: as above, and the exporter granted writing. The callers pass memory that they have just
            // made and that nobody else knows.
            Some(bytes) if !self.0.buf_ptr().is_null() => unsafe {
                slice::from_raw_parts_mut(bytes.as_ptr().cast(), bytes.len())
            },
            _ => &mut [],
        }
    }
}
