//! The connection phase's packets: greeting, handshake response, COM_CHANGE_USER.

use crate::mysql::wire::{CapabilityFlags, Malformed, Reader, StatusFlags};

/// `HandshakeV10`, the server's first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting<'a> {
    /// As sent; MariaDB's begins with `5.5.5-` on servers before 11.
    pub server_version: &'a [u8],
    /// The server's connection id (its lower 32 bits).
    pub connection_id: u32,
    /// What the server can do, MariaDB's extended capabilities included.
    pub capabilities: CapabilityFlags,
    /// The server's default collation id (lower 8 bits).
    pub collation: u8,
    /// Status flags before authentication.
    pub status: StatusFlags,
    /// The nonce that the client's authentication answers, in the two parts in which it is sent; the second may end in a zero byte.
    pub nonce: [&'a [u8]; 2],
    /// The authentication plugin that the server begins with; empty where it names none.
    pub plugin: &'a [u8],
}

/// CLIENT_SSL is bit 11: bit 3 of the second byte of the lower capabilities.
const SSL_BIT: u8 = 0x08;

const GREETING: &str = "server greeting";
/// Auth data part 1 (8 bytes) and its filler byte.
const AUTH_DATA_PART_1: usize = 9;

impl<'a> Greeting<'a> {
    /// Parses a greeting of protocol version 10, the only one since MySQL 3.22.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload, GREETING);
        if reader.u8()? != 10 {
            return Err(Malformed(GREETING));
        }
        let server_version = reader.nul_bytes()?;
        let connection_id = reader.u32()?;
        let nonce = reader.bytes(AUTH_DATA_PART_1)?.get(..AUTH_DATA_PART_1 - 1).unwrap_or_default();
        let lower = reader.u16()?;
        if reader.is_empty() {
            return Ok(Self {
                server_version,
                connection_id,
                capabilities: CapabilityFlags::from_parts(u32::from(lower), 0),
                collation: 0,
                status: StatusFlags::empty(),
                nonce: [nonce, &[]],
                plugin: &[],
            });
        }
        let collation = reader.u8()?;
        let status = StatusFlags::from_bits_retain(reader.u16()?);
        let upper = reader.u16()?;
        let nonce_length = usize::from(reader.u8()?);
        reader.bytes(6)?;
        let mariadb = reader.u32()?;
        // The nonce's second part has its terminator and at least 13 bytes, whatever the length says (`sql-common/client.cc`).
        let second = nonce_length.saturating_sub(nonce.len()).max(13).min(reader.rest().len());
        let second = reader.bytes(second)?;
        let plugin = reader.nul_bytes_or_rest();
        let mysql = u32::from(upper) << 16 | u32::from(lower);
        Ok(Self {
            server_version,
            connection_id,
            capabilities: CapabilityFlags::from_parts(mysql, mariadb),
            collation,
            status,
            nonce: [nonce, second],
            plugin,
        })
    }
}

/// Clears `CLIENT_SSL` in a greeting's payload in place, so that the client does not ask for TLS. Returns whether it was set.
pub fn strip_greeting_tls(payload: &mut [u8]) -> Result<bool, Malformed> {
    let offset = {
        let mut reader = Reader::new(payload, GREETING);
        reader.u8()?;
        reader.nul_bytes()?;
        reader.bytes(4 + AUTH_DATA_PART_1)?;
        payload.len() - reader.rest().len()
    };
    let byte = payload.get_mut(offset + 1).ok_or(Malformed(GREETING))?;
    let was_set = *byte & SSL_BIT != 0;
    *byte &= !SSL_BIT;
    Ok(was_set)
}

/// `HandshakeResponse41` or `SSLRequest`, the client's first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeResponse<'a> {
    /// What the client can do; in force is the intersection with the server's.
    pub capabilities: CapabilityFlags,
    /// Collation id of the connection.
    pub collation: u8,
    /// What follows the fixed part: `None` for an SSLRequest, which ends there.
    pub login: Option<Login<'a>>,
}

/// Who logs in, and where to. The authentication response in between is skipped, never kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Login<'a> {
    /// User name.
    pub user: &'a [u8],
    /// The database to begin in.
    pub database: Option<&'a [u8]>,
    /// Connection attributes, for [`ConnectionAttributes`](crate::mysql::wire::ConnectionAttributes).
    pub attributes: &'a [u8],
}

/// What a login has after the database: the plugin's name, then connection attributes. Servers accept a login without either.
fn attributes<'a>(mut reader: Reader<'a>, in_force: CapabilityFlags) -> &'a [u8] {
    if !in_force.contains(CapabilityFlags::CONNECT_ATTRS) {
        return &[];
    }
    if in_force.contains(CapabilityFlags::PLUGIN_AUTH) {
        reader.nul_bytes_or_rest();
    }
    reader.lenenc_bytes().unwrap_or_default()
}

const RESPONSE: &str = "handshake response";

impl<'a> HandshakeResponse<'a> {
    /// Length of the fixed part, which is all of an SSLRequest.
    pub const FIXED_PART: usize = 32;

    /// Parses the packet in the protocol-4.1 form, or the old one of MySQL 3.20.
    ///
    /// `asked`: the capabilities of the SSLRequest before it, if there was one. Those are the ones that servers take.
    pub fn parse(
        payload: &'a [u8],
        server: CapabilityFlags,
        asked: Option<CapabilityFlags>,
    ) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload, RESPONSE);
        let sent = Self::sent_capabilities(payload).ok_or_else(|| reader.malformed())?;
        let capabilities = asked.unwrap_or(sent);
        if !capabilities.contains(CapabilityFlags::PROTOCOL_41) {
            reader.u16()?;
            return Self::parse_320(capabilities, reader);
        }
        reader.bytes(8)?; // capabilities, maximum packet size
        let collation = reader.u8()?;
        reader.bytes(23)?;
        if reader.is_empty() && capabilities.contains(CapabilityFlags::SSL) {
            return Ok(Self { capabilities, collation, login: None });
        }
        let user = reader.nul_bytes()?;
        let in_force = capabilities & server;
        if reader.is_empty() {
            // MySQL takes a login that ends here for one without a password.
        } else if capabilities.contains(CapabilityFlags::PLUGIN_AUTH_LENENC_CLIENT_DATA) {
            reader.sent_bytes()?;
        } else if capabilities.contains(CapabilityFlags::SECURE_CONNECTION) {
            let length = reader.u8()?;
            reader.bytes(usize::from(length))?;
        } else {
            reader.nul_bytes()?;
        }
        let database = if in_force.contains(CapabilityFlags::CONNECT_WITH_DB) && !reader.is_empty() {
            Some(reader.nul_bytes_or_rest()).filter(|name| !name.is_empty())
        } else {
            None
        };
        let attributes = attributes(reader, in_force);
        Ok(Self { capabilities, collation, login: Some(Login { user, database, attributes }) })
    }

    fn parse_320(capabilities: CapabilityFlags, mut reader: Reader<'a>) -> Result<Self, Malformed> {
        reader.bytes(3)?; // maximum packet size
        let user = reader.nul_bytes()?;
        let mut database = None;
        if capabilities.contains(CapabilityFlags::CONNECT_WITH_DB) {
            reader.nul_bytes()?;
            database = Some(reader.nul_bytes_or_rest());
        }
        Ok(Self { capabilities, collation: 0, login: Some(Login { user, database, attributes: &[] }) })
    }

    /// Whether a first packet asks a server that has TLS for it: with `CLIENT_SSL`, however long it is. Clients send the fixed part alone;
    /// the servers ignore what follows it, and begin TLS (`parse_client_handshake_packet` in both).
    pub fn is_ssl_request(payload: &[u8]) -> bool {
        payload.len() > 2 && payload.get(1).is_some_and(|byte| byte & SSL_BIT != 0)
    }

    /// Clears `CLIENT_SSL` in place: from a client that insists on it, though the greeting does not have it.
    pub fn strip_tls(payload: &mut [u8]) {
        if let Some(byte) = payload.get_mut(1) {
            *byte &= !SSL_BIT;
        }
    }

    /// The capabilities in the packet, if it is long enough.
    pub fn sent_capabilities(payload: &[u8]) -> Option<CapabilityFlags> {
        let mut reader = Reader::new(payload, RESPONSE);
        let lower = reader.u16().ok()?;
        if u64::from(lower) & CapabilityFlags::PROTOCOL_41.bits() == 0 {
            return Some(CapabilityFlags::from_bits_retain(u64::from(lower)));
        }
        let mysql = u32::from(reader.u16().ok()?) << 16 | u32::from(lower);
        reader.bytes(24).ok()?;
        Some(CapabilityFlags::from_parts(mysql, reader.u32().ok()?))
    }
}

/// COM_CHANGE_USER: another login on the same connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeUser<'a> {
    /// User name.
    pub user: &'a [u8],
    /// The database to begin in; an absent one leaves none selected.
    pub database: Option<&'a [u8]>,
    /// The new collation id, if sent.
    pub collation: Option<u16>,
    /// Connection attributes, for [`ConnectionAttributes`](crate::mysql::wire::ConnectionAttributes).
    pub attributes: &'a [u8],
}

impl<'a> ChangeUser<'a> {
    /// Parses the payload after the command byte.
    pub fn parse(body: &'a [u8], in_force: CapabilityFlags) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "COM_CHANGE_USER");
        let user = reader.nul_bytes()?;
        if in_force.contains(CapabilityFlags::SECURE_CONNECTION) {
            let length = reader.u8()?;
            reader.bytes(usize::from(length))?;
        } else {
            reader.nul_bytes()?;
        }
        let database = Some(reader.nul_bytes_or_rest()).filter(|name| !name.is_empty());
        let collation = reader.u16().ok();
        Ok(Self { user, database, collation, attributes: attributes(reader, in_force) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The greeting of a MySQL 9.7 server, authentication data replaced.
    fn mysql_greeting() -> Vec<u8> {
        let mut bytes = b"\x0a9.7.4\0".to_vec();
        bytes.extend(8u32.to_le_bytes());
        bytes.extend(b"12345678\0");
        bytes.extend([0xff, 0xff, 0xff, 0x02, 0x00, 0xff, 0xdf, 21]);
        bytes.extend([0; 10]);
        bytes.extend(b"abcdefghijkl\0caching_sha2_password\0");
        bytes
    }

    #[test]
    fn greeting_of_mysql() {
        let bytes = mysql_greeting();
        let greeting = Greeting::parse(&bytes).unwrap();
        assert_eq!(greeting.server_version, b"9.7.4");
        assert_eq!(greeting.connection_id, 8);
        assert_eq!(greeting.capabilities.mysql_bits(), 0xdfff_ffff);
        assert_eq!(greeting.status, StatusFlags::AUTOCOMMIT);
    }

    #[test]
    fn greeting_of_mariadb_has_extended_capabilities() {
        let mut bytes = mysql_greeting();
        let lower = bytes.windows(3).position(|three| three == [0xff, 0xff, 0xff]).unwrap();
        bytes[lower] = 0xfe;
        bytes[lower + 14..lower + 18].copy_from_slice(&0x1du32.to_le_bytes());
        let capabilities = Greeting::parse(&bytes).unwrap().capabilities;
        assert!(capabilities.contains(CapabilityFlags::MARIADB_CACHE_METADATA));
        assert!(capabilities.contains(CapabilityFlags::MARIADB_STMT_BULK_OPERATIONS));
        // A MySQL side's filler means nothing.
        bytes[lower] = 0xff;
        let capabilities = Greeting::parse(&bytes).unwrap().capabilities;
        assert!(!capabilities.contains(CapabilityFlags::MARIADB_CACHE_METADATA));
    }

    #[test]
    fn stripping_tls_changes_one_bit() {
        let original = mysql_greeting();
        let mut stripped = original.clone();
        assert_eq!(strip_greeting_tls(&mut stripped), Ok(true));
        let differing: Vec<_> = original.iter().zip(&stripped).filter(|(a, b)| a != b).collect();
        assert_eq!(differing, [(&0xff, &0xf7)]);
        assert!(!Greeting::parse(&stripped).unwrap().capabilities.contains(CapabilityFlags::SSL));
        assert_eq!(strip_greeting_tls(&mut stripped), Ok(false));
        assert!(strip_greeting_tls(&mut [10, b'x']).is_err());
    }

    fn response(flags: u32, tail: &[u8]) -> Vec<u8> {
        let mut bytes = flags.to_le_bytes().to_vec();
        bytes.extend((1u32 << 24).to_le_bytes());
        bytes.push(45);
        bytes.extend([0; 23]);
        bytes.extend(tail);
        bytes
    }

    #[test]
    fn handshake_response_with_each_length_form() {
        let all = CapabilityFlags::all();
        let base = 0x200 | 0x8;
        for (flags, tail) in [
            (base | 1 << 21 | 1 << 15, &b"app\0\x03\x01\x02\x03shop\0caching_sha2_password\0"[..]),
            (base | 1 << 15, &b"app\0\x03\x01\x02\x03shop\0"[..]),
            (base, &b"app\0secret\0shop\0"[..]),
        ] {
            let bytes = response(flags, tail);
            let login = HandshakeResponse::parse(&bytes, all, None).unwrap().login.unwrap();
            assert_eq!((login.user, login.database), (&b"app"[..], Some(&b"shop"[..])));
        }
    }

    #[test]
    fn connection_attributes_are_behind_the_plugin() {
        let flags = 0x200 | 1 << 15 | 1 << 19 | 1 << 20;
        let bytes = response(flags, b"app\0\x03\x01\x02\x03caching_sha2_password\0\x0a\x03_os\x05Linux");
        let login = HandshakeResponse::parse(&bytes, CapabilityFlags::all(), None).unwrap().login.unwrap();
        assert_eq!(login.attributes, b"\x03_os\x05Linux");
        // A side that does not speak of them has none.
        let server = CapabilityFlags::all() - CapabilityFlags::CONNECT_ATTRS;
        let login = HandshakeResponse::parse(&bytes, server, None).unwrap().login.unwrap();
        assert_eq!(login.attributes, b"");
    }

    #[test]
    fn ssl_request_has_no_login() {
        let bytes = response(0x200 | 0x800, b"");
        assert!(HandshakeResponse::is_ssl_request(&bytes));
        assert_eq!(HandshakeResponse::parse(&bytes, CapabilityFlags::all(), None).unwrap().login, None);
        assert!(!HandshakeResponse::is_ssl_request(&response(0x200, b"")));
        // So do longer ones, for the servers.
        assert!(HandshakeResponse::is_ssl_request(&response(0x200 | 0x800, b"app\0\0shop\0")));
    }

    #[test]
    fn change_user() {
        let flags = CapabilityFlags::SECURE_CONNECTION | CapabilityFlags::PLUGIN_AUTH;
        let parsed = ChangeUser::parse(b"bob\0\x02\xaa\xbbshop\0\x2d\x00plugin\0", flags).unwrap();
        assert_eq!(parsed, ChangeUser { user: b"bob", database: Some(b"shop"), collation: Some(45), attributes: b"" });
        let parsed = ChangeUser::parse(b"bob\0\x00\0", flags).unwrap();
        assert_eq!(parsed, ChangeUser { user: b"bob", database: None, collation: None, attributes: b"" });
    }
}
