//! Binlog events: the header that all have, and what the bodies that matter say.
//!
//! Source: MySQL's `libs/mysql/binlog/event/` (control_events.h, statement_events.h) and MariaDB's `sql/log_event.h`.

use std::borrow::Cow;

use crate::binlog::table::schema::Writer;
use crate::mysql::wire::{Malformed, Reader};

/// The length of an event's header in binlog version 4, the only one written since MySQL 5.0.
pub(crate) const HEADER_LENGTH: usize = 19;
/// The length of a CRC32 checksum.
pub(crate) const CHECKSUM_LENGTH: usize = 4;
/// The first four bytes of a binlog file.
pub(crate) const MAGIC: [u8; 4] = [0xfe, b'b', b'i', b'n'];
/// The first four bytes of an encrypted binlog file (MySQL; MariaDB encrypts behind a START_ENCRYPTION event).
pub(crate) const ENCRYPTED_MAGIC: [u8; 4] = [0xfd, b'b', b'i', b'n'];

macro_rules! event_types {
    ($($(#[$meta:meta])* $name:ident = $code:literal $text:literal,)*) => {
        /// The type of an event; types that neither server is known to write are [`EventType::Unknown`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum EventType {
            $($(#[$meta])* $name,)*
            Unknown(u8),
        }

        impl EventType {
            /// The type with this code.
            pub fn from_code(code: u8) -> Self {
                match code {
                    $($code => Self::$name,)*
                    other => Self::Unknown(other),
                }
            }

            /// The type's code in an event's header.
            pub fn code(self) -> u8 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Unknown(code) => code,
                }
            }

            /// The name as the servers' sources have it, without `_EVENT`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Unknown(_) => "UNKNOWN",
                }
            }
        }
    };
}

event_types! {
    StartV3 = 1 "START_V3",
    Query = 2 "QUERY",
    Stop = 3 "STOP",
    Rotate = 4 "ROTATE",
    IntVar = 5 "INTVAR",
    Load = 6 "LOAD",
    Slave = 7 "SLAVE",
    CreateFile = 8 "CREATE_FILE",
    AppendBlock = 9 "APPEND_BLOCK",
    ExecLoad = 10 "EXEC_LOAD",
    DeleteFile = 11 "DELETE_FILE",
    NewLoad = 12 "NEW_LOAD",
    Rand = 13 "RAND",
    UserVar = 14 "USER_VAR",
    FormatDescription = 15 "FORMAT_DESCRIPTION",
    Xid = 16 "XID",
    BeginLoadQuery = 17 "BEGIN_LOAD_QUERY",
    ExecuteLoadQuery = 18 "EXECUTE_LOAD_QUERY",
    TableMap = 19 "TABLE_MAP",
    WriteRowsV0 = 20 "WRITE_ROWS_V0",
    UpdateRowsV0 = 21 "UPDATE_ROWS_V0",
    DeleteRowsV0 = 22 "DELETE_ROWS_V0",
    WriteRowsV1 = 23 "WRITE_ROWS_V1",
    UpdateRowsV1 = 24 "UPDATE_ROWS_V1",
    DeleteRowsV1 = 25 "DELETE_ROWS_V1",
    Incident = 26 "INCIDENT",
    Heartbeat = 27 "HEARTBEAT",
    Ignorable = 28 "IGNORABLE",
    RowsQuery = 29 "ROWS_QUERY",
    WriteRows = 30 "WRITE_ROWS",
    UpdateRows = 31 "UPDATE_ROWS",
    DeleteRows = 32 "DELETE_ROWS",
    Gtid = 33 "GTID",
    AnonymousGtid = 34 "ANONYMOUS_GTID",
    PreviousGtids = 35 "PREVIOUS_GTIDS",
    TransactionContext = 36 "TRANSACTION_CONTEXT",
    ViewChange = 37 "VIEW_CHANGE",
    XaPrepare = 38 "XA_PREPARE",
    PartialUpdateRows = 39 "PARTIAL_UPDATE_ROWS",
    TransactionPayload = 40 "TRANSACTION_PAYLOAD",
    HeartbeatV2 = 41 "HEARTBEAT_V2",
    GtidTagged = 42 "GTID_TAGGED",
    AnnotateRows = 160 "ANNOTATE_ROWS",
    BinlogCheckpoint = 161 "BINLOG_CHECKPOINT",
    MariaDbGtid = 162 "GTID (MariaDB)",
    GtidList = 163 "GTID_LIST",
    StartEncryption = 164 "START_ENCRYPTION",
    QueryCompressed = 165 "QUERY_COMPRESSED",
    WriteRowsCompressedV1 = 166 "WRITE_ROWS_COMPRESSED_V1",
    UpdateRowsCompressedV1 = 167 "UPDATE_ROWS_COMPRESSED_V1",
    DeleteRowsCompressedV1 = 168 "DELETE_ROWS_COMPRESSED_V1",
    WriteRowsCompressed = 169 "WRITE_ROWS_COMPRESSED",
    UpdateRowsCompressed = 170 "UPDATE_ROWS_COMPRESSED",
    DeleteRowsCompressed = 171 "DELETE_ROWS_COMPRESSED",
}

/// An event's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHeader {
    /// When the statement began, in seconds since 1970; 0 in events that the server makes up for the stream.
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
    /// Set in events that are made up for a stream and stand in no file (`LOG_EVENT_ARTIFICIAL_F`).
    pub const ARTIFICIAL: u16 = 0x20;
    /// The file is a replica's copy of another server's (`LOG_EVENT_RELAY_LOG_F`).
    pub const RELAY_LOG: u16 = 0x40;
    /// A reader that does not know the event may leave it out (`LOG_EVENT_IGNORABLE_F`).
    pub const IGNORABLE: u16 = 0x80;

    /// Whether the event has a place in the binlog file, rather than being made up for the stream.
    ///
    /// MariaDB 11.7 and later (with `binlog_legacy_event_pos=OFF`, the default) write no position into the events of a transaction
    /// between its GTID and its end.
    pub fn is_in_file(&self) -> bool {
        use EventType as T;
        let is_made_up = self.flags & Self::ARTIFICIAL != 0;
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
        !is_made_up && (self.next_position != 0 || !may_be_elsewhere)
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

/// The body of a ROTATE event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotate<'a> {
    /// Where the next file is to be read from.
    pub position: u64,
    /// The next file's name.
    pub file: &'a [u8],
}

impl<'a> Rotate<'a> {
    /// Parses the body, without the checksum.
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "ROTATE event");
        Ok(Self { position: reader.u64()?, file: reader.rest() })
    }
}

/// The body of a QUERY event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// The connection that ran it.
    pub thread_id: u32,
    /// How long it took, in seconds.
    pub seconds: u32,
    /// The error it ended with, 0 if none.
    pub error_code: u16,
    /// The default database.
    pub database: &'a [u8],
    /// The text, in `charset_client`.
    pub sql: Cow<'a, [u8]>,
    /// The session's `sql_mode`, where it is written.
    pub sql_mode: Option<u64>,
    /// The collation id of the session's `character_set_client`, where it is written.
    pub charset_client: Option<u16>,
    /// The session's `collation_server`, by its id, where it is written.
    pub collation_server: Option<u16>,
    /// The number of the engine's transaction that a definition is, where it was one (MySQL 8 and later).
    pub ddl_xid: Option<u64>,
}

impl<'a> Query<'a> {
    /// Parses the body, without the checksum.
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "QUERY event");
        let thread_id = reader.u32()?;
        let seconds = reader.u32()?;
        let database_length = usize::from(reader.u8()?);
        let error_code = reader.u16()?;
        let variables_length = usize::from(reader.u16()?);
        let variables = reader.bytes(variables_length)?;
        let database = reader.bytes(database_length)?;
        reader.bytes(1)?;
        let StatusVariables { sql_mode, charset_client, collation_server, ddl_xid } = StatusVariables::read(variables);
        Ok(Self {
            thread_id,
            seconds,
            error_code,
            database,
            sql: Cow::Borrowed(reader.rest()),
            sql_mode,
            charset_client,
            collation_server,
            ddl_xid,
        })
    }
}

/// What is read of a QUERY event's status variables.
#[derive(Debug, Default)]
struct StatusVariables {
    sql_mode: Option<u64>,
    charset_client: Option<u16>,
    collation_server: Option<u16>,
    ddl_xid: Option<u64>,
}

impl StatusVariables {
    /// A code that is not known ends the search: its length is not known either (MySQL's `libs/mysql/binlog/event/statement_events.h`).
    fn read(variables: &[u8]) -> Self {
        let mut reader = Reader::new(variables, "status variables");
        let mut found = Self::default();
        while !reader.is_empty() && found.next(&mut reader).unwrap_or(false) {}
        found
    }

    /// Reads one; false where it is not known.
    fn next(&mut self, reader: &mut Reader<'_>) -> Result<bool, Malformed> {
        match reader.u8()? {
            // Q_FLAGS2, Q_AUTO_INCREMENT, Q_MASTER_DATA_WRITTEN
            0 | 3 | 10 => drop(reader.u32()?),
            // Q_SQL_MODE
            1 => self.sql_mode = Some(reader.u64()?),
            // Q_CATALOG, with a terminator
            2 => {
                let length = usize::from(reader.u8()?);
                reader.bytes(length + 1)?;
            }
            // Q_CHARSET: client, connection, server
            4 => {
                self.charset_client = Some(reader.u16()?);
                reader.u16()?;
                self.collation_server = Some(reader.u16()?);
            }
            // Q_TIME_ZONE, Q_CATALOG_NZ
            5 | 6 => skip_text(reader)?,
            // Q_LC_TIME_NAMES, Q_CHARSET_DATABASE
            7 | 8 => drop(reader.u16()?),
            // Q_TABLE_MAP_FOR_UPDATE
            9 => drop(reader.u64()?),
            // Q_INVOKER: user, host
            11 => {
                skip_text(reader)?;
                skip_text(reader)?;
            }
            // Q_UPDATED_DB_NAMES: names with terminators, or that they are too many
            12 => {
                let count = reader.u8()?;
                for _ in 0..if count == TOO_MANY_DATABASES { 0 } else { count } {
                    while reader.u8()? != 0 {}
                }
            }
            // Q_MICROSECONDS
            13 => drop(reader.bytes(3)?),
            // Q_EXPLICIT_DEFAULTS_FOR_TIMESTAMP
            16 => drop(reader.u8()?),
            // Q_DDL_LOGGED_WITH_XID
            17 => self.ddl_xid = Some(reader.u64()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// `OVER_MAX_DBS_IN_EVENT_MTS`
const TOO_MANY_DATABASES: u8 = 254;

fn skip_text(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let length = usize::from(reader.u8()?);
    reader.bytes(length).map(drop)
}

/// The value of an INTVAR event: what `LAST_INSERT_ID()` or the next AUTO_INCREMENT was for a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntVar {
    /// 1: `LAST_INSERT_ID()`, 2: `INSERT_ID`.
    pub kind: u8,
    /// Its value.
    pub value: u64,
}

impl IntVar {
    /// Parses the body, without the checksum.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "INTVAR event");
        Ok(Self { kind: reader.u8()?, value: reader.u64()? })
    }
}

/// The message of an INCIDENT event: the server may have lost events.
pub(crate) fn incident(body: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let mut reader = Reader::new(body, "INCIDENT event");
    let number = reader.u16()?;
    let length = usize::from(reader.u8()?);
    Ok((number, reader.bytes(length)?))
}

/// The file and position in the second form of a HEARTBEAT event, in 64 bits; nothing where it does not say both.
pub(crate) fn heartbeat(body: &[u8]) -> Result<Option<(&[u8], u64)>, Malformed> {
    let mut reader = Reader::new(body, "HEARTBEAT event");
    let (mut file, mut position) = (None, None);
    while !reader.is_empty() {
        match reader.lenenc_int()? {
            0 => break,
            1 => file = Some(reader.lenenc_bytes()?),
            2 => position = Some(Reader::new(reader.lenenc_bytes()?, "HEARTBEAT event").lenenc_int()?),
            _ => drop(reader.lenenc_bytes()?),
        }
    }
    Ok(file.zip(position))
}

/// The transaction number of an XID event.
pub(crate) fn xid(body: &[u8]) -> Result<u64, Malformed> {
    Reader::new(body, "XID event").u64()
}

/// The SQL text in a ROWS_QUERY event. Its first byte is the text's length modulo 256, of no use.
pub(crate) fn rows_query(body: &[u8]) -> Result<&[u8], Malformed> {
    body.split_first().map(|(_, text)| text).ok_or(Malformed("ROWS_QUERY event"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_of_the_second_form_says_a_position_of_64_bits() {
        // Beyond 4 GiB; a field that is not known is passed over.
        let body = [&[1, 3][..], b"b.1", &[9, 1, 0, 2, 9, 0xfe], &4_527_458_311_u64.to_le_bytes(), &[0]].concat();
        assert_eq!(heartbeat(&body).unwrap(), Some((&b"b.1"[..], 4_527_458_311)));
        assert_eq!(heartbeat(&body[..5]).unwrap(), None);
        assert!(heartbeat(&body[..4]).is_err());
    }

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

    #[test]
    fn a_query_with_status_variables() {
        let mut body = vec![7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0];
        let variables =
            [&[0, 0, 0, 0, 0, 1][..], &[0x20, 0, 0, 0, 0, 0, 0, 0], &[6, 3], b"std", &[4, 33, 0, 33, 0, 8, 0]].concat();
        body.extend_from_slice(&u16::try_from(variables.len()).unwrap().to_le_bytes());
        body.extend_from_slice(&variables);
        body.extend_from_slice(b"db\0CREATE TABLE t (a int)");
        let query = Query::parse(&body).unwrap();
        assert_eq!((query.thread_id, query.seconds, query.error_code), (7, 1, 0));
        assert_eq!((query.database, &*query.sql), (&b"db"[..], &b"CREATE TABLE t (a int)"[..]));
        assert_eq!((query.sql_mode, query.charset_client), (Some(0x20), Some(33)));
        for cut in 0..body.len() - 22 {
            assert!(Query::parse(&body[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn event_types_keep_their_codes() {
        for code in 0..=255 {
            assert_eq!(EventType::from_code(code).code(), code);
        }
        assert_eq!(EventType::from_code(42).name(), "GTID_TAGGED");
    }
}
