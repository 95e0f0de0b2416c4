use super::super::blosc2::{CHUNK_MAX, ChunkParams, Compressor, Filter};
use super::super::chunks::{self, ChunkSource};
use super::super::compression::{Codec, Compression};
use super::super::sample;
use super::frame;
use super::layout::{Layout, Targets};
use crate::{Error, Result};

/// What an array is, apart from its data.
#[derive(Debug, Clone, Copy)]
pub struct ArraySpec<'a> {
    /// The type as NumPy writes it: `<f8`, or for structured types the text of `dtype.descr`. It is kept, not read.
    pub dtype: &'a str,
    /// At most 8 dimensions.
    pub shape: &'a [u64],
    /// Bytes of an item, at least 1.
    pub itemsize: usize,
}

/// Encodes the C-order buffer `data` as a contiguous blosc2 frame (a `.b2nd` file).
///
/// # Errors
/// [`Error::Format`] when the frame cannot hold the array (more than 8 dimensions, items of no bytes or of 2 GiB) or when
/// `data` is not as long as shape and item size say.
pub fn encode_array(spec: &ArraySpec, data: &[u8], compression: &Compression) -> Result<Vec<u8>> {
    encode_with(spec, data, compression, Targets::DEFAULT)
}

pub(super) fn encode_with(
    spec: &ArraySpec,
    data: &[u8],
    compression: &Compression,
    targets: Targets,
) -> Result<Vec<u8>> {
    compression.check()?;
    if spec.itemsize == 0 || spec.itemsize > CHUNK_MAX {
        return Err(Error::Format(format!(
            "blosc2 cannot hold items of {} bytes",
            spec.itemsize
        )));
    }
    let layout = Layout::choose(spec.shape, spec.itemsize, targets)?;
    if layout.nbytes()? != data.len() {
        return Err(Error::Format(format!(
            "an array of shape {:?} with {} bytes an item is not {} bytes long",
            spec.shape,
            spec.itemsize,
            data.len()
        )));
    }
    let block = layout.block_bytes()?;
    let params = sample::choose(data, spec.itemsize, block, compression)?;
    let header = frame::write_header(&layout, spec.dtype, &params)?;
    let sources = sources(&layout, data, params)?;
    let (mut out, stored) = chunks::encode(header.len(), &sources, compression.threads)?;
    out[..header.len()].copy_from_slice(&header);
    finish(&mut out, &stored)?;
    Ok(out)
}

fn sources<'a>(
    layout: &Layout,
    data: &'a [u8],
    params: ChunkParams,
) -> Result<Vec<ChunkSource<'a>>> {
    if data.is_empty() {
        return Ok(vec![]);
    }
    let runs = layout
        .runs()?
        .ok_or_else(|| Error::Format("the chosen chunks are not contiguous".into()))?;
    let mut rest = data;
    Ok(runs
        .lengths()
        .map(|length| {
            let (run, after) = rest.split_at(length);
            rest = after;
            ChunkSource {
                data: run,
                padded: runs.padded,
                params: Some(params),
            }
        })
        .collect())
}

/// Appends the index and the trailer, and completes the header.
fn finish(out: &mut Vec<u8>, stored: &[usize]) -> Result<()> {
    if !stored.is_empty() {
        let mut offset = 0u64;
        let mut offsets = Vec::with_capacity(stored.len() * 8);
        for &size in stored {
            offsets.extend_from_slice(&offset.to_le_bytes());
            offset += size as u64;
        }
        let params = ChunkParams {
            codec: Codec::Lz4,
            level: 5,
            filter: Filter::Shuffle,
            typesize: 8,
            blocksize: 0,
        };
        let mut index = vec![0; offsets.len() + super::super::blosc2::CHUNK_OVERHEAD];
        let used = Compressor::default().compress(&params, &offsets, &mut index)?;
        out.extend_from_slice(&index[..used]);
    }
    out.extend_from_slice(&frame::TRAILER);
    frame::set_sizes(out, stored.iter().map(|&size| size as u64).sum());
    Ok(())
}
