//! Statements: QUERY events, the texts of statements that are logged as rows, and what ends a transaction.
//!
//! Source: MySQL's `libs/mysql/binlog/event/` (control_events.h, statement_events.h) and MariaDB's `sql/log_event.h`.

use std::borrow::Cow;

use crate::mysql::sql::Xid;
use crate::mysql::wire::{Malformed, Reader};

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

/// The transaction number of an XID event.
pub(crate) fn xid(body: &[u8]) -> Result<u64, Malformed> {
    Reader::new(body, "XID event").u64()
}

/// The body of an XA_PREPARE event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct XaPrepare {
    /// `XA COMMIT .. ONE PHASE`: it is committed.
    pub(crate) is_one_phase: bool,
    pub(crate) xid: Xid,
}

impl XaPrepare {
    /// Parses the body, without the checksum; both servers write the same.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "XA_PREPARE event");
        let is_one_phase = reader.u8()? != 0;
        let (format, global, branch) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let mut part = |length| reader.bytes(usize::try_from(length).unwrap_or(usize::MAX)).map(<[u8]>::to_vec);
        Ok(Self { is_one_phase, xid: Xid { global: part(global)?, branch: part(branch)?, format } })
    }
}

/// The SQL text in a ROWS_QUERY event. Its first byte is the text's length modulo 256, of no use.
pub(crate) fn rows_query(body: &[u8]) -> Result<&[u8], Malformed> {
    body.split_first().map(|(_, text)| text).ok_or(Malformed("ROWS_QUERY event"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_prepared_transaction() {
        let body = [&[0, 7, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0][..], b"a\0b"].concat();
        let xid = Xid { global: b"a\0".to_vec(), branch: b"b".to_vec(), format: 7 };
        assert_eq!(XaPrepare::parse(&body).unwrap(), XaPrepare { is_one_phase: false, xid });
        for cut in 0..body.len() {
            assert!(XaPrepare::parse(&body[..cut]).is_err(), "{cut}");
        }
        let huge = [&[1, 7, 0, 0, 0][..], &[0xff; 8], b"ab"].concat();
        assert!(XaPrepare::parse(&huge).is_err());
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
}
