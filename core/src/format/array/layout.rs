//! Where the chunks and blocks of an array are cut.
//!
//! `b2nd` cuts an array into boxes. We choose boxes that are contiguous runs of the C-order buffer: one axis is cut,
//! the axes before it have length 1 in a box and those after it are whole. So chunks are compressed straight from
//! the caller's buffer and decompressed straight into it.

use crate::{Error, Result};

/// `b2nd` has no more dimensions than this.
pub(super) const MAX_DIMS: usize = 8;

/// The sizes to aim at, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Targets {
    pub chunk: usize,
    pub block: usize,
}

impl Targets {
    /// A block and its shuffled copy stay in the second-level cache; a chunk is long enough to be worth handing to a
    /// thread and short enough that every core gets some.
    pub const DEFAULT: Self = Self {
        chunk: 4 << 20,
        block: 256 << 10,
    };
}

/// The boxes of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub shape: Vec<u64>,
    pub chunk: Vec<u32>,
    pub block: Vec<u32>,
    pub itemsize: usize,
}

/// The chunks of a layout whose chunks are runs of the C-order buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Runs {
    /// How often the cut axis repeats, and its length in bytes.
    pub rows: usize,
    pub row: usize,
    /// Bytes of a run; the last of a row may be shorter.
    pub run: usize,
    /// Bytes of a chunk's data: a run, and the padding to whole blocks.
    pub padded: usize,
}

impl Layout {
    /// Cuts an array of `shape` with `itemsize` bytes an item.
    pub fn choose(shape: &[u64], itemsize: usize, targets: Targets) -> Result<Self> {
        if shape.len() > MAX_DIMS {
            return Err(Error::Format(format!(
                "a blosc2 array has at most {MAX_DIMS} dimensions, not {}",
                shape.len()
            )));
        }
        let mut layout = Self {
            shape: shape.to_vec(),
            chunk: vec![],
            block: vec![],
            itemsize,
        };
        if shape.contains(&0) {
            let dims =
                |&dim: &u64| u32::try_from(dim).map_or(i32::MAX as u32, |d| d.min(i32::MAX as u32));
            layout.chunk = shape.iter().map(dims).collect();
            layout.block = layout.chunk.clone();
            return Ok(layout);
        }
        // The axes after the cut one together fit a block.
        let mut axis = shape.len();
        let mut inner = itemsize as u64;
        while axis > 0 && inner.saturating_mul(shape[axis - 1]) <= targets.block as u64 {
            axis -= 1;
            inner *= shape[axis];
        }
        layout.chunk = vec![1; axis.saturating_sub(1)];
        layout.block = layout.chunk.clone();
        if axis > 0 {
            let most = |target: usize| (target as u64 / inner).max(1);
            let (chunk, block) = cut(shape[axis - 1], most(targets.chunk), most(targets.block));
            layout.chunk.push(chunk);
            layout.block.push(block);
        }
        for &whole in &shape[axis..] {
            layout.chunk.push(whole as u32);
            layout.block.push(whole as u32);
        }
        Ok(layout)
    }

    /// Bytes of the array; an error if they are more than memory can hold.
    pub fn nbytes(&self) -> Result<usize> {
        product(self.shape.iter().copied(), self.itemsize)
    }

    /// Bytes of a block.
    pub fn block_bytes(&self) -> Result<usize> {
        product(self.block.iter().map(|&dim| dim.into()), self.itemsize)
    }

    /// The dimensions of a chunk rounded up to whole blocks. No dimension may be 0.
    pub fn padded_chunk(&self) -> impl Iterator<Item = u64> + '_ {
        self.chunk
            .iter()
            .zip(&self.block)
            .map(|(&chunk, &block)| u64::from(chunk).next_multiple_of(block.into()))
    }

    /// Bytes of a chunk's data, padding included.
    pub fn padded_bytes(&self) -> Result<usize> {
        product(self.padded_chunk(), self.itemsize)
    }

    /// How many chunks there are along each axis.
    pub fn grid(&self) -> impl Iterator<Item = u64> + '_ {
        self.shape
            .iter()
            .zip(&self.chunk)
            .map(|(&dim, &chunk)| dim.div_ceil(chunk.into()))
    }

    /// How many chunks there are.
    pub fn chunks(&self) -> Result<usize> {
        if self.shape.contains(&0) {
            Ok(0)
        } else {
            product(self.grid(), 1)
        }
    }

    /// The chunks as runs, if they are. No dimension may be 0.
    pub fn runs(&self) -> Result<Option<Runs>> {
        let dims = self.shape.len();
        let whole = |&axis: &usize| {
            let dim = self.shape[axis];
            u64::from(self.chunk[axis]) == dim && u64::from(self.block[axis]) == dim
        };
        let after = (0..dims).rev().take_while(whole).count();
        let cut = (dims - after).saturating_sub(1);
        if (0..cut).any(|axis| self.chunk[axis] != 1 || self.block[axis] != 1) {
            return Ok(None);
        }
        let inner = product(
            self.shape[dims.min(cut + 1)..].iter().copied(),
            self.itemsize,
        )?;
        let (length, chunk) = match (self.shape.get(cut), self.chunk.get(cut)) {
            (Some(&length), Some(&chunk)) => (length, u64::from(chunk).min(length)),
            _ => (1, 1),
        };
        Ok(Some(Runs {
            rows: product(self.shape[..cut].iter().copied(), 1)?,
            row: product([length].into_iter(), inner)?,
            run: product([chunk].into_iter(), inner)?,
            padded: self.padded_bytes()?,
        }))
    }
}

impl Runs {
    /// The length of every run, in the order of the buffer.
    pub fn lengths(self) -> impl Iterator<Item = usize> {
        (0..self.rows).flat_map(move |_| {
            (0..self.row)
                .step_by(self.run)
                .map(move |start| self.run.min(self.row - start))
        })
    }
}

/// How many items of an axis of `length` make a chunk and a block, given how many may at most.
fn cut(length: u64, most_chunk: u64, most_block: u64) -> (u32, u32) {
    let limit = u64::from(i32::MAX as u32 / 2);
    let chunk = even_part(length, most_chunk.min(limit));
    let block = even_part(chunk, most_block.min(limit));
    let chunk = if chunk == length {
        chunk
    } else {
        chunk.next_multiple_of(block)
    };
    (chunk as u32, block as u32)
}

/// The length of the parts when `length` is cut into parts of at most `most`: equal ones if some number of parts near
/// the smallest possible divides it, otherwise almost equal ones.
fn even_part(length: u64, most: u64) -> u64 {
    let fewest = length.div_ceil(most);
    let exact = (fewest..fewest.saturating_mul(2))
        .take(64)
        .find(|parts| length.is_multiple_of(*parts));
    length.div_ceil(exact.unwrap_or(fewest))
}

fn product(dims: impl Iterator<Item = u64>, itemsize: usize) -> Result<usize> {
    dims.map(usize::try_from)
        .try_fold(itemsize, |product, dim| product.checked_mul(dim.ok()?))
        .filter(|&product| isize::try_from(product).is_ok())
        .ok_or_else(|| Error::Format("the array is larger than memory".into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: Targets = Targets {
        chunk: 1000,
        block: 100,
    };

    #[test]
    fn known_cuts() {
        let cut = |shape: &[u64], itemsize| {
            let layout = Layout::choose(shape, itemsize, SMALL).unwrap();
            (layout.chunk, layout.block)
        };
        assert_eq!(cut(&[], 8), (vec![], vec![]));
        assert_eq!(cut(&[12], 8), (vec![12], vec![12]));
        assert_eq!(cut(&[1000], 8), (vec![132], vec![12]));
        assert_eq!(cut(&[960], 8), (vec![120], vec![12]));
        assert_eq!(cut(&[7, 10], 8), (vec![7, 10], vec![1, 10]));
        assert_eq!(cut(&[101, 103], 8), (vec![1, 103], vec![1, 12]));
        assert_eq!(cut(&[2, 3], 5000), (vec![1, 1], vec![1, 1]));
        assert_eq!(cut(&[0, 3], 8), (vec![0, 3], vec![0, 3]));
    }

    #[test]
    fn more_than_two_gibibytes_are_cut() {
        let layout = Layout::choose(&[3 << 30], 1, Targets::DEFAULT).unwrap();
        assert!(layout.padded_bytes().unwrap() <= 4 << 20);
        let layout = Layout::choose(&[5], 1 << 30, Targets::DEFAULT).unwrap();
        assert_eq!(layout.padded_bytes().unwrap(), 1 << 30);
    }

    proptest! {
        #[test]
        fn chunks_are_runs_that_cover_the_array(
            shape in prop::collection::vec(1u64..40, 0..5),
            itemsize in 1usize..20,
        ) {
            let layout = Layout::choose(&shape, itemsize, SMALL).unwrap();
            let runs = layout.runs().unwrap().unwrap();
            let lengths: Vec<usize> = runs.lengths().collect();
            prop_assert_eq!(lengths.iter().sum::<usize>(), layout.nbytes().unwrap());
            prop_assert_eq!(lengths.len(), layout.chunks().unwrap());
            prop_assert!(runs.padded >= runs.run);
            prop_assert!(runs.padded.is_multiple_of(layout.block_bytes().unwrap()));
            prop_assert!(layout.block_bytes().unwrap() <= 100);
            prop_assert!(runs.padded <= 1100, "{:?}", layout);
        }
    }
}
