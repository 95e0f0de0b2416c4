use proptest::prelude::*;

use super::{ObjectReader, Section, encode_object};
use crate::Codec;
use crate::format::compression::Compression;

/// All sections, unless they declare more than a test wants to allocate.
fn decode(bytes: &[u8]) -> crate::Result<Vec<Vec<u8>>> {
    let reader = ObjectReader::new(bytes)?;
    (0..reader.sections())
        .map(|number| {
            let length = reader.section_len(number);
            if length > 1 << 24 {
                return Err(crate::Error::Format("refused by the test".into()));
            }
            let mut out = vec![0xa5; length];
            reader.decode_into(number, &mut out)?;
            Ok(out)
        })
        .collect()
}

fn buffer() -> impl Strategy<Value = (Vec<u8>, usize)> {
    let size = prop_oneof![0usize..300, 0usize..40_000];
    (
        size,
        1u8..=255,
        prop::sample::select(vec![0usize, 1, 2, 8, 24, 300]),
    )
        .prop_map(|(size, alphabet, typesize)| {
            let next = |n: usize| ((n * 2_654_435_761) >> 13) as u8 % alphabet;
            ((0..size).map(next).collect(), typesize)
        })
}

proptest! {
    #[test]
    fn round_trip(
        stream in buffer(),
        buffers in prop::collection::vec(buffer(), 0..5),
        codec in prop::sample::select(Codec::ALL.to_vec()),
        level in 0u8..=9,
    ) {
        let compression = Compression { codec, level, threads: 0 };
        let sections: Vec<Section> = buffers
            .iter()
            .map(|(data, typesize)| Section { data, typesize: *typesize })
            .collect();
        let blob = encode_object(&stream.0, &sections, &compression).unwrap();
        let expected: Vec<Vec<u8>> =
            std::iter::once(stream.0).chain(buffers.into_iter().map(|b| b.0)).collect();
        prop_assert_eq!(decode(&blob).unwrap(), expected);
    }
}

#[test]
fn large_sections_are_cut_in_chunks() {
    let noise: Vec<u8> = (0u64..11 << 20)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 37) as u8)
        .collect();
    let words: Vec<u8> = (0u32..3 << 20)
        .flat_map(|n| (n / 5).to_le_bytes())
        .collect();
    let sections = [
        Section {
            data: &noise,
            typesize: 8,
        },
        Section {
            data: &words,
            typesize: 4,
        },
    ];
    let blob = encode_object(b"stream", &sections, &Compression::OBJECT).unwrap();
    let reader = ObjectReader::new(&blob).unwrap();
    let lengths: Vec<usize> = (0..reader.sections())
        .map(|n| reader.section_len(n))
        .collect();
    assert_eq!(lengths, [6, noise.len(), words.len()]);
    assert_eq!(reader.section_typesize(2), 4);
    for (number, section) in [(1, &noise), (2, &words)] {
        let mut out = vec![0; section.len()];
        reader.decode_into(number, &mut out).unwrap();
        assert!(out == *section);
    }
    assert!(blob.len() < noise.len() + words.len() / 4);
}

fn example() -> Vec<u8> {
    let stream: Vec<u8> = (0..700u32).map(|n| (n / 9) as u8).collect();
    let floats: Vec<u8> = (0..300)
        .flat_map(|n| (f64::from(n) / 4.0).to_le_bytes())
        .collect();
    let sections = [
        Section {
            data: &floats,
            typesize: 8,
        },
        Section {
            data: b"few",
            typesize: 1,
        },
        Section {
            data: b"",
            typesize: 1,
        },
    ];
    encode_object(&stream, &sections, &Compression::OBJECT).unwrap()
}

#[test]
fn the_head_is_as_documented() {
    let blob = encode_object(
        b"abc",
        &[Section {
            data: b"",
            typesize: 8,
        }],
        &Compression::OBJECT,
    );
    let mut expected = b"CNSSOBJ\n".to_vec();
    expected.extend([1, 0, 0, 0, 2, 0, 0, 0]);
    expected.extend([
        3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
    ]);
    expected.extend([
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0,
    ]);
    expected.extend(b"abc");
    assert_eq!(blob.unwrap(), expected);
}

#[test]
fn every_truncation_is_an_error() {
    let blob = example();
    assert_eq!(decode(&blob).unwrap().len(), 4);
    for end in 0..blob.len() {
        assert!(decode(&blob[..end]).is_err(), "cut at {end}");
    }
    let longer = [&blob[..], &[0]].concat();
    assert!(decode(&longer).is_err());
}

#[test]
fn no_flipped_byte_is_harmful() {
    let blob = example();
    for at in 0..blob.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = blob.clone();
            damaged[at] ^= flip;
            let _ = decode(&damaged); // an error or some bytes, as long as it comes back
        }
    }
}

#[test]
fn sizes_are_bounded_by_what_is_stored() {
    let mut blob = example();
    // The raw length of section 0, which is compressed, claims a terabyte.
    blob[16..24].copy_from_slice(&(1u64 << 40).to_le_bytes());
    assert!(ObjectReader::new(&blob).is_err());
    // A count of sections that the blob has no room for.
    blob[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(ObjectReader::new(&blob).is_err());
}

#[test]
fn a_later_version_is_named() {
    let mut blob = example();
    blob[8] = 2;
    let error = ObjectReader::new(&blob).unwrap_err().to_string();
    assert!(error.contains("later version"), "{error}");
}

#[test]
fn a_missing_section_is_an_error() {
    let blob = example();
    let reader = ObjectReader::new(&blob).unwrap();
    assert_eq!(reader.section_len(4), 0);
    assert!(reader.decode_into(4, &mut []).is_err());
    assert!(reader.decode_into(2, &mut [0; 4]).is_err());
}
