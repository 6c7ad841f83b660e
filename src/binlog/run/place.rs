//! Where reading begins and ends.

use crate::binlog::event::position::Position;
use crate::binlog::gtid::{AnyGtid, AnyGtidSet};

/// `--from`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum From {
    Now,
    Oldest,
    Position(Position),
    Gtids(AnyGtidSet),
    /// Seconds since 1970.
    Timestamp(u32),
    Checkpoint,
}

/// `--until`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Until {
    Never,
    Now,
    Position(Position),
    Gtid(AnyGtid),
    /// Seconds since 1970.
    Timestamp(u32),
}

/// Whether `position` is `end` or lies after it. Files' numbers count, not their texts: `binlog.999999` is before `binlog.1000000`.
pub(super) fn is_at_or_behind(position: &Position, end: &Position) -> bool {
    match (position.file_number(), end.file_number()) {
        (Some(a), Some(b)) => (a, position.offset) >= (b, end.offset),
        _ => position.file == end.file && position.offset >= end.offset,
    }
}

/// The bytes of the binlog files between two places; `files` with their sizes, oldest first.
pub(super) fn bytes_between(files: &[(String, u64)], from: &Position, to: Option<&Position>) -> u64 {
    let mut bytes = 0;
    for (name, size) in files {
        let begins = if *name == from.file { from.offset } else { 0 };
        let ends = match to {
            Some(to) if *name == to.file => to.offset,
            _ => *size,
        };
        let at = |offset| Position { file: name.clone(), offset };
        let is_wanted = is_at_or_behind(&at(ends), from) && to.is_none_or(|to| is_at_or_behind(to, &at(0)));
        if is_wanted {
            bytes += ends.saturating_sub(begins);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file: &str, offset: u64) -> Position {
        Position { file: file.into(), offset }
    }

    #[test]
    fn files_are_ordered_by_their_numbers() {
        assert!(is_at_or_behind(&at("b.1000000", 4), &at("b.999999", 100)));
        assert!(!is_at_or_behind(&at("b.000002", 4), &at("b.000002", 5)));
        assert!(
            is_at_or_behind(&at("other", 5), &at("other", 5)) && !is_at_or_behind(&at("other", 5), &at("another", 4))
        );
    }

    #[test]
    fn bytes_between_places() {
        let files = [("b.1", 100), ("b.2", 200), ("b.3", 50)].map(|(name, size)| (name.to_owned(), size));
        assert_eq!(bytes_between(&files, &at("b.1", 40), None), 60 + 200 + 50);
        assert_eq!(bytes_between(&files, &at("b.2", 150), None), 50 + 50);
        assert_eq!(bytes_between(&files, &at("b.1", 40), Some(&at("b.2", 10))), 60 + 10);
        assert_eq!(bytes_between(&files, &at("b.3", 50), None), 0);
        assert_eq!(bytes_between(&files, &at("b.2", 50), Some(&at("b.2", 60))), 10);
    }
}
