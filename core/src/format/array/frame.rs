//! The contiguous frame of blosc2 around the chunks: header, index of the chunks, trailer.
//!
//! `FORMAT.md` has the byte table. Integers of the frame are big-endian (msgpack), those of chunks little-endian.

use super::super::blosc2::ChunkParams;
use super::layout::{Layout, MAX_DIMS};
use crate::{Error, Result};

const MAGIC: &[u8] = b"\x9e\xa8b2frame\0\xd2";
const HEADER_FIXED: usize = 0x57;
const METALAYER: &[u8] = b"b2nd";
/// The frame format with fixed-length chunks; 3 may have chunks of variable length.
const FRAME_VERSION: u8 = 2;
const FRAME_VERSION_KNOWN: u8 = 3;

/// What the header of a frame says.
#[derive(Debug)]
pub(super) struct Header {
    pub layout: Layout,
    pub dtype: String,
    /// Where the chunks start and where the index of the chunks does.
    pub chunks_start: usize,
    pub index_start: usize,
    /// Bytes of a chunk's data; 0 if there is no chunk.
    pub chunk_bytes: usize,
    pub frame_bytes: usize,
}

/// The header of a frame whose sizes [`set_sizes`] fills in later.
pub(super) fn write_header(layout: &Layout, dtype: &str, params: &ChunkParams) -> Result<Vec<u8>> {
    let mut header = Vec::with_capacity(256 + dtype.len());
    let chunks = layout.chunks()?;
    let chunk_bytes = if chunks == 0 {
        0
    } else {
        layout.padded_bytes()?
    };
    let data_bytes = chunks as u64 * chunk_bytes as u64;
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&[0; 4]); // header size
    header.push(0xcf);
    header.extend_from_slice(&[0; 8]); // frame size
    // 64-bit offsets, contiguous, the codec, and how blocks are split (1 less than in blosc2's parameters).
    header.extend_from_slice(&[0xa4, 0x10 | FRAME_VERSION, 0, params.frame_codec(), 3]);
    header.push(0xd3);
    header.extend_from_slice(&data_bytes.to_be_bytes());
    header.push(0xd3);
    header.extend_from_slice(&[0; 8]); // bytes of the chunks as stored
    let block_bytes = if chunks == 0 {
        0
    } else {
        layout.block_bytes()?
    };
    for size in [layout.itemsize, block_bytes, chunk_bytes] {
        header.push(0xd2);
        header.extend_from_slice(&int32(size)?);
    }
    header.extend_from_slice(&[0xd1, 0, 1, 0xd1, 0, 1, 0xc2]); // one thread each way, no trailing metalayers
    let mut filters = [0; 18];
    filters[..2].copy_from_slice(&[0xd8, 6]);
    filters[7] = params.filter_code();
    header.extend_from_slice(&filters);
    debug_assert_eq!(header.len(), HEADER_FIXED);
    write_metalayer(&mut header, layout, dtype)?;
    let length = int32(header.len())?;
    header[MAGIC.len()..MAGIC.len() + 4].copy_from_slice(&length);
    Ok(header)
}

fn write_metalayer(header: &mut Vec<u8>, layout: &Layout, dtype: &str) -> Result<()> {
    let dims = layout.shape.len() as u8;
    let mut meta = vec![0x97, 0, dims, 0x90 | dims];
    for &dim in &layout.shape {
        let dim =
            i64::try_from(dim).map_err(|_| Error::Format("a dimension is too long".into()))?;
        meta.push(0xd3);
        meta.extend_from_slice(&dim.to_be_bytes());
    }
    for boxes in [&layout.chunk, &layout.block] {
        meta.push(0x90 | dims);
        for &dim in boxes {
            meta.push(0xd2);
            meta.extend_from_slice(&dim.to_be_bytes());
        }
    }
    meta.extend_from_slice(&[0, 0xdb]); // 0: the type is written as NumPy does
    meta.extend_from_slice(&int32(dtype.len())?);
    meta.extend_from_slice(dtype.as_bytes());

    header.extend_from_slice(&[
        0x93,
        0xcd,
        0,
        0x11,
        0xde,
        0,
        1,
        0xa0 | METALAYER.len() as u8,
    ]);
    header.extend_from_slice(METALAYER);
    let offset = header.len() + 5 + 3; // after this offset and the head of the array that follows
    header.push(0xd2);
    header.extend_from_slice(&int32(offset)?);
    header.extend_from_slice(&[0xdc, 0, 1, 0xc6]);
    header.extend_from_slice(&int32(meta.len())?);
    header.extend_from_slice(&meta);
    Ok(())
}

/// The bytes after the index.
pub(super) const TRAILER: [u8; 35] = {
    let mut trailer = [0; 35];
    let head = [
        0x94, 1, 0x93, 0xcd, 0, 6, 0xde, 0, 0, 0xdc, 0, 0, // no trailing metalayers
        0xce, 0, 0, 0, 35, // its own length
        0xd8, 0, // no fingerprint
    ];
    let mut at = 0;
    while at < head.len() {
        trailer[at] = head[at];
        at += 1;
    }
    trailer
};

/// Writes what is only known once the chunks are there.
pub(super) fn set_sizes(frame: &mut [u8], chunks: u64) {
    let total = frame.len() as u64;
    frame[0x10..0x18].copy_from_slice(&total.to_be_bytes());
    frame[0x27..0x2f].copy_from_slice(&chunks.to_be_bytes());
}

fn int32(size: usize) -> Result<[u8; 4]> {
    i32::try_from(size).map(i32::to_be_bytes).map_err(|_| {
        Error::Format(format!(
            "{size} bytes are too many for one blosc2 item or chunk"
        ))
    })
}

/// Reads the header at the start of `bytes`.
pub(super) fn read_header(bytes: &[u8]) -> Result<Header> {
    let cut = || bad("cut short");
    let fixed = bytes.get(..HEADER_FIXED).ok_or_else(cut)?;
    if !fixed.starts_with(MAGIC) {
        return Err(bad("it does not start as one"));
    }
    let version = fixed[0x19] & 0x0f;
    if version > FRAME_VERSION_KNOWN {
        return Err(Error::Format(format!(
            "a blosc2 frame of format version {version}, known are those up to {FRAME_VERSION_KNOWN}: it was written by a later version"
        )));
    }
    if fixed[0x1a] != 0 {
        return Err(bad("it is not contiguous"));
    }
    let header_bytes = usize::try_from(big(&fixed[0x0b..0x0f])).map_err(|_| cut())?;
    let frame_bytes = usize::try_from(big(&fixed[0x10..0x18])).map_err(|_| cut())?;
    let stored = usize::try_from(big(&fixed[0x27..0x2f])).map_err(|_| cut())?;
    let itemsize = big(&fixed[0x30..0x34]) as usize;
    let chunk_bytes = big(&fixed[0x3a..0x3e]) as usize;
    if frame_bytes > bytes.len() {
        return Err(cut());
    }
    let index_start = header_bytes
        .checked_add(stored)
        .filter(|&start| header_bytes >= HEADER_FIXED && start <= frame_bytes)
        .ok_or_else(|| bad("impossible sizes"))?;
    let (layout, dtype) = read_metalayer(&bytes[..header_bytes], itemsize)?;
    Ok(Header {
        layout,
        dtype,
        chunks_start: header_bytes,
        index_start,
        chunk_bytes,
        frame_bytes,
    })
}

/// Finds the `b2nd` metalayer in the header and reads it.
fn read_metalayer(header: &[u8], itemsize: usize) -> Result<(Layout, String)> {
    let mut map = Cursor {
        bytes: header,
        at: HEADER_FIXED + 5,
    };
    for _ in 0..map.big(2)? {
        let length = usize::from(map.byte()? & 0x1f);
        let name = map.take(length)?;
        map.expect(0xd2)?;
        let offset = map.big(4)? as usize;
        if name == METALAYER {
            let mut content = Cursor {
                bytes: header,
                at: offset,
            };
            content.expect(0xc6)?;
            content.skip(4)?;
            return read_content(&mut content, itemsize);
        }
    }
    Err(bad("it is not an array"))
}

fn read_content(content: &mut Cursor, itemsize: usize) -> Result<(Layout, String)> {
    content.expect(0x97)?;
    let version = content.byte()?;
    if version > 0 {
        return Err(Error::Format(format!(
            "an array of b2nd version {version}, known is 0: it was written by a later version"
        )));
    }
    let dims = usize::from(content.byte()?);
    if dims > MAX_DIMS {
        return Err(bad("too many dimensions"));
    }
    let mut lists = [vec![], vec![], vec![]];
    for (list, (mark, width)) in lists.iter_mut().zip([(0xd3, 8), (0xd2, 4), (0xd2, 4)]) {
        content.expect(0x90 | dims as u8)?;
        for _ in 0..dims {
            content.expect(mark)?;
            list.push(content.big(width)?);
        }
    }
    let [shape, chunk, block] = lists;
    content.expect(0)?;
    content.expect(0xdb)?;
    let length = content.big(4)? as usize;
    let dtype = std::str::from_utf8(content.take(length)?)
        .map_err(|_| bad("its type is not text"))?
        .to_owned();
    let narrow = |list: Vec<u64>| list.into_iter().map(|dim| dim as u32).collect::<Vec<_>>();
    let layout = Layout {
        shape,
        chunk: narrow(chunk),
        block: narrow(block),
        itemsize,
    };
    let positive = |list: &[u32]| list.iter().all(|&dim| dim > 0 && dim <= i32::MAX as u32);
    let empty = layout.shape.contains(&0);
    if itemsize == 0 || !(empty || positive(&layout.chunk) && positive(&layout.block)) {
        return Err(bad("impossible dimensions"));
    }
    Ok((layout, dtype))
}

/// An error about a frame.
pub(super) fn bad(what: &str) -> Error {
    Error::Format(format!("not a blosc2 array: {what}"))
}

fn big(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, &byte| (value << 8) | u64::from(byte))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let end = self
            .at
            .checked_add(length)
            .ok_or_else(|| bad("impossible sizes"))?;
        let taken = self
            .bytes
            .get(self.at..end)
            .ok_or_else(|| bad("cut short"))?;
        self.at = end;
        Ok(taken)
    }

    fn skip(&mut self, length: usize) -> Result<()> {
        self.take(length).map(drop)
    }

    fn big(&mut self, width: usize) -> Result<u64> {
        self.take(width).map(big)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1).map(|taken| taken[0])
    }

    fn expect(&mut self, mark: u8) -> Result<()> {
        if self.byte()? == mark {
            Ok(())
        } else {
            Err(bad("its header is malformed"))
        }
    }
}
