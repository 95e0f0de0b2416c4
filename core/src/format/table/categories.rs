//! The categories of dictionary columns, in their order and with those that no row uses.
//!
//! Parquet keeps the values of the rows only. Each dictionary column therefore also has its categories as a JSON list in
//! the file's metadata, from which reading restores them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowDictionaryKeyType;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, LargeStringArray, RecordBatch, StringArray, StringViewArray,
    downcast_dictionary_array,
};
use arrow_buffer::ArrowNativeType;
use arrow_schema::{DataType, Schema};
use parquet::file::metadata::KeyValue;

use crate::{Error, Result};

const PREFIX: &str = "cacheness:categories:";

/// Whether this key of the file's metadata is ours.
pub(super) fn is_ours(key: &str) -> bool {
    key.starts_with(PREFIX)
}

/// Collects the categories of the batches of one table.
pub(super) struct Collected {
    columns: Vec<(usize, Option<ArrayRef>)>,
}

impl Collected {
    pub fn new(schema: &Schema) -> Self {
        let dictionary =
            |&column: &usize| matches!(schema.field(column).data_type(), DataType::Dictionary(..));
        let columns = (0..schema.fields().len())
            .filter(dictionary)
            .map(|c| (c, None))
            .collect();
        Self { columns }
    }

    /// # Errors
    /// [`Error::Format`] when the categories of a column are not the same in all batches.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        for (column, known) in &mut self.columns {
            let Some(array) = batch.column(*column).as_any_dictionary_opt() else {
                continue;
            };
            let name = batch.schema_ref().field(*column).name().clone();
            if array.values().len() > most_categories(array.data_type()) {
                return Err(Error::Format(format!(
                    "column {name:?}: too many categories for its keys"
                )));
            }
            match known {
                None => *known = Some(array.values().clone()),
                Some(known) if Arc::ptr_eq(known, array.values()) || known == array.values() => {}
                Some(_) => {
                    return Err(Error::Format(format!(
                        "column {name:?}: its chunks have different categories"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The entries for the file's metadata.
    pub fn metadata(&self) -> Result<Vec<KeyValue>> {
        self.columns
            .iter()
            .map(|(column, values)| {
                let texts: Vec<&str> = match values {
                    Some(values) => texts(values)?,
                    None => vec![],
                };
                let json =
                    serde_json::to_string(&texts).map_err(|e| Error::Format(e.to_string()))?;
                Ok(KeyValue::new(format!("{PREFIX}{column}"), json))
            })
            .collect()
    }
}

/// How many categories the Parquet reader can give back with keys of this type: one less than the keys could number.
fn most_categories(dictionary: &DataType) -> usize {
    let DataType::Dictionary(keys, _) = dictionary else {
        return 0;
    };
    match **keys {
        DataType::Int8 => i8::MAX as usize,
        DataType::UInt8 => u8::MAX as usize,
        DataType::Int16 => i16::MAX as usize,
        DataType::UInt16 => u16::MAX as usize,
        _ => i32::MAX as usize,
    }
}

fn texts(values: &ArrayRef) -> Result<Vec<&str>> {
    let texts: Option<Vec<&str>> = match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().iter().collect(),
        DataType::LargeUtf8 => values.as_string::<i64>().iter().collect(),
        DataType::Utf8View => values.as_string_view().iter().collect(),
        _ => None,
    };
    texts.ok_or_else(|| Error::Format("a category is missing or not text".into()))
}

/// The categories of a file, by column.
pub(super) struct Categories(HashMap<usize, Kept>);

struct Kept {
    values: ArrayRef,
    positions: HashMap<String, usize>,
}

impl Categories {
    /// Reads the file's metadata.
    pub fn read(schema: &Schema, metadata: Option<&Vec<KeyValue>>) -> Result<Self> {
        let mut columns = HashMap::new();
        for entry in metadata
            .into_iter()
            .flatten()
            .filter(|entry| is_ours(&entry.key))
        {
            let (column, kept) = read_column(schema, entry).ok_or_else(|| {
                Error::Format(format!("the categories at {:?} are malformed", entry.key))
            })?;
            columns.insert(column, kept);
        }
        Ok(Self(columns))
    }

    /// Gives column `number` of the table the categories that were written with it.
    pub fn restore(&self, number: usize, column: ArrayRef) -> Result<ArrayRef> {
        let Some(kept) = self.0.get(&number) else {
            return Ok(column);
        };
        let array: &dyn Array = &column;
        downcast_dictionary_array!(
            array => restore_keys(array, kept),
            other => Err(Error::Format(format!("a column with categories is of type {other}")))
        )
    }
}

fn read_column(schema: &Schema, entry: &KeyValue) -> Option<(usize, Kept)> {
    let column: usize = entry.key.strip_prefix(PREFIX)?.parse().ok()?;
    let texts: Vec<String> = serde_json::from_str(entry.value.as_ref()?).ok()?;
    let DataType::Dictionary(_, values) = schema.fields().get(column)?.data_type() else {
        return None;
    };
    let values: ArrayRef = match **values {
        DataType::Utf8 => Arc::new(StringArray::from_iter_values(&texts)),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from_iter_values(&texts)),
        DataType::Utf8View => Arc::new(StringViewArray::from_iter_values(&texts)),
        _ => return None,
    };
    let positions = texts
        .into_iter()
        .enumerate()
        .map(|(at, text)| (text, at))
        .collect();
    Some((column, Kept { values, positions }))
}

fn restore_keys<K: ArrowDictionaryKeyType>(
    column: &DictionaryArray<K>,
    kept: &Kept,
) -> Result<ArrayRef> {
    let key = |text: &str| K::Native::from_usize(*kept.positions.get(text)?);
    let found: Vec<_> = texts(column.values())?.into_iter().map(key).collect();
    let look_up = |old: K::Native| found.get(old.as_usize()).copied().flatten();
    // Where there is nothing but nulls, the reader makes up a category; the key below a null may be anything.
    if column
        .keys()
        .iter()
        .flatten()
        .any(|old| look_up(old).is_none())
    {
        return Err(Error::Format(
            "a row's category is not among those of its column".into(),
        ));
    }
    let keys = column.keys().unary(|old| look_up(old).unwrap_or_default());
    DictionaryArray::<K>::try_new(keys, kept.values.clone())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|e| Error::Format(e.to_string()))
}
