//! Logging in: what each authentication plugin wants to hear.
//!
//! Source: MySQL's `sql-common/client.cc` and `sql-common/client_authentication.cc`; MariaDB's `plugin/auth_ed25519`.

use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use mysql_common::auth::plugins::client_ed25519::ClientEd25519;
use mysql_common::auth::plugins::mysql_native_password::scramble_native;
use mysql_common::auth::plugins::{ChallengeResponsePlugin, Context};
use mysql_common::crypto;

use crate::client::parsec;
use crate::mysql::wire::{CapabilityFlags, Malformed, Reader};

const NONCE_LENGTH: usize = 20;
const UTF8MB4_GENERAL_CI: u8 = 45;
/// MariaDB's plugin since 11.6.
const PARSEC: &str = "parsec";

/// The plugin and the nonce that a greeting offers.
pub(crate) fn offer(greeting: &[u8]) -> Result<(String, Vec<u8>), Malformed> {
    let mut reader = Reader::new(greeting, "server greeting");
    reader.u8()?;
    reader.nul_bytes()?;
    reader.u32()?;
    let mut nonce = reader.bytes(8)?.to_vec();
    reader.bytes(1 + 2 + 1 + 2 + 2)?;
    let length = usize::from(reader.u8()?);
    reader.bytes(10)?;
    // The second part ends in a zero byte, which its length counts.
    nonce.extend_from_slice(reader.bytes(length.saturating_sub(8).max(13))?);
    nonce.truncate(NONCE_LENGTH);
    let plugin = reader.nul_bytes_or_rest();
    Ok((String::from_utf8_lossy(plugin).into_owned(), nonce))
}

/// What a handshake response begins with, and all that asks for TLS.
pub(crate) fn response_head(capabilities: CapabilityFlags) -> Vec<u8> {
    let mut packet = capabilities.mysql_bits().to_le_bytes().to_vec();
    // The largest packet: an event may have 1 GiB.
    packet.extend_from_slice(&(1_u32 << 30).to_le_bytes());
    packet.push(UTF8MB4_GENERAL_CI);
    packet.extend_from_slice(&[0; 23]);
    packet
}

/// The whole handshake response.
pub(crate) fn response(capabilities: CapabilityFlags, user: &str, answer: &[u8], plugin: &str) -> Vec<u8> {
    let mut packet = response_head(capabilities);
    packet.extend_from_slice(user.as_bytes());
    packet.push(0);
    // Answers are shorter than 251 bytes, so a length-encoded length is a byte.
    packet.push(u8::try_from(answer.len()).unwrap_or(0));
    packet.extend_from_slice(answer);
    packet.extend_from_slice(plugin.as_bytes());
    packet.push(0);
    packet
}

/// The exchange with one plugin after the other, until the server is content.
pub(crate) struct Exchange<'a> {
    plugin: String,
    nonce: Vec<u8>,
    password: &'a str,
    is_tls: bool,
    key_asked_for: bool,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(plugin: String, nonce: Vec<u8>, password: &'a str, is_tls: bool) -> Self {
        Self { plugin, nonce, password, is_tls, key_asked_for: false }
    }

    pub(crate) fn plugin(&self) -> &str {
        &self.plugin
    }

    /// What the plugin is told first.
    pub(crate) fn first(&mut self) -> Result<Vec<u8>, String> {
        let password = self.password.as_bytes();
        Ok(match self.plugin.as_str() {
            "mysql_native_password" => scramble_native(&self.nonce, password).map(|a| a.to_vec()).unwrap_or_default(),
            "caching_sha2_password" => {
                let nonce = <&[u8; NONCE_LENGTH]>::try_from(self.nonce.as_slice())
                    .map_err(|_| "the server's nonce has not 20 bytes")?;
                scramble_sha256(nonce, password).map(|answer| answer.to_vec()).unwrap_or_default()
            }
            "sha256_password" if password.is_empty() => vec![0],
            "sha256_password" if self.is_tls => self.clear(),
            "sha256_password" => {
                self.key_asked_for = true;
                vec![1]
            }
            "mysql_clear_password" | "dialog" if self.is_tls => self.clear(),
            "mysql_clear_password" | "dialog" => {
                return Err("the server wants the password in clear, which needs TLS (--tls-mode=required)".into());
            }
            "client_ed25519" => {
                let answer =
                    ClientEd25519::default().run(Password(password), &self.nonce).map_err(|error| error.to_string())?;
                answer.data().unwrap_or_default().to_vec()
            }
            // An empty packet asks how the key is derived.
            PARSEC | "" => Vec::new(),
            other => {
                return Err(format!(
                    "the account uses {other}, which is not known here; caching_sha2_password will do"
                ));
            }
        })
    }

    fn clear(&self) -> Vec<u8> {
        [self.password.as_bytes(), &[0]].concat()
    }

    /// The answer to a packet that is neither OK nor an error, if one is due.
    pub(crate) fn next(&mut self, packet: &[u8]) -> Result<Option<Vec<u8>>, String> {
        match packet.split_first() {
            Some((0xfe, rest)) => {
                let mut reader = Reader::new(rest, "authentication switch");
                self.plugin = String::from_utf8_lossy(reader.nul_bytes_or_rest()).into_owned();
                self.nonce = reader.rest().to_vec();
                if self.nonce.len() == NONCE_LENGTH + 1 {
                    self.nonce.truncate(NONCE_LENGTH);
                }
                self.first().map(Some)
            }
            Some((1, [3])) if !self.key_asked_for => Ok(None),
            Some((1, [4])) if !self.key_asked_for => {
                if self.is_tls {
                    return Ok(Some(self.clear()));
                }
                self.key_asked_for = true;
                Ok(Some(vec![2]))
            }
            Some((1, key)) if self.key_asked_for => {
                self.key_asked_for = false;
                if !key.starts_with(b"-----BEGIN PUBLIC KEY") {
                    return Err("the server's public key is no PEM key".into());
                }
                let mut password = self.clear();
                for (byte, nonce) in password.iter_mut().zip(self.nonce.iter().cycle()) {
                    *byte ^= nonce;
                }
                crypto::encrypt(&password, key).map(Some).map_err(|error| error.to_string())
            }
            Some((first, rest)) if self.plugin == PARSEC => {
                // The byte of a plugin's data may stand in front.
                let challenge = if *first == 1 { rest } else { packet };
                parsec::answer(self.password.as_bytes(), &self.nonce, challenge).map(Some)
            }
            _ => Err("the server asks for something that is not understood".into()),
        }
    }
}

/// What a plugin that signs with the password needs to know.
struct Password<'a>(&'a [u8]);

impl Context for Password<'_> {
    fn pass(&self) -> &[u8] {
        self.0
    }

    fn is_ipc_transport(&self) -> bool {
        false
    }

    fn is_tls_transport(&self) -> bool {
        false
    }

    fn scramble(&self) -> &[u8] {
        &[]
    }

    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}
