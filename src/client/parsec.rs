//! MariaDB's authentication plugin `parsec`: the server's nonce and one of ours are signed with a key that is derived from the
//! password.
//!
//! Source: MariaDB's documentation of the plugin, and its `plugin/auth_parsec/server_parsec.cc`.

use std::num::NonZeroU32;

use ring::rand::{SecureRandom, SystemRandom};
use ring::{pbkdf2, signature::Ed25519KeyPair};

const NONCE_LENGTH: usize = 32;
/// What an Ed25519 key is made from.
const SEED_LENGTH: usize = 32;
/// `P` for PBKDF2.
const PBKDF2: u8 = b'P';
/// 1024 rounds with a factor of 0, twice as many with each one more; as many as the clients of MariaDB's own accept.
const LEAST_ROUNDS: u32 = 1024;
const LARGEST_FACTOR: u8 = 3;
/// In bytes.
const SALT_LENGTH: usize = 18;

/// The answer to `challenge`, which says how the key is derived: our nonce and the signature of both.
pub(crate) fn answer(password: &[u8], server_nonce: &[u8], challenge: &[u8]) -> Result<Vec<u8>, String> {
    let mut nonce = [0; NONCE_LENGTH];
    SystemRandom::new().fill(&mut nonce).map_err(|_| "there are no random numbers to be had")?;
    answer_with(password, server_nonce, challenge, &nonce)
}

fn answer_with(
    password: &[u8],
    server_nonce: &[u8],
    challenge: &[u8],
    nonce: &[u8; NONCE_LENGTH],
) -> Result<Vec<u8>, String> {
    if server_nonce.len() != NONCE_LENGTH {
        return Err("the server's nonce for parsec has not 32 bytes".into());
    }
    let (factor, salt) = match challenge {
        [PBKDF2, factor, salt @ ..] if *factor <= LARGEST_FACTOR && salt.len() == SALT_LENGTH => (*factor, salt),
        _ => return Err("the server derives the key for parsec in a way that is not known here".into()),
    };
    let rounds = NonZeroU32::new(LEAST_ROUNDS << factor).unwrap_or(NonZeroU32::MIN);
    let mut seed = [0; SEED_LENGTH];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, rounds, salt, password, &mut seed);
    let key = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| error.to_string())?;
    let signature = key.sign(&[server_nonce, nonce].concat());
    Ok([nonce, signature.as_ref()].concat())
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
        let answer = answer("hush-é".as_bytes(), &server_nonce, &challenge(0)).unwrap();
        let (nonce, signature) = answer.split_at(32);
        let key = UnparsedPublicKey::new(&ED25519, BASE64_STANDARD_NO_PAD.decode(PUBLIC_KEY).unwrap());
        key.verify(&[&server_nonce, nonce].concat(), signature).unwrap();
        assert!(key.verify(&[nonce, &server_nonce].concat(), signature).is_err());
    }

    #[test]
    fn no_two_nonces_are_the_same() {
        let answers: Vec<_> = (0..2).map(|_| answer(b"x", &[7; 32], &challenge(0)).unwrap()).collect();
        assert!(answers[0].len() == 96 && answers[0] != answers[1]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for challenge in [&b""[..], b"P", &challenge(4), &challenge(255), &challenge(0)[..19], &[b'Q'; 20]] {
            assert!(answer(b"x", &[7; 32], challenge).is_err());
        }
        assert!(answer(b"x", &[7; 20], &challenge(0)).is_err());
        assert!(answer(b"x", &[7; 32], &challenge(3)).is_ok());
    }
}
