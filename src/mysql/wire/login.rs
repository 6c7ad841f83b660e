//! A client's first packets as they are written.

use crate::mysql::wire::CapabilityFlags;

/// `utf8mb4_general_ci`, which every server knows.
const COLLATION: u8 = 45;
/// The largest packet that either side may send, in bytes.
const MAX_PACKET: u32 = 1 << 30;

/// What a client's authentication plugin says first.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    /// Its answer to the server's nonce, shorter than 251 bytes.
    pub bytes: &'a [u8],
}

/// Appends the payload of an SSLRequest, which is what a handshake response begins with.
pub fn write_ssl_request(out: &mut Vec<u8>, capabilities: CapabilityFlags) {
    out.extend_from_slice(&capabilities.mysql_bits().to_le_bytes());
    out.extend_from_slice(&MAX_PACKET.to_le_bytes());
    out.push(COLLATION);
    out.extend_from_slice(&[0; 23]);
}

/// Appends the payload of a handshake response without a database. `capabilities` must say that the answer has a length and that the
/// plugin's name follows.
pub fn write_handshake_response(out: &mut Vec<u8>, capabilities: CapabilityFlags, user: &str, answer: Answer<'_>) {
    write_ssl_request(out, capabilities);
    out.extend_from_slice(user.as_bytes());
    out.push(0);
    // Below 251 a length-encoded length is a byte.
    out.push(u8::try_from(answer.bytes.len()).unwrap_or(0));
    out.extend_from_slice(answer.bytes);
    out.extend_from_slice(answer.plugin.as_bytes());
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::wire::HandshakeResponse;

    #[test]
    fn the_servers_side_reads_it() {
        let capabilities = CapabilityFlags::LONG_PASSWORD
            | CapabilityFlags::PROTOCOL_41
            | CapabilityFlags::SSL
            | CapabilityFlags::PLUGIN_AUTH
            | CapabilityFlags::PLUGIN_AUTH_LENENC_CLIENT_DATA;
        let mut request = Vec::new();
        write_ssl_request(&mut request, capabilities);
        assert_eq!(request.len(), HandshakeResponse::FIXED_PART);
        let parsed = HandshakeResponse::parse(&request, capabilities, None).unwrap();
        assert_eq!((parsed.collation, parsed.login), (COLLATION, None));
        let mut response = Vec::new();
        let answer = Answer { plugin: "caching_sha2_password", bytes: &[7; 32] };
        write_handshake_response(&mut response, capabilities, "app", answer);
        let parsed = HandshakeResponse::parse(&response, capabilities, None).unwrap();
        assert_eq!(parsed.login.unwrap().user, b"app");
        assert!(response.ends_with(b"\x07caching_sha2_password\0"));
    }
}
