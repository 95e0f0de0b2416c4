//! The cache directory.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use cacheness::{Backend, CacheOptions, Digest, Draft, Input, ListFilter, Lookup, MaxAge};
use pyo3::prelude::*;

use crate::blob::Blob;
use crate::entry::{Entry, Miss, Summary};
use crate::errors::{OrRaise, exception, raised};
use crate::key::{Key, PlainInput, input_of, parsed};

/// An open cache directory. Threads may share it.
#[pyclass(frozen, module = "cacheness._cacheness")]
pub struct Cache {
    core: RwLock<Option<Arc<cacheness::Cache>>>,
    directory: PathBuf,
}

impl Cache {
    fn core(&self) -> PyResult<Arc<cacheness::Cache>> {
        self.core
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or_else(|| raised("CacheError", "the cache was closed"))
    }

    /// Calls the core without the GIL.
    fn call<T: Send>(
        &self,
        py: Python<'_>,
        body: impl FnOnce(&cacheness::Cache) -> cacheness::Result<T> + Send,
    ) -> PyResult<T> {
        let core = self.core()?;
        py.detach(|| body(&core)).or_raise()
    }
}

#[pymethods]
impl Cache {
    /// Opens `directory`, making it if it is missing.
    #[new]
    #[pyo3(signature = (directory, *, backend = "auto", database = None, max_bytes = None, inline_limit = None))]
    fn new(
        py: Python<'_>,
        directory: PathBuf,
        backend: &str,
        database: Option<PathBuf>,
        max_bytes: Option<u64>,
        inline_limit: Option<usize>,
    ) -> PyResult<Self> {
        let mut options = CacheOptions::new(&directory);
        options.backend = match backend {
            "auto" => Backend::Auto,
            "sqlite" => Backend::Sqlite,
            "json" => Backend::Json,
            other => {
                let message = format!("{other:?} is not \"auto\", \"sqlite\" or \"json\"");
                return Err(raised("CacheConfigError", &message));
            }
        };
        options.database = database;
        options.max_bytes = max_bytes;
        if let Some(limit) = inline_limit {
            options.inline_limit = limit;
        }
        let core = py.detach(|| cacheness::Cache::open(options)).or_raise()?;
        Ok(Self {
            core: RwLock::new(Some(Arc::new(core))),
            directory,
        })
    }

    /// What went wrong without making a call fail, since this was last asked.
    fn warnings(&self) -> PyResult<Vec<String>> {
        Ok(self.core()?.warnings())
    }

    /// What its index is: `sqlite` or `json`.
    #[getter]
    fn backend(&self) -> PyResult<String> {
        Ok(self.core()?.backend().to_string())
    }

    #[getter]
    fn directory(&self) -> PathBuf {
        self.directory.clone()
    }

    /// The newest entry of `key` that holds, or why none does. `max_age` in seconds: `None` is each entry's own
    /// lifetime, infinity any age. `state(kind, name, digest)` gives the present digest of an observed input that
    /// only the front end knows.
    fn lookup<'py>(
        &self,
        py: Python<'py>,
        key: &Key,
        scope: &str,
        max_age: Option<f64>,
        state: Py<PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let max_age = max_age_of(max_age)?;
        let failure: Mutex<Option<PyErr>> = Mutex::new(None);
        let found = self.call(py, |core| {
            core.lookup(&key.key, scope, max_age, &mut |input| {
                ask(&state, input).unwrap_or_else(|error| {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    None
                })
            })
        });
        if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        match found? {
            Lookup::Hit(entry) => Ok(Bound::new(py, Entry(entry))?.into_any()),
            Lookup::Miss(reason) => Ok(Bound::new(py, Miss(reason))?.into_any()),
        }
    }

    /// The bytes of one blob of an entry, verified; `None` when the entry was removed meanwhile. Damage moves
    /// them to quarantine and is an error.
    fn read(&self, py: Python<'_>, entry: &Entry, ordinal: usize) -> PyResult<Option<Blob>> {
        let Some(info) = entry.0.blobs.get(ordinal) else {
            return Err(raised("CacheValueError", "the entry has no such blob"));
        };
        let core = self.core()?;
        match py.detach(|| core.read(&entry.0, ordinal)) {
            Ok(bytes) => Ok(Some(Blob::new(info.kind, bytes))),
            Err(cacheness::Error::Gone { .. }) => Ok(None),
            Err(error) => Err(exception(error)),
        }
    }

    /// What is wrong with one blob of an entry, or `None`; damage stays where it is.
    fn check(&self, py: Python<'_>, entry: &Entry, ordinal: usize) -> PyResult<Option<String>> {
        self.call(py, |core| core.check(&entry.0, ordinal))
    }

    /// Names of blob files that no entry names.
    fn orphans(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.call(py, cacheness::Cache::orphans)
    }

    /// Removes blob files that no entry names, and what has been in quarantine for a month; how many of each.
    fn collect(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let collected = self.call(py, cacheness::Cache::collect)?;
        Ok((collected.files, collected.quarantined))
    }

    /// Counts a hit.
    fn touch(&self, py: Python<'_>, entry_id: i64) -> PyResult<()> {
        let core = self.core()?;
        py.detach(|| core.touch(entry_id));
        Ok(())
    }

    /// Counts a miss.
    fn record_miss(&self, py: Python<'_>) -> PyResult<()> {
        let core = self.core()?;
        py.detach(|| core.record_miss());
        Ok(())
    }

    /// Commits an entry, replacing those of the same scope, key and observed inputs. The blobs are used up.
    #[pyo3(signature = (
        key, *, scope, face, data_type, blobs, name = None, lineage = None, description = "", ttl = None,
        elapsed = None, observed = Vec::new(), meta = "null"
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of a Python method")]
    fn store(
        &self,
        py: Python<'_>,
        key: &Key,
        scope: String,
        face: String,
        data_type: String,
        blobs: Vec<PyRef<'_, Blob>>,
        name: Option<String>,
        lineage: Option<String>,
        description: &str,
        ttl: Option<f64>,
        elapsed: Option<f64>,
        observed: Vec<PlainInput>,
        meta: &str,
    ) -> PyResult<Stored> {
        let draft = Draft {
            key: key.key,
            scope,
            face,
            name,
            lineage,
            description: description.to_owned(),
            data_type,
            ttl: ttl.map(seconds).transpose()?,
            elapsed: elapsed.map(seconds).transpose()?,
            manifest: key.manifest.clone(),
            observed: observed
                .into_iter()
                .map(input_of)
                .collect::<PyResult<_>>()?,
            meta: parsed(meta)?,
            blobs: blobs
                .iter()
                .map(|blob| blob.take())
                .collect::<PyResult<_>>()?,
        };
        drop(blobs);
        let stored = self.call(py, |core| core.store(draft))?;
        Ok(Stored {
            entry_id: stored.entry_id,
            created: stored.created,
            size_bytes: stored.size_bytes,
            evicted: stored.evicted,
            oversized: stored.oversized,
        })
    }

    /// Removes the entries of a key; how many there were.
    fn remove(&self, py: Python<'_>, key: &Key, scope: &str) -> PyResult<u64> {
        self.call(py, |core| core.remove(&key.key, scope))
    }

    /// Removes entries by their ids; how many there were.
    fn remove_entries(&self, py: Python<'_>, ids: Vec<i64>) -> PyResult<u64> {
        self.call(py, |core| core.remove_entries(&ids))
    }

    /// Removes what the filter selects; how many there were.
    #[pyo3(signature = (*, face = None, scope = None, name = None))]
    fn remove_where(
        &self,
        py: Python<'_>,
        face: Option<String>,
        scope: Option<String>,
        name: Option<String>,
    ) -> PyResult<u64> {
        let filter = filter(face, scope, name, None, 0);
        self.call(py, |core| core.remove_where(&filter))
    }

    /// Removes everything; how many entries there were.
    fn clear(&self, py: Python<'_>) -> PyResult<u64> {
        self.call(py, cacheness::Cache::clear)
    }

    /// The entries that the filter selects, newest first.
    #[pyo3(signature = (*, face = None, scope = None, name = None, limit = None, offset = 0))]
    fn entries(
        &self,
        py: Python<'_>,
        face: Option<String>,
        scope: Option<String>,
        name: Option<String>,
        limit: Option<u64>,
        offset: u64,
    ) -> PyResult<Vec<Entry>> {
        let filter = filter(face, scope, name, limit, offset);
        let entries = self.call(py, |core| core.list(&filter))?;
        Ok(entries.into_iter().map(Box::new).map(Entry).collect())
    }

    /// What is told of the entries that the filter selects, newest first.
    #[pyo3(signature = (*, face = None, scope = None, name = None, limit = None, offset = 0))]
    fn summaries(
        &self,
        py: Python<'_>,
        face: Option<String>,
        scope: Option<String>,
        name: Option<String>,
        limit: Option<u64>,
        offset: u64,
    ) -> PyResult<Vec<Summary>> {
        let filter = filter(face, scope, name, limit, offset);
        let found = self.call(py, |core| core.summaries(&filter))?;
        found.into_iter().map(|one| Summary::of(py, one)).collect()
    }

    /// The entries of a visible key (16 hexadecimal digits), newest first.
    fn find(&self, py: Python<'_>, visible: &str) -> PyResult<Vec<Entry>> {
        let entries = self.call(py, |core| core.find(visible))?;
        Ok(entries.into_iter().map(Box::new).map(Entry).collect())
    }

    /// Those of these entries that are there and within their own lifetime: id, and when it was stored, in
    /// nanoseconds since the Unix epoch.
    fn alive(&self, py: Python<'_>, ids: Vec<i64>) -> PyResult<Vec<(i64, i64)>> {
        self.call(py, |core| core.alive(&ids))
    }

    /// The newest entry of this lineage, expired or not: what to compare with to explain a miss.
    fn previous(&self, py: Python<'_>, lineage: &str) -> PyResult<Option<Entry>> {
        Ok(self
            .call(py, |core| core.previous(lineage))?
            .map(Box::new)
            .map(Entry))
    }

    fn stats(&self, py: Python<'_>) -> PyResult<Stats> {
        let stats = self.call(py, cacheness::Cache::stats)?;
        Ok(Stats {
            entries: stats.entries,
            size_bytes: stats.size_bytes,
            hits: stats.hits,
            misses: stats.misses,
            elapsed_saved: stats.elapsed_saved.as_secs_f64(),
            max_bytes: stats.max_bytes,
        })
    }

    /// Removes what has expired; how many entries there were.
    fn evict_expired(&self, py: Python<'_>) -> PyResult<u64> {
        self.call(py, cacheness::Cache::evict_expired)
    }

    /// `file`, `directory` or `absent`, and the digest of the content.
    fn digest_path(&self, py: Python<'_>, path: PathBuf) -> PyResult<(String, String)> {
        let digest = self.call(py, |core| core.digest_path(&path))?;
        Ok((digest.kind.as_str().to_owned(), digest.digest.to_string()))
    }

    /// `digest_path` of many, side by side.
    fn digest_paths(&self, py: Python<'_>, paths: Vec<PathBuf>) -> PyResult<Vec<(String, String)>> {
        let core = self.core()?;
        py.detach(|| core.digest_paths(&paths))
            .into_iter()
            .map(|digest| {
                let digest = digest.or_raise()?;
                Ok((digest.kind.as_str().to_owned(), digest.digest.to_string()))
            })
            .collect()
    }

    /// The right to compute `key`, or `None` while another process or thread that is alive holds it.
    fn claim(&self, py: Python<'_>, key: &Key) -> PyResult<Option<Claim>> {
        let claim = self.call(py, |core| core.claim(&key.key))?;
        Ok(claim.map(|claim| Claim(Mutex::new(Some(claim)))))
    }

    /// What the holder of the claim wrote; what a holder that died wrote, when nobody holds it.
    fn claim_note(&self, key: &Key) -> PyResult<String> {
        Ok(self.core()?.claim_note(&key.key))
    }

    /// Writes what is pending (access times, counters).
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, cacheness::Cache::flush)
    }

    /// Writes what is pending and lets go of the directory.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let core = self
            .core
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        py.detach(|| match core {
            Some(core) => core.flush(),
            None => Ok(()),
        })
        .or_raise()
    }
}

/// What storing an entry did.
#[pyclass(frozen, get_all, module = "cacheness._cacheness")]
pub struct Stored {
    entry_id: i64,
    /// Nanoseconds since the Unix epoch.
    created: i64,
    size_bytes: u64,
    evicted: u64,
    oversized: bool,
}

/// The totals of a directory.
#[pyclass(frozen, get_all, module = "cacheness._cacheness")]
pub struct Stats {
    entries: u64,
    size_bytes: u64,
    hits: u64,
    misses: u64,
    /// Seconds.
    elapsed_saved: f64,
    max_bytes: Option<u64>,
}

/// The right to compute a key; ends with `release`, or with the process.
#[pyclass(frozen, module = "cacheness._cacheness")]
pub struct Claim(Mutex<Option<cacheness::Claim>>);

#[pymethods]
impl Claim {
    fn release(&self, py: Python<'_>) {
        let claim = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(claim));
    }

    /// Tells others, by `Cache.claim_note`, who holds it.
    fn write_note(&self, text: &str) -> PyResult<()> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(claim) => claim.write_note(text).or_raise(),
            None => Ok(()),
        }
    }

    /// Ends it and leaves its note, as the death of this process would: who waits then takes over.
    fn abandon(&self) {
        let claim = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(claim) = claim {
            claim.abandon();
        }
    }
}

/// `file`, `directory` or `absent`, and the digest of the content; without the memory that a cache has.
#[pyfunction]
pub fn digest_path(py: Python<'_>, path: PathBuf) -> PyResult<(String, String)> {
    let digest = py.detach(|| cacheness::digest_path(&path)).or_raise()?;
    Ok((digest.kind.as_str().to_owned(), digest.digest.to_string()))
}

/// How many threads digest the files of a directory at most.
#[pyfunction]
pub fn digest_threads(py: Python<'_>) -> usize {
    py.detach(cacheness::threads)
}

fn filter(
    face: Option<String>,
    scope: Option<String>,
    name: Option<String>,
    limit: Option<u64>,
    offset: u64,
) -> ListFilter {
    ListFilter {
        face,
        scope,
        name,
        limit,
        offset,
    }
}

/// The digest that the front end reports for an observed input; `None` when it knows none.
fn ask(state: &Py<PyAny>, input: &Input) -> PyResult<Option<Digest>> {
    Python::attach(|py| {
        let digest = (
            input.kind.as_str(),
            input.name.as_str(),
            input.digest.to_string(),
        );
        let answer: Option<String> = state.call1(py, digest)?.extract(py)?;
        answer.as_deref().map(crate::key::digest_of).transpose()
    })
}

fn max_age_of(age: Option<f64>) -> PyResult<MaxAge> {
    match age {
        None => Ok(MaxAge::Entry),
        Some(age) if age == f64::INFINITY => Ok(MaxAge::Never),
        Some(age) => Ok(MaxAge::AtMost(seconds(age)?)),
    }
}

fn seconds(value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| {
        raised(
            "CacheConfigError",
            &format!("{value} seconds is not a duration"),
        )
    })
}
