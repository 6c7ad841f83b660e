//! The binlog events that begin a MySQL transaction.

use super::set::{tag, uuid};
use super::varlen::{little_endian, signed, unsigned};
use super::{Gtid, Tag, Uuid};
use crate::mysql::wire::{Malformed, Reader};

/// `ANONYMOUS_GTID_LOG_EVENT`: `gtid_mode=OFF`. These numbers: `libs/mysql/binlog/event/binlog_event.h`.
const ANONYMOUS_GTID_LOG_EVENT: u8 = 34;
/// `GTID_LOG_EVENT`
const GTID_LOG_EVENT: u8 = 33;
/// `GTID_TAGGED_LOG_EVENT`, since MySQL 8.3, for transactions with a tag.
const GTID_TAGGED_LOG_EVENT: u8 = 42;

/// The event that begins a transaction. Servers before 8.0 send less of it, and older ones less still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GtidEvent {
    /// `None` for an anonymous transaction.
    pub gtid: Option<Gtid>,
    /// `GTID_FLAGS`; only bit 0 has a meaning: see [`GtidEvent::may_have_sbr`].
    pub flags: u8,
    /// Logical time, within the binary log file, of the last transaction that has to be committed before this one runs.
    pub last_committed: Option<i64>,
    /// Logical time of this transaction: 1 for the first of a file.
    pub sequence_number: Option<i64>,
    /// When the sending server committed it, in microseconds since 1970.
    pub immediate_commit_timestamp: Option<u64>,
    /// When the server on which it was first committed did so, in microseconds since 1970.
    pub original_commit_timestamp: Option<u64>,
    /// Bytes of the transaction's events in the binary log, with this one and all headers and checksums.
    pub transaction_length: Option<u64>,
    /// The version of the sending server: 90704 for 9.7.4. 999999 stands for unknown.
    pub immediate_server_version: Option<u32>,
    /// The version of the server on which it was first committed.
    pub original_server_version: Option<u32>,
    /// Of group replication: what transactions have in common that are committed together.
    pub commit_group_ticket: Option<u64>,
}

impl GtidEvent {
    /// Whether `event_type` is one that [`GtidEvent::parse`] knows: 33, 34 or 42.
    pub fn is_type(event_type: u8) -> bool {
        matches!(event_type, GTID_LOG_EVENT | ANONYMOUS_GTID_LOG_EVENT | GTID_TAGGED_LOG_EVENT)
    }

    /// Parses what is between the event's header and its checksum. `event_type` is the header's; others than those of
    /// [`GtidEvent::is_type`] are an error.
    pub fn parse(event_type: u8, body: &[u8]) -> Result<Self, Malformed> {
        match event_type {
            GTID_LOG_EVENT => Self::parse_untagged(Reader::new(body, "GTID_LOG_EVENT"), true),
            ANONYMOUS_GTID_LOG_EVENT => Self::parse_untagged(Reader::new(body, "ANONYMOUS_GTID_LOG_EVENT"), false),
            GTID_TAGGED_LOG_EVENT => Self::parse_tagged(body),
            _ => Err(Malformed("GTID event: no such event type")),
        }
    }

    /// Whether changes of the transaction may be logged as statements rather than rows (`FLAG_MAY_HAVE_SBR`).
    pub fn may_have_sbr(&self) -> bool {
        self.flags & 1 != 0
    }

    /// `Gtid_event::Gtid_event(const char *, ...)`. Every server adds to the end, so that it may come early.
    fn parse_untagged(mut reader: Reader<'_>, named: bool) -> Result<Self, Malformed> {
        let mut event = Self { flags: reader.u8()?, ..Self::default() };
        let uuid = uuid(&mut reader)?;
        let sequence = reader.u64()?;
        event.gtid = Gtid::new(uuid, Tag::EMPTY, sequence).filter(|_| named);
        if event.gtid.is_some() != named || !named && sequence != 0 {
            return Err(reader.malformed());
        }
        // 5.6 has no more. 2 is LOGICAL_TIMESTAMP_TYPECODE; before 5.7.5 the byte and what follows were different.
        if reader.is_empty() || reader.u8()? != 2 {
            return Ok(event);
        }
        event.last_committed = Some(reader.u64()?.cast_signed());
        event.sequence_number = Some(reader.u64()?.cast_signed());
        // From here on 8.0. The highest bit of a first value says whether the second is there, or the same.
        if reader.is_empty() {
            return Ok(event);
        }
        const TIMESTAMP_BYTES: usize = 7;
        const SECOND_TIMESTAMP: u64 = 1 << 55;
        let immediate = little_endian(&mut reader, TIMESTAMP_BYTES)?;
        let original = match immediate & SECOND_TIMESTAMP {
            0 => immediate,
            _ => little_endian(&mut reader, TIMESTAMP_BYTES)?,
        };
        event.immediate_commit_timestamp = Some(immediate & !SECOND_TIMESTAMP);
        event.original_commit_timestamp = Some(original);
        if reader.is_empty() {
            return Ok(event);
        }
        event.transaction_length = Some(reader.lenenc_int()?);
        if reader.is_empty() {
            return Ok(event);
        }
        const SECOND_VERSION: u32 = 1 << 31;
        let immediate = reader.u32()?;
        let original = match immediate & SECOND_VERSION {
            0 => immediate,
            _ => reader.u32()?,
        };
        event.immediate_server_version = Some(immediate & !SECOND_VERSION);
        event.original_server_version = Some(original);
        // Bytes of a later version are not ours to judge.
        event.commit_group_ticket = reader.u64().ok();
        Ok(event)
    }

    /// A message of the serialization library (`libs/mysql/serialization/readme.md`); `Gtid_event::define_fields` has
    /// the fields, whose identifiers are their places in it. Identifiers ascend; some fields may be missing.
    fn parse_tagged(body: &[u8]) -> Result<Self, Malformed> {
        /// The last field that this knows.
        const COMMIT_GROUP_TICKET: u64 = 11;
        const WHAT: &str = "GTID_TAGGED_LOG_EVENT";
        let mut reader = Reader::new(body, WHAT);
        let version = unsigned(&mut reader)?;
        // It counts from the start of the body.
        let size = unsigned(&mut reader)?;
        let after = usize::try_from(size).ok().and_then(|size| body.get(size..)).ok_or_else(|| reader.malformed())?;
        let left = reader.rest().len().checked_sub(after.len()).ok_or_else(|| reader.malformed())?;
        let mut reader = Reader::new(reader.bytes(left)?, WHAT);
        let last_non_ignorable = unsigned(&mut reader)?;
        // The one version there is is 1. A field that must not be ignored changes the meaning of the others.
        if version != 1 || last_non_ignorable > COMMIT_GROUP_TICKET {
            return Err(reader.malformed());
        }
        let mut event = Self::default();
        let (mut uuid, mut sequence, mut name) = (None, None, Tag::EMPTY);
        let mut next = 0;
        while !reader.is_empty() {
            let field = unsigned(&mut reader)?;
            if field < next {
                return Err(reader.malformed());
            }
            next = field.saturating_add(1);
            match field {
                0 => event.flags = narrow(&mut reader)?,
                1 => uuid = Some(tagged_uuid(&mut reader)?),
                2 => sequence = Some(signed(&mut reader)?),
                3 => name = tag(&mut reader)?,
                4 => event.last_committed = Some(signed(&mut reader)?),
                5 => event.sequence_number = Some(signed(&mut reader)?),
                6 => event.immediate_commit_timestamp = Some(unsigned(&mut reader)?),
                7 => event.original_commit_timestamp = Some(unsigned(&mut reader)?),
                8 => event.transaction_length = Some(unsigned(&mut reader)?),
                9 => event.immediate_server_version = Some(narrow(&mut reader)?),
                10 => event.original_server_version = Some(narrow(&mut reader)?),
                COMMIT_GROUP_TICKET => event.commit_group_ticket = Some(unsigned(&mut reader)?),
                // A later server's; how long it is only that server knows.
                _ => break,
            }
        }
        let sequence = sequence.and_then(|sequence| u64::try_from(sequence).ok());
        event.gtid = uuid.zip(sequence).and_then(|(uuid, sequence)| Gtid::new(uuid, name, sequence));
        if event.gtid.is_none() {
            return Err(reader.malformed());
        }
        // What equals its neighbour is left out.
        event.original_commit_timestamp = event.original_commit_timestamp.or(event.immediate_commit_timestamp);
        event.original_server_version = event.original_server_version.or(event.immediate_server_version);
        Ok(event)
    }
}

/// An unsigned integer that has to fit.
fn narrow<T: TryFrom<u64>>(reader: &mut Reader<'_>) -> Result<T, Malformed> {
    T::try_from(unsigned(reader)?).map_err(|_| reader.malformed())
}

/// An array of 16 integers, which take two bytes each from 128 on.
fn tagged_uuid(reader: &mut Reader<'_>) -> Result<Uuid, Malformed> {
    let mut uuid = Uuid::default();
    for byte in &mut uuid.0 {
        *byte = narrow(reader)?;
    }
    Ok(uuid)
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
