//! Values without parts of their own: numbers, text, bytes, memory.

use cacheness::{Digest, StableHasher};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyInt, PyMemoryView, PyString};

use super::fault::{Fault, Walked};

/// Buffers of this size and up are hashed without the GIL, in bytes.
const DETACH: usize = 1 << 20;

mod mark {
    pub const NONE: u8 = 0;
    pub const BOOL: u8 = 1;
    pub const INT: u8 = 2;
    pub const BIG_INT: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const COMPLEX: u8 = 5;
    pub const STR: u8 = 6;
    pub const SURROGATES: u8 = 7;
    pub const BYTES: u8 = 8;
    pub const BUFFER: u8 = 9;
}

/// Feeds an immutable built-in value; `false` when it is none.
pub fn feed(h: &mut StableHasher, value: &Bound<'_, PyAny>) -> Walked<bool> {
    if value.is_none() {
        h.mark(mark::NONE);
    } else if let Ok(text) = value.cast_exact::<PyString>() {
        string(h, text)?;
    } else if let Ok(flag) = value.cast_exact::<PyBool>() {
        h.mark(mark::BOOL);
        h.bool(flag.is_true());
    } else if let Ok(int) = value.cast_exact::<PyInt>() {
        integer(h, int)?;
    } else if let Ok(float) = value.cast_exact::<PyFloat>() {
        h.mark(mark::FLOAT);
        h.f64(float.value());
    } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        h.mark(mark::BYTES);
        h.digest(&Digest::of(bytes.as_bytes()));
    } else if let Ok(complex) = value.cast_exact::<PyComplex>() {
        h.mark(mark::COMPLEX);
        h.f64(complex.real());
        h.f64(complex.imag());
    } else if value.is_exact_instance_of::<PyMemoryView>() {
        buffer(h, value)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn string(h: &mut StableHasher, text: &Bound<'_, PyString>) -> Walked {
    if let Ok(utf8) = text.to_str() {
        h.mark(mark::STR);
        h.str(utf8);
    } else {
        // Lone surrogates have no UTF-8.
        let bytes = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
        h.mark(mark::SURROGATES);
        h.bytes(bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes());
    }
    Ok(())
}

fn integer(h: &mut StableHasher, int: &Bound<'_, PyInt>) -> Walked {
    if let Ok(small) = int.extract::<i64>() {
        h.mark(mark::INT);
        h.i64(small);
    } else {
        let bits: usize = int.call_method0("bit_length")?.extract()?;
        let signed = PyDict::new(int.py());
        signed.set_item("signed", true)?;
        let bytes = int.call_method("to_bytes", (bits / 8 + 1, "little"), Some(&signed))?;
        h.mark(mark::BIG_INT);
        h.bytes(bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes());
    }
    Ok(())
}

/// The bytes behind a C-contiguous buffer, with its shape and the format of its items.
pub fn buffer(h: &mut StableHasher, value: &Bound<'_, PyAny>) -> Walked {
    let view = PyUntypedBuffer::get(value)?;
    if !view.is_c_contiguous() {
        return Err(Fault::unstable("its memory is not contiguous"));
    }
    h.mark(mark::BUFFER);
    h.bytes(view.format().to_bytes());
    h.u64(view.item_size() as u64);
    h.u64(view.dimensions() as u64);
    view.shape().iter().for_each(|&side| h.u64(side as u64));
    let len = view.len_bytes();
    if len == 0 {
        h.digest(&Digest::of(&[]));
        return Ok(());
    }
    // SAFETY: the view is contiguous and holds the exporter's memory for `len` bytes until it is released below.
    // Another thread may write to it meanwhile, as it may to any array that is read without a lock; the digest
    // is then one of some mixture, which is what a reader of that array would see.
    let bytes =
        unsafe { std::slice::from_raw_parts(view.buf_ptr().cast::<u8>().cast_const(), len) };
    let digest = if len < DETACH {
        Digest::of(bytes)
    } else {
        value.py().detach(|| Digest::of(bytes))
    };
    h.digest(&digest);
    Ok(())
}
