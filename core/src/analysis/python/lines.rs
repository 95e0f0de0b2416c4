use ruff_text_size::TextSize;

/// Turns offsets into line numbers.
pub(super) struct Lines(Vec<u32>);

impl Lines {
    pub fn new(source: &str) -> Self {
        let ends = source
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n');
        Self(
            ends.map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX))
                .collect(),
        )
    }

    /// The line of `offset`, counted from 1.
    pub fn line(&self, offset: TextSize) -> u32 {
        let before = self.0.partition_point(|end| *end < offset.to_u32());
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }
}
