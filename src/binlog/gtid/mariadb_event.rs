//! The binlog events with MariaDB's GTIDs.

use bitflags::bitflags;

use super::MariaDbGtid;
use crate::mysql::wire::{Malformed, Reader};

bitflags! {
    /// `flags2` of a `GTID_EVENT` (`Gtid_log_event::FL_*` in MariaDB's `sql/log_event.h`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct MariaDbGtidFlags: u8 {
        /// The transaction is the one event that follows, without `COMMIT`: DDL, for example.
        const STANDALONE = 1;
        /// There is a commit id.
        const GROUP_COMMIT_ID = 2;
        /// It can be rolled back: nothing but transactional engines.
        const TRANSACTIONAL = 4;
        /// It may run in parallel to others.
        const ALLOW_PARALLEL = 8;
        /// It waited for the lock of a row, so running it in parallel may be of no use.
        const WAITED = 16;
        /// It has DDL.
        const DDL = 32;
        /// `XA PREPARE`: the changes, which are not committed yet.
        const PREPARED_XA = 64;
        /// `XA COMMIT` or `XA ROLLBACK` of an earlier `XA PREPARE`.
        const COMPLETED_XA = 128;
    }

    /// `flags_extra` of a `GTID_EVENT` (`Gtid_log_event::FL_*_E1`), since MariaDB 10.6 or later.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct MariaDbExtraFlags: u8 {
        /// `FL_EXTRA_MULTI_ENGINE_E1`: more engines than one, whose number follows.
        const MULTI_ENGINE = 1;
        /// `FL_START_ALTER_E1`: `ALTER TABLE` has begun (`binlog_alter_two_phase`).
        const START_ALTER = 2;
        /// `FL_COMMIT_ALTER_E1`: it has succeeded.
        const COMMIT_ALTER = 4;
        /// `FL_ROLLBACK_ALTER_E1`: it has failed.
        const ROLLBACK_ALTER = 8;
        /// `FL_EXTRA_THREAD_ID`: the connection's number follows.
        const THREAD_ID = 16;
    }
}

/// An XA transaction's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xid<'a> {
    /// Chosen by the client, 1 unless it says otherwise.
    pub format_id: u32,
    /// The global transaction, of at most 64 bytes.
    pub gtrid: &'a [u8],
    /// The branch, of at most 64 bytes.
    pub bqual: &'a [u8],
}

/// `GTID_EVENT` (162), which begins a transaction and stands for its `BEGIN` or `XA START`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MariaDbGtidEvent<'a> {
    /// Whose server is that of the event's header.
    pub gtid: MariaDbGtid,
    /// What kind of transaction it is.
    pub flags: MariaDbGtidFlags,
    /// The same for transactions that were committed together.
    pub commit_id: Option<u64>,
    /// Of an XA transaction.
    pub xid: Option<Xid<'a>>,
    /// More about the kind; nothing if the server does not send it.
    pub extra_flags: MariaDbExtraFlags,
    /// How many engines besides the first take part in the transaction, 255 if not known.
    pub extra_engines: Option<u8>,
    /// For the second part of a two-phase `ALTER TABLE` the number of the first, in the same domain.
    pub start_alter_sequence: Option<u64>,
    /// The connection that made the transaction.
    pub thread_id: Option<u32>,
}

impl<'a> MariaDbGtidEvent<'a> {
    /// The event's type in its header (`GTID_EVENT`).
    pub const TYPE: u8 = 162;

    /// Parses what is between the event's header and its checksum. `header_server_id` is the header's server.
    ///
    /// `Gtid_log_event::Gtid_log_event` in MariaDB's `sql/log_event.cc`. The body is padded with zeros to 19 bytes, so
    /// that what looks like extra flags is no flags at all.
    pub fn parse(header_server_id: u32, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "GTID_EVENT");
        let sequence = reader.u64()?;
        let domain = reader.u32()?;
        let flags = MariaDbGtidFlags::from_bits_retain(reader.u8()?);
        let mut event = Self {
            gtid: MariaDbGtid { domain, server: header_server_id, sequence },
            flags,
            commit_id: None,
            xid: None,
            extra_flags: MariaDbExtraFlags::empty(),
            extra_engines: None,
            start_alter_sequence: None,
            thread_id: None,
        };
        if flags.contains(MariaDbGtidFlags::GROUP_COMMIT_ID) {
            event.commit_id = Some(reader.u64()?);
        }
        if flags.intersects(MariaDbGtidFlags::PREPARED_XA | MariaDbGtidFlags::COMPLETED_XA) {
            let format_id = reader.u32()?;
            let (gtrid, bqual) = (usize::from(reader.u8()?), usize::from(reader.u8()?));
            event.xid = Some(Xid { format_id, gtrid: reader.bytes(gtrid)?, bqual: reader.bytes(bqual)? });
        }
        if reader.is_empty() {
            return Ok(event);
        }
        let extra = MariaDbExtraFlags::from_bits_retain(reader.u8()?);
        event.extra_flags = extra;
        if extra.contains(MariaDbExtraFlags::MULTI_ENGINE) {
            event.extra_engines = Some(reader.u8()?);
        }
        if extra.intersects(MariaDbExtraFlags::COMMIT_ALTER | MariaDbExtraFlags::ROLLBACK_ALTER) {
            event.start_alter_sequence = Some(reader.u64()?);
        }
        if extra.contains(MariaDbExtraFlags::THREAD_ID) {
            event.thread_id = Some(reader.u32()?);
        }
        Ok(event)
    }
}

/// The GTIDs in the body of a `GTID_LIST_EVENT` (163), without the checksum: the state of the binary log at the start of
/// a file. A domain has an entry for each server that ever wrote to it, and its last transaction comes last.
///
/// A server also makes up such events for a replica that connects with a position: they move it in some domains. Four
/// bits beside the count are flags that only those have (`Gtid_list_log_event::FLAG_*`); they are ignored.
pub fn parse_gtid_list(body: &[u8]) -> Result<Vec<MariaDbGtid>, Malformed> {
    const ELEMENT_BYTES: usize = 16;
    let mut reader = Reader::new(body, "GTID_LIST_EVENT");
    let count = (reader.u32()? & 0x0fff_ffff) as usize;
    if count > reader.rest().len() / ELEMENT_BYTES {
        return Err(reader.malformed());
    }
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        let (domain, server) = (reader.u32()?, reader.u32()?);
        list.push(MariaDbGtid { domain, server, sequence: reader.u64()? });
    }
    Ok(list)
}

#[cfg(test)]
#[path = "mariadb_event_tests.rs"]
mod tests;
