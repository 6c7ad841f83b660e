//! Places in a binlog.

use super::event::EventHeader;

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
    pub(super) fn file_number(&self) -> Option<u64> {
        self.file.rsplit('.').next().and_then(|number| number.parse().ok())
    }

    /// Whether two files' names differ in nothing but their number.
    pub(super) fn is_of_one_log(a: &str, b: &str) -> bool {
        let log = |name: &str| name.rsplit_once('.').map(|(log, _)| log.to_owned());
        log(a) == log(b)
    }

    /// Goes to the end of an event. False for one that stands in no file: the server has made it up.
    pub(super) fn pass(&mut self, header: &EventHeader) -> bool {
        if header.next_position == 0 || header.flags & EventHeader::ARTIFICIAL != 0 {
            return false;
        }
        // Positions are of 32 bits; files may be longer.
        let expected = self.offset + u64::from(header.length);
        self.offset = if expected as u32 == header.next_position { expected } else { u64::from(header.next_position) };
        true
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}
