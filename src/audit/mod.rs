//! What proves that messages are complete: identities, hash chains, and the records of a marker stream.
//!
//! ```text
//!   hash      SHA-256, and the chain that a session's messages form
//!   key       Ed25519: who signs, who verifies
//!   event     what a marker stream tells: sessions, markers, manifests
//!   record    an event as a line: numbered, chained to the one before, signed
//!   verify    what was read, held against what the records say
//! ```
//!
//! All of it is pure: bytes and times come as arguments. docs/audit.md has the formats, and what they prove.

mod event;
mod hash;
mod key;
mod record;
pub(crate) mod verify;

pub use event::{
    Begins, Certificate, Claim, Closed, Denied, Event, Lost, Manifest, Marker, Opened, SessionClaims, SightLost,
    SpoolFullness, Started, StreamClosed, StreamOpened, StreamPosition, TlsFacts, TopicOpened, Totals, UserChanged,
};
pub(crate) use hash::push_hexadecimal;
pub use hash::{FileHash, Hash, Heads, Instance, Link, MessageId};
#[cfg(test)]
pub(crate) use key::tests as key_tests;
pub use key::{KeyError, PublicKey, Signer};
pub use record::{Damage, Record, Scribe};
