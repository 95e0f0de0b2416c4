use std::collections::HashMap;
use std::panic::catch_unwind;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, RecordBatch, RecordBatchIterator, RecordBatchOptions, RecordBatchReader,
    new_empty_array,
};
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::ParquetMetaData;

use super::categories::{Categories, is_ours};
use super::support::parquet_error;
use crate::format::parallel;
use crate::{Error, Result};

/// Decodes a Parquet file that [`encode_table`](super::encode_table) wrote, as it was written.
///
/// The whole table is decoded here, by row groups and columns side by side, one thread per core; one batch comes out per
/// row group, in order. The bytes are expected to be what was written: verify their digest first.
///
/// # Errors
/// [`Error::Format`] when these are not the bytes of such a file.
pub fn decode_table(bytes: Vec<u8>) -> Result<Box<dyn RecordBatchReader + Send>> {
    // The Parquet reader panics at some damaged bytes. It holds nothing of ours that could be left half changed.
    catch_unwind(|| read(bytes))
        .unwrap_or_else(|_| Err(Error::Format("Parquet: the file is malformed".into())))
}

fn read(bytes: Vec<u8>) -> Result<Box<dyn RecordBatchReader + Send>> {
    let bytes = Bytes::from(bytes);
    let metadata =
        ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()).map_err(parquet_error)?;
    let key_values = metadata.metadata().file_metadata().key_value_metadata();
    let categories = Categories::read(metadata.schema(), key_values)?;
    let schema = schema_as_written(metadata.schema());
    let table = Table {
        bytes,
        metadata,
        schema,
        categories,
    };
    let schema = table.schema.clone();
    let batches = table.decode()?;
    Ok(Box::new(RecordBatchIterator::new(
        batches.into_iter().map(Ok),
        schema,
    )))
}

/// The schema without what was added to its metadata for our own use.
fn schema_as_written(schema: &Schema) -> SchemaRef {
    let metadata = schema.metadata().iter().filter(|(key, _)| !is_ours(key));
    let metadata: HashMap<_, _> = metadata
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata))
}

struct Table {
    bytes: Bytes,
    metadata: ArrowReaderMetadata,
    schema: SchemaRef,
    categories: Categories,
}

/// Some columns of one row group, and where they go.
struct Job<'a> {
    group: usize,
    first: usize,
    columns: &'a mut [Option<ArrayRef>],
}

impl Table {
    /// The batches in order: one for each row group, or a single empty one, which carries the categories.
    fn decode(&self) -> Result<Vec<RecordBatch>> {
        let file: &ParquetMetaData = self.metadata.metadata();
        let groups: Vec<usize> = (0..file.num_row_groups())
            .filter(|&group| file.row_group(group).num_rows() != 0)
            .collect();
        let columns = self.schema.fields().len();
        if groups.is_empty() {
            let arrays = self
                .schema
                .fields()
                .iter()
                .map(|field| new_empty_array(field.data_type()));
            let arrays = arrays
                .enumerate()
                .map(|(n, array)| Some(self.categories.restore(n, array)));
            let arrays = arrays.map(Option::transpose).collect::<Result<Vec<_>>>()?;
            return Ok(vec![self.batch(0, arrays)?]);
        }
        let size: i64 = file
            .row_groups()
            .iter()
            .map(|group| group.total_byte_size())
            .sum();
        let size = usize::try_from(size).unwrap_or(0);
        let threads = parallel::threads_for(0, groups.len().saturating_mul(columns), size);
        let slice = columns.div_ceil(threads.div_ceil(groups.len())).max(1);
        let mut arrays: Vec<Vec<Option<ArrayRef>>> = vec![vec![None; columns]; groups.len()];
        let jobs: Vec<Job> = groups
            .iter()
            .zip(&mut arrays)
            .flat_map(|(&group, arrays)| {
                let slices = arrays.chunks_mut(slice).enumerate();
                slices.map(move |(n, columns)| Job {
                    group,
                    first: n * slice,
                    columns,
                })
            })
            .collect();
        parallel::run(jobs, threads, || (), |(), job| self.decode_columns(job))?;
        let batches = groups.iter().zip(arrays);
        batches
            .map(|(&group, arrays)| self.batch(self.rows(group)?, arrays))
            .collect()
    }

    fn rows(&self, group: usize) -> Result<usize> {
        usize::try_from(self.metadata.metadata().row_group(group).num_rows())
            .map_err(|_| Error::Format("a row group of a negative number of rows".into()))
    }

    fn decode_columns(&self, job: Job) -> Result<()> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.bytes.clone(),
            self.metadata.clone(),
        );
        let wanted = job.first..job.first + job.columns.len();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let mut reader = builder
            .with_row_groups(vec![job.group])
            .with_projection(mask)
            .with_batch_size(self.rows(job.group)?.max(1))
            .build()
            .map_err(parquet_error)?;
        let batch = match reader.next() {
            Some(batch) => batch.map_err(|e| Error::Format(format!("Parquet: {e}")))?,
            None => return Err(Error::Format("a row group without rows".into())),
        };
        for (n, (slot, column)) in job.columns.iter_mut().zip(batch.columns()).enumerate() {
            *slot = Some(self.categories.restore(job.first + n, column.clone())?);
        }
        Ok(())
    }

    fn batch(&self, rows: usize, arrays: Vec<Option<ArrayRef>>) -> Result<RecordBatch> {
        let missing = || Error::Format("a row group lacks a column".into());
        let arrays = arrays
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .ok_or_else(missing)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|e| Error::Format(format!("Parquet: {e}")))
    }
}
