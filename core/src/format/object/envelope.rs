//! The head of an object blob: `FORMAT.md` has the byte table. All integers are little-endian.

use crate::{Error, Result};

pub(super) const MAGIC: [u8; 8] = *b"CNSSOBJ\n";
pub(super) const VERSION: u16 = 1;
pub(super) const HEAD: usize = 16;
pub(super) const ROW: usize = 24;

/// No chunk of an object holds more data than this, so that a few damaged bytes cannot ask for gigabytes.
pub(super) const CHUNK_DATA_MAX: usize = 16 << 20;

/// One row of the table of sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// Bytes of the section.
    pub raw: u64,
    /// Bytes it takes in the envelope.
    pub stored: u64,
    /// Bytes of data in each chunk but the last, which may hold less; 0 when the section is stored as it is.
    pub chunk: u32,
    /// Bytes of an item, as the section's writer gave it; informative.
    pub typesize: u32,
}

impl Row {
    pub fn write(&self, out: &mut [u8]) {
        out[..8].copy_from_slice(&self.raw.to_le_bytes());
        out[8..16].copy_from_slice(&self.stored.to_le_bytes());
        out[16..20].copy_from_slice(&self.chunk.to_le_bytes());
        out[20..24].copy_from_slice(&self.typesize.to_le_bytes());
    }

    fn read(bytes: &[u8; ROW]) -> Self {
        let little = |range: std::ops::Range<usize>| {
            bytes[range]
                .iter()
                .rev()
                .fold(0u64, |value, &byte| (value << 8) | u64::from(byte))
        };
        Self {
            raw: little(0..8),
            stored: little(8..16),
            chunk: little(16..20) as u32,
            typesize: little(20..24) as u32,
        }
    }

    /// The sizes, if they are possible: `(raw, stored, chunk)`.
    pub fn sizes(&self) -> Result<(usize, usize, usize)> {
        let raw = usize::try_from(self.raw).map_err(|_| bad("impossible sizes"))?;
        let stored = usize::try_from(self.stored).map_err(|_| bad("impossible sizes"))?;
        let chunk = self.chunk as usize;
        let possible = match chunk {
            0 => raw == stored,
            1..=CHUNK_DATA_MAX => {
                raw.div_ceil(chunk) <= stored / super::super::blosc2::CHUNK_OVERHEAD
            }
            _ => false,
        };
        if possible {
            Ok((raw, stored, chunk))
        } else {
            Err(bad("impossible sizes"))
        }
    }
}

/// Writes everything before the first section.
pub(super) fn write_head(out: &mut [u8], rows: &[Row]) -> Result<()> {
    let count = u32::try_from(rows.len()).map_err(|_| bad("too many sections"))?;
    out[..8].copy_from_slice(&MAGIC);
    out[8..10].copy_from_slice(&VERSION.to_le_bytes());
    out[10..12].fill(0);
    out[12..16].copy_from_slice(&count.to_le_bytes());
    for (row, bytes) in rows.iter().zip(out[HEAD..].chunks_exact_mut(ROW)) {
        row.write(bytes);
    }
    Ok(())
}

/// Reads the table of sections.
pub(super) fn read_head(bytes: &[u8]) -> Result<Vec<Row>> {
    let cut = || bad("cut short");
    let head = bytes.get(..HEAD).ok_or_else(cut)?;
    if head[..8] != MAGIC {
        return Err(bad("it does not start as one"));
    }
    let version = u16::from_le_bytes([head[8], head[9]]);
    if version != VERSION {
        return Err(Error::Format(format!(
            "an object of format version {version}, known is {VERSION}: it was written by a later version"
        )));
    }
    if head[10..12] != [0, 0] {
        return Err(bad("unknown flags"));
    }
    let count = u32::from_le_bytes([head[12], head[13], head[14], head[15]]) as usize;
    let table = count
        .checked_mul(ROW)
        .and_then(|size| bytes[HEAD..].get(..size))
        .ok_or_else(cut)?;
    let (rows, _) = table.as_chunks::<ROW>();
    if rows.is_empty() {
        return Err(bad("it has no stream"));
    }
    Ok(rows.iter().map(Row::read).collect())
}

/// An error about an envelope.
pub(super) fn bad(what: &str) -> Error {
    Error::Format(format!("not a stored object: {what}"))
}
