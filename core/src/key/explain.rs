use std::collections::HashMap;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{Input, InputKind, Manifest};

/// One difference between two manifests.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// Only the new manifest has it.
    Added(Input),
    /// Only the old manifest has it.
    Removed(Input),
    /// Both have it, with different digests.
    Changed { old: Input, new: Input },
}

/// What differs between two manifests, in the order of the new one, removed inputs last.
///
/// Inputs are matched by kind and name; the n-th of several with one name by the n-th.
pub fn explain(old: &Manifest, new: &Manifest) -> Vec<Change> {
    let mut known: HashMap<(InputKind, &str), Vec<&Input>> = HashMap::new();
    for input in old.inputs.iter().rev() {
        known
            .entry((input.kind, &input.name))
            .or_default()
            .push(input);
    }
    let mut changes = Vec::new();
    for input in &new.inputs {
        let before = known
            .get_mut(&(input.kind, input.name.as_str()))
            .and_then(Vec::pop);
        match before {
            None => changes.push(Change::Added(input.clone())),
            Some(before) if before.digest != input.digest => changes.push(Change::Changed {
                old: before.clone(),
                new: input.clone(),
            }),
            Some(_) => {}
        }
    }
    let left = |input: &&Input| {
        known
            .get(&(input.kind, input.name.as_str()))
            .is_some_and(|rest| rest.iter().any(|one| std::ptr::eq(*one, *input)))
    };
    changes.extend(old.inputs.iter().filter(left).cloned().map(Change::Removed));
    changes
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (word, old, new) = match self {
            Self::Added(new) => ("added", None, Some(new)),
            Self::Removed(old) => ("removed", Some(old), None),
            Self::Changed { old, new } => ("changed", Some(old), Some(new)),
        };
        let mut fields = serializer.serialize_struct("Change", 5)?;
        fields.serialize_field("change", word)?;
        if let Some(input) = new.or(old) {
            fields.serialize_field("kind", &input.kind)?;
            fields.serialize_field("name", &input.name)?;
        }
        for (field, input) in [("old", old), ("new", new)] {
            match input {
                Some(input) => fields.serialize_field(field, input)?,
                None => fields.skip_field(field)?,
            }
        }
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Digest;

    fn manifest(inputs: &[(InputKind, &str, &str)]) -> Manifest {
        let input = |&(kind, name, content): &(InputKind, &str, &str)| Input {
            kind,
            name: name.to_owned(),
            digest: Digest::of(content.as_bytes()),
            detail: None,
        };
        Manifest {
            inputs: inputs.iter().map(input).collect(),
            ..Manifest::new("cell")
        }
    }

    #[test]
    fn each_difference_once_in_manifest_order() {
        use InputKind::{File, Function, Variable};
        let old = manifest(&[
            (Variable, "a", "1"),
            (File, "a", "1"),
            (Function, "gone", "1"),
            (Variable, "b", "1"),
        ]);
        let new = manifest(&[
            (Variable, "b", "2"),
            (Variable, "c", "1"),
            (File, "a", "2"),
            (Variable, "a", "1"),
        ]);
        let [o, n] = [&old.inputs, &new.inputs];
        let changed = |old: &Input, new: &Input| Change::Changed {
            old: old.clone(),
            new: new.clone(),
        };
        assert_eq!(
            explain(&old, &new),
            [
                changed(&o[3], &n[0]),
                Change::Added(n[1].clone()),
                changed(&o[1], &n[2]),
                Change::Removed(o[2].clone()),
            ]
        );
        assert_eq!(explain(&old, &old), []);
    }

    #[test]
    fn repeated_names_are_matched_in_order() {
        let name = InputKind::Parameter;
        let old = manifest(&[(name, "x", "1"), (name, "x", "2")]);
        let new = manifest(&[(name, "x", "1"), (name, "x", "3"), (name, "x", "4")]);
        let changes = explain(&old, &new);
        assert!(matches!(&changes[0], Change::Changed { old: o, new: n }
            if *o == old.inputs[1] && *n == new.inputs[1]));
        assert_eq!(changes[1..], [Change::Added(new.inputs[2].clone())]);
        assert_eq!(
            explain(&new, &old)[1..],
            [Change::Removed(new.inputs[2].clone())]
        );
    }

    #[test]
    fn the_record_for_front_ends() {
        let old = manifest(&[(InputKind::Variable, "a", "1")]);
        let new = manifest(&[(InputKind::Variable, "a", "2")]);
        let record = serde_json::to_value(explain(&old, &new)).unwrap();
        assert_eq!(record[0]["change"], "changed");
        assert_eq!(record[0]["kind"], "variable");
        assert_eq!(record[0]["name"], "a");
        assert_eq!(record[0]["old"]["digest"], old.inputs[0].digest.to_string());
        let record = serde_json::to_value(explain(&Manifest::new("cell"), &new)).unwrap();
        assert!(record[0].get("old").is_none());
    }
}
