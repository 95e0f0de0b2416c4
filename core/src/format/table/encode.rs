use std::str::FromStr;

use arrow_array::{Array, RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, Type, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::categories::{Collected, is_ours};
use super::support::{parquet_error, table_can_hold};
use crate::format::sample;
use crate::{Error, Result};

/// Rows of a row group: enough for long runs, few enough that the cores share a table.
const GROUP_ROWS: usize = 256 << 10;

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
    match first {
        Some(batch) if options.codec != TableCodec::None => skip_useless_codecs(properties, batch),
        _ => Ok(properties),
    }
    .map(WriterPropertiesBuilder::build)
}

/// Stores the columns of numbers that the codec would not make smaller as they are.
fn skip_useless_codecs(
    mut properties: WriterPropertiesBuilder,
    batch: &RecordBatch,
) -> Result<WriterPropertiesBuilder> {
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let Some(width) = field.data_type().primitive_width() else {
            continue;
        };
        let data = column.to_data();
        let start = data.offset() * width;
        let values = data.buffers()[0].get(start..start + data.len() * width);
        if let Some(values) = values
            && !sample::shrinks(values)?
        {
            let path = ColumnPath::new(vec![field.name().clone()]);
            properties = properties.set_column_compression(path, Compression::UNCOMPRESSED);
        }
    }
    Ok(properties)
}

/// What was written is only as good as what reading it gives: the types are compared, from the footer alone.
fn comes_back(bytes: &bytes::Bytes, schema: &Schema) -> Result<()> {
    let metadata =
        ArrowReaderMetadata::load(bytes, ArrowReaderOptions::new()).map_err(parquet_error)?;
    for (written, read) in schema.fields().iter().zip(metadata.schema().fields()) {
        if written.data_type() != read.data_type() || written.is_nullable() != read.is_nullable() {
            return Err(Error::Format(format!(
                "column {:?}: Parquet brings {} back as {}",
                written.name(),
                written.data_type(),
                read.data_type()
            )));
        }
    }
    Ok(())
}

fn arrow_error(error: ArrowError) -> Error {
    Error::Format(format!("the table could not be read: {error}"))
}
