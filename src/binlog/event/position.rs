//! Places in a binlog.

use crate::binlog::event::header::EventHeader;

/// Where a stream of events stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position {
    /// The binlog file's name.
    pub file: String,
    /// A byte offset in it.
    pub offset: u64,
}

impl Position {
    /// The number at the end of the file's name: names are ordered by it and not by their texts, `binlog.999999` before
    /// `binlog.1000000`.
    pub(crate) fn file_number(&self) -> Option<u64> {
        self.file.rsplit('.').next().and_then(|number| number.parse().ok())
    }

    /// Whether two files' names differ in nothing but their number.
    pub(crate) fn is_of_one_log(a: &str, b: &str) -> bool {
        let log = |name: &str| name.rsplit_once('.').map(|(log, _)| log.to_owned());
        log(a) == log(b)
    }

    /// Whether it comes after `other`. Files' numbers count, not their texts: `binlog.1000000` comes after `binlog.999999`.
    pub(crate) fn is_after(&self, other: &Self) -> bool {
        match (self.file_number(), other.file_number()) {
            (Some(number), Some(others)) => (number, self.offset) > (others, other.offset),
            _ => (&self.file, self.offset) > (&other.file, other.offset),
        }
    }

    /// Goes to the end of an event. False for one that stands in no file: the server has made it up.
    pub(crate) fn pass(&mut self, header: &EventHeader) -> bool {
        if !header.is_in_file() {
            return false;
        }
        let expected = self.offset.saturating_add(u64::from(header.length));
        let is_said = header.next_position != 0 && header.next_position != expected as u32;
        // Positions are of 32 bits; files may be longer. Another place than expected is one that events were left out up to.
        let here = expected & !u64::from(u32::MAX) | u64::from(header.next_position);
        self.offset = if is_said { here } else { expected };
        true
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::event::event_type::EventType;

    fn header(event_type: EventType, length: u32, next_position: u32) -> EventHeader {
        EventHeader { timestamp: 0, event_type, server_id: 1, length, next_position, flags: 0 }
    }

    #[test]
    fn events_without_a_position_lie_behind_the_one_before() {
        // As MariaDB 11.7 and later write a transaction, in a file of more than 4 GiB.
        let begin = (1 << 32) - 100;
        let mut position = Position { file: "b.1".into(), offset: begin };
        for (event_type, length, next_position, end) in [
            (EventType::MariaDbGtid, 42, u32::MAX - 57, 42),
            (EventType::TableMap, 50, 0, 92),
            (EventType::WriteRowsV1, 60, 0, 152),
            (EventType::Xid, 31, 83, 183),
        ] {
            assert!(position.pass(&header(event_type, length, next_position)));
            assert_eq!(position.offset, begin + end, "{event_type:?}");
        }
    }

    #[test]
    fn events_that_are_left_out_in_a_long_file() {
        let beyond = 1_u64 << 32;
        let mut position = Position { file: "b.1".into(), offset: beyond + 1000 };
        assert!(position.pass(&header(EventType::Gtid, 79, 5000)));
        assert_eq!(position.offset, beyond + 5000);
        assert!(position.pass(&header(EventType::Query, 100, 5100)));
        assert_eq!(position.offset, beyond + 5100);
    }

    #[test]
    fn what_is_synthetic_stands_nowhere() {
        let mut position = Position { file: "b.1".into(), offset: 1000 };
        let artificial = EventHeader { flags: EventHeader::ARTIFICIAL, ..header(EventType::GtidList, 43, 1000) };
        for synthetic in [
            header(EventType::FormatDescription, 252, 0),
            header(EventType::Rotate, 44, 0),
            header(EventType::Heartbeat, 39, 0),
            artificial,
        ] {
            assert!(!position.pass(&synthetic));
        }
        assert_eq!(position.offset, 1000);
        // Another place than expected: the server has left events out.
        assert!(position.pass(&header(EventType::MariaDbGtid, 42, 5000)));
        assert_eq!(position.offset, 5000);
    }
}
