//! The one file that talks to C: single blosc2 chunks, compressed and decompressed.
//!
//! A chunk is a 32-byte header and its blocks, at most 2 GiB. Everything above chunks (frames, envelopes) is ours and
//! is written in Rust, so that a malformed container never reaches C; a chunk reaches it only after its header
//! was read here and its sizes agree with what the container said.

use std::ptr::NonNull;
use std::sync::Once;

use blosc2_sys as c;

use super::compression::Codec;
use crate::{Error, Result};

/// The bytes of a chunk header, and the most that a chunk can be larger than its data.
pub(super) const CHUNK_OVERHEAD: usize = c::BLOSC2_MAX_OVERHEAD as usize;

/// The largest data of one chunk.
pub(super) const CHUNK_MAX: usize = i32::MAX as usize - CHUNK_OVERHEAD;

/// Larger items than this are compressed as single bytes, without a filter.
const TYPESIZE_MAX: usize = 255;

/// What is done to the bytes of an item before compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    None,
    Shuffle,
    Bitshuffle,
}

/// How one chunk is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkParams {
    pub codec: Codec,
    pub level: u8,
    pub filter: Filter,
    /// Bytes of an item, at least 1.
    pub typesize: usize,
    /// Bytes of a block, a multiple of `typesize`; 0 lets blosc2 choose.
    pub blocksize: usize,
}

impl ChunkParams {
    /// Stored as it is.
    pub fn plain(self) -> Self {
        Self {
            level: 0,
            filter: Filter::None,
            ..self
        }
    }

    /// The codec's number in blosc2's parameters.
    fn code(self) -> u8 {
        let code = match self.codec {
            Codec::Blosclz => c::BLOSC_BLOSCLZ,
            Codec::Lz4 => c::BLOSC_LZ4,
            Codec::Lz4hc => c::BLOSC_LZ4HC,
            Codec::Zlib => c::BLOSC_ZLIB,
            Codec::Zstd => c::BLOSC_ZSTD,
        };
        code as u8
    }

    /// The codec and level as a frame's header holds them.
    pub fn frame_codec(self) -> u8 {
        self.code() | (self.level << 4)
    }

    /// The filter's number, 0 for none.
    pub fn filter_code(self) -> u8 {
        match self.filter {
            Filter::None => 0,
            Filter::Shuffle => c::BLOSC_SHUFFLE as u8,
            Filter::Bitshuffle => c::BLOSC_BITSHUFFLE as u8,
        }
    }
}

fn initialise() {
    static ONCE: Once = Once::new();
    // SAFETY: it takes no argument, and `Once` keeps every other call waiting until the tables are set up.
    ONCE.call_once(|| unsafe { c::blosc2_init() });
}

/// A blosc2 context, used by one thread at a time.
struct Context(NonNull<c::blosc2_context>);

impl Context {
    fn compressing(params: &ChunkParams) -> Result<Self> {
        initialise();
        // SAFETY: integers, null pointers and absent callbacks are all valid as zeros in this C struct.
        let mut cparams: c::blosc2_cparams = unsafe { std::mem::zeroed() };
        cparams.compcode = params.code();
        cparams.clevel = params.level;
        cparams.typesize = if params.typesize > TYPESIZE_MAX {
            1
        } else {
            params.typesize as i32
        };
        cparams.nthreads = 1;
        cparams.blocksize = i32::try_from(params.blocksize)
            .map_err(|_| Error::Format(format!("a block of {} bytes", params.blocksize)))?;
        cparams.splitmode = c::BLOSC_FORWARD_COMPAT_SPLIT as i32;
        cparams.filters[5] = params.filter_code();
        // SAFETY: the struct is passed by value and holds no pointer that C would follow.
        Self::from_raw(unsafe { c::blosc2_create_cctx(cparams) })
    }

    fn decompressing() -> Result<Self> {
        initialise();
        // SAFETY: as above.
        let mut dparams: c::blosc2_dparams = unsafe { std::mem::zeroed() };
        dparams.nthreads = 1;
        // SAFETY: as above.
        Self::from_raw(unsafe { c::blosc2_create_dctx(dparams) })
    }

    fn from_raw(context: *mut c::blosc2_context) -> Result<Self> {
        NonNull::new(context)
            .map(Self)
            .ok_or_else(|| Error::Format("blosc2 could not create a context".into()))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the pointer came from blosc2 and is freed nowhere else.
        unsafe { c::blosc2_free_ctx(self.0.as_ptr()) }
    }
}

/// Compresses chunks, keeping its context as long as the parameters stay the same.
#[derive(Default)]
pub(super) struct Compressor {
    context: Option<(ChunkParams, Context)>,
}

impl Compressor {
    /// Compresses `data` into the start of `out`, which has at least `data.len() + CHUNK_OVERHEAD` bytes. Returns how
    /// many were used.
    pub fn compress(&mut self, params: &ChunkParams, data: &[u8], out: &mut [u8]) -> Result<usize> {
        if data.is_empty() || data.len() > CHUNK_MAX || out.len() < data.len() + CHUNK_OVERHEAD {
            return Err(Error::Format(format!(
                "cannot make a chunk of {} bytes",
                data.len()
            )));
        }
        let room = (data.len() + CHUNK_OVERHEAD) as i32;
        let context = self.context_for(params)?;
        // SAFETY: source and destination are as long as stated (checked above), do not overlap (`out` is exclusive),
        // and the context is ours alone while `self` is borrowed.
        let used = unsafe {
            c::blosc2_compress_ctx(
                context.as_ptr(),
                data.as_ptr().cast(),
                data.len() as i32,
                out.as_mut_ptr().cast(),
                room,
            )
        };
        if used <= 0 || used > room {
            return Err(Error::Format(format!(
                "blosc2 could not compress: error {used}"
            )));
        }
        let header = ChunkHeader::read(out)?;
        let blocks = params.blocksize.min(data.len());
        if params.blocksize != 0 && header.blocksize != blocks {
            // BLOSC_BLOCKSIZE or BLOSC_TYPESIZE in the environment override what we ask for.
            return Err(Error::Format(format!(
                "blosc2 made blocks of {} bytes where {blocks} were asked for: is a BLOSC_ variable set?",
                header.blocksize
            )));
        }
        Ok(used as usize)
    }

    fn context_for(&mut self, params: &ChunkParams) -> Result<NonNull<c::blosc2_context>> {
        match &self.context {
            Some((same, context)) if same == params => Ok(context.0),
            _ => {
                let context = Context::compressing(params)?;
                let pointer = context.0;
                self.context = Some((*params, context));
                Ok(pointer)
            }
        }
    }
}

/// Decompresses chunks.
#[derive(Default)]
pub(super) struct Decompressor {
    context: Option<Context>,
}

impl Decompressor {
    /// Decompresses the one chunk that `chunk` is into the whole of `out`.
    pub fn decompress(&mut self, chunk: &[u8], out: &mut [u8]) -> Result<()> {
        let header = ChunkHeader::read(chunk)?;
        if header.stored != chunk.len() || header.data != out.len() {
            return Err(Error::Format(
                "a chunk's size is not what its container says".into(),
            ));
        }
        let context = match self.context.take() {
            Some(context) => context,
            None => Context::decompressing()?,
        };
        // SAFETY: both lengths are those of the slices (below 2 GiB: they equal 31-bit fields of the header), the
        // slices cannot overlap, the context is ours alone. blosc2 checks its offsets against the lengths it is given.
        let written = unsafe {
            c::blosc2_decompress_ctx(
                context.0.as_ptr(),
                chunk.as_ptr().cast(),
                chunk.len() as i32,
                out.as_mut_ptr().cast(),
                out.len() as i32,
            )
        };
        if usize::try_from(written) != Ok(out.len()) {
            // The context is dropped: what a failed chunk left in it should not meet the next one.
            return Err(Error::Format(format!(
                "blosc2 could not decompress: error {written}"
            )));
        }
        self.context = Some(context);
        Ok(())
    }
}

/// The sizes in a chunk's header, checked as far as they can be without its data.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChunkHeader {
    /// Bytes once decompressed.
    pub data: usize,
    /// Bytes of a block.
    pub blocksize: usize,
    /// Bytes of the chunk, header included.
    pub stored: usize,
}

impl ChunkHeader {
    /// Reads the header at the start of `bytes`, where the chunk may be followed by others.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let bad = |what: &str| Error::Format(format!("not a blosc2 chunk: {what}"));
        let header = bytes
            .get(..CHUNK_OVERHEAD)
            .ok_or_else(|| bad("cut short"))?;
        let size = |at: usize| -> usize {
            header[at..at + 4]
                .iter()
                .rev()
                .fold(0, |size, &byte| (size << 8) | usize::from(byte))
        };
        let (data, blocksize, stored) = (size(4), size(8), size(12));
        if header[0] > c::BLOSC2_VERSION_FORMAT_STABLE as u8 {
            return Err(bad("written by a later blosc2"));
        }
        if header[2] & 0b101 != 0b101 || header[3] == 0 {
            return Err(bad("no extended header"));
        }
        if header[2] >> 5 == 6 || header[16..22].iter().any(|&filter| filter > 4) {
            return Err(bad("it needs a plugin"));
        }
        let set = |(filter, setting): (&u8, &u8)| matches!(filter, 1 | 2) && *setting != 0;
        if header[16..22].iter().zip(&header[24..30]).any(set) {
            // A later blosc2 shuffles parts of an item; this one would ignore the setting and give wrong bytes.
            return Err(bad(
                "its filter is set in a way that this version does not know",
            ));
        }
        if header[31] & 0x08 != 0 {
            return Err(bad("its data is elsewhere")); // A lazy chunk would send blosc2 to a file.
        }
        if data > CHUNK_MAX || stored < CHUNK_OVERHEAD || stored > bytes.len() {
            return Err(bad("impossible sizes"));
        }
        if blocksize == 0 || (data > 0 && blocksize > data) {
            return Err(bad("an impossible block size"));
        }
        Ok(Self {
            data,
            blocksize,
            stored,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn params(codec: Codec, level: u8, filter: Filter, typesize: usize) -> ChunkParams {
        ChunkParams {
            codec,
            level,
            filter,
            typesize,
            blocksize: 0,
        }
    }

    proptest! {
        #[test]
        fn round_trip(
            data in prop::collection::vec(0u8..4, 1..5000),
            codec in prop::sample::select(Codec::ALL.to_vec()),
            level in 0u8..=9,
            filter in prop::sample::select(vec![Filter::None, Filter::Shuffle, Filter::Bitshuffle]),
            typesize in prop::sample::select(vec![1usize, 2, 3, 8, 16, 255, 256, 1000]),
        ) {
            let mut out = vec![0; data.len() + CHUNK_OVERHEAD];
            let used = Compressor::default()
                .compress(&params(codec, level, filter, typesize), &data, &mut out)
                .unwrap();
            let mut back = vec![9; data.len()];
            Decompressor::default().decompress(&out[..used], &mut back).unwrap();
            prop_assert_eq!(back, data);
        }
    }

    #[test]
    fn cut_short_is_an_error() {
        let data: Vec<u8> = (0..2000u32).map(|n| (n / 7) as u8).collect();
        let mut out = vec![0; data.len() + CHUNK_OVERHEAD];
        let used = Compressor::default()
            .compress(&params(Codec::Lz4, 5, Filter::None, 1), &data, &mut out)
            .unwrap();
        for end in 0..used {
            assert!(
                Decompressor::default()
                    .decompress(&out[..end], &mut vec![0; 2000])
                    .is_err()
            );
        }
        let mut lazy = out[..used].to_vec();
        lazy[31] |= 0x08;
        assert!(ChunkHeader::read(&lazy).is_err());
        let mut future = out[..used].to_vec();
        future[0] = 200;
        assert!(
            ChunkHeader::read(&future)
                .unwrap_err()
                .to_string()
                .contains("later")
        );
    }
}
