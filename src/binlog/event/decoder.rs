//! From the bytes of events to events: checksums, compression, and which table map a row event means.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::sync::Arc;

use crate::binlog::event::compression::{LARGEST_EVENT, decompress_event};
use crate::binlog::event::content::Event;
use crate::binlog::event::control::{Rotate, heartbeat, incident};
use crate::binlog::event::error::DecodeError;
use crate::binlog::event::event_type::EventType;
use crate::binlog::event::format::FormatDescription;
use crate::binlog::event::header::{CHECKSUM_LENGTH, EventHeader, HEADER_LENGTH};
use crate::binlog::event::query::{Query, rows_query, xid};
use crate::binlog::event::rows::{RowsHeader, RowsType};
use crate::binlog::event::table_map::TableMap;
use crate::binlog::event::variables::{IntVar, UserVar, rand_seeds};
use crate::binlog::gtid::{GtidEvent, GtidSet, MariaDbGtidEvent, parse_gtid_list};
use crate::mysql::wire::{Malformed, Reader};

/// Which tables' rows are wanted; asked once for each table map, before rows are decoded.
pub trait TableFilter {
    /// Whether rows of this table are wanted.
    fn wants(&mut self, database: &[u8], table: &[u8]) -> bool;
}

/// All tables.
#[derive(Debug, Default, Clone, Copy)]
pub struct AllTables;

impl TableFilter for AllTables {
    fn wants(&mut self, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

enum Mapped {
    Wanted { body: Vec<u8>, map: Arc<TableMap> },
    Filtered,
}

/// Decodes events one after the other. Feed it whole events, header to checksum, in the order of the binlog.
pub struct Decoder<F = AllTables> {
    format: Option<FormatDescription>,
    tables: HashMap<u64, Mapped>,
    filter: F,
    /// The table maps of ended statements, to be known again by their bytes: a table's next map is almost always the same.
    recent: HashMap<u64, (Vec<u8>, Arc<TableMap>)>,
    rows: Vec<u8>,
    /// Whether events before the first FORMAT_DESCRIPTION end in a checksum.
    early_checksums: bool,
    /// Whether they come from a server rather than from a file.
    is_stream: bool,
}

/// This many ended statements' table maps are remembered.
const RECENT_MAPS: usize = 256;

/// What the events are given to.
pub type Emit<'e> = dyn FnMut(&EventHeader, Event<'_>) -> Result<(), DecodeError> + 'e;

impl Default for Decoder<AllTables> {
    fn default() -> Self {
        Self::new(AllTables)
    }
}

impl<F> std::fmt::Debug for Decoder<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("format", &self.format).finish_non_exhaustive()
    }
}

impl<F: TableFilter> Decoder<F> {
    /// A decoder at the start of a file or stream.
    pub fn new(filter: F) -> Self {
        Self {
            format: None,
            tables: HashMap::new(),
            filter,
            recent: HashMap::new(),
            rows: Vec::new(),
            early_checksums: false,
            is_stream: false,
        }
    }

    /// A server begins a stream with a synthetic ROTATE, before the format says whether events end in a checksum.
    pub fn begin_stream(&mut self, checksums: bool) {
        self.format = None;
        self.tables.clear();
        self.early_checksums = checksums;
        self.is_stream = true;
    }

    /// A file begins that does not go on with a transaction of the one before.
    pub(crate) fn begin_file(&mut self) {
        self.tables.clear();
    }

    /// The latest FORMAT_DESCRIPTION.
    pub fn format(&self) -> Option<&FormatDescription> {
        self.format.as_ref()
    }

    /// Decodes one event and gives what it says to `emit`: once, except for a compressed transaction, whose events are given
    /// one after the other.
    pub fn decode(&mut self, event: &[u8], emit: &mut Emit<'_>) -> Result<(), DecodeError> {
        let header = EventHeader::parse(event)?;
        if event.len() != header.length as usize {
            return Err(Malformed("event: its header gives another length").into());
        }
        if header.event_type == EventType::FormatDescription {
            let format = FormatDescription::parse(event)?;
            if format.checksum {
                // A file that is being written has a flag in it that the checksum does not count (LOG_EVENT_BINLOG_IN_USE_F).
                let mut event = event.to_vec();
                if let Some(flags) = event.get_mut(HEADER_LENGTH - 2) {
                    *flags &= !1;
                }
                verify_checksum(&event)?;
            }
            // Table maps stay: a relay log may be cut between them and their rows.
            if self.format.as_ref() != Some(&format) {
                // The same bytes may mean something else.
                self.recent.clear();
            }
            let format = self.format.insert(format);
            return emit(&header, Event::FormatDescription(format));
        }
        let body = match &self.format {
            Some(format) if format.checksum => {
                verify_checksum(event)?;
                event.get(HEADER_LENGTH..event.len().saturating_sub(CHECKSUM_LENGTH))
            }
            Some(_) => event.get(HEADER_LENGTH..),
            // The server says which file follows before it says in which format.
            None if header.event_type == EventType::Rotate => {
                let checksum = if self.early_checksums { CHECKSUM_LENGTH } else { 0 };
                event.get(HEADER_LENGTH..event.len().saturating_sub(checksum))
            }
            None => return Err(DecodeError::NoFormat),
        };
        let body = body.ok_or(Malformed("event: shorter than header and checksum"))?;
        if header.event_type == EventType::TransactionPayload {
            return self.payload(&header, body, emit);
        }
        self.body(&header, body, emit)
    }

    fn post_header_length(&self, event_type: EventType) -> usize {
        self.format.as_ref().map_or(0, |format| format.post_header_length(event_type))
    }

    fn body(&mut self, header: &EventHeader, body: &[u8], emit: &mut Emit<'_>) -> Result<(), DecodeError> {
        use EventType as T;
        if let Some(rows_type) = RowsType::of(header.event_type) {
            return self.rows(header, body, rows_type, emit);
        }
        let event = match header.event_type {
            T::TableMap => return self.table_map(header, body, emit),
            T::Rotate => Event::Rotate(Rotate::parse(body)?),
            T::Gtid | T::AnonymousGtid | T::GtidTagged => {
                Event::Gtid(GtidEvent::parse(header.event_type.code(), body)?)
            }
            T::MariaDbGtid => Event::MariaDbGtid(MariaDbGtidEvent::parse(header.server_id, body)?),
            T::PreviousGtids => Event::PreviousGtids(GtidSet::decode(body)?),
            T::GtidList => Event::GtidList(parse_gtid_list(body)?),
            T::Query => Event::Query(Query::parse(body)?),
            T::QueryCompressed => {
                let mut query = Query::parse(body)?;
                let mut text = Vec::new();
                decompress_event(&query.sql, &mut text)?;
                query.sql = Cow::Owned(text);
                Event::Query(query)
            }
            T::Xid => Event::Xid(xid(body)?),
            T::XaPrepare => Event::XaPrepare(body),
            T::RowsQuery => Event::RowsQuery(rows_query(body)?),
            T::AnnotateRows => Event::RowsQuery(body),
            T::Heartbeat => Event::Heartbeat,
            T::HeartbeatV2 => match heartbeat(body)? {
                Some((file, position)) => Event::HeartbeatAt { file, position },
                None => Event::Heartbeat,
            },
            T::Incident => {
                let (number, message) = incident(body)?;
                Event::Incident(number, message)
            }
            T::Stop => Event::Stop,
            T::IntVar => Event::IntVar(IntVar::parse(body)?),
            T::Rand => {
                let (first, second) = rand_seeds(body)?;
                Event::Rand(first, second)
            }
            T::UserVar => Event::UserVar(UserVar::parse(body)?),
            // A server has decrypted what follows, and says so all the same.
            T::StartEncryption if self.is_stream => Event::Ignored,
            T::StartEncryption => return Err(DecodeError::Encrypted),
            T::Ignorable | T::TransactionContext | T::ViewChange | T::BinlogCheckpoint | T::Slave => Event::Ignored,
            T::BeginLoadQuery | T::ExecuteLoadQuery | T::AppendBlock | T::DeleteFile => Event::Ignored,
            _ if header.flags & EventHeader::IGNORABLE != 0 => Event::Ignored,
            _ => Event::Unknown,
        };
        emit(header, event)
    }

    fn table_map(&mut self, header: &EventHeader, body: &[u8], emit: &mut Emit<'_>) -> Result<(), DecodeError> {
        let length = self.post_header_length(EventType::TableMap);
        let (table_id, database, table) = TableMap::peek(body, length)?;
        if !self.filter.wants(database, table) {
            self.tables.insert(table_id, Mapped::Filtered);
            return emit(header, Event::Ignored);
        }
        let is_mariadb = self.format.as_ref().is_some_and(FormatDescription::is_mariadb);
        let map = match self.recent.remove(&table_id) {
            Some((bytes, map)) if bytes == body => Mapped::Wanted { body: bytes, map },
            _ => Mapped::Wanted { body: body.to_vec(), map: Arc::new(TableMap::parse(body, length, is_mariadb)?) },
        };
        if let Mapped::Wanted { map, .. } = &map {
            emit(header, Event::TableMap(Arc::clone(map)))?;
        }
        self.tables.insert(table_id, map);
        Ok(())
    }

    fn rows(
        &mut self,
        header: &EventHeader,
        body: &[u8],
        rows_type: RowsType,
        emit: &mut Emit<'_>,
    ) -> Result<(), DecodeError> {
        let rows = RowsHeader::parse(body, self.post_header_length(header.event_type), rows_type)?;
        let result = match self.tables.get(&rows.table_id) {
            Some(Mapped::Wanted { map, .. }) => {
                let images = if rows_type.is_compressed {
                    self.rows.clear();
                    decompress_event(rows.rows, &mut self.rows)?;
                    &self.rows
                } else {
                    rows.rows
                };
                emit(header, Event::Rows(rows.with_table(map, rows_type, images)?))
            }
            Some(Mapped::Filtered) => emit(header, Event::FilteredRows { ends_statement: rows.ends_statement }),
            None if rows.table_id == TableMap::DUMMY_ID => emit(header, Event::Ignored),
            None => Err(DecodeError::NoTableMap(rows.table_id)),
        };
        if rows.ends_statement {
            if self.recent.len() > RECENT_MAPS {
                self.recent.clear();
            }
            for (table_id, mapped) in self.tables.drain() {
                if let Mapped::Wanted { body, map } = mapped {
                    self.recent.insert(table_id, (body, map));
                }
            }
        }
        result
    }

    /// A compressed transaction: its events are decompressed one by one, so that memory is bounded by the largest.
    fn payload(&mut self, header: &EventHeader, body: &[u8], emit: &mut Emit<'_>) -> Result<(), DecodeError> {
        const ZSTD: u64 = 0;
        const NONE: u64 = 255;
        let mut reader = Reader::new(body, "TRANSACTION_PAYLOAD event");
        let mut compression = NONE;
        loop {
            match reader.lenenc_int()? {
                0 => break,
                2 => compression = Reader::new(reader.lenenc_bytes()?, "TRANSACTION_PAYLOAD event").lenenc_int()?,
                _ => drop(reader.lenenc_bytes()?),
            }
        }
        emit(header, Event::PayloadBegin)?;
        match compression {
            ZSTD => {
                let decoder =
                    zstd::stream::read::Decoder::with_buffer(reader.rest()).map_err(DecodeError::Decompress)?;
                self.inner_events(std::io::BufReader::with_capacity(128 * 1024, decoder), emit)?;
            }
            NONE => self.inner_events(reader.rest(), emit)?,
            other => return Err(DecodeError::Compression(other)),
        }
        emit(header, Event::PayloadEnd)
    }

    fn inner_events(&mut self, mut source: impl BufRead, emit: &mut Emit<'_>) -> Result<(), DecodeError> {
        let mut event = Vec::new();
        while !source.fill_buf().map_err(DecodeError::Decompress)?.is_empty() {
            event.clear();
            read_exactly(&mut source, HEADER_LENGTH as u64, &mut event)?;
            let header = EventHeader::parse(&event)?;
            if u64::from(header.length) > LARGEST_EVENT || header.event_type == EventType::TransactionPayload {
                return Err(Malformed("TRANSACTION_PAYLOAD event: an event in it").into());
            }
            read_exactly(&mut source, u64::from(header.length) - HEADER_LENGTH as u64, &mut event)?;
            let body = event.get(HEADER_LENGTH..).unwrap_or_default();
            self.body(&header, body, emit)?;
        }
        Ok(())
    }
}

/// Appends exactly `count` bytes; memory grows with what really comes.
fn read_exactly(source: &mut impl BufRead, count: u64, into: &mut Vec<u8>) -> Result<(), DecodeError> {
    let read = source.take(count).read_to_end(into).map_err(DecodeError::Decompress)?;
    if read as u64 == count {
        Ok(())
    } else {
        Err(Malformed("TRANSACTION_PAYLOAD event: ends in the middle of an event").into())
    }
}

fn verify_checksum(event: &[u8]) -> Result<(), DecodeError> {
    let (bytes, stored) =
        event.split_last_chunk::<CHECKSUM_LENGTH>().ok_or(Malformed("event: shorter than its checksum"))?;
    let (stored, computed) = (u32::from_le_bytes(*stored), crc32fast::hash(bytes));
    if stored == computed { Ok(()) } else { Err(DecodeError::Checksum { stored, computed }) }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
