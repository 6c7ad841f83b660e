//! The header that all events have, and the bytes that files begin with.
//!
//! Source: MySQL's `libs/mysql/binlog/event/` (control_events.h, statement_events.h) and MariaDB's `sql/log_event.h`.

use crate::binlog::event::event_type::EventType;
use crate::mysql::wire::{Malformed, Reader};

/// The length of an event's header in binlog version 4, the only one written since MySQL 5.0.
pub(crate) const HEADER_LENGTH: usize = 19;
/// The length of a CRC32 checksum.
pub(crate) const CHECKSUM_LENGTH: usize = 4;
/// The first four bytes of a binlog file.
pub(crate) const MAGIC: [u8; 4] = [0xfe, b'b', b'i', b'n'];
/// The first four bytes of an encrypted binlog file (MySQL; MariaDB encrypts after a START_ENCRYPTION event).
pub(crate) const ENCRYPTED_MAGIC: [u8; 4] = [0xfd, b'b', b'i', b'n'];

/// An event's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHeader {
    /// When the statement began, in seconds since 1970; 0 in synthetic events.
    pub timestamp: u32,
    /// What the body is.
    pub event_type: EventType,
    /// The server that first wrote the event.
    pub server_id: u32,
    /// The whole event's length in bytes: header, body, checksum.
    pub length: u32,
    /// The position just past the event in its file, modulo 2^32; 0 where it has none, or where it is not said: see
    /// [`EventHeader::is_in_file`].
    pub next_position: u32,
    /// `LOG_EVENT_*_F`.
    pub flags: u16,
}

impl EventHeader {
    /// Set in synthetic events, which a server makes for a stream and which are in no file (`LOG_EVENT_ARTIFICIAL_F`).
    pub const ARTIFICIAL: u16 = 0x20;
    /// The file is a replica's copy of another server's (`LOG_EVENT_RELAY_LOG_F`).
    pub const RELAY_LOG: u16 = 0x40;
    /// A reader that does not know the event may leave it out (`LOG_EVENT_IGNORABLE_F`).
    pub const IGNORABLE: u16 = 0x80;

    /// Whether the event has a place in the binlog file, rather than being synthetic.
    ///
    /// MariaDB 11.7 and later (with `binlog_legacy_event_pos=OFF`, the default) write no position into the events of a transaction
    /// between its GTID and its end.
    pub fn is_in_file(&self) -> bool {
        use EventType as T;
        let is_synthetic = self.flags & Self::ARTIFICIAL != 0;
        // A server sends these without a position where they are not in the file, or not there.
        let may_be_elsewhere = matches!(
            self.event_type,
            T::FormatDescription
                | T::Rotate
                | T::Heartbeat
                | T::HeartbeatV2
                | T::PreviousGtids
                | T::GtidList
                | T::StartEncryption
        );
        !is_synthetic && (self.next_position != 0 || !may_be_elsewhere)
    }

    /// Reads a header from the front of an event.
    pub fn parse(event: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(event, "event header");
        let header = Self {
            timestamp: reader.u32()?,
            event_type: EventType::from_code(reader.u8()?),
            server_id: reader.u32()?,
            length: reader.u32()?,
            next_position: reader.u32()?,
            flags: reader.u16()?,
        };
        if (header.length as usize) < HEADER_LENGTH { Err(reader.malformed()) } else { Ok(header) }
    }
}
