use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::types::*;
use arrow_array::*;
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;

use super::{TableCodec, TableOptions, decode_table, encode_table, table_can_hold};

type Batches = Vec<RecordBatch>;

fn encode(batches: &[RecordBatch], codec: TableCodec) -> crate::Result<Vec<u8>> {
    let schema = batches[0].schema();
    let results = batches.iter().cloned().map(Ok::<_, ArrowError>);
    let mut reader = RecordBatchIterator::new(results, schema);
    encode_table(&mut reader, &TableOptions { codec, level: 3 })
}

fn decode(bytes: Vec<u8>) -> crate::Result<(arrow_schema::SchemaRef, Batches)> {
    let reader = decode_table(bytes)?;
    let schema = reader.schema();
    Ok((schema, reader.collect::<Result<_, _>>().unwrap()))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

fn comes_back(batch: &RecordBatch) {
    let (schema, batches) =
        decode(encode(std::slice::from_ref(batch), TableCodec::Lz4).unwrap()).unwrap();
    assert_eq!(schema, batch.schema());
    assert_eq!(batches, std::slice::from_ref(batch));
}

fn timed<T: ArrowPrimitiveType<Native = i64>>() -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_iter([
        Some(i64::MIN),
        None,
        Some(-1),
        Some(i64::MAX),
    ]))
}

#[test]
fn numbers_and_times_come_back() {
    let seconds =
        PrimitiveArray::<TimestampSecondType>::from(vec![Some(-5), None, Some(0), Some(7)]);
    comes_back(&table(vec![
        (
            "i8",
            Arc::new(Int8Array::from(vec![Some(-128), None, Some(0), Some(127)])),
        ),
        (
            "u8",
            Arc::new(UInt8Array::from(vec![Some(255), None, Some(0), Some(1)])),
        ),
        (
            "u16",
            Arc::new(UInt16Array::from(vec![Some(65535), None, Some(0), Some(1)])),
        ),
        (
            "u32",
            Arc::new(UInt32Array::from(vec![
                Some(u32::MAX),
                None,
                Some(0),
                Some(1),
            ])),
        ),
        (
            "u64",
            Arc::new(UInt64Array::from(vec![
                Some(u64::MAX),
                None,
                Some(0),
                Some(1),
            ])),
        ),
        (
            "bool",
            Arc::new(BooleanArray::from(vec![
                Some(true),
                None,
                Some(false),
                Some(true),
            ])),
        ),
        (
            "date",
            Arc::new(Date32Array::from(vec![
                Some(i32::MIN),
                None,
                Some(0),
                Some(9),
            ])),
        ),
        (
            "t32s",
            Arc::new(Time32SecondArray::from(vec![
                Some(86399),
                None,
                Some(0),
                Some(1),
            ])),
        ),
        (
            "t32ms",
            Arc::new(Time32MillisecondArray::from(vec![
                Some(1),
                None,
                Some(0),
                Some(2),
            ])),
        ),
        ("t64us", timed::<Time64MicrosecondType>()),
        ("t64ns", timed::<Time64NanosecondType>()),
        ("s", timed::<TimestampSecondType>()),
        ("s tz", Arc::new(seconds.with_timezone("Europe/Paris"))),
        ("ms", timed::<TimestampMillisecondType>()),
        ("us", timed::<TimestampMicrosecondType>()),
        ("ns", timed::<TimestampNanosecondType>()),
        ("ds", timed::<DurationSecondType>()),
        ("dms", timed::<DurationMillisecondType>()),
        ("dus", timed::<DurationMicrosecondType>()),
        ("dns", timed::<DurationNanosecondType>()),
        ("null", Arc::new(NullArray::new(4))),
    ]));
}

#[test]
fn floats_keep_every_bit() {
    let bits = [0, 1 << 63, 0x7ff8_0000_0000_0001, 0xfff0_0000_0000_0000, 1];
    let floats = Float64Array::from_iter_values(bits.map(f64::from_bits));
    let bytes = encode(&[table(vec![("f", Arc::new(floats))])], TableCodec::Lz4).unwrap();
    let (_, batches) = decode(bytes).unwrap();
    let values = batches[0]
        .column(0)
        .as_any()
        .downcast_ref::<Float64Array>()
        .unwrap();
    assert!(values.values().iter().map(|f| f.to_bits()).eq(bits));
}

#[test]
fn text_and_decimals_come_back() {
    let texts = || vec![Some("a"), None, Some(""), Some("longer than twelve bytes")];
    let bytes = || {
        vec![
            Some(&b"a"[..]),
            None,
            Some(b""),
            Some(b"\xff longer than twelve"),
        ]
    };
    let decimals = vec![Some(-99999), None, Some(0), Some(1)];
    let fixed = [Some(*b"abc"), None, Some(*b"\0\0\0"), Some(*b"xyz")];
    comes_back(&table(vec![
        ("utf8", Arc::new(StringArray::from(texts()))),
        ("large", Arc::new(LargeStringArray::from(texts()))),
        ("view", Arc::new(StringViewArray::from(texts()))),
        ("binary", Arc::new(BinaryArray::from(bytes()))),
        ("lbinary", Arc::new(LargeBinaryArray::from(bytes()))),
        ("bview", Arc::new(BinaryViewArray::from(bytes()))),
        (
            "fixed",
            Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed.iter().copied(), 3)
                    .unwrap(),
            ),
        ),
        (
            "d32",
            Arc::new(
                Decimal32Array::from(decimals.clone())
                    .with_precision_and_scale(5, 2)
                    .unwrap(),
            ),
        ),
        (
            "d128",
            Arc::new(
                Decimal128Array::from_iter(decimals.iter().map(|d| d.map(i128::from)))
                    .with_precision_and_scale(38, 0)
                    .unwrap(),
            ),
        ),
    ]));
}

#[test]
fn nested_columns_come_back() {
    let mut lists = ListBuilder::new(Int32Builder::new());
    lists.append_value([Some(1), None]);
    lists.append_null();
    lists.append_value([]);
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for (key, value) in [("a", Some(1)), ("b", None)] {
        maps.keys().append_value(key);
        maps.values().append_option(value);
        maps.append(true).unwrap();
    }
    maps.append(false).unwrap();
    let fixed = FixedSizeListArray::from_iter_primitive::<Int16Type, _, _>(
        [Some([Some(1), None]), None, Some([Some(3), Some(4)])],
        2,
    );
    let field = Arc::new(Field::new("x", DataType::Int64, true));
    let inner: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let structs = StructArray::new(
        vec![field].into(),
        vec![inner],
        Some(vec![true, true, false].into()),
    );
    comes_back(&table(vec![
        ("list", Arc::new(lists.finish())),
        ("map", Arc::new(maps.finish())),
        ("fixed", Arc::new(fixed)),
        ("struct", Arc::new(structs)),
    ]));
}

fn categories(rows: usize) -> RecordBatch {
    let keys = Int8Array::from_iter((0..rows).map(|n| (n % 3 != 1).then_some((n % 2) as i8 * 2)));
    let values = Arc::new(StringArray::from(vec!["z", "unused", "a \"quoted\" one"]));
    let wide = UInt32Array::from_iter((0..rows).map(|_| Some(1)));
    let views = Arc::new(StringViewArray::from(vec![
        "no",
        "a value of more than twelve bytes",
    ]));
    table(vec![
        ("c", Arc::new(DictionaryArray::new(keys, values))),
        ("v", Arc::new(DictionaryArray::new(wide, views))),
    ])
}

#[test]
fn categories_keep_order_and_unused_ones() {
    for rows in [0, 1, 10] {
        comes_back(&categories(rows));
    }
}

#[test]
fn categories_that_differ_between_chunks_are_refused() {
    let one = table(vec![(
        "c",
        Arc::new(vec!["a"].into_iter().collect::<DictionaryArray<Int8Type>>()),
    )]);
    let other = table(vec![(
        "c",
        Arc::new(vec!["b"].into_iter().collect::<DictionaryArray<Int8Type>>()),
    )]);
    assert!(encode(&[one, other], TableCodec::Lz4).is_err());
}

#[test]
fn as_many_categories_as_come_back() {
    for (count, held) in [(127usize, true), (128, false)] {
        let keys = Int8Array::from_iter_values((0..count).map(|n| n as i8));
        let values = StringArray::from_iter_values((0..count).map(|n| n.to_string()));
        let batch = table(vec![(
            "c",
            Arc::new(DictionaryArray::new(keys, Arc::new(values))),
        )]);
        assert_eq!(
            encode(std::slice::from_ref(&batch), TableCodec::Lz4).is_ok(),
            held
        );
        if held {
            comes_back(&batch);
        }
    }
}

#[test]
fn more_categories_than_a_page_holds() {
    let keys = Int32Array::from_iter_values((0..400_000).map(|n| n * 7 % 300_000));
    let values = StringArray::from_iter_values((0..300_000).map(|n| format!("category {n}")));
    let batch = table(vec![(
        "c",
        Arc::new(DictionaryArray::new(keys, Arc::new(values))),
    )]);
    let (_, read) = decode(encode(std::slice::from_ref(&batch), TableCodec::Lz4).unwrap()).unwrap();
    let mut start = 0;
    for part in read {
        assert!(part == batch.slice(start, part.num_rows()));
        start += part.num_rows();
    }
    assert_eq!(start, 400_000);
}

#[test]
fn what_would_not_come_back_is_refused() {
    let refused = |data_type: DataType| {
        let schema = Schema::new(vec![Field::new("c", data_type, true)]);
        let empty = RecordBatch::new_empty(Arc::new(schema.clone()));
        table_can_hold(&schema).is_err() && encode(&[empty], TableCodec::Lz4).is_err()
    };
    let dictionary = |values| DataType::Dictionary(Box::new(DataType::Int8), Box::new(values));
    assert!(refused(DataType::Date64));
    assert!(refused(DataType::Interval(
        arrow_schema::IntervalUnit::MonthDayNano
    )));
    assert!(refused(dictionary(DataType::Int64)));
    assert!(refused(DataType::new_list(
        dictionary(DataType::Utf8),
        true
    )));
    assert!(refused(DataType::Decimal128(5, -2)));
    assert!(table_can_hold(&Schema::empty()).is_err());
}

#[test]
fn metadata_and_empty_tables_come_back() {
    let field = Field::new(
        "x",
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        false,
    )
    .with_metadata(HashMap::from([("unit".into(), "ns".into())]));
    let metadata = HashMap::from([("pandas".to_owned(), "{\"columns\": []}".to_owned())]);
    let schema = Arc::new(Schema::new_with_metadata(vec![field], metadata));
    comes_back(&RecordBatch::new_empty(schema.clone()));
    let mut none = RecordBatchIterator::new(std::iter::empty(), schema.clone());
    let bytes = encode_table(&mut none, &TableOptions::default()).unwrap();
    let (read, batches) = decode(bytes).unwrap();
    assert_eq!(read, schema);
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}

#[test]
fn many_row_groups_keep_their_order() {
    let numbers =
        |start: i64| Arc::new(Int64Array::from_iter_values(start..start + 300_000)) as ArrayRef;
    let texts = || {
        Arc::new(StringArray::from_iter_values(
            (0..300_000).map(|n| format!("t{}", n % 99)),
        )) as ArrayRef
    };
    let batches: Vec<_> = (0..3)
        .map(|n| table(vec![("n", numbers(n * 300_000)), ("t", texts())]))
        .collect();
    for codec in TableCodec::ALL {
        let (_, read) = decode(encode(&batches, codec).unwrap()).unwrap();
        assert!(read.len() > 1);
        let column = |batch: &RecordBatch| {
            batch
                .column(0)
                .as_any()
                .downcast_ref::<Int64Array>()
                .unwrap()
                .values()
                .to_vec()
        };
        assert!(read.iter().flat_map(column).eq(0..900_000));
    }
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = encode(&[categories(20)], TableCodec::Lz4).unwrap();
    for end in 0..bytes.len() {
        assert!(decode_table(bytes[..end].to_vec()).is_err(), "cut at {end}");
    }
}

#[test]
fn no_flipped_byte_is_harmful() {
    let bytes = encode(&[categories(20)], TableCodec::Lz4).unwrap();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            let _ = decode_table(damaged); // an error or some table, as long as it comes back
        }
    }
}

proptest! {
    #[test]
    fn round_trip(
        rows in prop::collection::vec((any::<Option<i64>>(), any::<u64>(), any::<Option<String>>()), 1..200),
        codec in prop::sample::select(TableCodec::ALL.to_vec()),
        cut in 0usize..200,
    ) {
        let batch = table(vec![
            ("i", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0)))),
            ("u", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.1)))),
            ("s", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2.as_deref())))),
        ]);
        let cut = cut.min(rows.len());
        let batches = [batch.slice(0, cut), batch.slice(cut, rows.len() - cut)];
        let (_, read) = decode(encode(&batches, codec).unwrap()).unwrap();
        prop_assert_eq!(read, [batch]);
    }
}
