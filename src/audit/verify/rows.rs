//! Rows that more than one run has delivered: a reader that is killed reads some again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Deserialize;

use crate::audit::hash::{Hash, Instance};

/// Half of a SHA-256 hash: enough to tell messages apart.
type Short = [u8; 16];

/// Which row a message is about, and what it says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowText {
    row: Short,
    content: Short,
}

/// What is read of a message in the program's own form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Native<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    gtid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    position: NativePosition<'a>,
    row_index: Option<u64>,
}

#[derive(Deserialize)]
struct NativePosition<'a> {
    #[serde(borrow)]
    file: Cow<'a, str>,
    offset: u64,
}

impl RowText {
    /// Of a message; `None`: it is in another form, which does not say it in the same way.
    pub(super) fn of(message: &[u8]) -> Option<Self> {
        let Native { kind, gtid, position, row_index } = serde_json::from_slice(message).ok()?;
        let kind = if matches!(&*kind, "insert" | "update" | "delete") { "row" } else { &*kind };
        let NativePosition { file, offset } = position;
        let row = format!("{kind}\n{}\n{file}\n{offset}\n{row_index:?}", gtid.unwrap_or_default());
        Some(Self { row: short(row.as_bytes()), content: short(message) })
    }
}

fn short(bytes: &[u8]) -> Short {
    let mut short = Short::default();
    short.iter_mut().zip(Hash::of(bytes).0).for_each(|(to, from)| *to = from);
    short
}

/// The rows that were read; each takes about sixty bytes.
#[derive(Debug, Default)]
pub(super) struct Rows(HashMap<Short, Known>);

#[derive(Debug)]
struct Known {
    content: Short,
    instance: Instance,
    /// Whether a marker covers one of its messages.
    is_proven: bool,
}

/// What is known of a row when another message of it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// No other run has delivered it.
    New,
    /// Another run has.
    Again,
    /// This run has, with other content.
    Otherwise(Instance),
}

impl Rows {
    /// Adds a message of this instance.
    pub(super) fn add(&mut self, text: &RowText, instance: Instance, is_proven: bool) -> Met {
        match self.0.entry(text.row) {
            Entry::Vacant(new) => {
                new.insert(Known { content: text.content, instance, is_proven });
                Met::New
            }
            Entry::Occupied(known) => {
                let known = known.into_mut();
                if known.content == text.content {
                    known.is_proven |= is_proven;
                    if known.instance == instance { Met::New } else { Met::Again }
                } else if known.instance == instance {
                    Met::New
                } else {
                    Met::Otherwise(known.instance)
                }
            }
        }
    }

    /// Whether a marker covers a message of the row that says the same.
    pub(super) fn has_proven(&self, text: &RowText) -> bool {
        self.0.get(&text.row).is_some_and(|known| known.content == text.content && known.is_proven)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: &str, offset: u64, row: u64, value: &str) -> RowText {
        let position = format!(r#"{{"file":"binlog.000001","offset":{offset}}}"#);
        let message = format!(
            r#"{{"type":"{kind}","after":{{"v":"{value}"}},"gtid":"0-1-9","position":{position},"rowIndex":{row}}}"#
        );
        RowText::of(message.as_bytes()).unwrap()
    }

    #[test]
    fn a_row_is_known_by_its_position_and_number() {
        let (mut rows, one, other) = (Rows::default(), Instance([1; 16]), Instance([2; 16]));
        assert_eq!(rows.add(&text("insert", 5, 0, "a"), one, true), Met::New);
        assert_eq!(rows.add(&text("insert", 5, 1, "a"), one, false), Met::New);
        assert_eq!(rows.add(&text("insert", 5, 0, "a"), other, false), Met::Again);
        assert_eq!(rows.add(&text("delete", 5, 0, "a"), other, false), Met::Otherwise(one));
        assert_eq!(rows.add(&text("insert", 5, 1, "b"), other, false), Met::Otherwise(one));
        assert!(rows.has_proven(&text("insert", 5, 0, "a")) && !rows.has_proven(&text("insert", 5, 1, "a")));
        // A later run's marker covers it.
        assert_eq!(rows.add(&text("insert", 5, 1, "a"), other, true), Met::Again);
        assert!(rows.has_proven(&text("insert", 5, 1, "a")) && !rows.has_proven(&text("insert", 5, 1, "b")));
    }

    #[test]
    fn other_forms_are_not_compared() {
        for message in ["", "{}", r#"{"op":"c","source":{"file":"b.1","pos":4}}"#, r#"{"type":"insert"}"#] {
            assert_eq!(RowText::of(message.as_bytes()), None, "{message}");
        }
    }
}
