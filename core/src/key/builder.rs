use serde::{Deserialize, Serialize};

use super::{Input, Key};

/// The first bytes of every key: what they are, and the version of how inputs are fed.
const PREAMBLE: &[u8] = b"cacheness key\x01";

/// Gathers inputs, in one pass for the key and for the people who ask what it is made of.
///
/// The bytes of a key are described in `FORMAT.md`; two different sequences of inputs never feed
/// the same bytes.
#[derive(Clone, Debug)]
pub struct KeyBuilder {
    bytes: Vec<u8>,
    manifest: Manifest,
}

/// The inputs of a key, in the order in which they were given.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Manifest {
    /// The version of this structure.
    pub format: u32,
    /// What was named: "cell", "call", "put".
    pub kind: String,
    pub inputs: Vec<Input>,
}

impl Manifest {
    /// The version that is written.
    pub const FORMAT: u32 = 1;

    /// A manifest without inputs, for keys that were made elsewhere.
    pub fn new(kind: &str) -> Self {
        Self {
            format: Self::FORMAT,
            kind: kind.to_owned(),
            inputs: Vec::new(),
        }
    }
}

impl KeyBuilder {
    /// A key for one kind of thing: keys of different kinds never agree.
    pub fn new(kind: &str) -> Self {
        let mut builder = Self {
            bytes: PREAMBLE.to_vec(),
            manifest: Manifest::new(kind),
        };
        builder.feed(kind.as_bytes());
        builder
    }

    /// Adds an input: kind, name and digest become part of the key, the detail does not.
    pub fn input(&mut self, input: Input) {
        self.feed(input.kind.as_str().as_bytes());
        self.feed(input.name.as_bytes());
        self.bytes.extend_from_slice(input.digest.as_bytes());
        self.manifest.inputs.push(input);
    }

    /// The key of what was given, and what was given.
    pub fn finish(self) -> (Key, Manifest) {
        (Key::of(&self.bytes), self.manifest)
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.bytes
            .extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::Digest;
    use crate::key::InputKind;

    fn input(kind: InputKind, name: &str, content: &str) -> Input {
        Input {
            kind,
            name: name.to_owned(),
            digest: Digest::of(content.as_bytes()),
            detail: None,
        }
    }

    fn build(kind: &str, inputs: &[Input]) -> KeyBuilder {
        let mut builder = KeyBuilder::new(kind);
        inputs
            .iter()
            .cloned()
            .for_each(|input| builder.input(input));
        builder
    }

    #[test]
    fn golden() {
        // Entries of released versions are found by these bytes: a change here is a new preamble.
        let inputs = [
            input(InputKind::Source, "cell", "x = 1"),
            input(InputKind::Variable, "df", "content"),
        ];
        let (key, manifest) = build("cell", &inputs).finish();
        assert_eq!(manifest.inputs, inputs);
        assert_eq!(
            (key.visible().as_str(), key.digest().to_string().as_str()),
            GOLDEN
        );
    }

    const GOLDEN: (&str, &str) = ("5099c1dd7a5f5e80", "b214f2a7ee962272f647ec236e9f4b80");

    #[test]
    fn a_detail_is_told_and_not_hashed() {
        let plain = input(InputKind::File, "/data/x.csv", "a");
        let told = Input {
            detail: Some(serde_json::json!({"size": 3})),
            ..plain.clone()
        };
        let (key, manifest) = build("cell", std::slice::from_ref(&told)).finish();
        assert_eq!(key, build("cell", &[plain]).finish().0);
        assert_eq!(manifest.inputs, [told]);
    }

    fn any_inputs() -> impl Strategy<Value = Vec<Input>> {
        let one =
            (0..InputKind::ALL.len(), "[a-c]{0,3}", 0..3u8).prop_map(|(kind, name, content)| {
                input(InputKind::ALL[kind], &name, &content.to_string())
            });
        prop::collection::vec(one, 0..4)
    }

    proptest! {
        /// Injective: other inputs, other bytes (and so, XXH3 willing, another key).
        #[test]
        fn different_inputs_feed_different_bytes(
            a in any_inputs(), b in any_inputs(), kind_a in "(|a|ab)", kind_b in "(|a|ab)",
        ) {
            let same = a == b && kind_a == kind_b;
            let (left, right) = (build(&kind_a, &a), build(&kind_b, &b));
            prop_assert_eq!(left.bytes == right.bytes, same);
            prop_assert_eq!(left.finish().0 == right.finish().0, same);
        }
    }
}
