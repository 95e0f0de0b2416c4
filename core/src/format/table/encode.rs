use std::collections::HashSet;
use std::str::FromStr;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, DataType, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, Type, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::categories::{Collected, is_ours};
use super::support::{parquet_error, table_can_hold};
use crate::format::sample;
use crate::{Error, Result, short};

/// Rows of a row group: enough for long runs, few enough that the cores share a table.
const GROUP_ROWS: usize = 256 << 10;

/// Rows of a text column that are looked at before it is written.
const SAMPLED_ROWS: usize = 2000;

/// Dictionaries of text columns may grow to this many bytes before the column falls back to plain values.
const DICTIONARY_BYTES: usize = 4 << 20;

/// A compressor of Parquet pages. What it is called in options is [`TableCodec::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TableCodec {
    Lz4,
    Snappy,
    Zstd,
    None,
}

impl TableCodec {
    pub const ALL: [Self; 4] = [Self::Lz4, Self::Snappy, Self::Zstd, Self::None];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
            Self::Zstd => "zstd",
            Self::None => "none",
        }
    }
}

impl FromStr for TableCodec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.as_str() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                Error::Config(format!("no codec for tables is called {text:?}: {known}"))
            })
    }
}

/// How tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableOptions {
    pub codec: TableCodec,
    /// 1 to 22, for zstd only.
    pub level: i32,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            codec: TableCodec::Lz4,
            level: 3,
        }
    }
}

impl TableOptions {
    fn compression(&self) -> Result<Compression> {
        Ok(match self.codec {
            TableCodec::Lz4 => Compression::LZ4_RAW,
            TableCodec::Snappy => Compression::SNAPPY,
            TableCodec::None => Compression::UNCOMPRESSED,
            TableCodec::Zstd => Compression::ZSTD(
                ZstdLevel::try_new(self.level).map_err(|e| Error::Config(e.to_string()))?,
            ),
        })
    }
}

/// Encodes a table as a Parquet file, with its schema metadata.
///
/// # Errors
/// [`Error::Format`] when the table would not come back exactly: see [`table_can_hold`]; also when the reader fails.
pub fn encode_table(
    batches: &mut dyn RecordBatchReader,
    options: &TableOptions,
) -> Result<Vec<u8>> {
    let schema = batches.schema();
    table_can_hold(&schema).map_err(Error::Format)?;
    let mut next = batches.next().transpose().map_err(arrow_error)?;
    let properties = properties(&schema, next.as_ref(), options)?;
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))
        .map_err(parquet_error)?;
    let mut categories = Collected::new(&schema);
    while let Some(batch) = next {
        categories.add(&batch)?;
        writer.write(&batch).map_err(parquet_error)?;
        next = batches.next().transpose().map_err(arrow_error)?;
    }
    for entry in categories.metadata()? {
        writer.append_key_value_metadata(entry);
    }
    let bytes = writer.into_inner().map_err(parquet_error)?;
    let bytes = bytes::Bytes::from(bytes);
    comes_back(&bytes, &schema)?;
    Ok(bytes.into())
}

fn properties(
    schema: &Schema,
    first: Option<&RecordBatch>,
    options: &TableOptions,
) -> Result<WriterProperties> {
    let metadata = schema.metadata().iter().filter(|(key, _)| !is_ours(key));
    let metadata = metadata
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
        .collect();
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("cacheness ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(metadata))
        .set_compression(options.compression()?)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(false)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_data_page_row_count_limit(GROUP_ROWS)
        .set_max_row_group_row_count(Some(GROUP_ROWS));
    let parquet = ArrowSchemaConverter::new()
        .convert(schema)
        .map_err(parquet_error)?;
    for leaf in parquet.columns() {
        // Text repeats more often than numbers do, and decodes many times faster when it does.
        if leaf.physical_type() == Type::BYTE_ARRAY {
            properties = properties.set_column_dictionary_enabled(leaf.path().clone(), true);
        }
    }
    if let Some(batch) = first {
        properties = column_properties(properties, batch, options)?;
    }
    Ok(properties.build())
}

/// What a look at the first batch saves: dictionaries of unique texts, and codecs that find nothing.
fn column_properties(
    mut properties: WriterPropertiesBuilder,
    batch: &RecordBatch,
    options: &TableOptions,
) -> Result<WriterPropertiesBuilder> {
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let path = ColumnPath::new(vec![field.name().clone()]);
        if mostly_unique(column) {
            properties = properties.set_column_dictionary_enabled(path, false);
        } else if options.codec != TableCodec::None && !shrinks(column)? {
            properties = properties.set_column_compression(path, Compression::UNCOMPRESSED);
        }
    }
    Ok(properties)
}

/// Whether a codec makes a column of numbers smaller; other columns are taken to shrink.
fn shrinks(column: &ArrayRef) -> Result<bool> {
    let Some(width) = column.data_type().primitive_width() else {
        return Ok(true);
    };
    let data = column.to_data();
    let start = data.offset() * width;
    match data.buffers()[0].get(start..start + data.len() * width) {
        Some(values) => sample::shrinks(values),
        None => Ok(true),
    }
}

/// Whether a text column rarely repeats itself, so that looking for repetitions is wasted time.
fn mostly_unique(column: &ArrayRef) -> bool {
    let rows = (0..column.len()).step_by((column.len() / SAMPLED_ROWS).max(1));
    let (mut seen, mut distinct) = (0, HashSet::new());
    let mut add = |text: &str| {
        seen += 1;
        distinct.insert(short(text.as_bytes()));
    };
    match column.data_type() {
        DataType::Utf8 => rows.for_each(|row| add(column.as_string::<i32>().value(row))),
        DataType::LargeUtf8 => rows.for_each(|row| add(column.as_string::<i64>().value(row))),
        DataType::Utf8View => rows.for_each(|row| add(column.as_string_view().value(row))),
        _ => {}
    }
    distinct.len() > seen / 2
}

/// What was written is only as good as what reading it gives: the fields are compared, from the footer alone.
fn comes_back(bytes: &bytes::Bytes, schema: &Schema) -> Result<()> {
    let metadata =
        ArrowReaderMetadata::load(bytes, ArrowReaderOptions::new()).map_err(parquet_error)?;
    for (written, read) in schema.fields().iter().zip(metadata.schema().fields()) {
        if written != read {
            return Err(Error::Format(format!(
                "column {:?}: Parquet brings {written} back as {read}",
                written.name()
            )));
        }
    }
    Ok(())
}

fn arrow_error(error: ArrowError) -> Error {
    Error::Format(format!("the table could not be read: {error}"))
}
