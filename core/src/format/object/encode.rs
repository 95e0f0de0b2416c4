use super::super::blosc2::ChunkParams;
use super::super::chunks::{self, ChunkSource};
use super::super::compression::Compression;
use super::super::sample;
use super::envelope::{self, HEAD, ROW, Row};
use crate::Result;

/// A buffer that belongs to a stream.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    pub data: &'a [u8],
    /// Bytes of an item: 8 for a buffer of `float64`, 1 when nothing is known.
    pub typesize: usize,
}

/// Smaller sections are stored as they are: a chunk's header would eat what compression saves.
const WORTH_A_CHUNK: usize = 128;

/// Bytes of data in a chunk, about.
const CHUNK_DATA: usize = 4 << 20;

/// Encodes `stream` and its `buffers` as one blob, from which [`ObjectReader`](super::ObjectReader) gives back section
/// 0, the stream, and sections 1 and up, the buffers.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) for a level above 9; [`Error::Format`](crate::Error::Format) if everything
/// together is larger than memory.
pub fn encode_object(
    stream: &[u8],
    buffers: &[Section],
    compression: &Compression,
) -> Result<Vec<u8>> {
    compression.check()?;
    let stream = Section {
        data: stream,
        typesize: 1,
    };
    let plans = std::iter::once(&stream)
        .chain(buffers)
        .map(|section| Plan::of(section, compression))
        .collect::<Result<Vec<_>>>()?;
    let sources: Vec<ChunkSource> = plans.iter().flat_map(Plan::pieces).collect();
    let head = HEAD + ROW * plans.len();
    let (mut out, stored) = chunks::encode(head, &sources, compression.threads)?;
    let mut rest = stored.iter();
    let rows: Vec<Row> = plans
        .iter()
        .map(|plan| plan.row(rest.by_ref().take(plan.pieces().len()).sum()))
        .collect();
    envelope::write_head(&mut out[..head], &rows)?;
    Ok(out)
}

/// How one section is stored.
struct Plan<'a> {
    section: Section<'a>,
    /// Bytes of data in a piece.
    piece: usize,
    /// None: as it is.
    params: Option<ChunkParams>,
}

impl<'a> Plan<'a> {
    fn of(section: &Section<'a>, compression: &Compression) -> Result<Self> {
        let section = Section {
            typesize: section.typesize.max(1),
            ..*section
        };
        // An item size that the data is not made of, or that no filter knows, is not worth following.
        let whole = section.typesize <= 255 && section.data.len().is_multiple_of(section.typesize);
        let typesize = if whole { section.typesize } else { 1 };
        let params = if section.data.len() < WORTH_A_CHUNK {
            None
        } else {
            let params = sample::choose(section.data, typesize, 0, compression)?;
            Some(params).filter(|params| params.level > 0)
        };
        Ok(Self {
            section,
            piece: CHUNK_DATA / typesize * typesize,
            params,
        })
    }

    fn pieces(&self) -> impl ExactSizeIterator<Item = ChunkSource<'a>> + use<'a> {
        let params = self.params;
        self.section
            .data
            .chunks(self.piece)
            .map(move |data| ChunkSource {
                data,
                padded: data.len(),
                params,
            })
    }

    fn row(&self, stored: usize) -> Row {
        Row {
            raw: self.section.data.len() as u64,
            stored: stored as u64,
            chunk: if self.params.is_some() {
                self.piece as u32
            } else {
                0
            },
            typesize: u32::try_from(self.section.typesize).unwrap_or(1),
        }
    }
}
