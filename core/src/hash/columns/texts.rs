//! Columns of text and bytes, and dictionaries of text.

use arrow_array::cast::AsArray;
use arrow_array::types::{self, ArrowDictionaryKeyType, ByteArrayType, ByteViewType};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, GenericByteArray, GenericByteViewArray,
    downcast_dictionary_array,
};
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;

use super::{Stream, unsupported};
use crate::error::Result;

/// Feeds the lengths of the rows, and the bytes of all of them.
pub(super) fn feed(lengths: &mut Stream, values: &mut Stream, array: &ArrayRef) -> Result<()> {
    match array.data_type() {
        DataType::Utf8 => offsets::<types::Utf8Type>(lengths, values, array.as_bytes()),
        DataType::LargeUtf8 => offsets::<types::LargeUtf8Type>(lengths, values, array.as_bytes()),
        DataType::Binary => offsets::<types::BinaryType>(lengths, values, array.as_bytes()),
        DataType::LargeBinary => {
            offsets::<types::LargeBinaryType>(lengths, values, array.as_bytes())
        }
        DataType::Utf8View => views::<types::StringViewType>(lengths, values, array.as_byte_view()),
        DataType::BinaryView => {
            views::<types::BinaryViewType>(lengths, values, array.as_byte_view())
        }
        DataType::Dictionary(..) => downcast_dictionary_array!(
            array => dictionary(lengths, values, array)?,
            other => return Err(unsupported(other))
        ),
        other => return Err(unsupported(other)),
    }
    Ok(())
}

fn offsets<T: ByteArrayType>(
    lengths: &mut Stream,
    values: &mut Stream,
    array: &GenericByteArray<T>,
) {
    if array.null_count() > 0 {
        rows(
            lengths,
            values,
            (0..array.len()).map(|row| {
                let value: Option<&[u8]> = (!array.is_null(row)).then(|| array.value(row).as_ref());
                value
            }),
        );
        return;
    }
    let bounds = array.value_offsets();
    let sizes = bounds
        .windows(2)
        .flat_map(|pair| ((pair[1] - pair[0]).as_usize() as u64).to_le_bytes());
    lengths.feed(&sizes.collect::<Vec<u8>>());
    if let (Some(first), Some(last)) = (bounds.first(), bounds.last()) {
        values.feed(&array.value_data()[first.as_usize()..last.as_usize()]);
    }
}

fn views<T: ByteViewType>(
    lengths: &mut Stream,
    values: &mut Stream,
    array: &GenericByteViewArray<T>,
) {
    rows(
        lengths,
        values,
        (0..array.len()).map(|row| {
            let value: Option<&[u8]> = (!array.is_null(row)).then(|| array.value(row).as_ref());
            value
        }),
    );
}

fn dictionary<K: ArrowDictionaryKeyType>(
    lengths: &mut Stream,
    values: &mut Stream,
    array: &DictionaryArray<K>,
) -> Result<()> {
    let words: Vec<Option<Vec<u8>>> = match array.values().data_type() {
        DataType::Utf8 => array
            .values()
            .as_string::<i32>()
            .iter()
            .map(owned)
            .collect(),
        DataType::LargeUtf8 => array
            .values()
            .as_string::<i64>()
            .iter()
            .map(owned)
            .collect(),
        DataType::Utf8View => array.values().as_string_view().iter().map(owned).collect(),
        other => return Err(unsupported(other)),
    };
    let keys = (0..array.len()).map(|row| array.key(row));
    rows(lengths, values, keys.map(|key| words.get(key?)?.as_deref()));
    Ok(())
}

fn owned(word: Option<&str>) -> Option<Vec<u8>> {
    word.map(|word| word.as_bytes().to_vec())
}

/// A null has a length that no value has.
fn rows<'a>(
    lengths: &mut Stream,
    values: &mut Stream,
    rows: impl Iterator<Item = Option<&'a [u8]>>,
) {
    let mut sizes = Vec::new();
    let mut gathered = Vec::new();
    for value in rows {
        sizes.extend_from_slice(
            &value
                .map_or(u64::MAX, |value| value.len() as u64)
                .to_le_bytes(),
        );
        gathered.extend_from_slice(value.unwrap_or_default());
        if gathered.len() > (1 << 20) {
            values.feed(&gathered);
            gathered.clear();
        }
    }
    lengths.feed(&sizes);
    values.feed(&gathered);
}
