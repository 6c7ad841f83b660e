//! Logging in: what each authentication plugin expects.
//!
//! Source: MySQL's `sql-common/client.cc` and `sql-common/client_authentication.cc`; MariaDB's `plugin/auth_ed25519`.

use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use mysql_common::auth::plugins::client_ed25519::ClientEd25519;
use mysql_common::auth::plugins::mysql_native_password::scramble_native;
use mysql_common::auth::plugins::parsec::Parsec;
use mysql_common::auth::plugins::{ChallengeResponsePlugin, Context};
use mysql_common::crypto;

use crate::mysql::wire::Reader;

const NONCE_LENGTH: usize = 20;
/// MariaDB's plugin since 11.6.
const PARSEC: &str = "parsec";

/// The exchange with one plugin after the other, until the server is satisfied.
pub(crate) struct Exchange<'a> {
    plugin: String,
    nonce: Vec<u8>,
    password: &'a str,
    is_tls: bool,
    key_asked_for: bool,
}

impl<'a> Exchange<'a> {
    /// With what the server's greeting offers.
    pub(crate) fn new(plugin: String, mut nonce: Vec<u8>, password: &'a str, is_tls: bool) -> Self {
        // A zero byte follows.
        nonce.truncate(NONCE_LENGTH);
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
                    .map_err(|_| "the server's nonce is not 20 bytes long")?;
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
                return Err("the server wants the password in clear text, which needs TLS (--tls-mode=required)".into());
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
                    "the account uses {other}, which is not supported here; use caching_sha2_password"
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
                    return Err("the server's public key is not a PEM key".into());
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
                parsec(self.password.as_bytes(), &self.nonce, challenge).map(Some)
            }
            _ => Err("the server asks for something that is not supported".into()),
        }
    }
}

/// The answer to MariaDB's `parsec`: our nonce and the signature of both nonces, with a key derived as `challenge` says.
fn parsec(password: &[u8], server_nonce: &[u8], challenge: &[u8]) -> Result<Vec<u8>, String> {
    let mut plugin = Parsec::default();
    let mut step = |packet| plugin.run(Password(password), packet).map_err(|error| format!("parsec: {error}"));
    // The first packet's answer, an empty one, has been sent already.
    step(server_nonce)?;
    Ok(step(challenge)?.data().unwrap_or_default().to_vec())
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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD_NO_PAD;
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    /// What a MariaDB 11.8 keeps of the password `hush-é`: `P0:salt:public key`.
    const SALT: &str = "OQCvd4Fu8aprQlKr8khg0cpX";
    const PUBLIC_KEY: &str = "wVdwtnl4GCzVIlmMCyd5uUAov+/B4w6VLjgP+AtoxAw";

    fn challenge(factor: u8) -> Vec<u8> {
        let mut challenge = vec![b'P', factor];
        challenge.extend(BASE64_STANDARD_NO_PAD.decode(SALT).unwrap());
        challenge
    }

    #[test]
    fn the_signature_is_of_the_key_that_the_server_has() {
        let server_nonce = [7; 32];
        let answer = parsec("hush-é".as_bytes(), &server_nonce, &challenge(0)).unwrap();
        let (nonce, signature) = answer.split_at(32);
        let key = UnparsedPublicKey::new(&ED25519, BASE64_STANDARD_NO_PAD.decode(PUBLIC_KEY).unwrap());
        key.verify(&[&server_nonce, nonce].concat(), signature).unwrap();
        assert!(key.verify(&[nonce, &server_nonce].concat(), signature).is_err());
    }

    #[test]
    fn no_two_nonces_are_the_same() {
        let answers: Vec<_> = (0..2).map(|_| parsec(b"x", &[7; 32], &challenge(0)).unwrap()).collect();
        assert!(answers[0].len() == 96 && answers[0] != answers[1]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for challenge in [&b""[..], b"P", &challenge(4), &challenge(255), &challenge(0)[..19], &[b'Q'; 20]] {
            assert!(parsec(b"x", &[7; 32], challenge).is_err());
        }
        assert!(parsec(b"x", &[7; 20], &challenge(0)).is_err());
        assert!(parsec(b"x", &[7; 32], &challenge(3)).is_ok());
    }
}
