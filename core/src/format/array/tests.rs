use proptest::prelude::*;

use super::encode::encode_with;
use super::layout::Targets;
use super::{ArrayReader, ArraySpec, encode_array};
use crate::Codec;
use crate::format::compression::Compression;

const SMALL: Targets = Targets {
    chunk: 3000,
    block: 400,
};

fn decode(bytes: &[u8]) -> crate::Result<Vec<u8>> {
    let reader = ArrayReader::new(bytes)?;
    // A damaged shape may ask for more than a test machine has: the digest is what keeps it from here.
    if reader.nbytes() > 1 << 24 {
        return Err(crate::Error::Format("refused by the test".into()));
    }
    let mut out = vec![0xa5; reader.nbytes()];
    reader.decode_with(&mut out, 2)?;
    Ok(out)
}

fn patterned(bytes: usize, alphabet: u64) -> Vec<u8> {
    (0..bytes as u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % alphabet)
        .map(|n| n as u8)
        .collect()
}

fn spec<'a>(shape: &'a [u64], itemsize: usize) -> ArraySpec<'a> {
    ArraySpec {
        dtype: "<f8",
        shape,
        itemsize,
    }
}

proptest! {
    #[test]
    fn round_trip(
        shape in prop::collection::vec(0u64..24, 0..5),
        itemsize in prop::sample::select(vec![1usize, 2, 3, 4, 8, 12, 16, 255, 300]),
        codec in prop::sample::select(Codec::ALL.to_vec()),
        level in 0u8..=9,
        threads in 0usize..4,
        alphabet in prop::sample::select(vec![1u64, 3, 256]),
    ) {
        let data = patterned(shape.iter().product::<u64>() as usize * itemsize, alphabet);
        prop_assume!(data.len() < 1 << 20);
        let compression = Compression { codec, level, threads };
        for targets in [SMALL, Targets::DEFAULT] {
            let frame = encode_with(&spec(&shape, itemsize), &data, &compression, targets).unwrap();
            let reader = ArrayReader::new(&frame).unwrap();
            prop_assert_eq!(reader.shape(), &shape[..]);
            prop_assert_eq!(reader.dtype(), "<f8");
            prop_assert_eq!(reader.itemsize(), itemsize);
            prop_assert_eq!(decode(&frame).unwrap(), &data[..]);
        }
    }
}

#[test]
fn large_enough_for_threads() {
    let data = patterned(9_000_003 * 2, 5);
    let frame = encode_array(&spec(&[9_000_003], 2), &data, &Compression::ARRAY).unwrap();
    assert!(frame.len() < data.len() / 2);
    assert!(decode_large(&frame) == data);
    let noise = patterned(1 << 23, 256);
    let frame = encode_array(&spec(&[1 << 20], 8), &noise, &Compression::ARRAY).unwrap();
    assert!(decode_large(&frame) == noise);
}

fn decode_large(frame: &[u8]) -> Vec<u8> {
    let reader = ArrayReader::new(frame).unwrap();
    let mut out = vec![0; reader.nbytes()];
    reader.decode_into(&mut out).unwrap();
    out
}

#[test]
fn refuses_what_a_frame_cannot_hold() {
    let refused = |shape: &[u64], itemsize, bytes: usize| {
        encode_array(&spec(shape, itemsize), &vec![0; bytes], &Compression::ARRAY).is_err()
    };
    assert!(refused(&[1; 9], 1, 1));
    assert!(refused(&[3], 0, 0));
    assert!(refused(&[3], 8, 23));
    assert!(refused(&[u64::MAX, 2], 8, 0));
    let level = Compression {
        level: 10,
        ..Compression::ARRAY
    };
    assert!(encode_array(&spec(&[1], 1), &[0], &level).is_err());
}

#[test]
fn refuses_another_buffer_length() {
    let frame = encode_array(&spec(&[2], 8), &[1; 16], &Compression::ARRAY).unwrap();
    let reader = ArrayReader::new(&frame).unwrap();
    assert!(reader.decode_into(&mut [0; 15]).is_err());
    assert!(reader.decode_into(&mut [0; 17]).is_err());
}

fn example() -> (Vec<u8>, Vec<u8>) {
    let data = patterned(37 * 29 * 4, 7);
    let frame = encode_with(&spec(&[37, 29], 4), &data, &Compression::ARRAY, SMALL).unwrap();
    (frame, data)
}

#[test]
fn every_truncation_is_an_error() {
    let (frame, data) = example();
    assert!(decode(&frame).unwrap() == data);
    for end in 0..frame.len() {
        assert!(decode(&frame[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn no_flipped_byte_is_harmful() {
    let (frame, _) = example();
    for at in 0..frame.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = frame.clone();
            damaged[at] ^= flip;
            let _ = decode(&damaged); // an error or some bytes, as long as it comes back
        }
    }
}

#[test]
fn a_later_version_is_named() {
    let (mut frame, _) = example();
    frame[0x19] = 0x10 | 9;
    let error = ArrayReader::new(&frame).unwrap_err().to_string();
    assert!(error.contains("later version"), "{error}");
}

#[test]
fn the_header_is_as_documented() {
    let data = 7i64.to_le_bytes();
    let frame = encode_array(&spec(&[1], 8), &data, &Compression::ARRAY).unwrap();
    let hex: String = frame[..0x57]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let expected = concat!(
        "9ea862326672616d6500", // magic
        "d200000092",           // header size
        "cf0000000000000105",   // frame size
        "a412005103",           // flags
        "d30000000000000008",   // bytes of data
        "d30000000000000028",   // bytes of the chunks
        "d200000008",           // item
        "d200000008",           // block
        "d200000008",           // chunk
        "d10001d10001c2",       // threads, no trailing metalayers
        "d806000000000001",     // filters: shuffle last
        "00000000000000000000",
    );
    assert_eq!(hex, expected);
}
