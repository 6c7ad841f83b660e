//! SHA-256, and the chain that the messages of a session form on their way to one sink.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use lru::LruCache;
use ring::digest::{Context, SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many sessions' heads are remembered. A session beyond that begins a new chain, which markers know of.
const HEADS: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// A SHA-256 hash; in text 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Hash(pub [u8; 32]);

/// One run of a process; in text 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance(pub [u8; 16]);

/// Which message it is: unique among all instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageId {
    /// The process that has seen the statement.
    pub instance: Instance,
    /// The number of the session within the instance, from 1.
    pub session: u64,
    /// The number of the message within the session, from 1.
    pub seq: u64,
}

/// A message's place in its session's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// The hash of the session's message before it; zero for the first.
    pub previous: Hash,
    /// Its own.
    pub hash: Hash,
}

impl Hash {
    /// Of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_digest(&digest(&SHA256, bytes))
    }

    fn from_digest(digest: &ring::digest::Digest) -> Self {
        let mut hash = [0; 32];
        hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(hash)
    }
}

impl Instance {
    /// That of the process with this name and start, as the record header `proxy` has them: what it leaves in a spool is still its own when
    /// another process sends it.
    pub fn of(proxy: &str) -> Self {
        let Hash(hash) = Hash::of(&[b"mysql-interceptor instance\n", proxy.as_bytes()].concat());
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self(bytes)
    }
}

impl Link {
    /// The link of a message, whose bytes are those that were sent, after the one with the hash `previous`.
    ///
    /// SHA-256 of the previous hash (32 bytes), the instance (16), the session and the number (8 each, big-endian), and the message.
    pub fn of(previous: Hash, id: &MessageId, message: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        let mut head = [0; 64];
        let parts = [&previous.0[..], &id.instance.0, &id.session.to_be_bytes(), &id.seq.to_be_bytes()];
        head.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        context.update(&head);
        context.update(message);
        Self { previous, hash: Hash::from_digest(&context.finish()) }
    }
}

/// The hash of the last message of each session.
#[derive(Debug)]
pub struct Heads(LruCache<(Instance, u64), Hash>);

impl Default for Heads {
    fn default() -> Self {
        Self(LruCache::new(HEADS))
    }
}

impl Heads {
    /// That of the message before this one.
    pub fn before(&mut self, id: &MessageId) -> Option<Hash> {
        self.0.get(&(id.instance, id.session)).copied()
    }

    /// This is the session's last message.
    pub fn set(&mut self, id: &MessageId, hash: Hash) {
        self.0.put((id.instance, id.session), hash);
    }

    /// None has any.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The hash of a file's messages: SHA-256 of their hashes, in the order of the file.
#[derive(Clone)]
pub struct FileHash(Context);

impl Default for FileHash {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl fmt::Debug for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileHash({})", self.hash())
    }
}

impl FileHash {
    /// Adds a message's hash.
    pub fn add(&mut self, hash: &Hash) {
        self.0.update(&hash.0);
    }

    /// Adds bytes.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// That of all messages so far.
    pub fn hash(&self) -> Hash {
        Hash::from_digest(&self.0.clone().finish())
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends bytes as hexadecimal digits: formatting each would take longer than hashing a message.
pub(crate) fn push_hexadecimal(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        let digit = |index: u8| DIGITS.get(usize::from(index)).copied().unwrap_or_default();
        out.extend([digit(byte >> 4), digit(byte & 15)]);
    }
}

fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    let value = |digit: u8| char::from(digit).to_digit(16).filter(|_| !digit.is_ascii_uppercase());
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = u8::try_from(value(*high)? << 4 | value(*low)?).ok()?;
    }
    Some(bytes)
}

macro_rules! hexadecimal {
    ($($type:ident: $expected:literal),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = Vec::with_capacity(64);
                push_hexadecimal(&self.0, &mut text);
                f.write_str(&String::from_utf8_lossy(&text))
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                parse(text).map(Self).ok_or_else(|| $expected.to_owned())
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

hexadecimal!(Hash: "expected 64 hexadecimal digits", Instance: "expected 32 hexadecimal digits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_depends_on_everything_in_it() {
        let id = MessageId { instance: Instance([7; 16]), session: 1, seq: 2 };
        let link = Link::of(Hash::default(), &id, b"{}");
        let others = [
            Link::of(Hash([1; 32]), &id, b"{}"),
            Link::of(Hash::default(), &MessageId { instance: Instance([8; 16]), ..id }, b"{}"),
            Link::of(Hash::default(), &MessageId { session: 2, ..id }, b"{}"),
            Link::of(Hash::default(), &MessageId { seq: 3, ..id }, b"{}"),
            Link::of(Hash::default(), &id, b"{} "),
        ];
        assert!(others.iter().all(|other| other.hash != link.hash));
        // As docs/audit.md has it, and anybody can compute it.
        let mut bytes = vec![0; 32];
        bytes.extend([7; 16]);
        bytes.extend(1_u64.to_be_bytes());
        bytes.extend(2_u64.to_be_bytes());
        bytes.extend(b"{}");
        assert_eq!(link.hash, Hash::of(&bytes));
    }

    #[test]
    fn hashes_are_written_in_hexadecimal() {
        let hash = Hash::of(b"");
        assert_eq!(hash.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for text in ["", "e3", "E3B0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"] {
            assert!(text.parse::<Hash>().is_err(), "{text}");
        }
        assert!("g".repeat(64).parse::<Hash>().is_err() && "ä".repeat(32).parse::<Hash>().is_err());
    }

    /// `cargo test --release --lib what_a_link_costs -- --ignored --nocapture`; without --release it is the same but for a few percent.
    #[test]
    #[ignore = "a measurement"]
    fn what_a_link_costs() {
        let mut heads = Heads::default();
        let message = vec![b'x'; 600];
        let start = std::time::Instant::now();
        for seq in 1..=1_000_000 {
            let id = MessageId { instance: Instance([1; 16]), session: seq % 100, seq };
            let link = Link::of(heads.before(&id).unwrap_or_default(), &id, &message);
            heads.set(&id, link.hash);
        }
        println!("{:.3} us for a message of {} bytes", start.elapsed().as_secs_f64(), message.len());
    }
}
