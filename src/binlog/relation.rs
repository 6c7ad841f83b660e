//! Where positions of binlogs are, seen from each other, for those who hold runs against each other.

use crate::audit::StreamPosition;
use crate::audit::verify::Relation;
use crate::binlog::event::position::Position;
use crate::binlog::gtid::{AnyGtid, AnyGtidSet};

/// Where `position` is, seen from `other`: by file and offset in the binlog of one server, otherwise by the transactions before it.
pub(crate) fn relation(position: &StreamPosition, other: &StreamPosition) -> Relation {
    let are_known = !position.file.is_empty() && !other.file.is_empty();
    if are_known && position.server == other.server && Position::is_of_one_log(&position.file, &other.file) {
        let of = |position: &StreamPosition| Position { file: position.file.clone(), offset: position.offset };
        let (position, other) = (of(position), of(other));
        return match (position.is_after(&other), other.is_after(&position)) {
            (true, _) => Relation::After,
            (_, true) => Relation::Before,
            _ => Relation::Same,
        };
    }
    let set = |position: &StreamPosition| position.gtid_set.as_ref()?.parse::<AnyGtidSet>().ok();
    let (Some(set), Some(others)) = (set(position), set(other)) else { return Relation::Unknown };
    match (is_subset(&set, &others), is_subset(&others, &set)) {
        (Some(true), Some(true)) => Relation::Same,
        (Some(true), _) => Relation::Before,
        (Some(false), _) => Relation::After,
        (None, _) => Relation::Unknown,
    }
}

/// `None`: they are of different kinds of servers.
fn is_subset(set: &AnyGtidSet, of: &AnyGtidSet) -> Option<bool> {
    match (set, of) {
        (AnyGtidSet::MySql(set), AnyGtidSet::MySql(of)) => Some(set.is_subset_of(of)),
        (AnyGtidSet::MariaDb(set), of @ AnyGtidSet::MariaDb(_)) => {
            Some(set.iter().all(|last| of.contains(&AnyGtid::MariaDb(*last))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(server: &str, file: &str, offset: u64, gtids: Option<&str>) -> StreamPosition {
        let server = Some(server.to_owned());
        StreamPosition { server, file: file.to_owned(), offset, gtid_set: gtids.map(str::to_owned) }
    }

    #[test]
    fn in_one_log_files_and_offsets_count() {
        let position = at("a", "binlog.000009", 500, None);
        for (other, expected) in [
            (at("a", "binlog.000009", 500, None), Relation::Same),
            (at("a", "binlog.000009", 501, None), Relation::Before),
            (at("a", "binlog.000010", 4, None), Relation::Before),
            (at("a", "binlog.000008", 900, None), Relation::After),
            (at("b", "binlog.000008", 900, None), Relation::Unknown),
            (at("a", "other.000009", 500, None), Relation::Unknown),
        ] {
            assert_eq!(relation(&position, &other), expected, "{other}");
        }
    }

    #[test]
    fn of_two_servers_transactions_count() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        for (one, other, expected) in [
            (format!("{uuid}:1-5"), format!("{uuid}:1-5"), Relation::Same),
            (format!("{uuid}:1-4"), format!("{uuid}:1-5"), Relation::Before),
            (format!("{uuid}:1-6"), format!("{uuid}:1-5"), Relation::After),
            ("0-1-9,1-1-3".to_owned(), "0-2-9,1-1-3".to_owned(), Relation::Same),
            ("0-1-8,1-1-3".to_owned(), "0-2-9,1-1-3".to_owned(), Relation::Before),
            ("0-1-9,1-1-4".to_owned(), "0-2-9,1-1-3".to_owned(), Relation::After),
            ("0-1-9".to_owned(), format!("{uuid}:1-5"), Relation::Unknown),
        ] {
            let (one_at, other_at) = (at("a", "b.1", 4, Some(&one)), at("b", "b.1", 4, Some(&other)));
            assert_eq!(relation(&one_at, &other_at), expected, "{one} {other}");
        }
    }
}
