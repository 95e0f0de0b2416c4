//! How to compress, decided by trying on a small part of the data.

use super::blosc2::{CHUNK_OVERHEAD, ChunkParams, Compressor, Filter};
use super::compression::{Codec, Compression};
use crate::Result;

/// Stored must be at most this part of raw, in percent, or the data is stored as it is: what a little less disk saves,
/// compressing and decompressing take back many times. Random floats, whose exponents alone shrink, stay as they are.
const WORTH_PERCENT: usize = 75;

/// Bytes of a piece that is tried, at most, and how many pieces, spread over the data.
const PIECE: usize = 32 << 10;
const PIECES: usize = 4;

/// Less data than this is compressed without trying.
const TOO_SMALL: usize = 16 << 10;

/// The parameters with which `data` is worth compressing; plain if it is not.
///
/// `typesize` is the bytes of an item, `blocksize` as in [`ChunkParams`].
pub(super) fn choose(
    data: &[u8],
    typesize: usize,
    blocksize: usize,
    compression: &Compression,
) -> Result<ChunkParams> {
    let base = ChunkParams {
        codec: compression.codec,
        level: compression.level,
        filter: default_filter(typesize),
        typesize,
        blocksize,
    };
    if compression.level == 0 {
        return Ok(base.plain());
    }
    if data.len() < TOO_SMALL {
        return Ok(base);
    }
    let (filter, worth) = choose_filter(data, typesize)?;
    let params = ChunkParams { filter, ..base };
    // What the fastest codec cannot shrink, a thorough one still may.
    if worth || (compression.codec != Codec::Lz4 && try_on(data, params)?.worth()) {
        return Ok(params);
    }
    Ok(base.plain())
}

/// The best filter, judged with the fastest codec, and whether that codec makes the data worth compressing.
fn choose_filter(data: &[u8], typesize: usize) -> Result<(Filter, bool)> {
    // Bitshuffle decodes slower, and unshuffled numbers compress slower, so they have to save more.
    let others: &[(Filter, usize)] = match typesize {
        1 => &[(Filter::Bitshuffle, 60)],
        2..=16 => &[(Filter::Bitshuffle, 60), (Filter::None, 50)],
        _ => &[(Filter::None, 50)],
    };
    let params = |filter| ChunkParams {
        codec: Codec::Lz4,
        level: 5,
        filter,
        typesize,
        blocksize: 0,
    };
    let first = default_filter(typesize);
    let mut best = (first, try_on(data, params(first))?);
    for &(filter, percent) in others {
        let tried = try_on(data, params(filter))?;
        if tried.stored < best.1.stored / 100 * percent {
            best = (filter, tried);
        }
    }
    Ok((best.0, best.1.worth()))
}

fn default_filter(typesize: usize) -> Filter {
    if typesize == 1 {
        Filter::None
    } else {
        Filter::Shuffle
    }
}

/// Whether the codec of a table makes `data` (values one after the other, unfiltered) smaller.
pub(super) fn shrinks(data: &[u8]) -> Result<bool> {
    let compression = Compression {
        level: 1,
        ..Compression::ARRAY
    };
    Ok(choose(data, 1, 0, &compression)?.level > 0)
}

/// What compressing some pieces gave, in bytes.
struct Tried {
    raw: usize,
    stored: usize,
}

impl Tried {
    fn worth(&self) -> bool {
        self.stored <= self.raw / 100 * WORTH_PERCENT
    }
}

/// Compresses some pieces of `data`.
fn try_on(data: &[u8], params: ChunkParams) -> Result<Tried> {
    let params = ChunkParams {
        blocksize: 0,
        ..params
    };
    let mut compressor = Compressor::default();
    let size = PIECE.min(data.len() / PIECES);
    let size = (size / params.typesize).max(1) * params.typesize;
    let mut out = vec![0; size + CHUNK_OVERHEAD];
    let mut tried = Tried { raw: 0, stored: 0 };
    for start in starts(data.len(), size, params.typesize) {
        let piece = &data[start..data.len().min(start + size)];
        tried.raw += piece.len();
        tried.stored += compressor.compress(&params, piece, &mut out)?;
    }
    Ok(tried)
}

/// Where the pieces start: spread over the data, on whole items.
fn starts(len: usize, piece: usize, typesize: usize) -> impl Iterator<Item = usize> {
    let pieces = (len / piece).clamp(1, PIECES);
    let stride = len / pieces;
    (0..pieces).map(move |n| n * stride / typesize * typesize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        (0..bytes)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect()
    }

    #[test]
    fn noise_is_stored_as_it_is() {
        let params = choose(&noise(1 << 20), 8, 0, &Compression::ARRAY).unwrap();
        assert_eq!(params.level, 0);
    }

    #[test]
    fn labels_are_compressed() {
        let labels: Vec<u8> = noise(1 << 17)
            .iter()
            .flat_map(|byte| i64::from(byte % 10).to_le_bytes())
            .collect();
        let params = choose(&labels, 8, 0, &Compression::ARRAY).unwrap();
        assert_eq!(params.level, 5);
        assert_ne!(params.filter, Filter::None);
    }

    #[test]
    fn every_typesize_can_be_tried() {
        for typesize in [1, 2, 3, 7, 255, 256, 70_000] {
            let data = vec![1; 3 * 70_000 + typesize];
            assert_eq!(
                choose(&data, typesize, 0, &Compression::OBJECT)
                    .unwrap()
                    .level,
                5
            );
        }
    }
}
