use std::hash::{Hash, Hasher};

use ruff_python_ast::comparable::ComparableModModule;
use ruff_python_ast::visitor::source_order::{
    SourceOrderVisitor, walk_interpolated_string_element,
};
use ruff_python_ast::{
    BytesLiteral, ExprTString, InterpolatedStringElement, ModModule, StringLiteral,
};
use ruff_text_size::Ranged;

use crate::hash::{Digest, StableHasher};

/// Raised when the same text would give another digest: the parser's release, or what is fed.
const VERSION: u64 = 1;

/// The digest of a module's syntax without its positions.
///
/// The shape comes from ruff's `comparable` tree, whose `Hash` visits every field but positions. It is fed to a hasher
/// of fixed width, so that digests agree between machines; golden values guard the releases of ruff and of Rust.
pub(super) fn syntax_digest(source: &str, module: &ModModule) -> Digest {
    let mut sink = Sink(Vec::with_capacity(source.len() * 4));
    ComparableModModule::from(module).hash(&mut sink);
    let mut hasher = StableHasher::new("python syntax");
    hasher.u64(VERSION);
    hasher.bytes(&sink.0);
    if may_hide_text(source) {
        let mut hidden = Hidden { source, hasher };
        hidden.visit_body(&module.body);
        hasher = hidden.hasher;
    }
    hasher.finish()
}

/// A `Hasher` that keeps what it is fed, each item at one width and in one byte order.
///
/// `Hash` itself is prefix-free: it writes lengths of sequences, discriminants of enums and a terminator after text.
struct Sink(Vec<u8>);

impl Hasher for Sink {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u16(&mut self, value: u16) {
        self.write(&value.to_le_bytes());
    }

    fn write_u32(&mut self, value: u32) {
        self.write(&value.to_le_bytes());
    }

    fn write_u64(&mut self, value: u64) {
        self.write(&value.to_le_bytes());
    }

    fn write_u128(&mut self, value: u128) {
        self.write(&value.to_le_bytes());
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_i16(&mut self, value: i16) {
        self.write(&value.to_le_bytes());
    }

    fn write_i32(&mut self, value: i32) {
        self.write(&value.to_le_bytes());
    }

    fn write_i64(&mut self, value: i64) {
        self.write(&value.to_le_bytes());
    }

    fn write_i128(&mut self, value: i128) {
        self.write(&value.to_le_bytes());
    }

    fn write_isize(&mut self, value: isize) {
        self.write_i64(value as i64);
    }
}

/// Whether the tree could be the same for texts that Python tells apart, see [`Hidden`].
fn may_hide_text(source: &str) -> bool {
    let escapes = ["\\u", "\\U", "\u{FFFD}"];
    escapes.iter().any(|escape| source.contains(escape))
        || [
            "t\"", "t'", "T\"", "T'", "tr", "tR", "Tr", "TR", "rt", "rT", "Rt", "RT",
        ]
        .iter()
        .any(|prefix| source.contains(prefix))
}

/// Feeds the text of what the tree does not tell apart: lone surrogates (all parsed as U+FFFD), and expressions of
/// t-strings, whose text is part of their value.
struct Hidden<'a> {
    source: &'a str,
    hasher: StableHasher,
}

impl Hidden<'_> {
    fn feed(&mut self, node: &impl Ranged) {
        let range = node.range();
        let text = self
            .source
            .get(range.start().to_usize()..range.end().to_usize());
        self.hasher.str(text.unwrap_or_default());
    }
}

impl<'a> SourceOrderVisitor<'a> for Hidden<'a> {
    fn visit_expr(&mut self, expr: &'a ruff_python_ast::Expr) {
        if let ruff_python_ast::Expr::TString(ExprTString { value, .. }) = expr {
            for element in value.elements() {
                if let InterpolatedStringElement::Interpolation(interpolation) = element {
                    self.feed(interpolation);
                }
            }
        }
        ruff_python_ast::visitor::source_order::walk_expr(self, expr);
    }

    fn visit_interpolated_string_element(&mut self, element: &'a InterpolatedStringElement) {
        if let InterpolatedStringElement::Literal(literal) = element
            && literal.value.contains('\u{FFFD}')
        {
            self.feed(literal);
        }
        walk_interpolated_string_element(self, element);
    }

    fn visit_string_literal(&mut self, literal: &'a StringLiteral) {
        if literal.value.contains('\u{FFFD}') {
            self.feed(literal);
        }
    }

    fn visit_bytes_literal(&mut self, _: &'a BytesLiteral) {}
}
