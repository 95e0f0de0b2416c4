use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hash::Digest;

/// One named thing that decides a result, with the digest it had.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Input {
    pub kind: InputKind,
    /// What the person calls it: a variable, a dotted function, an absolute path.
    pub name: String,
    pub digest: Digest,
    /// For people and explanations (a dtype, a size, a place); never part of a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

/// What sort of thing an [`Input`] is.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// The code of the cell or call itself.
    Source,
    Variable,
    Function,
    Module,
    /// The content of one file.
    File,
    /// The content of everything below a directory.
    Directory,
    /// A path that led nowhere.
    Absent,
    /// An environment variable, set or not.
    Environment,
    /// State of the running process that only the front end can look at, as of a random generator.
    State,
    Option,
    Version,
    Parameter,
}

impl InputKind {
    pub(super) const ALL: [Self; 12] = [
        Self::Source,
        Self::Variable,
        Self::Function,
        Self::Module,
        Self::File,
        Self::Directory,
        Self::Absent,
        Self::Environment,
        Self::State,
        Self::Option,
        Self::Version,
        Self::Parameter,
    ];

    /// The word in keys and manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Variable => "variable",
            Self::Function => "function",
            Self::Module => "module",
            Self::File => "file",
            Self::Directory => "directory",
            Self::Absent => "absent",
            Self::Environment => "environment",
            Self::State => "state",
            Self::Option => "option",
            Self::Version => "version",
            Self::Parameter => "parameter",
        }
    }
}

impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No input kind has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no input kind {0:?}")]
pub struct ParseInputKindError(String);

impl FromStr for InputKind {
    type Err = ParseInputKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| ParseInputKindError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_serde_and_of_keys_are_the_same() {
        for kind in InputKind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("sources".parse::<InputKind>().is_err());
    }
}
