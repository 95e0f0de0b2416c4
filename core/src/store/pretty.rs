//! JSON text with and without the spaces, every other byte as it was: what is digested as text
//! survives being indented for people.

/// Compact JSON, indented by two spaces a level, with a line break at its end.
pub fn indented(compact: &str) -> String {
    let mut out = String::with_capacity(compact.len() * 2);
    let mut depth = 0;
    let mut rest = compact.chars().peekable();
    let mut quoted = Quoted::default();
    while let Some(next) = rest.next() {
        if quoted.step(next) {
            out.push(next);
            continue;
        }
        match next {
            '{' | '[' => {
                out.push(next);
                if let Some(end) = rest.next_if(|end| matches!(end, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut out, depth);
                out.push(next);
            }
            ',' => {
                out.push(next);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => out.push(next),
        }
    }
    out.push('\n');
    out
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// JSON text without the spaces between its parts.
pub fn compact(text: &str) -> String {
    let mut quoted = Quoted::default();
    text.chars()
        .filter(|next| quoted.step(*next) || !next.is_ascii_whitespace())
        .collect()
}

/// Follows which characters belong to texts.
#[derive(Default)]
struct Quoted {
    inside: bool,
    escaped: bool,
}

impl Quoted {
    /// Whether `next` is part of a text, its quotes included.
    fn step(&mut self, next: char) -> bool {
        let was = self.inside;
        match next {
            _ if self.escaped => self.escaped = false,
            '\\' => self.escaped = self.inside,
            '"' => self.inside = !self.inside,
            _ => {}
        }
        was || self.inside
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_reads_well() {
        let text = r#"{"a":[1,{"b: [\"":"\\"}],"c":[],"d":{}}"#;
        let wanted = r#"{
  "a": [
    1,
    {
      "b: [\"": "\\"
    }
  ],
  "c": [],
  "d": {}
}
"#;
        assert_eq!(indented(text), wanted);
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
            "[\"\\\\{},:\\[\\] \n]*".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 30, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::hash_map(".*", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn indenting_loses_nothing(value in json()) {
            let text = serde_json::to_string(&value).unwrap();
            let shown = indented(&text);
            prop_assert_eq!(compact(&shown), text);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&shown).is_ok());
        }
    }
}
