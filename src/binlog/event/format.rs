//! FORMAT_DESCRIPTION events: how the events after it are written, and by which server.
//!
//! Source: MySQL's `libs/mysql/binlog/event/` (control_events.h, statement_events.h) and MariaDB's `sql/log_event.h`.

use crate::binlog::event::event_type::EventType;
use crate::binlog::event::header::{CHECKSUM_LENGTH, HEADER_LENGTH};
use crate::mysql::wire::{Malformed, Reader};

/// What a FORMAT_DESCRIPTION event says of the events that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatDescription {
    /// The version of the server that wrote the file.
    pub server_version: String,
    /// Whether events end in a CRC32 of all their other bytes.
    pub checksum: bool,
    /// The length of the fixed part of each type's body, from type 1 on.
    post_header_lengths: Vec<u8>,
}

impl FormatDescription {
    /// Parses a whole event, header and checksum included. The event itself carries room for a checksum even where the
    /// algorithm is "none".
    pub fn parse(event: &[u8]) -> Result<Self, Malformed> {
        let what = "FORMAT_DESCRIPTION event";
        let body = event.get(HEADER_LENGTH..).ok_or(Malformed(what))?;
        let mut reader = Reader::new(body, what);
        if reader.u16()? != 4 {
            return Err(Malformed("binlog version: only version 4 (MySQL 5.0 and later) is known"));
        }
        let version = reader.bytes(50)?;
        let end = memchr::memchr(0, version).unwrap_or(version.len());
        let server_version = String::from_utf8_lossy(version.get(..end).unwrap_or(version)).into_owned();
        reader.u32()?;
        if usize::from(reader.u8()?) != HEADER_LENGTH {
            return Err(reader.malformed());
        }
        let rest = reader.rest();
        // Servers before 5.6.1 write no algorithm; ours to tell apart is only what still exists.
        let (lengths, algorithm) =
            match rest.len().checked_sub(CHECKSUM_LENGTH + 1).and_then(|at| rest.split_at_checked(at)) {
                Some((lengths, trailer)) if has_checksum_trailer(&server_version) => {
                    (lengths, trailer.first().copied())
                }
                _ => (rest, None),
            };
        Ok(Self { server_version, checksum: algorithm == Some(1), post_header_lengths: lengths.to_vec() })
    }

    /// The length of the fixed part of the bodies of this type; 0 for a type that the server did not know.
    pub fn post_header_length(&self, event_type: EventType) -> usize {
        let index = usize::from(event_type.code()).wrapping_sub(1);
        self.post_header_lengths.get(index).map_or(0, |length| usize::from(*length))
    }

    /// Whether MariaDB wrote it.
    pub fn is_mariadb(&self) -> bool {
        self.server_version.contains("MariaDB")
    }

    /// The version's numbers.
    pub(crate) fn version(&self) -> (u32, u32, u32) {
        version_numbers(&self.server_version)
    }

    /// Which server wrote it, as far as it matters for columns.
    pub fn writer(&self) -> Writer {
        match self.version() {
            _ if !self.is_mariadb() => Writer::MySql,
            version if version >= (11, 7, 0) => Writer::MariaDbWithVectors,
            _ => Writer::MariaDb,
        }
    }
}

/// The numbers at the front of a server's version.
fn version_numbers(version: &str) -> (u32, u32, u32) {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

/// Whether a server of this version ends its FORMAT_DESCRIPTION with the checksum's algorithm: MySQL from 5.6.1, MariaDB
/// from 5.3.
fn has_checksum_trailer(version: &str) -> bool {
    let numbers = version_numbers(version);
    if version.contains("MariaDB") { numbers >= (5, 3, 0) } else { numbers >= (5, 6, 1) }
}

/// The server that wrote the binlog, as far as it matters for its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Writer {
    /// MySQL.
    #[default]
    MySql,
    /// MariaDB before 11.7.
    MariaDb,
    /// MariaDB 11.7 or later.
    MariaDbWithVectors,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_a_checksum() {
        for (version, expected) in [
            ("9.7.4-2", true),
            ("5.6.1-log", true),
            ("5.6.0", false),
            ("5.5.62", false),
            ("10.11.14-MariaDB-0+deb12u2-log", true),
            ("5.5.68-MariaDB", true),
            ("5.2.14-MariaDB", false),
        ] {
            assert_eq!(has_checksum_trailer(version), expected, "{version}");
        }
    }
}
