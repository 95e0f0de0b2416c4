use twox_hash::{XxHash3_64, xxhash3_128};

use super::Digest;

/// Items are gathered here before they enter the streaming state, which most keys never need.
const BUFFER: usize = 16 * 1024;

/// A hasher whose input is a sequence of tagged, length-prefixed items.
///
/// Two different sequences of calls never feed the same bytes, so a digest can be trusted to tell
/// structures apart: `str("ab"), str("c")` differs from `str("a"), str("bc")` and from
/// `bytes(b"ab"), bytes(b"c")`.
#[derive(Clone)]
pub struct StableHasher {
    buffer: Vec<u8>,
    stream: Option<Box<xxhash3_128::Hasher>>,
}

mod tag {
    pub const DOMAIN: u8 = 0;
    pub const BYTES: u8 = 1;
    pub const STR: u8 = 2;
    pub const U64: u8 = 3;
    pub const I64: u8 = 4;
    pub const F64: u8 = 5;
    pub const BOOL: u8 = 6;
    pub const DIGEST: u8 = 7;
    pub const MARK: u8 = 8;
}

impl StableHasher {
    /// A hasher for one kind of thing; digests of different domains never agree.
    pub fn new(domain: &str) -> Self {
        let mut hasher = Self {
            buffer: Vec::with_capacity(128),
            stream: None,
        };
        hasher.sized(tag::DOMAIN, domain.as_bytes());
        hasher
    }

    /// One of the caller's own tags, to tell kinds of items apart.
    pub fn mark(&mut self, mark: u8) {
        self.fixed(tag::MARK, &[mark]);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.sized(tag::BYTES, bytes);
    }

    pub fn str(&mut self, text: &str) {
        self.sized(tag::STR, text.as_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.fixed(tag::U64, &value.to_le_bytes());
    }

    pub fn i64(&mut self, value: i64) {
        self.fixed(tag::I64, &value.to_le_bytes());
    }

    /// By bits: `0.0` and `-0.0` differ, a NaN equals itself.
    pub fn f64(&mut self, value: f64) {
        self.fixed(tag::F64, &value.to_bits().to_le_bytes());
    }

    pub fn bool(&mut self, value: bool) {
        self.fixed(tag::BOOL, &[u8::from(value)]);
    }

    pub fn digest(&mut self, value: &Digest) {
        self.fixed(tag::DIGEST, value.as_bytes());
    }

    /// The digest of everything that was fed.
    pub fn finish(self) -> Digest {
        match self.stream {
            None => Digest::of(&self.buffer),
            Some(mut stream) => {
                stream.write(&self.buffer);
                Digest::from_u128(stream.finish_128())
            }
        }
    }

    fn sized(&mut self, tag: u8, bytes: &[u8]) {
        self.fixed(tag, &(bytes.len() as u64).to_le_bytes());
        self.raw(bytes);
    }

    fn fixed(&mut self, tag: u8, bytes: &[u8]) {
        self.buffer.push(tag);
        self.raw(bytes);
    }

    fn raw(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() <= BUFFER {
            self.buffer.extend_from_slice(bytes);
            return;
        }
        let stream = self
            .stream
            .get_or_insert_with(|| Box::new(xxhash3_128::Hasher::new()));
        stream.write(&self.buffer);
        self.buffer.clear();
        if bytes.len() > BUFFER {
            stream.write(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }
}

/// The 64-bit XXH3 of `bytes`: what names an entry to people.
pub fn short(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(parts: &[&[u8]]) -> Digest {
        let mut hasher = StableHasher::new("test");
        for part in parts {
            hasher.bytes(part);
        }
        hasher.finish()
    }

    #[test]
    fn boundaries_and_types_matter() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b"", b""]), digest(&[b""]));
        let mut text = StableHasher::new("test");
        text.str("ab");
        assert_ne!(text.finish(), digest(&[b"ab"]));
        let mut other = StableHasher::new("other");
        other.bytes(b"ab");
        assert_ne!(other.finish(), digest(&[b"ab"]));
    }

    proptest! {
        /// Gathering must not change what is hashed: one big item or many, the bytes are the same.
        #[test]
        fn streaming_equals_one_shot(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40_000), 0..8)) {
            let mut fed = vec![tag::DOMAIN];
            fed.extend_from_slice(&4u64.to_le_bytes());
            fed.extend_from_slice(b"test");
            for part in &parts {
                fed.push(tag::BYTES);
                fed.extend_from_slice(&(part.len() as u64).to_le_bytes());
                fed.extend_from_slice(part);
            }
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(digest(&parts), Digest::of(&fed));
        }
    }
}
