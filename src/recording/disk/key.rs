//! The keys of encrypted recordings.

use std::fmt;
use std::path::Path;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use super::error::{Failure, RecordingError};
use crate::files;

/// Bytes of a key.
pub(super) const KEY: usize = 32;
/// Bytes of what tells which key it was.
pub(super) const KEY_ID: usize = 8;
const NONCE: usize = 12;
const TAG: usize = 16;
/// Bytes of a file's key, wrapped: a nonce, the key encrypted, a tag.
pub(super) const WRAPPED: usize = NONCE + KEY + TAG;
/// A key file holds 64 hexadecimal digits; a few spaces and line ends do no harm.
const MAX_KEY_FILE: u64 = 1024;

/// The key with which the keys of a recording's files are encrypted.
#[derive(Clone)]
pub struct Key {
    bytes: [u8; KEY],
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// Reads a key file: 64 hexadecimal digits, as `openssl rand -hex 32` writes them, that only its owner may read.
    pub fn read(path: &Path) -> Result<Self, RecordingError> {
        let content = files::read_secret(path, MAX_KEY_FILE).map_err(|reason| Failure::Key(reason).at(path))?;
        Self::parse(&content).ok_or_else(|| {
            let reason = "a key file holds 64 hexadecimal digits; make one by: openssl rand -hex 32";
            Failure::Key(reason.to_owned()).at(path)
        })
    }

    fn parse(content: &[u8]) -> Option<Self> {
        let content = content.trim_ascii();
        if content.len() != KEY * 2 {
            return None;
        }
        let mut bytes = [0; KEY];
        for (byte, digits) in bytes.iter_mut().zip(content.chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            // `from_str_radix` takes a sign.
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self { bytes })
    }

    #[cfg(test)]
    pub(super) fn of(byte: u8) -> Self {
        Self { bytes: [byte; KEY] }
    }

    /// Tells it from other keys, and tells nothing of it.
    pub(super) fn id(&self) -> [u8; KEY_ID] {
        let mut named = b"mysql-interceptor recording key".to_vec();
        named.extend_from_slice(&self.bytes);
        let mut id = [0; KEY_ID];
        id.iter_mut().zip(digest(&SHA256, &named).as_ref()).for_each(|(byte, digest)| *byte = *digest);
        id
    }

    /// Encrypts a file's key.
    pub(super) fn wrap(&self, file_key: &[u8; KEY], header: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut nonce = [0; NONCE];
        fill(&mut nonce)?;
        let mut wrapped = file_key.to_vec();
        let key = aead(&self.bytes)?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(header), &mut wrapped)
            .map_err(|_| Failure::invalid("a key could not be encrypted"))?;
        Ok([&nonce[..], &wrapped].concat())
    }

    /// Decrypts a file's key.
    pub(super) fn unwrap_key(&self, wrapped: &[u8; WRAPPED], header: &[u8]) -> Result<[u8; KEY], Failure> {
        let damaged = || Failure::damaged("the file's key");
        let (nonce, rest) = wrapped.split_first_chunk::<NONCE>().ok_or_else(damaged)?;
        let mut rest = rest.to_vec();
        let key = aead(&self.bytes)?;
        let plain = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(header), &mut rest)
            .map_err(|_| damaged())?;
        plain.first_chunk::<KEY>().copied().ok_or_else(damaged)
    }
}

pub(super) fn aead(key: &[u8; KEY]) -> Result<LessSafeKey, Failure> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| Failure::invalid("a key of an impossible length"))?;
    Ok(LessSafeKey::new(key))
}

/// Fills with random bytes.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    SystemRandom::new().fill(bytes).map_err(|_| Failure::invalid("the system gives no random numbers"))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_file_holds_64_hexadecimal_digits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let read = |content: &str| {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            Key::read(&path)
        };
        let digits = "00ff".repeat(16);
        assert_eq!(read(&format!("{digits}\n")).unwrap().bytes[..2], [0, 0xff]);
        assert_eq!(format!("{:?}", read(&digits).unwrap()), "Key(..)");
        for wrong in ["", &digits[1..], &digits.replacen('0', "g", 1), &digits.replacen("00", "+0", 1)] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("64 hexadecimal digits") && error.contains("/key"), "{error}");
        }
    }

    #[test]
    fn a_file_key_is_read_with_the_key_that_wrapped_it() {
        let (key, other) = (Key::of(1), Key::of(2));
        assert_ne!(key.id(), other.id());
        let wrapped = key.wrap(&[7; KEY], b"header").unwrap();
        let wrapped = *wrapped.first_chunk::<WRAPPED>().unwrap();
        assert_eq!(key.unwrap_key(&wrapped, b"header").unwrap(), [7; KEY]);
        assert!(key.unwrap_key(&wrapped, b"headex").is_err());
        assert!(other.unwrap_key(&wrapped, b"header").is_err());
    }
}
