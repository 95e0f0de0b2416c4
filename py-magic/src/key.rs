//! Keys and the inputs they are made from.

use std::str::FromStr;

use cacheness::{Digest, Input, InputKind, KeyBuilder, Manifest};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::buffer::Input as Bytes;

/// (kind, name, digest, detail as JSON): an input as it crosses the boundary.
pub type PlainInput = (String, String, String, Option<String>);

/// The name of a computation, with the inputs it was made from.
#[pyclass(frozen, eq, hash, module = "cacheness._cacheness")]
#[derive(Clone)]
pub struct Key {
    pub key: cacheness::Key,
    pub manifest: Manifest,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Key {}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

#[pymethods]
impl Key {
    /// 16 hexadecimal digits, for people.
    #[getter]
    fn visible(&self) -> String {
        self.key.visible()
    }

    /// 32 hexadecimal digits, which decide.
    #[getter]
    fn digest(&self) -> String {
        self.key.digest().to_string()
    }

    /// The inputs, as JSON.
    #[getter]
    fn manifest(&self) -> PyResult<String> {
        json(&self.manifest)
    }

    fn __repr__(&self) -> String {
        format!("<Key {}>", self.key.visible())
    }
}

/// The key of a computation of this kind ("cell", "parameters", ...) with these inputs, in this order.
#[pyfunction]
pub fn make_key(kind: &str, inputs: Vec<PlainInput>) -> PyResult<Key> {
    let mut builder = KeyBuilder::new(kind);
    for input in inputs {
        builder.input(input_of(input)?);
    }
    let (key, manifest) = builder.finish();
    Ok(Key { key, manifest })
}

/// The digest of bytes, 32 hexadecimal digits.
#[pyfunction]
pub fn digest_bytes(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<String> {
    let data = Bytes::new(data)?;
    let bytes = data.bytes();
    let digest = if bytes.len() < 1 << 20 {
        Digest::of(bytes)
    } else {
        py.detach(|| Digest::of(bytes))
    };
    Ok(digest.to_string())
}

/// What changed between two manifests (JSON), as a JSON list.
#[pyfunction]
pub fn explain(old: &str, new: &str) -> PyResult<String> {
    let (old, new): (Manifest, Manifest) = (parsed(old)?, parsed(new)?);
    json(&cacheness::explain(&old, &new))
}

pub fn input_of((kind, name, digest, detail): PlainInput) -> PyResult<Input> {
    Ok(Input {
        kind: InputKind::from_str(&kind).map_err(value_error)?,
        name,
        digest: digest_of(&digest)?,
        detail: detail.as_deref().map(parsed).transpose()?,
    })
}

pub fn digest_of(text: &str) -> PyResult<Digest> {
    text.parse().map_err(value_error)
}

pub fn json<T: serde::Serialize>(value: &T) -> PyResult<String> {
    serde_json::to_string(value).map_err(value_error)
}

pub fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> PyResult<T> {
    serde_json::from_str(text).map_err(value_error)
}

fn value_error(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}
