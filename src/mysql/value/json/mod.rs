//! MySQL's binary JSON, as JSON columns hold it in row images, to JSON text.
//!
//! The text is compact: no spaces behind `,` and `:`, which the server's own text has. Apart from those the text is the
//! server's, character for character: its order of keys, its form of doubles, its `base64:typeNN:` for bytes.
//!
//! Sources: MySQL's `sql-common/json_binary.h` and `json_binary.cc` (the format), `json_dom.cc` (the text), `json_diff.cc`
//! (partial updates), `json_path.cc` (paths).

mod apply;
mod diff;
mod document;
mod opaque;
mod path;
mod text;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use apply::apply_diffs;
pub(crate) use diff::write_diffs;

use crate::mysql::wire::Malformed;
use document::Value;
use write::{Budget, Writer};

/// How deep arrays and objects may nest: `JSON_DOCUMENT_MAX_DEPTH` in `sql-common/json_syntax_check.h`.
const MAX_DEPTH: usize = 100;

/// What errors name.
const WHAT: &str = "binary JSON document";

/// Appends the text of a whole document. No bytes at all stand for JSON null, as in the server (`parse_binary`).
///
/// Bytes that are not UTF-8 become U+FFFD. The text is at most a small multiple of `bytes` long, whatever they are: the
/// values of a document may not share bytes.
///
/// # Errors
///
/// For a document that does not have the form, or nests deeper than 100; `out` is then as it was.
pub(crate) fn write_json(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    or_undo(out, |out| {
        let mut writer = Writer { out, budget: Budget(bytes.len()) };
        writer.value(Value::document(bytes)?, 0)
    })
}

/// Leaves in `out` all that `write` appends, or nothing of it.
fn or_undo(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Malformed>) -> Result<(), Malformed> {
    let length = out.len();
    let result = write(out);
    if result.is_err() {
        out.truncate(length);
    }
    result
}
