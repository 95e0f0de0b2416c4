use std::sync::Arc;

use arrow_array::{
    BooleanArray, Int64Array, LargeStringArray, ListArray, RecordBatch, RecordBatchIterator,
    StringArray, StringViewArray, StructArray, types::Int64Type,
};
use arrow_schema::Schema;

use super::*;

fn digest(chunks: Vec<ArrayRef>) -> Digest {
    let field = Field::new("x", chunks[0].data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field]));
    let batches: Vec<_> = chunks
        .into_iter()
        .map(|chunk| RecordBatch::try_new(schema.clone(), vec![chunk]))
        .collect();
    digest_columns(&mut RecordBatchIterator::new(batches, schema)).unwrap()[0].digest
}

fn texts(values: &[Option<&str>]) -> Vec<ArrayRef> {
    let values = || values.iter().copied();
    vec![
        Arc::new(values().collect::<StringArray>()),
        Arc::new(values().collect::<LargeStringArray>()),
        Arc::new(values().collect::<StringViewArray>()),
    ]
}

#[test]
fn layout_does_not_show() {
    let values = [
        Some("a"),
        None,
        Some(""),
        Some("a text of more than twelve bytes"),
    ];
    let all: Vec<Digest> = texts(&values)
        .into_iter()
        .map(|array| digest(vec![array]))
        .collect();
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
    for (padded, whole) in texts(&[Some("pad"), values[0], values[1], values[2], values[3]])
        .into_iter()
        .zip(all)
    {
        assert_eq!(
            digest(vec![
                padded.slice(1, 1),
                padded.slice(2, 0),
                padded.slice(2, 3)
            ]),
            whole
        );
    }
}

#[test]
fn values_behind_nulls_do_not_show() {
    let array = |hidden| {
        let nulls = NullBuffer::from(vec![true, false, true]);
        Arc::new(Int64Array::new(vec![1, hidden, 3].into(), Some(nulls))) as ArrayRef
    };
    assert_eq!(digest(vec![array(2)]), digest(vec![array(99)]));
    let child = |hidden| {
        let fields = vec![Field::new("a", DataType::Int64, true)].into();
        let values: ArrayRef = Arc::new(Int64Array::from(vec![1, hidden]));
        let nulls = Some(NullBuffer::from(vec![true, false]));
        Arc::new(StructArray::new(fields, vec![values], nulls)) as ArrayRef
    };
    assert_eq!(digest(vec![child(2)]), digest(vec![child(99)]));
}

#[test]
fn content_shows() {
    let ints =
        |values: Vec<Option<i64>>| digest(vec![Arc::new(Int64Array::from(values)) as ArrayRef]);
    let all = [
        ints(vec![]),
        ints(vec![Some(0)]),
        ints(vec![None]),
        ints(vec![Some(0), None]),
        ints(vec![None, Some(0)]),
        ints(vec![Some(1), Some(2)]),
        ints(vec![Some(2), Some(1)]),
        digest(vec![Arc::new(BooleanArray::from(vec![false])) as ArrayRef]),
        digest(texts(&[Some("")]).drain(..1).collect()),
        digest(texts(&[Some("ab"), Some("c")]).drain(..1).collect()),
        digest(texts(&[Some("a"), Some("bc")]).drain(..1).collect()),
    ];
    for (i, a) in all.iter().enumerate() {
        for b in &all[i + 1..] {
            assert_ne!(a, b);
        }
    }
}

#[test]
fn lists_are_told_apart() {
    let list = |rows: Vec<Option<Vec<Option<i64>>>>| {
        digest(vec![
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(rows)) as ArrayRef,
        ])
    };
    let split = list(vec![Some(vec![Some(1)]), Some(vec![Some(2)])]);
    assert_ne!(
        split,
        list(vec![Some(vec![Some(1), Some(2)]), Some(vec![])])
    );
    assert_ne!(split, list(vec![Some(vec![Some(1)]), None]));
    assert_eq!(split, list(vec![Some(vec![Some(1)]), Some(vec![Some(2)])]));
}
