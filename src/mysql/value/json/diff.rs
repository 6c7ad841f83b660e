//! The diffs of a partial update, as `PARTIAL_UPDATE_ROWS_EVENT` holds them.

use crate::mysql::value::json::text;
use crate::mysql::value::json::write::{or_undo, write_json};
use crate::mysql::wire::{Malformed, Reader};

const WHAT: &str = "JSON diff";

/// What a diff does: `enum_json_diff_operation` in `sql-common/json_diff.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonDiffOperation {
    /// The value at the path is another one.
    Replace,
    /// A new member of an object, or a new element of an array in front of the one that has the path's index.
    Insert,
    /// The value at the path is gone; after it in an array the others move up.
    Remove,
}

impl JsonDiffOperation {
    /// The name as [`write_diffs`] writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Insert => "insert",
            Self::Remove => "remove",
        }
    }
}

/// One diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JsonDiff<'a> {
    /// What is done.
    pub operation: JsonDiffOperation,
    /// Where: a JSON path without wildcards, such as `$.a[3]."a key"`. Not checked to be one.
    pub path: &'a [u8],
    /// The new value, a binary JSON document; `None` for a removal.
    pub value: Option<&'a [u8]>,
}

/// The diffs of one column, in the order in which they apply.
///
/// After an error there is nothing more.
#[derive(Debug, Clone)]
pub(crate) struct JsonDiffs<'a> {
    rest: Reader<'a>,
}

impl<'a> JsonDiffs<'a> {
    /// Of what follows the 4-byte length in the row image.
    pub(crate) fn new(diffs: &'a [u8]) -> Self {
        Self { rest: Reader::new(diffs, WHAT) }
    }

    /// `read_json_diff` in `sql-common/json_diff.cc`.
    fn read(&mut self) -> Result<JsonDiff<'a>, Malformed> {
        let operation = match self.rest.u8()? {
            0 => JsonDiffOperation::Replace,
            1 => JsonDiffOperation::Insert,
            2 => JsonDiffOperation::Remove,
            _ => return Err(Malformed(WHAT)),
        };
        let path = self.rest.lenenc_bytes()?;
        let value = match operation {
            JsonDiffOperation::Replace | JsonDiffOperation::Insert => Some(self.rest.lenenc_bytes()?),
            JsonDiffOperation::Remove => None,
        };
        Ok(JsonDiff { operation, path, value })
    }
}

impl<'a> Iterator for JsonDiffs<'a> {
    type Item = Result<JsonDiff<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let diff = self.read();
        if diff.is_err() {
            self.rest = Reader::new(&[], WHAT);
        }
        Some(diff)
    }
}

/// Appends the diffs as an array: `[{"op":"replace","path":"$.a","value":1},{"op":"remove","path":"$.b"}]`.
///
/// # Errors
///
/// For diffs or values that do not have the form; `out` is then as it was.
pub(crate) fn write_diffs(diffs: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    or_undo(out, |out| {
        out.push(b'[');
        for (index, diff) in JsonDiffs::new(diffs).enumerate() {
            let diff = diff?;
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"op\":\"");
            out.extend_from_slice(diff.operation.name().as_bytes());
            out.extend_from_slice(b"\",\"path\":");
            text::string(diff.path, out);
            if let Some(value) = diff.value {
                out.extend_from_slice(b",\"value\":");
                write_json(value, out)?;
            }
            out.push(b'}');
        }
        out.push(b']');
        Ok(())
    })
}
