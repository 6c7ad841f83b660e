//! What the fuzz targets in `fuzz/` do with arbitrary bytes. None of it may panic, hang, or allocate by a length that nothing
//! stands behind; and what comes out must have its form (JSON is JSON, Parquet's cells are those of their schema).
//!
//! Not part of the library: it is there under `cfg(fuzzing)`, which cargo-fuzz sets, and in the library's own tests, which run the same
//! functions over `tests/data/fuzz` and over mutations of it.

mod forms;
mod stream;
#[cfg(test)]
mod tests;

pub use stream::{event, rows};

use super::gtid::{AnyGtid, AnyGtidSet, GtidEvent, GtidSet, MariaDbGtidEvent, MariaDbGtidSet, parse_gtid_list};
use crate::binlog::event::event_type::EventType;
use crate::binlog::event::position::Position;
use crate::binlog::table::history::source::Statement;
use crate::binlog::table::history::{NoSource, SchemaHistory};
use crate::binlog::transaction::statement::classify;
use crate::fuzzing::assert_json;
use crate::mysql::sql::{Lexis, mask_secrets};
use crate::mysql::value::json;

/// The first bytes of `data`, as many as the little-endian number in front of them says or as there are, and the rest.
fn split(data: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = data.split_first_chunk() else { return (data, &[]) };
    rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()))
}

/// Binary JSON to text, and diffs applied: a length (2 bytes), the document, the diffs.
pub fn json(data: &[u8]) {
    let (document, diffs) = split(data);
    let mut out = Vec::new();
    if json::write_json(document, &mut out).is_ok() {
        assert_json(&out, "a document");
        assert!(out.len() <= 64 * document.len() + 64, "{} bytes of text of {} bytes", out.len(), document.len());
    }
    out.clear();
    if json::write_diffs(diffs, &mut out).is_ok() {
        assert_json(&out, "diffs");
    }
    out.clear();
    if json::apply_diffs(document, diffs, &mut out).is_ok() {
        assert_json(&out, "a changed document");
    }
}

/// GTIDs and their sets, from text and from the bodies of events; what is read must read the same from its own text and bytes.
pub fn gtid(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(gtid) = text.parse::<AnyGtid>() {
            assert_eq!(gtid.to_string().parse(), Ok(gtid));
        }
        if let Ok(set) = text.parse::<AnyGtidSet>() {
            assert_eq!(set.to_string().parse(), Ok(set));
        }
        if let Ok(set) = text.parse::<GtidSet>() {
            sets(&set);
        }
        if let Ok(set) = text.parse::<MariaDbGtidSet>() {
            assert_eq!(set.to_string().parse(), Ok(set));
        }
    }
    if let Ok(set) = GtidSet::decode(data) {
        sets(&set);
    }
    for event_type in [EventType::Gtid, EventType::AnonymousGtid, EventType::GtidTagged] {
        if let Ok(event) = GtidEvent::parse(event_type.code(), data)
            && let Some(gtid) = event.gtid
        {
            let mut set = GtidSet::new();
            set.add(&gtid);
            assert!(set.contains(&gtid));
            sets(&set);
        }
    }
    let _ = MariaDbGtidEvent::parse(1, data);
    if let Ok(gtids) = parse_gtid_list(data) {
        let set: MariaDbGtidSet = gtids.into_iter().collect();
        assert_eq!(set.to_string().parse(), Ok(set));
    }
}

fn sets(set: &GtidSet) {
    assert_eq!(set.to_string().parse().as_ref(), Ok(set));
    let mut bytes = Vec::new();
    set.encode(&mut bytes);
    assert_eq!(GtidSet::decode(&bytes).as_ref(), Ok(set));
    let mut other = set.clone();
    other.union(set);
    assert_eq!(&other, set);
    assert!(set.is_subset_of(&other));
    other.subtract(set);
    assert!(other.is_empty());
}

/// Statements that change definitions: a byte of choices, and texts with a zero between them.
pub fn ddl(data: &[u8]) {
    const ANSI_QUOTES: u64 = 1 << 2;
    const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;
    let Some((choices, texts)) = data.split_first() else { return };
    let mut history = SchemaHistory::new(NoSource);
    history.set_flavor(choices & 1 != 0);
    let sql_mode =
        if choices & 2 != 0 { ANSI_QUOTES } else { 0 } | if choices & 4 != 0 { NO_BACKSLASH_ESCAPES } else { 0 };
    let mut place = Position { file: "binlog.000001".into(), offset: 4 };
    for text in texts.split(|byte| *byte == 0) {
        classify(text);
        let sql = String::from_utf8_lossy(text);
        mask_secrets(text, Lexis::logged((choices & 8 == 0).then_some(sql_mode)));
        place.offset += 100;
        let statement = Statement {
            database: "shop",
            sql: &sql,
            sql_mode: (choices & 8 == 0).then_some(sql_mode),
            collation_server: None,
            failed: choices & 16 != 0,
            is_atomic: choices & 32 != 0,
        };
        history.definition(&statement, &place);
        history.reached(&place, false);
    }
}
