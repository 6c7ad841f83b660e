//! MySQL's binary JSON, as JSON columns hold it in row images, to JSON text.
//!
//! The text is compact: no spaces after `,` and `:`, which the server's own text has. Apart from those the text is the
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
pub(crate) use write::write_json;
