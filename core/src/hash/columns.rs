//! Digests of Arrow columns by what they hold, not by how they are laid out.
//!
//! Chunk boundaries, offsets of slices, bytes behind null slots, spare bits and the choice between 32-bit
//! offsets, 64-bit offsets and views do not show; values, nulls, order and types do.

mod nested;
mod texts;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatchReader};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field};
use twox_hash::xxhash3_128;

use super::{Digest, StableHasher};
use crate::error::{Error, Result};

/// A column's name and the digest of its type and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDigest {
    pub name: String,
    pub digest: Digest,
}

/// The digests of all columns of a table, in order.
///
/// # Errors
/// `Error::Format` for a type whose content cannot be told exactly (unions, run-end encoding), or when the reader fails.
pub fn digest_columns(reader: &mut dyn RecordBatchReader) -> Result<Vec<ColumnDigest>> {
    let schema = reader.schema();
    let fields = schema.fields();
    let mut columns: Vec<Column> = fields
        .iter()
        .map(|field| Column::new(field.data_type()))
        .collect::<Result<_>>()?;
    for batch in reader {
        let batch =
            batch.map_err(|error| Error::Format(format!("cannot read a table: {error}")))?;
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            column.feed(array)?;
        }
    }
    let named = fields
        .iter()
        .zip(columns)
        .map(|(field, column)| ColumnDigest {
            name: field.name().clone(),
            digest: column.finish(),
        });
    Ok(named.collect())
}

/// Bytes as they come, without marks: where one piece ends must not show.
#[derive(Default)]
struct Stream(Box<xxhash3_128::Hasher>);

impl Stream {
    fn feed(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn finish(self) -> Digest {
        Digest::from_u128(self.0.finish_128())
    }
}

struct Column {
    kind: String,
    rows: u64,
    nulls: Stream,
    body: Body,
}

enum Body {
    Empty,
    Fixed { width: usize, values: Stream },
    Bits(Stream),
    Bytes { lengths: Stream, values: Stream },
    List { lengths: Stream, items: Box<Column> },
    Dictionary(Box<Column>),
    Struct(Vec<Column>),
}

impl Column {
    fn new(data_type: &DataType) -> Result<Self> {
        let bytes = || Body::Bytes {
            lengths: Stream::default(),
            values: Stream::default(),
        };
        let list = |item: &Field| -> Result<Body> {
            let items = Box::new(Self::new(item.data_type())?);
            Ok(Body::List {
                lengths: Stream::default(),
                items,
            })
        };
        let (kind, body) = match data_type {
            DataType::Null => ("null".to_owned(), Body::Empty),
            DataType::Boolean => ("bool".to_owned(), Body::Bits(Stream::default())),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                ("text".to_owned(), bytes())
            }
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                ("binary".to_owned(), bytes())
            }
            DataType::Dictionary(_, values) if is_text(values) => {
                ("dictionary".to_owned(), bytes())
            }
            DataType::Dictionary(_, values) => {
                let values = Box::new(Self::new(values)?);
                ("dictionary of".to_owned(), Body::Dictionary(values))
            }
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item) => ("list".to_owned(), list(item)?),
            DataType::Map(entries, sorted) => (format!("map[{sorted}]"), list(entries)?),
            DataType::FixedSizeList(item, size) => (format!("list[{size}]"), list(item)?),
            DataType::Struct(fields) => {
                let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
                let columns = fields.iter().map(|field| Self::new(field.data_type()));
                (
                    format!("struct{names:?}"),
                    Body::Struct(columns.collect::<Result<_>>()?),
                )
            }
            other => match fixed_width(other) {
                Some(width) => (
                    format!("{other}"),
                    Body::Fixed {
                        width,
                        values: Stream::default(),
                    },
                ),
                None => return Err(unsupported(other)),
            },
        };
        Ok(Self {
            kind,
            rows: 0,
            nulls: Stream::default(),
            body,
        })
    }

    fn feed(&mut self, array: &ArrayRef) -> Result<()> {
        if let Some(nulls) = array.nulls() {
            for row in (0..array.len()).filter(|&row| nulls.is_null(row)) {
                self.nulls.feed(&(self.rows + row as u64).to_le_bytes());
            }
        }
        match &mut self.body {
            Body::Empty => {}
            Body::Fixed { width, values } => feed_fixed(values, array, *width)?,
            Body::Bits(values) => {
                let bits = array.as_boolean();
                let set = |row| u8::from(!bits.is_null(row) && bits.value(row));
                values.feed(&(0..bits.len()).map(set).collect::<Vec<u8>>());
            }
            Body::Bytes { lengths, values } => texts::feed(lengths, values, array)?,
            Body::List { lengths, items } => nested::feed_lists(lengths, items, array)?,
            Body::Dictionary(values) => nested::feed_dictionary(values, array)?,
            Body::Struct(columns) => {
                // Values below a null struct are not part of it.
                let parent = array.as_struct();
                for (column, child) in columns.iter_mut().zip(parent.columns()) {
                    column.feed(&masked(child, parent.nulls())?)?;
                }
            }
        }
        self.rows += array.len() as u64;
        Ok(())
    }

    fn finish(self) -> Digest {
        let mut hasher = StableHasher::new("column");
        hasher.str(&self.kind);
        hasher.u64(self.rows);
        hasher.digest(&self.nulls.finish());
        match self.body {
            Body::Empty => {}
            Body::Fixed { values, .. } | Body::Bits(values) => hasher.digest(&values.finish()),
            Body::Bytes { lengths, values } => {
                hasher.digest(&lengths.finish());
                hasher.digest(&values.finish());
            }
            Body::List { lengths, items } => {
                hasher.digest(&lengths.finish());
                hasher.digest(&items.finish());
            }
            Body::Dictionary(values) => hasher.digest(&values.finish()),
            Body::Struct(columns) => {
                for column in columns {
                    hasher.digest(&column.finish());
                }
            }
        }
        hasher.finish()
    }
}

fn unsupported(data_type: &DataType) -> Error {
    Error::Format(format!("columns of type {data_type} have no stable digest"))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// The size of a value in bytes, for types that are nothing but such values.
fn fixed_width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::FixedSizeBinary(width) => usize::try_from(*width).ok(),
        other => other.primitive_width(),
    }
}

fn feed_fixed(stream: &mut Stream, array: &ArrayRef, width: usize) -> Result<()> {
    let data = array.to_data();
    let buffer = data
        .buffers()
        .first()
        .ok_or_else(|| unsupported(array.data_type()))?;
    let start = data.offset() * width;
    let bytes = buffer
        .as_slice()
        .get(start..start + data.len() * width)
        .ok_or_else(|| Error::Format("an Arrow buffer is shorter than its array".to_owned()))?;
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => stream.feed(bytes),
        Some(nulls) => {
            let mut values = bytes.to_vec();
            for row in (0..array.len()).filter(|&row| nulls.is_null(row)) {
                values[row * width..(row + 1) * width].fill(0);
            }
            stream.feed(&values);
        }
    }
    Ok(())
}

/// `child` with the nulls of the struct that it belongs to.
fn masked(child: &ArrayRef, parent: Option<&NullBuffer>) -> Result<ArrayRef> {
    let Some(parent) = parent.filter(|nulls| nulls.null_count() > 0) else {
        return Ok(child.clone());
    };
    let nulls = NullBuffer::union(Some(parent), child.nulls());
    let data = child.to_data().into_builder().nulls(nulls).build();
    data.map(arrow_array::make_array)
        .map_err(|error| Error::Format(format!("cannot read a struct: {error}")))
}

#[cfg(test)]
mod tests;
