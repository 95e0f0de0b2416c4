//! Which tables come back from Parquet exactly as they went in.

use arrow_schema::{DataType, Field, Schema};
use parquet::errors::ParquetError;

use crate::{Error, Result};

/// Whether a table of this schema comes back from [`decode_table`](super::decode_table) exactly: the same types, values
/// and categories. If not, the reason, for people; such a table is stored as an object.
pub fn table_can_hold(schema: &Schema) -> Result<(), String> {
    if schema.fields().is_empty() {
        return Err("a Parquet file without columns does not keep the number of rows".into());
    }
    for field in schema.fields() {
        let held = match field.data_type() {
            DataType::Dictionary(_, values) => dictionary(values),
            _ => column(field),
        };
        held.map_err(|reason| format!("column {:?}: {reason}", field.name()))?;
    }
    Ok(())
}

/// Categories are kept apart as text, see [`categories`](super::categories).
fn dictionary(values: &DataType) -> Result<(), String> {
    match values {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(()),
        other => Err(format!("categories of type {other} lose their order")),
    }
}

fn column(field: &Field) -> Result<(), String> {
    use DataType::*;
    match field.data_type() {
        Boolean | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => Ok(()),
        Float16 | Float32 | Float64 | Date32 | Timestamp(..) | Duration(_) => Ok(()),
        Time32(_) | Time64(_) | Utf8 | LargeUtf8 | Utf8View => Ok(()),
        Binary | LargeBinary | BinaryView => Ok(()),
        Null if field.is_nullable() => Ok(()),
        FixedSizeBinary(width) if *width > 0 => Ok(()),
        Decimal32(precision, scale)
        | Decimal64(precision, scale)
        | Decimal128(precision, scale)
        | Decimal256(precision, scale)
            if *scale >= 0 && *scale as u8 <= *precision =>
        {
            Ok(())
        }
        List(item) | LargeList(item) => column(item),
        FixedSizeList(item, width) if *width > 0 => column(item),
        Struct(fields) if !fields.is_empty() => fields.iter().try_for_each(|field| column(field)),
        Map(entries, false) => column(entries),
        other => Err(format!("Parquet does not bring back type {other}")),
    }
}

/// What went wrong in Arrow or Parquet, as an error of ours.
pub(super) fn parquet_error(error: ParquetError) -> Error {
    Error::Format(format!("Parquet: {error}"))
}
