//! Ed25519: who signs, and who verifies.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use super::hash::{Hash, push_hexadecimal};

/// What is signed is this and the hash: a signature says nothing in another place.
const CONTEXT: &[u8] = b"mysql-interceptor audit record 1\n";
/// What stands before an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const PUBLIC_KEY_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a file has no key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no private key of this kind.
    #[error("no Ed25519 private key in PKCS#8 (PEM): `openssl genpkey -algorithm ed25519 -out FILE` makes one")]
    NotPrivate,
    /// It is no public key of this kind.
    #[error("no Ed25519 public key (PEM): `openssl pkey -in FILE -pubout` writes that of a private key")]
    NotPublic,
}

/// Signs records.
pub struct Signer(Ed25519KeyPair);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public_key())
    }
}

impl Signer {
    /// From a private key in PKCS#8, as PEM.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| KeyError::NotPrivate)?;
        // OpenSSL leaves out the public key, which `from_pkcs8` would compare.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der());
        pair.map(Self).map_err(|_| KeyError::NotPrivate)
    }

    /// Its public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public_key().as_ref().to_vec())
    }

    pub(super) fn sign(&self, hash: &Hash, out: &mut Vec<u8>) {
        push_hexadecimal(self.0.sign(&signed(hash)).as_ref(), out);
    }
}

/// Verifies signatures; in text 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        push_hexadecimal(&self.0, &mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

impl PublicKey {
    /// From a SubjectPublicKeyInfo, as PEM.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| KeyError::NotPublic)?;
        let key = info.strip_prefix(&PUBLIC_KEY_HEAD).filter(|key| key.len() == 32).ok_or(KeyError::NotPublic)?;
        Ok(Self(key.to_vec()))
    }

    /// Whether the signature (hexadecimal) is that of this hash.
    pub(super) fn verifies(&self, hash: &Hash, signature: &str) -> bool {
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        let pairs = signature.as_bytes().chunks(2).map(|pair| match pair {
            [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        });
        let bytes = pairs.collect::<Option<Vec<u8>>>().unwrap_or_default();
        UnparsedPublicKey::new(&ED25519, &self.0).verify(&signed(hash), &bytes).is_ok()
    }
}

fn signed(hash: &Hash) -> Vec<u8> {
    [CONTEXT, &hash.0].concat()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Made with `openssl genpkey -algorithm ed25519`.
    pub(crate) const PRIVATE: &[u8] = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    /// Its public key, as RFC 8032 has it in test 1.
    const RFC_PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    #[test]
    fn a_key_is_read_as_openssl_writes_it() {
        let signer = Signer::from_pem(PRIVATE).unwrap();
        assert_eq!(signer.public_key().to_string(), RFC_PUBLIC);
        let public = b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
        let public = PublicKey::from_pem(public).unwrap();
        assert_eq!(public, signer.public_key());
        let (hash, mut signature) = (Hash::of(b"x"), Vec::new());
        signer.sign(&hash, &mut signature);
        let signature = String::from_utf8(signature).unwrap();
        assert!(public.verifies(&hash, &signature));
        assert!(!public.verifies(&Hash::of(b"y"), &signature));
        for wrong in ["", "zz", "abc", &signature[2..]] {
            assert!(!public.verifies(&hash, wrong), "{wrong}");
        }
        assert_eq!(Signer::from_pem(b"x").unwrap_err(), KeyError::NotPrivate);
        assert_eq!(PublicKey::from_pem(PRIVATE).unwrap_err(), KeyError::NotPublic);
    }
}
