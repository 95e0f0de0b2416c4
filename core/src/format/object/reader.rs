use super::super::blosc2::ChunkHeader;
use super::super::chunks::{self, ChunkTarget};
use super::envelope::{self, HEAD, ROW, bad};
use crate::{Error, Result};

/// The sections of an object blob.
///
/// The bytes are expected to be what was written: verify their digest first.
#[derive(Debug)]
pub struct ObjectReader<'a> {
    sections: Vec<Stored<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Stored<'a> {
    bytes: &'a [u8],
    raw: usize,
    chunk: usize,
    typesize: usize,
}

impl<'a> ObjectReader<'a> {
    /// Reads the table of sections and checks that it covers `bytes` exactly.
    ///
    /// # Errors
    /// [`Error::Format`] when these are not the bytes of an object, or of one of a later version.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        let rows = envelope::read_head(bytes)?;
        let mut rest = &bytes[HEAD + ROW * rows.len()..];
        let mut sections = Vec::with_capacity(rows.len());
        for row in &rows {
            let (raw, stored, chunk) = row.sizes()?;
            let (bytes, after) = rest
                .split_at_checked(stored)
                .ok_or_else(|| bad("cut short"))?;
            rest = after;
            sections.push(Stored {
                bytes,
                raw,
                chunk,
                typesize: row.typesize as usize,
            });
        }
        if rest.is_empty() {
            Ok(Self { sections })
        } else {
            Err(bad("bytes after its end"))
        }
    }

    /// How many sections there are, at least 1: the first is the stream, the others are its buffers.
    pub fn sections(&self) -> usize {
        self.sections.len()
    }

    /// Bytes of section `number`; 0 if there is no such section.
    pub fn section_len(&self, number: usize) -> usize {
        self.sections.get(number).map_or(0, |section| section.raw)
    }

    /// Bytes of an item of section `number`, as its writer gave it; 1 if nothing is known.
    pub fn section_typesize(&self, number: usize) -> usize {
        self.sections
            .get(number)
            .map_or(1, |section| section.typesize)
    }

    /// Decodes section `number` into `out`, which is [`section_len`](Self::section_len) long, with one thread per core.
    ///
    /// # Errors
    /// [`Error::Format`] when there is no such section, `out` has another length, or the section is damaged.
    pub fn decode_into(&self, number: usize, out: &mut [u8]) -> Result<()> {
        self.decode_with(number, out, 0)
    }

    /// As [`decode_into`](Self::decode_into) with at most `threads` threads (0: one per core).
    pub fn decode_with(&self, number: usize, out: &mut [u8], threads: usize) -> Result<()> {
        let section = self
            .sections
            .get(number)
            .ok_or_else(|| Error::Format(format!("the object has no section {number}")))?;
        if out.len() != section.raw {
            return Err(Error::Format(format!(
                "a section of {} bytes does not fit a buffer of {}",
                section.raw,
                out.len()
            )));
        }
        let targets = section.targets(out)?;
        chunks::decode(targets, section.raw, threads)
    }
}

impl<'a> Stored<'a> {
    fn targets<'t>(&self, out: &'t mut [u8]) -> Result<Vec<ChunkTarget<'t>>>
    where
        'a: 't,
    {
        const COPY: usize = 4 << 20;
        if self.chunk == 0 {
            let pieces = self.bytes.chunks(COPY).zip(out.chunks_mut(COPY));
            return Ok(pieces
                .map(|(bytes, out)| ChunkTarget::Copy(bytes, out))
                .collect());
        }
        let mut rest = self.bytes;
        let mut targets = Vec::with_capacity(self.raw.div_ceil(self.chunk));
        for out in out.chunks_mut(self.chunk) {
            let header = ChunkHeader::read(rest)?;
            if header.data != out.len() {
                return Err(bad("a chunk of another size"));
            }
            let (chunk, after) = rest.split_at(header.stored);
            rest = after;
            targets.push(ChunkTarget::Chunk(chunk, out));
        }
        if rest.is_empty() {
            Ok(targets)
        } else {
            Err(bad("bytes after a section's chunks"))
        }
    }
}
