//! Errors of the core as the exceptions of `cacheness.errors`.

use cacheness::Error;
use pyo3::prelude::*;

/// The exception that `cacheness.errors` has for `error`.
pub fn exception(error: Error) -> PyErr {
    let class = match &error {
        Error::Config(_) => "CacheConfigError",
        Error::Storage { .. } | Error::Index { .. } => "CacheStorageError",
        Error::Integrity { .. } | Error::Gone { .. } => "CacheIntegrityError",
        Error::Version { .. } => "CacheVersionError",
        Error::Format(_) => "CacheValueError",
    };
    raised(class, &error.to_string())
}

/// An exception of `cacheness.errors`, by the name of its class.
pub fn raised(class: &str, message: &str) -> PyErr {
    // Imported here, since a program may never see one. If even that fails, its failure is the news.
    Python::attach(|py| {
        py.import("cacheness.errors")
            .and_then(|module| module.getattr(class))
            .and_then(|class| class.call1((message,)))
            .map_or_else(|failure| failure, PyErr::from_value)
    })
}

/// `?` for results of the core.
pub trait OrRaise<T> {
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for cacheness::Result<T> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(exception)
    }
}
