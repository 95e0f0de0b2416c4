//! How to compress, decided by trying on a small part of the data.

use super::blosc2::{CHUNK_OVERHEAD, ChunkParams, Compressor, Filter};
use super::compression::Compression;
use crate::Result;

/// Stored must be at most this part of raw, in percent, or the data is stored as it is: what a few percent save on
/// disk, compressing and decompressing take back several times.
const WORTH_PERCENT: usize = 85;

/// Bytes of a piece that is tried, and how many pieces, spread over the data.
const PIECE: usize = 64 << 10;
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
    let filters: &[Filter] = match typesize {
        1 => &[Filter::None, Filter::Bitshuffle],
        2..=16 => &[Filter::Shuffle, Filter::Bitshuffle, Filter::None],
        _ => &[Filter::Shuffle, Filter::None],
    };
    let mut compressor = Compressor::default();
    let mut best = (usize::MAX, base);
    let mut raw = 0;
    for &filter in filters {
        let params = ChunkParams { filter, ..base };
        let (tried, stored) = try_on(&mut compressor, data, params)?;
        raw = tried;
        // A later filter costs more or splits less well: it has to earn its place.
        if best.0 == usize::MAX || stored < best.0 / 10 * 8 {
            best = (stored, params);
        }
    }
    Ok(if best.0 > raw / 100 * WORTH_PERCENT {
        base.plain()
    } else {
        best.1
    })
}

/// Whether the codec of a table makes `data` (values one after the other, unfiltered) smaller.
pub(super) fn shrinks(data: &[u8]) -> Result<bool> {
    let compression = Compression {
        level: 1,
        ..Compression::ARRAY
    };
    Ok(choose(data, 1, 0, &compression)?.level > 0)
}

fn default_filter(typesize: usize) -> Filter {
    if typesize == 1 {
        Filter::None
    } else {
        Filter::Shuffle
    }
}

/// The raw and the stored size of some pieces of `data`.
fn try_on(compressor: &mut Compressor, data: &[u8], params: ChunkParams) -> Result<(usize, usize)> {
    let params = ChunkParams {
        blocksize: 0,
        ..params
    };
    let piece = (PIECE / params.typesize).max(1) * params.typesize;
    let mut out = vec![0; piece.min(data.len()) + CHUNK_OVERHEAD];
    let (mut raw, mut stored) = (0, 0);
    for start in starts(data.len(), piece, params.typesize) {
        let piece = &data[start..data.len().min(start + piece)];
        raw += piece.len();
        stored += compressor.compress(&params, piece, &mut out)?;
    }
    Ok((raw, stored))
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
