//! Columns of lists of any kind, and dictionaries of values that are not text.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, DictionaryArray, downcast_dictionary_array, types};
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;

use super::{Column, Stream, unsupported};
use crate::error::Result;

/// Where the items of each row lie among all items: start and length.
type Spans = Vec<(usize, usize)>;

/// Feeds the length of each row, and the items of all of them. A null has a length that no list has.
pub(super) fn feed_lists(lengths: &mut Stream, items: &mut Column, array: &ArrayRef) -> Result<()> {
    let (all, spans) = spans(array)?;
    let mut sizes = Vec::with_capacity(spans.len() * 8);
    // Rows that lie one after the other are fed in one piece.
    let (mut start, mut end) = (0, 0);
    for (row, (first, length)) in spans.into_iter().enumerate() {
        if array.is_null(row) {
            sizes.extend_from_slice(&u64::MAX.to_le_bytes());
            continue;
        }
        sizes.extend_from_slice(&(length as u64).to_le_bytes());
        if first != end {
            items.feed(&all.slice(start, end - start))?;
            start = first;
        }
        end = first + length;
    }
    lengths.feed(&sizes);
    items.feed(&all.slice(start, end - start))
}

fn spans(array: &ArrayRef) -> Result<(ArrayRef, Spans)> {
    Ok(match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            (list.values().clone(), between(list.value_offsets()))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            (list.values().clone(), between(list.value_offsets()))
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
            (entries, between(map.value_offsets()))
        }
        DataType::ListView(_) => {
            let list = array.as_list_view::<i32>();
            let (starts, sizes) = (list.value_offsets(), list.value_sizes());
            (list.values().clone(), pairs(starts, sizes))
        }
        DataType::LargeListView(_) => {
            let list = array.as_list_view::<i64>();
            let (starts, sizes) = (list.value_offsets(), list.value_sizes());
            (list.values().clone(), pairs(starts, sizes))
        }
        DataType::FixedSizeList(..) => {
            let list = array.as_fixed_size_list();
            let size = list.value_length().as_usize();
            let spans = (0..list.len()).map(|row| (row * size, size)).collect();
            (list.values().clone(), spans)
        }
        other => return Err(unsupported(other)),
    })
}

fn between<O: ArrowNativeType>(bounds: &[O]) -> Spans {
    let row = |pair: &[O]| (pair[0].as_usize(), pair[1].as_usize() - pair[0].as_usize());
    bounds.windows(2).map(row).collect()
}

fn pairs<O: ArrowNativeType>(starts: &[O], sizes: &[O]) -> Spans {
    let row = |(start, size): (&O, &O)| (start.as_usize(), size.as_usize());
    starts.iter().zip(sizes).map(row).collect()
}

/// Feeds the values that the rows of a dictionary stand for.
pub(super) fn feed_dictionary(values: &mut Column, array: &ArrayRef) -> Result<()> {
    let array: &dyn Array = array;
    downcast_dictionary_array!(
        array => looked_up(values, array),
        other => Err(unsupported(other))
    )
}

fn looked_up<K: types::ArrowDictionaryKeyType>(
    values: &mut Column,
    array: &DictionaryArray<K>,
) -> Result<()> {
    for row in 0..array.len() {
        if let Some(key) = array.key(row) {
            values.feed(&array.values().slice(key, 1))?;
        }
    }
    Ok(())
}
