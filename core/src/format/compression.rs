use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// A compressor of blosc2. What it is called in options is [`Codec::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    Lz4,
    Lz4hc,
    Zstd,
    Zlib,
    Blosclz,
}

impl Codec {
    pub const ALL: [Self; 5] = [
        Self::Lz4,
        Self::Lz4hc,
        Self::Zstd,
        Self::Zlib,
        Self::Blosclz,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Lz4hc => "lz4hc",
            Self::Zstd => "zstd",
            Self::Zlib => "zlib",
            Self::Blosclz => "blosclz",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Codec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.as_str() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                Error::Config(format!("no blosc2 codec is called {text:?}: {known}"))
            })
    }
}

/// How arrays and objects are compressed.
///
/// Whatever is asked for, data of which a sample does not shrink is stored as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    pub codec: Codec,
    /// 0 (store as it is) to 9 (smallest).
    pub level: u8,
    /// How many threads may work on one value; 0 is one per core.
    pub threads: usize,
}

impl Compression {
    /// What arrays get unless told otherwise: fast both ways.
    pub const ARRAY: Self = Self {
        codec: Codec::Lz4,
        level: 5,
        threads: 0,
    };

    /// What pickled objects get unless told otherwise.
    pub const OBJECT: Self = Self {
        codec: Codec::Zstd,
        level: 5,
        threads: 0,
    };

    pub(super) fn check(&self) -> Result<()> {
        if self.level > 9 {
            return Err(Error::Config(format!(
                "a compression level is 0 to 9, not {}",
                self.level
            )));
        }
        Ok(())
    }
}
