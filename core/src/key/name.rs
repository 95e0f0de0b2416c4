use std::fmt;

use crate::hash::{Digest, short};

/// The name of a computation: 64 bits to show and to name files by, 128 bits to decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    visible: u64,
    digest: Digest,
}

impl Key {
    /// The key of a complete serialisation: XXH3-64 and XXH3-128 of the same bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_parts(short(bytes), Digest::of(bytes))
    }

    /// A key that was taken apart by [`Key::number`] and [`Key::digest`].
    pub const fn from_parts(visible: u64, digest: Digest) -> Self {
        Self { visible, digest }
    }

    /// What people see and type: 16 hexadecimal digits.
    pub fn visible(&self) -> String {
        format!("{:016x}", self.visible)
    }

    /// The visible key as a number.
    pub const fn number(&self) -> u64 {
        self.visible
    }

    /// What entries are found by.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.visible)
    }
}
