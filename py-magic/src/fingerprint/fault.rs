//! Why a value has no fingerprint.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

pub type Walked<T = ()> = Result<T, Fault>;

/// What stopped a walk, and where in the value that was.
pub enum Fault {
    Python(PyErr),
    Unstable { path: String, why: String },
}

impl Fault {
    pub fn unstable(why: impl Into<String>) -> Self {
        Self::Unstable {
            path: String::new(),
            why: why.into(),
        }
    }

    /// The same, found at `outer` of the value instead of at its root.
    pub fn below(mut self, outer: impl FnOnce() -> String) -> Self {
        if let Self::Unstable { path, .. } = &mut self {
            path.insert_str(0, &outer());
        }
        self
    }

    /// A `TypeError` of the decomposer says that a value has no stable content; anything else is a real error.
    pub fn of_decomposer(py: Python<'_>, error: PyErr) -> Self {
        if error.is_instance_of::<PyTypeError>(py) {
            Self::unstable(error.value(py).to_string())
        } else {
            Self::Python(error)
        }
    }
}

impl From<PyErr> for Fault {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Python(error) => error,
            Fault::Unstable { path, why } => Python::attach(|py| unstable_error(py, &path, &why)),
        }
    }
}

/// `cacheness.errors.UnstableValueError(path, why)`.
fn unstable_error(py: Python<'_>, path: &str, why: &str) -> PyErr {
    let built = py
        .import("cacheness.errors")
        .and_then(|errors| errors.getattr("UnstableValueError"))
        .and_then(|class| class.call1((path, why)));
    match built {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}
