/// Which names a path through the cell has certainly bound or deleted when it arrives at some point.
///
/// A deleted name counts as touched: what stood in the namespace before the cell can no longer be read through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flow {
    /// No path arrives here.
    Unreachable,
    /// Bit `n` of the set stands for name `n`; missing words are zero.
    Touched(Vec<u64>),
}

impl Flow {
    pub const fn start() -> Self {
        Self::Touched(Vec::new())
    }

    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable)
    }

    /// Whether name `id` cannot come from outside at this point.
    pub fn has(&self, id: u32) -> bool {
        match self {
            Self::Unreachable => true,
            Self::Touched(words) => words
                .get(word(id))
                .is_some_and(|word| word & (1 << (id % 64)) != 0),
        }
    }

    pub fn touch(&mut self, id: u32) {
        if let Self::Touched(words) = self {
            if words.len() <= word(id) {
                words.resize(word(id) + 1, 0);
            }
            words[word(id)] |= 1 << (id % 64);
        }
    }

    /// Where two paths meet: only what both have touched is certain.
    pub fn join(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Unreachable, other) => other.clone(),
            (flow, Self::Unreachable) => flow,
            (Self::Touched(mut words), Self::Touched(others)) => {
                words.truncate(others.len());
                for (word, other) in words.iter_mut().zip(others) {
                    *word &= other;
                }
                Self::Touched(words)
            }
        }
    }

    /// One path that goes through both: what either has touched.
    pub fn then(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Unreachable, _) | (_, Self::Unreachable) => Self::Unreachable,
            (Self::Touched(mut words), Self::Touched(others)) => {
                words.resize(words.len().max(others.len()), 0);
                for (word, other) in words.iter_mut().zip(others) {
                    *word |= other;
                }
                Self::Touched(words)
            }
        }
    }
}

fn word(id: u32) -> usize {
    id as usize / 64
}
