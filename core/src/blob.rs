//! What a blob is called: one word and one file extension for each format.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// The encoded bytes of one value, or of one leaf of it, as `format` wrote them.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    pub kind: BlobKind,
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Blob {
    /// Without the bytes, of which there may be gigabytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({}, {} bytes)", self.kind, self.bytes.len())
    }
}

/// The format of a blob. Its word stands in the index and in file names, so it never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlobKind {
    /// An n-dimensional array: a contiguous blosc2 frame.
    Array,
    /// An n-dimensional array as NumPy's own archive; written and read by the front end.
    Npz,
    /// A table: a Parquet file.
    Table,
    /// Anything else: a pickle stream and its buffers in our envelope.
    Object,
}

impl BlobKind {
    pub const ALL: [Self; 4] = [Self::Array, Self::Npz, Self::Table, Self::Object];

    /// The word for this kind, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Array => "array",
            Self::Npz => "npz",
            Self::Table => "table",
            Self::Object => "object",
        }
    }

    /// The end of a file name of this kind, without the leading dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Array => "b2nd",
            Self::Npz => "npz",
            Self::Table => "parquet",
            Self::Object => "pkl.b2",
        }
    }
}

impl fmt::Display for BlobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BlobKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| Error::Format(format!("there is no blob kind {text:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back() {
        for kind in BlobKind::ALL {
            assert_eq!(kind.as_str().parse::<BlobKind>().unwrap(), kind);
        }
        assert!("Array".parse::<BlobKind>().is_err());
    }
}
