//! A client's first packets as they are written.

use crate::mysql::wire::{CapabilityFlags, write_lenenc_bytes};

/// `utf8mb4_general_ci`, which every server knows.
const COLLATION: u8 = 45;
/// The largest packet that either side may send, in bytes.
const MAX_PACKET: u32 = 1 << 30;
/// COM_CHANGE_USER
const CHANGE_USER: u8 = 0x11;

/// What a client's authentication plugin says first.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    /// Its answer to the server's nonce, shorter than 251 bytes.
    pub bytes: &'a [u8],
}

/// What a client says of itself and of the session that it wants.
#[derive(Debug, Clone, Copy)]
pub struct LoginFacts<'a> {
    /// What client and server can do. They must have [`CapabilityFlags::PLUGIN_AUTH_LENENC_CLIENT_DATA`], and where there is a database or
    /// are attributes, the flags of these.
    pub capabilities: CapabilityFlags,
    /// The collation's id. Ids above 255 do not fit into a login, and are written as utf8mb4_general_ci's.
    pub collation: Option<u16>,
    /// The user.
    pub user: &'a str,
    /// The database to begin in.
    pub database: Option<&'a str>,
    /// Connection attributes.
    pub attributes: &'a [(String, String)],
}

impl<'a> LoginFacts<'a> {
    /// Of a user who wants nothing particular.
    pub fn new(capabilities: CapabilityFlags, user: &'a str) -> Self {
        Self { capabilities, collation: None, user, database: None, attributes: &[] }
    }

    fn write_attributes(&self, out: &mut Vec<u8>) {
        if !self.capabilities.contains(CapabilityFlags::CONNECT_ATTRS) {
            return;
        }
        let mut attributes = Vec::new();
        for (name, value) in self.attributes {
            write_lenenc_bytes(&mut attributes, name.as_bytes());
            write_lenenc_bytes(&mut attributes, value.as_bytes());
        }
        write_lenenc_bytes(out, &attributes);
    }
}

/// Appends the payload of an SSLRequest, which is what a handshake response begins with.
pub fn write_ssl_request(out: &mut Vec<u8>, login: &LoginFacts<'_>) {
    out.extend_from_slice(&login.capabilities.mysql_bits().to_le_bytes());
    out.extend_from_slice(&MAX_PACKET.to_le_bytes());
    out.push(login.collation.and_then(|id| u8::try_from(id).ok()).unwrap_or(COLLATION));
    out.extend_from_slice(&[0; 19]);
    out.extend_from_slice(&login.capabilities.mariadb_bits().to_le_bytes());
}

/// Appends the payload of a handshake response.
pub fn write_handshake_response(out: &mut Vec<u8>, login: &LoginFacts<'_>, answer: Answer<'_>) {
    write_ssl_request(out, login);
    write_nul_bytes(out, login.user.as_bytes());
    write_short_bytes(out, answer.bytes);
    if login.capabilities.contains(CapabilityFlags::CONNECT_WITH_DB) {
        write_nul_bytes(out, login.database.unwrap_or_default().as_bytes());
    }
    write_nul_bytes(out, answer.plugin.as_bytes());
    login.write_attributes(out);
}

/// Appends the payload of a COM_CHANGE_USER.
pub fn write_change_user(out: &mut Vec<u8>, login: &LoginFacts<'_>, answer: Answer<'_>) {
    out.push(CHANGE_USER);
    write_nul_bytes(out, login.user.as_bytes());
    write_short_bytes(out, answer.bytes);
    write_nul_bytes(out, login.database.unwrap_or_default().as_bytes());
    out.extend_from_slice(&login.collation.unwrap_or_else(|| u16::from(COLLATION)).to_le_bytes());
    write_nul_bytes(out, answer.plugin.as_bytes());
    login.write_attributes(out);
}

/// A text cannot hold what ends it.
fn write_nul_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(bytes.iter().filter(|&&byte| byte != 0));
    out.push(0);
}

/// Below 251 a length-encoded length is a byte.
fn write_short_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    debug_assert!(bytes.len() < 251, "an authentication plugin's first answer is short");
    out.push(u8::try_from(bytes.len()).unwrap_or(0));
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::wire::{ChangeUser, ConnectionAttributes, HandshakeResponse};

    const PLAIN: CapabilityFlags = CapabilityFlags::LONG_PASSWORD
        .union(CapabilityFlags::PROTOCOL_41)
        .union(CapabilityFlags::SECURE_CONNECTION)
        .union(CapabilityFlags::PLUGIN_AUTH)
        .union(CapabilityFlags::PLUGIN_AUTH_LENENC_CLIENT_DATA);

    #[test]
    fn the_servers_side_reads_it() {
        let facts = LoginFacts::new(PLAIN | CapabilityFlags::SSL, "app");
        let mut request = Vec::new();
        write_ssl_request(&mut request, &facts);
        assert_eq!(request.len(), HandshakeResponse::FIXED_PART);
        let parsed = HandshakeResponse::parse(&request, facts.capabilities, None).unwrap();
        assert_eq!((parsed.collation, parsed.login), (COLLATION, None));
        let mut response = Vec::new();
        let answer = Answer { plugin: "caching_sha2_password", bytes: &[7; 32] };
        write_handshake_response(&mut response, &facts, answer);
        let parsed = HandshakeResponse::parse(&response, facts.capabilities, None).unwrap();
        assert_eq!(parsed.login.unwrap().user, b"app");
        assert!(response.ends_with(b"\x07caching_sha2_password\0"));
    }

    #[test]
    fn database_attributes_collation_and_mariadbs_flags() {
        let asked = (PLAIN - CapabilityFlags::LONG_PASSWORD)
            | CapabilityFlags::CONNECT_WITH_DB
            | CapabilityFlags::CONNECT_ATTRS
            | CapabilityFlags::MARIADB_STMT_BULK_OPERATIONS;
        let attributes = [("_client_name".to_owned(), "x".repeat(300))];
        let database = Some("shop");
        let facts =
            LoginFacts { capabilities: asked, collation: Some(33), user: "app", database, attributes: &attributes };
        let answer = Answer { plugin: "mysql_native_password", bytes: &[7; 20] };
        let mut response = Vec::new();
        write_handshake_response(&mut response, &facts, answer);
        let parsed = HandshakeResponse::parse(&response, asked, None).unwrap();
        assert_eq!((parsed.capabilities, parsed.collation), (asked, 33));
        let login = parsed.login.unwrap();
        assert_eq!(login.database, Some(&b"shop"[..]));
        let read = |bytes| ConnectionAttributes::new(bytes).next().map(|(name, value)| (name.to_vec(), value.len()));
        assert_eq!(read(login.attributes), Some((b"_client_name".to_vec(), 300)));

        let mut change = Vec::new();
        write_change_user(&mut change, &LoginFacts { collation: Some(255), ..facts }, answer);
        assert_eq!(change.remove(0), CHANGE_USER);
        let parsed = ChangeUser::parse(&change, asked).unwrap();
        assert_eq!((parsed.user, parsed.database, parsed.collation), (&b"app"[..], Some(&b"shop"[..]), Some(255)));
        assert_eq!(read(parsed.attributes), Some((b"_client_name".to_vec(), 300)));
    }
}
