//! Many chunks one after the other in one buffer, compressed and decompressed side by side.

use super::blosc2::{CHUNK_OVERHEAD, ChunkHeader, ChunkParams, Compressor, Decompressor};
use super::parallel;
use crate::{Error, Result};

/// One chunk to be made.
pub(super) struct ChunkSource<'a> {
    pub data: &'a [u8],
    /// The bytes of the chunk's data, zeros making up what `data` lacks.
    pub padded: usize,
    /// How to compress; without it the data is copied as it is, with no header.
    pub params: Option<ChunkParams>,
}

impl ChunkSource<'_> {
    /// The most bytes that it can take.
    fn slot(&self) -> usize {
        self.padded
            + if self.params.is_some() {
                CHUNK_OVERHEAD
            } else {
                0
            }
    }
}

/// Compresses all `sources`, `prefix` zero bytes before the first. Returns the buffer and each chunk's stored size.
///
/// Each chunk is compressed into a slot that is large enough whatever happens, and the gaps are closed afterwards: what
/// does not compress fills its slot and never moves.
pub(super) fn encode(
    prefix: usize,
    sources: &[ChunkSource],
    threads: usize,
) -> Result<(Vec<u8>, Vec<usize>)> {
    let too_large = || Error::Format("the value is larger than memory".into());
    let total = sources
        .iter()
        .try_fold(prefix, |sum, source| sum.checked_add(source.slot()))
        .ok_or_else(too_large)?;
    // Zeroed memory of this size comes from the system untouched, so slots that stay empty cost nothing.
    let mut out = vec![0u8; total];
    let mut stored = vec![0usize; sources.len()];
    let mut rest = &mut out[prefix..];
    let mut jobs = Vec::with_capacity(sources.len());
    for (source, stored) in sources.iter().zip(&mut stored) {
        let (slot, after) = rest.split_at_mut(source.slot());
        rest = after;
        jobs.push((source, slot, stored));
    }
    let threads = parallel::threads_for(threads, jobs.len(), total);
    parallel::run(
        jobs,
        threads,
        Compressor::default,
        |compressor, (source, slot, stored)| {
            *stored = compress_padded(compressor, source, slot)?;
            Ok(())
        },
    )?;
    close_gaps(&mut out, prefix, sources, &stored);
    Ok((out, stored))
}

fn compress_padded(
    compressor: &mut Compressor,
    source: &ChunkSource,
    slot: &mut [u8],
) -> Result<usize> {
    let Some(params) = &source.params else {
        slot.copy_from_slice(source.data);
        return Ok(slot.len());
    };
    if source.data.len() == source.padded {
        return compressor.compress(params, source.data, slot);
    }
    let mut padded = Vec::with_capacity(source.padded);
    padded.extend_from_slice(source.data);
    padded.resize(source.padded, 0);
    compressor.compress(params, &padded, slot)
}

fn close_gaps(out: &mut Vec<u8>, prefix: usize, sources: &[ChunkSource], stored: &[usize]) {
    let (mut from, mut to) = (prefix, prefix);
    for (source, &stored) in sources.iter().zip(stored) {
        if from != to {
            out.copy_within(from..from + stored, to);
        }
        from += source.slot();
        to += stored;
    }
    out.truncate(to);
    if out.capacity() / 4 * 3 > out.len() {
        out.shrink_to_fit();
    }
}

/// One chunk to be read.
pub(super) enum ChunkTarget<'a> {
    /// The chunk, and where its data goes; what the chunk has beyond that is padding.
    Chunk(&'a [u8], &'a mut [u8]),
    /// Bytes stored as they are.
    Copy(&'a [u8], &'a mut [u8]),
    /// A value of so many bytes, repeated, for which no chunk was stored.
    Fill(Fill, &'a mut [u8]),
}

/// What an index says instead of pointing to a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    Zeros,
    NanF32,
    NanF64,
}

impl Fill {
    /// Fills `out` with the value.
    pub fn write(self, out: &mut [u8]) {
        match self {
            Self::Zeros => out.fill(0),
            Self::NanF32 => repeat(out, &f32::NAN.to_le_bytes()),
            Self::NanF64 => repeat(out, &f64::NAN.to_le_bytes()),
        }
    }
}

fn repeat(out: &mut [u8], value: &[u8]) {
    for item in out.chunks_mut(value.len()) {
        item.copy_from_slice(&value[..item.len()]);
    }
}

/// Decompresses all `targets`.
pub(super) fn decode(targets: Vec<ChunkTarget>, bytes: usize, threads: usize) -> Result<()> {
    let threads = parallel::threads_for(threads, targets.len(), bytes);
    parallel::run(
        targets,
        threads,
        Decompressor::default,
        |decompressor, target| match target {
            ChunkTarget::Fill(fill, out) => {
                fill.write(out);
                Ok(())
            }
            ChunkTarget::Copy(bytes, out) => {
                out.copy_from_slice(bytes);
                Ok(())
            }
            ChunkTarget::Chunk(chunk, out) => decompress_padded(decompressor, chunk, out),
        },
    )
}

fn decompress_padded(decompressor: &mut Decompressor, chunk: &[u8], out: &mut [u8]) -> Result<()> {
    let data = ChunkHeader::read(chunk)?.data;
    if data == out.len() {
        return decompressor.decompress(chunk, out);
    }
    if data < out.len() {
        return Err(Error::Format(
            "a chunk holds less than its container says".into(),
        ));
    }
    let mut padded = vec![0; data];
    decompressor.decompress(chunk, &mut padded)?;
    out.copy_from_slice(&padded[..out.len()]);
    Ok(())
}
