use super::super::blosc2::{ChunkHeader, Decompressor};
use super::super::chunks::{self, ChunkTarget, Fill};
use super::frame::{self, Header, bad};
use super::layout::Runs;
use crate::{Error, Result};

/// An array in a blosc2 frame, ours or one that Python's `blosc2` wrote.
///
/// The bytes are expected to be what was written: verify their digest first.
#[derive(Debug)]
pub struct ArrayReader<'a> {
    frame: &'a [u8],
    header: Header,
    nbytes: usize,
    chunks: usize,
}

impl<'a> ArrayReader<'a> {
    /// Reads the header; no chunk is touched.
    ///
    /// # Errors
    /// [`Error::Format`] when this is no frame with an array, or one of a later version.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        let header = frame::read_header(bytes)?;
        let nbytes = header.layout.nbytes()?;
        let chunks = header.layout.chunks()?;
        // Every chunk has its share in the index. Without this bound a few bytes could demand an enormous index.
        if chunks > header.frame_bytes.saturating_mul(16) {
            return Err(bad("more chunks than its size allows"));
        }
        if chunks > 0 && header.layout.padded_bytes()? != header.chunk_bytes {
            return Err(bad("its chunk size is not that of its shape"));
        }
        let frame = &bytes[..header.frame_bytes];
        Ok(Self {
            frame,
            header,
            nbytes,
            chunks,
        })
    }

    /// The length of every dimension; none for a single item.
    pub fn shape(&self) -> &[u64] {
        &self.header.layout.shape
    }

    /// The type, as [`ArraySpec`](super::ArraySpec) has it.
    pub fn dtype(&self) -> &str {
        &self.header.dtype
    }

    /// Bytes of an item.
    pub fn itemsize(&self) -> usize {
        self.header.layout.itemsize
    }

    /// Bytes of the whole array in C order.
    pub fn nbytes(&self) -> usize {
        self.nbytes
    }

    /// Decodes the array in C order into `out`, which is [`nbytes`](Self::nbytes) long, with one thread per core.
    ///
    /// # Errors
    /// [`Error::Format`] when `out` has another length or the chunks are not what the header says.
    pub fn decode_into(&self, out: &mut [u8]) -> Result<()> {
        self.decode_with(out, 0)
    }

    /// As [`decode_into`](Self::decode_into) with at most `threads` threads (0: one per core).
    pub fn decode_with(&self, out: &mut [u8], threads: usize) -> Result<()> {
        if out.len() != self.nbytes {
            return Err(Error::Format(format!(
                "an array of {} bytes does not fit a buffer of {}",
                self.nbytes,
                out.len()
            )));
        }
        if self.nbytes == 0 {
            return Ok(());
        }
        let index = self.index()?;
        match self.header.layout.runs()? {
            Some(runs) => self.decode_runs(runs, &index, out, threads),
            None => self.decode_boxes(&index, out),
        }
    }

    /// Where each chunk is.
    fn index(&self) -> Result<Vec<Place<'a>>> {
        let stored = &self.frame[self.header.index_start..];
        let header = ChunkHeader::read(stored)?;
        if Some(header.data) != self.chunks.checked_mul(8) {
            return Err(bad("its index does not match its shape"));
        }
        let mut offsets = vec![0; header.data];
        Decompressor::default().decompress(&stored[..header.stored], &mut offsets)?;
        let (offsets, _) = offsets.as_chunks::<8>();
        offsets
            .iter()
            .map(|bytes| self.place(u64::from_le_bytes(*bytes)))
            .collect()
    }

    fn place(&self, offset: u64) -> Result<Place<'a>> {
        const SPECIAL: u64 = 1 << 63;
        if offset & SPECIAL != 0 {
            return match ((offset >> 56) & 0x7f, self.itemsize()) {
                (1 | 4, _) => Ok(Place::Fill(Fill::Zeros)), // zeros, and what was never written
                (2, 4) => Ok(Place::Fill(Fill::NanF32)),
                (2, 8) => Ok(Place::Fill(Fill::NanF64)),
                _ => Err(bad("a chunk of an unknown special value")),
            };
        }
        let chunks = &self.frame[self.header.chunks_start..self.header.index_start];
        let chunk = usize::try_from(offset)
            .ok()
            .and_then(|offset| chunks.get(offset..))
            .ok_or_else(|| bad("a chunk outside of the frame"))?;
        let header = ChunkHeader::read(chunk)?;
        if header.data != self.header.chunk_bytes {
            return Err(bad("a chunk of another size"));
        }
        Ok(Place::Chunk(&chunk[..header.stored]))
    }

    fn decode_runs(
        &self,
        runs: Runs,
        index: &[Place],
        out: &mut [u8],
        threads: usize,
    ) -> Result<()> {
        let mut rest = out;
        let mut targets = Vec::with_capacity(index.len());
        for (place, length) in index.iter().zip(runs.lengths()) {
            let (run, after) = rest.split_at_mut(length);
            rest = after;
            targets.push(match *place {
                Place::Chunk(chunk) => ChunkTarget::Chunk(chunk, run),
                Place::Fill(fill) => ChunkTarget::Fill(fill, run),
            });
        }
        chunks::decode(targets, self.nbytes, threads)
    }

    /// Decodes chunks that are boxes: what other programs write for more than one dimension.
    fn decode_boxes(&self, index: &[Place], out: &mut [u8]) -> Result<()> {
        let mut data = vec![0; self.header.chunk_bytes];
        let mut decompressor = Decompressor::default();
        let grid: Vec<u64> = self.header.layout.grid().collect();
        for (number, place) in index.iter().enumerate() {
            match place {
                Place::Chunk(chunk) => decompressor.decompress(chunk, &mut data)?,
                Place::Fill(fill) => fill.write(&mut data),
            }
            self.place_box(&coordinates(number as u64, &grid), &data, out);
        }
        Ok(())
    }

    /// Copies one decompressed chunk, which is a sequence of blocks, to where its items belong.
    fn place_box(&self, chunk_at: &[u64], data: &[u8], out: &mut [u8]) {
        let layout = &self.header.layout;
        let dims = layout.shape.len();
        let blocks: Vec<u64> = layout
            .padded_chunk()
            .zip(&layout.block)
            .map(|(padded, &block)| padded / u64::from(block))
            .collect();
        let block: Vec<u64> = layout.block.iter().map(|&dim| dim.into()).collect();
        let line = block[dims - 1] as usize;
        for (number, data) in data.chunks_exact(line * layout.itemsize).enumerate() {
            let lines: Vec<u64> = block[..dims - 1].iter().copied().chain([1]).collect();
            let per_block: u64 = lines.iter().product();
            let block_at = coordinates(number as u64 / per_block, &blocks);
            let line_at = coordinates(number as u64 % per_block, &lines);
            let in_chunk = |axis: usize| block_at[axis] * block[axis] + line_at[axis];
            let inside = |axis: usize, at: u64| {
                let chunk = u64::from(layout.chunk[axis]);
                let left = layout.shape[axis].saturating_sub(chunk_at[axis] * chunk);
                chunk.min(left).saturating_sub(at)
            };
            if (0..dims - 1).any(|axis| inside(axis, in_chunk(axis)) == 0) {
                continue;
            }
            let items = inside(dims - 1, in_chunk(dims - 1)).min(line as u64) as usize;
            let at = (0..dims).fold(0, |at, axis| {
                let position = chunk_at[axis] * u64::from(layout.chunk[axis]) + in_chunk(axis);
                at * layout.shape[axis] as usize + position as usize
            });
            if items > 0 {
                let (at, bytes) = (at * layout.itemsize, items * layout.itemsize);
                out[at..at + bytes].copy_from_slice(&data[..bytes]);
            }
        }
    }
}

/// What an index says about a chunk.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    Chunk(&'a [u8]),
    Fill(Fill),
}

/// The position of the item `number` in C order in a box of `dims`.
fn coordinates(mut number: u64, dims: &[u64]) -> Vec<u64> {
    let mut position = vec![0; dims.len()];
    for (at, &dim) in position.iter_mut().zip(dims).rev() {
        *at = number % dim;
        number /= dim;
    }
    position
}
