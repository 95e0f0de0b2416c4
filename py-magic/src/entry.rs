//! Entries and misses, as they are found.

use cacheness::MissReason;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::key::{Key, json};

const SECOND: f64 = 1e9;

/// A committed row of the index.
#[pyclass(frozen, module = "cacheness._cacheness")]
pub struct Entry(pub Box<cacheness::Entry>);

#[pymethods]
impl Entry {
    #[getter]
    fn id(&self) -> i64 {
        self.0.id
    }

    #[getter]
    fn key(&self) -> Key {
        Key {
            key: self.0.key,
            manifest: self.0.manifest.clone(),
        }
    }

    /// 16 hexadecimal digits.
    #[getter]
    fn cache_key(&self) -> String {
        self.0.key.visible()
    }

    #[getter]
    fn scope(&self) -> &str {
        &self.0.scope
    }

    #[getter]
    fn face(&self) -> &str {
        &self.0.face
    }

    #[getter]
    fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    #[getter]
    fn lineage(&self) -> Option<&str> {
        self.0.lineage.as_deref()
    }

    #[getter]
    fn description(&self) -> &str {
        &self.0.description
    }

    #[getter]
    fn data_type(&self) -> &str {
        &self.0.data_type
    }

    /// Seconds since the Unix epoch, like the other times.
    #[getter]
    fn created(&self) -> f64 {
        self.0.created as f64 / SECOND
    }

    #[getter]
    fn accessed(&self) -> f64 {
        self.0.accessed as f64 / SECOND
    }

    /// `None`: it never expires.
    #[getter]
    fn expires(&self) -> Option<f64> {
        self.0.expires.map(|at| at as f64 / SECOND)
    }

    #[getter]
    fn hits(&self) -> u64 {
        self.0.hits
    }

    /// Seconds that computing it took.
    #[getter]
    fn elapsed(&self) -> Option<f64> {
        self.0.elapsed.map(|elapsed| elapsed.as_secs_f64())
    }

    #[getter]
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes
    }

    /// The inputs of its key, as JSON.
    #[getter]
    fn manifest(&self) -> PyResult<String> {
        json(&self.0.manifest)
    }

    /// The inputs that were observed while it was computed, as JSON.
    #[getter]
    fn observed(&self) -> PyResult<String> {
        json(&self.0.observed)
    }

    /// What the front end stored beside the blobs, as JSON.
    #[getter]
    fn meta(&self) -> PyResult<String> {
        json(&self.0.meta)
    }

    /// Kind, size in bytes and file name (`None`: inside the index) of each blob.
    #[getter]
    fn blobs(&self) -> Vec<(&'static str, u64, Option<String>)> {
        self.0
            .blobs
            .iter()
            .map(|blob| (blob.kind.as_str(), blob.size, blob.file.clone()))
            .collect()
    }

    fn __repr__(&self) -> String {
        format!("<Entry {} {}>", self.0.key.visible(), self.0.data_type)
    }
}

/// What is told of an entry in a list.
#[pyclass(frozen, get_all, module = "cacheness._cacheness")]
pub struct Summary {
    cache_key: String,
    scope: String,
    name: Option<String>,
    description: String,
    data_type: String,
    size_bytes: u64,
    /// ISO 8601, UTC, like the other times.
    created: String,
    accessed: String,
    expires: Option<String>,
    expired: bool,
    /// Seconds that computing it took.
    elapsed: Option<f64>,
    hits: u64,
    /// The inputs of its key that have a text to show.
    inputs: Py<PyDict>,
}

impl Summary {
    pub fn of(py: Python<'_>, summary: cacheness::Summary) -> PyResult<Self> {
        let inputs = PyDict::new(py);
        for input in &summary.manifest.inputs {
            match &input.detail {
                None | Some(serde_json::Value::Null) => {}
                Some(serde_json::Value::String(text)) => inputs.set_item(&input.name, text)?,
                Some(other) => {
                    let value = py.import("json")?.call_method1("loads", (json(other)?,))?;
                    inputs.set_item(&input.name, value)?;
                }
            }
        }
        Ok(Self {
            cache_key: summary.key,
            scope: summary.scope,
            name: summary.name,
            description: summary.description,
            data_type: summary.data_type,
            size_bytes: summary.size_bytes,
            created: summary.created,
            accessed: summary.accessed,
            expires: summary.expires,
            expired: summary.expired,
            elapsed: summary.elapsed.map(|elapsed| elapsed.as_secs_f64()),
            hits: summary.hits,
            inputs: inputs.unbind(),
        })
    }
}

/// Why there was no hit.
#[pyclass(frozen, module = "cacheness._cacheness")]
pub struct Miss(pub MissReason);

#[pymethods]
impl Miss {
    /// `absent`, `expired`, `observed` or `damaged`.
    #[getter]
    fn reason(&self) -> &'static str {
        match &self.0 {
            MissReason::Absent => "absent",
            MissReason::Expired { .. } => "expired",
            MissReason::Observed { .. } => "observed",
            MissReason::Damaged { .. } => "damaged",
        }
    }

    /// The reason with its details, as JSON.
    #[getter]
    fn detail(&self) -> PyResult<String> {
        json(&self.0)
    }

    /// The reason for people.
    fn describe(&self) -> String {
        match &self.0 {
            MissReason::Absent => "no such entry".to_owned(),
            MissReason::Expired { by } => format!("it expired {} s ago", by.as_secs()),
            MissReason::Observed { input, .. } => {
                format!("{} {} has changed", input.kind, input.name)
            }
            MissReason::Damaged { entry, reason } => format!("entry {entry} is damaged: {reason}"),
        }
    }
}
