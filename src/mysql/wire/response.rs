//! Response packets: OK, ERR, EOF, the prepare response, and what an OK packet says of the session.

use std::borrow::Cow;
use std::fmt;

use crate::mysql::charset::Charset;
use crate::mysql::wire::{CapabilityFlags, Malformed, Reader, StatusFlags};

/// `OK_Packet`, with header 0x00 or (in place of an EOF, with `CLIENT_DEPRECATE_EOF`) 0xfe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OkPacket<'a> {
    /// Rows that the statement changed (or found, with `CLIENT_FOUND_ROWS`).
    pub affected_rows: u64,
    /// First generated AUTO_INCREMENT value.
    pub last_insert_id: u64,
    /// The session's state after the statement.
    pub status: StatusFlags,
    /// Number of warnings.
    pub warnings: u16,
    /// Human-readable text such as `Rows matched: 1  Changed: 1  Warnings: 0`.
    pub info: &'a [u8],
    session_changes: &'a [u8],
}

impl<'a> OkPacket<'a> {
    /// Parses the packet.
    ///
    /// Both servers write `info` with a length in front even without `CLIENT_SESSION_TRACK` (`net_send_ok` in
    /// `sql/protocol_classic.cc`), although the protocol page calls it `string<EOF>` there: both forms are understood.
    pub fn parse(payload: &'a [u8], capabilities: CapabilityFlags) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload, "OK packet");
        if !matches!(reader.u8()?, 0x00 | 0xfe) {
            return Err(reader.malformed());
        }
        let affected_rows = reader.lenenc_int()?;
        let last_insert_id = reader.lenenc_int()?;
        let mut status = StatusFlags::empty();
        let mut warnings = 0;
        if capabilities.intersects(CapabilityFlags::PROTOCOL_41 | CapabilityFlags::TRANSACTIONS) {
            status = StatusFlags::from_bits_retain(reader.u16()?);
        }
        if capabilities.contains(CapabilityFlags::PROTOCOL_41) {
            warnings = reader.u16()?;
        }
        let mut info: &[u8] = &[];
        let mut session_changes: &[u8] = &[];
        if capabilities.contains(CapabilityFlags::SESSION_TRACK) {
            if !reader.is_empty() {
                info = reader.lenenc_bytes()?;
            }
            if status.contains(StatusFlags::SESSION_STATE_CHANGED) && !reader.is_empty() {
                session_changes = reader.lenenc_bytes()?;
            }
        } else {
            let whole = reader.rest();
            info = match reader.lenenc_bytes() {
                Ok(text) if reader.is_empty() => text,
                _ => whole,
            };
        }
        Ok(Self { affected_rows, last_insert_id, status, warnings, info, session_changes })
    }

    /// A packet without session state changes.
    pub fn new(affected_rows: u64, last_insert_id: u64, status: StatusFlags, warnings: u16, info: &'a [u8]) -> Self {
        Self { affected_rows, last_insert_id, status, warnings, info, session_changes: &[] }
    }

    /// The session state changes that the packet carries, in order.
    pub fn session_changes(&self) -> SessionChanges<'a> {
        SessionChanges { reader: Reader::new(self.session_changes, "session state changes"), variables: None }
    }
}

/// One entry of an OK packet's session state information.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionChange<'a> {
    /// `SESSION_TRACK_SYSTEM_VARIABLES`: a variable and its new value.
    SystemVariable {
        /// Name, without `@@`.
        name: &'a [u8],
        /// Value as text.
        value: &'a [u8],
    },
    /// `SESSION_TRACK_SCHEMA`: the current database; empty if none is left.
    Schema(&'a [u8]),
}

/// Iterates over [`SessionChange`]s; types that nobody here asks for are skipped, a malformed rest ends the iteration.
#[derive(Debug, Clone)]
pub struct SessionChanges<'a> {
    reader: Reader<'a>,
    /// MariaDB puts several variables into one entry.
    variables: Option<Reader<'a>>,
}

impl<'a> SessionChanges<'a> {
    fn next_entry(&mut self) -> Result<Option<SessionChange<'a>>, Malformed> {
        loop {
            if let Some(variables) = self.variables.as_mut().filter(|variables| !variables.is_empty()) {
                let name = variables.lenenc_bytes()?;
                let value = variables.lenenc_bytes()?;
                return Ok(Some(SessionChange::SystemVariable { name, value }));
            }
            if self.reader.is_empty() {
                return Ok(None);
            }
            let kind = self.reader.u8()?;
            let data = self.reader.lenenc_bytes()?;
            match kind {
                0 => self.variables = Some(Reader::new(data, "session state changes")),
                1 => return Ok(Some(SessionChange::Schema(Reader::new(data, "schema change").lenenc_bytes()?))),
                _ => {}
            }
        }
    }
}

impl<'a> Iterator for SessionChanges<'a> {
    type Item = SessionChange<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry().ok().flatten()
    }
}

/// `ERR_Packet`. Its `Display` is what the mysql command-line client prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrPacket<'a> {
    /// The server's error number.
    pub code: u16,
    /// Five characters, absent in errors before the handshake.
    pub sql_state: Option<&'a [u8]>,
    /// The text, in the session's character_set_results.
    pub message: &'a [u8],
}

impl<'a> ErrPacket<'a> {
    /// No server writes more (`MYSQL_ERRMSG_SIZE` in both), in bytes.
    pub const LONGEST_TEXT: usize = 512;

    /// Parses a packet that begins with 0xff.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload, "ERR packet");
        if reader.u8()? != 0xff {
            return Err(reader.malformed());
        }
        let code = reader.u16()?;
        let (sql_state, message) = match reader.rest() {
            [b'#', rest @ ..] if rest.len() >= 5 => {
                let (state, message) = rest.split_at(5);
                (Some(state), message)
            }
            message => (None, message),
        };
        Ok(Self { code, sql_state, message })
    }

    /// As the mysql client prints it; `charset` is that of the text.
    pub fn shown_in(&self, charset: Charset) -> String {
        let state = Charset::Binary.to_text(self.sql_state.unwrap_or(b"HY000"), false);
        format!("ERROR {} ({state}): {}", self.code, self.text(charset))
    }

    /// The text, of which what is longer than a server's is left out.
    pub(crate) fn text(&self, charset: Charset) -> Cow<'a, str> {
        match self.message.get(..Self::LONGEST_TEXT) {
            Some(front) => charset.to_text(front, self.message.len() > front.len()),
            None => charset.to_text(self.message, false),
        }
    }

    /// Appends the packet's payload.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(0xff);
        out.extend_from_slice(&self.code.to_le_bytes());
        if let Some(state) = self.sql_state {
            out.push(b'#');
            out.extend_from_slice(state);
        }
        out.extend_from_slice(self.message);
    }
}

impl fmt::Display for ErrPacket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown_in(Charset::Binary))
    }
}

/// Whether a packet is MariaDB's progress report, which has the form of an ERR packet with code 0xffff.
pub fn is_progress_report(payload: &[u8]) -> bool {
    payload.starts_with(&[0xff, 0xff, 0xff])
}

/// `EOF_Packet`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EofPacket {
    /// Number of warnings.
    pub warnings: u16,
    /// The session's state.
    pub status: StatusFlags,
}

impl EofPacket {
    /// Longest EOF packet plus one: what begins with 0xfe and is longer is a row or an OK packet.
    pub const BELOW: u64 = 9;

    /// Parses a packet that begins with 0xfe and is shorter than [`Self::BELOW`].
    pub fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload, "EOF packet");
        if reader.u8()? != 0xfe {
            return Err(reader.malformed());
        }
        if reader.is_empty() {
            // Before protocol 4.1 the header byte was all.
            return Ok(Self { warnings: 0, status: StatusFlags::empty() });
        }
        let warnings = reader.u16()?;
        Ok(Self { warnings, status: StatusFlags::from_bits_retain(reader.u16()?) })
    }
}

/// The packet that ends a result set's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowEnd<'a> {
    /// The classic one.
    Eof(EofPacket),
    /// Its replacement with `CLIENT_DEPRECATE_EOF`.
    Ok(OkPacket<'a>),
}

impl RowEnd<'_> {
    /// The session's state.
    pub fn status(&self) -> StatusFlags {
        match self {
            Self::Eof(eof) => eof.status,
            Self::Ok(ok) => ok.status,
        }
    }

    /// Number of warnings.
    pub fn warnings(&self) -> u16 {
        match self {
            Self::Eof(eof) => eof.warnings,
            Self::Ok(ok) => ok.warnings,
        }
    }
}

/// Whether a packet among rows ends them: `None` for a row.
///
/// `length` is the logical packet's true length; `payload` may hold only its front. With `CLIENT_DEPRECATE_EOF` an OK
/// packet of header 0xfe ends the rows and may be long; a row may begin with 0xfe only if it is 16 MiB or more. The five
/// bytes of a classic EOF are understood in both dialects, because cursors keep it in places.
pub fn row_end(payload: &[u8], length: u64, capabilities: CapabilityFlags) -> Result<Option<RowEnd<'_>>, Malformed> {
    if payload.first() != Some(&0xfe) {
        return Ok(None);
    }
    let deprecate_eof = capabilities.contains(CapabilityFlags::DEPRECATE_EOF);
    if length <= 5 || (!deprecate_eof && length < EofPacket::BELOW) {
        return EofPacket::parse(payload).map(|eof| Some(RowEnd::Eof(eof)));
    }
    if deprecate_eof && length < crate::mysql::wire::MAX_PACKET_PAYLOAD as u64 {
        return OkPacket::parse(payload, capabilities).map(|ok| Some(RowEnd::Ok(ok)));
    }
    Ok(None)
}

/// The first packet of a result set: how many columns, and whether their definitions follow.
pub fn column_count(payload: &[u8], capabilities: CapabilityFlags) -> Result<(u64, bool), Malformed> {
    let mut reader = Reader::new(payload, "column count");
    let count = reader.lenenc_int()?;
    let announced = CapabilityFlags::OPTIONAL_RESULTSET_METADATA | CapabilityFlags::MARIADB_CACHE_METADATA;
    let follow = if capabilities.intersects(announced) && !reader.is_empty() { reader.u8()? != 0 } else { true };
    if count == 0 || !reader.is_empty() {
        return Err(reader.malformed());
    }
    Ok((count, follow))
}

/// `COM_STMT_PREPARE_OK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrepareOk {
    /// The id by which the client executes the statement.
    pub statement_id: u32,
    /// Columns of its result set, 0 if none.
    pub columns: u16,
    /// Parameters (`?`) in it.
    pub params: u16,
    /// Whether parameter and column definitions follow.
    pub definitions_follow: bool,
}

impl PrepareOk {
    /// Parses the packet.
    pub fn parse(payload: &[u8], capabilities: CapabilityFlags) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload, "prepare response");
        if reader.u8()? != 0 {
            return Err(reader.malformed());
        }
        let statement_id = reader.u32()?;
        let columns = reader.u16()?;
        let params = reader.u16()?;
        let mut definitions_follow = true;
        if !reader.is_empty() {
            reader.u8()?;
            reader.u16()?;
            if capabilities.contains(CapabilityFlags::OPTIONAL_RESULTSET_METADATA) && !reader.is_empty() {
                definitions_follow = reader.u8()? != 0;
            }
        }
        Ok(Self { statement_id, columns, params, definitions_follow })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODERN: CapabilityFlags =
        CapabilityFlags::PROTOCOL_41.union(CapabilityFlags::SESSION_TRACK).union(CapabilityFlags::DEPRECATE_EOF);

    #[test]
    fn ok_info_with_length_even_without_session_track() {
        let mut bytes = vec![0, 1, 0, 2, 0, 0, 0, 40];
        bytes.extend(b"Rows matched: 1  Changed: 1  Warnings: 0");
        let ok = OkPacket::parse(&bytes, CapabilityFlags::PROTOCOL_41).unwrap();
        assert_eq!(ok.info, b"Rows matched: 1  Changed: 1  Warnings: 0");
        // Without a length in front, as the protocol page has it.
        let ok = OkPacket::parse(b"\x00\x01\x00\x02\x00\x00\x00Rows", CapabilityFlags::PROTOCOL_41).unwrap();
        assert_eq!(ok.info, b"Rows");
    }

    #[test]
    fn ok_with_session_changes() {
        let mut bytes = vec![0, 0, 0, 0x02, 0x40, 0, 0, 0];
        let changes = [&[0, 17, 9][..], b"time_zone", &[6], b"+02:00", &[1, 5, 4], b"shop", &[5, 2, 1, b'_']].concat();
        bytes.push(changes.len() as u8);
        bytes.extend(&changes);
        let ok = OkPacket::parse(&bytes, MODERN).unwrap();
        let seen: Vec<_> = ok.session_changes().collect();
        assert_eq!(
            seen,
            [SessionChange::SystemVariable { name: b"time_zone", value: b"+02:00" }, SessionChange::Schema(b"shop"),]
        );
    }

    #[test]
    fn err_prints_as_the_client_does() {
        let err = ErrPacket::parse(b"\xff\x28\x04#42000You have an error").unwrap();
        assert_eq!(err.to_string(), "ERROR 1064 (42000): You have an error");
        let early = ErrPacket::parse(b"\xff\x10\x04Too many connections").unwrap();
        assert_eq!((early.sql_state, early.message), (None, &b"Too many connections"[..]));
        // Bytes are shown as those of statements are, and no server writes more than 512 of them.
        let bytes = ErrPacket::parse(b"\xff\x26\x04#23000Duplicate entry '\xff\xc3\xa9'").unwrap();
        assert_eq!(bytes.to_string(), "ERROR 1062 (23000): Duplicate entry '\\xFFé'");
        let long = [&b"\xff\x26\x04#23000"[..], "é".repeat(300).as_bytes()].concat();
        assert_eq!(ErrPacket::parse(&long).unwrap().to_string().matches('é').count(), 256);
    }

    #[test]
    fn row_ends_in_both_dialects() {
        let eof = [0xfe, 0, 0, 0x22, 0];
        let classic = CapabilityFlags::PROTOCOL_41;
        let status =
            |payload, capabilities| row_end(payload, payload.len() as u64, capabilities).unwrap().unwrap().status();
        assert_eq!(status(&eof[..], classic), StatusFlags::from_bits_retain(0x22));
        assert_eq!(status(&eof[..], MODERN), StatusFlags::from_bits_retain(0x22));
        let ok = [0xfe, 0, 0, 0x02, 0, 0, 0];
        assert_eq!(status(&ok[..], MODERN), StatusFlags::AUTOCOMMIT);
        // A first column of 16 MiB or more begins with 0xfe too.
        assert_eq!(row_end(&[0xfe], 0x0100_0009, MODERN), Ok(None));
        assert_eq!(row_end(&[0xfe, 1, 0, 0, 0, 0, 0, 0, 0, b'x'], 10, classic), Ok(None));
        assert_eq!(row_end(&[0x01, b'x'], 2, MODERN), Ok(None));
    }

    #[test]
    fn column_counts_with_and_without_definitions() {
        assert_eq!(column_count(&[3], MODERN), Ok((3, true)));
        assert_eq!(column_count(&[0xfc, 0x2c, 0x01], MODERN), Ok((300, true)));
        let optional = MODERN | CapabilityFlags::OPTIONAL_RESULTSET_METADATA;
        assert_eq!(column_count(&[3, 0], optional), Ok((3, false)));
        assert_eq!(column_count(&[3, 1], MODERN | CapabilityFlags::MARIADB_CACHE_METADATA), Ok((3, true)));
        assert!(column_count(&[3, 1, 1], MODERN).is_err());
    }
}
