//! Messages as bytes, to be written to a file and read back.
//!
//! ```text
//!   for each message   key (4 bytes) | session (4) | number (8) | kind (1) | whether there is a digest (1) | digest (16) | length (8)
//!   the messages       JSON, one after the other, each with a newline
//! ```
//!
//! A key is a connection id, which has four bytes in the protocol; the session is the connection's number within its process.
//!
//! Numbers are little endian; the length is without the newline. The number of messages is known to who reads it. A kind is its place in
//! the list of kinds, to which new ones are only ever added at the end: other versions of this program read it too.

use std::ops::Range;

use strum::VariantArray;

use super::batch::{Batch, Numbered};
use super::label::{Label, MessageKind};
use crate::mysql::sql::{Digest, StatementKind};

/// Bytes of what stands before the messages, for each of them.
const HEAD: usize = 8 + 8 + 1 + 1 + 16 + 8;

/// The kind that is no statement's.
const OBSERVATION_LOST: u8 = u8::MAX;

/// Appends what is known of each of these messages.
pub(super) fn write_heads(batch: &Batch, range: Range<usize>, into: &mut Vec<u8>) {
    into.reserve(range.len() * HEAD);
    for index in range {
        let (key, json) = batch.get(index).unwrap_or_default();
        let numbered = batch.numbered(index);
        let label = numbered.map(|numbered| numbered.label).unwrap_or_default();
        let kind = match label.kind {
            MessageKind::Statement(kind) => StatementKind::VARIANTS.iter().position(|other| *other == kind),
            MessageKind::ObservationLost => None,
        };
        let mut head = [0; HEAD];
        let fields: [&[u8]; 6] = [
            &with_session(key, numbered.map_or(0, |numbered| numbered.session)).to_le_bytes(),
            &numbered.map_or(0, |numbered| numbered.seq).to_le_bytes(),
            &[kind.and_then(|kind| u8::try_from(kind).ok()).unwrap_or(OBSERVATION_LOST)],
            &[u8::from(label.digest.is_some())],
            &label.digest.map_or([0; 16], |digest| *digest.as_bytes()),
            &(json.len() as u64).to_le_bytes(),
        ];
        let mut rest = &mut head[..];
        for field in fields {
            let Some((place, after)) = rest.split_at_mut_checked(field.len()) else { break };
            place.copy_from_slice(field);
            rest = after;
        }
        into.extend_from_slice(&head);
    }
}

/// Both in eight bytes. A process has not so many sessions that their numbers would not fit.
fn with_session(key: u64, session: u64) -> u64 {
    key & u64::from(u32::MAX) | session << 32
}

/// Appends the first `messages` messages of a block of `of` to the batch. None, and not all of them, where it is no such block.
pub(super) fn read(block: &[u8], of: usize, messages: usize, batch: &mut Batch) -> Option<()> {
    let (heads, mut bytes) = block.split_at_checked(of.checked_mul(HEAD)?)?;
    for head in heads.chunks_exact(HEAD).take(messages) {
        let (key, rest) = head.split_first_chunk()?;
        let (seq, rest) = rest.split_first_chunk()?;
        let ([kind, has_digest], rest) = rest.split_first_chunk()?;
        let (digest, length) = rest.split_first_chunk()?;
        let length = usize::try_from(u64::from_le_bytes(*length.first_chunk()?)).ok()?;
        let (line, rest) = bytes.split_at_checked(length.checked_add(1)?)?;
        bytes = rest;
        let kind = match *kind {
            OBSERVATION_LOST => MessageKind::ObservationLost,
            // One of a later version.
            kind => MessageKind::Statement(StatementKind::VARIANTS.get(usize::from(kind)).copied().unwrap_or_default()),
        };
        let label = Label { kind, digest: (*has_digest == 1).then(|| Digest::from_bytes(*digest)) };
        let key = u64::from_le_bytes(*key);
        let numbered = Numbered { session: key >> 32, seq: u64::from_le_bytes(*seq), label };
        batch.push_line(key & u64::from(u32::MAX), numbered, line)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::seq::Seq;

    #[test]
    fn kinds_keep_their_numbers() {
        let known = [
            "select",
            "insert",
            "update",
            "delete",
            "replace",
            "load",
            "call",
            "ddl",
            "account",
            "begin",
            "commit",
            "rollback",
            "savepoint",
            "xa",
            "set",
            "use",
            "show",
            "prepare",
            "lock",
            "admin",
            "block",
            "other",
        ];
        let kinds: Vec<&str> = StatementKind::VARIANTS.iter().map(|kind| kind.into()).collect();
        assert!(kinds.starts_with(&known), "files of earlier versions have these numbers: {kinds:?}");
        assert!(kinds.len() < usize::from(OBSERVATION_LOST));
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let (mut batch, mut seq) = (Batch::new(), Seq::of(3));
        let digest = Some(Digest::from_bytes([7; 16]));
        let labels = [
            Label::default(),
            Label { kind: MessageKind::ObservationLost, digest: None },
            Label { kind: MessageKind::Statement(StatementKind::Ddl), digest },
        ];
        for label in labels {
            let push = |out: &mut Vec<u8>| {
                out.extend_from_slice(b"{}");
                Ok::<(), ()>(())
            };
            batch.push_numbered(5, &mut seq, label, push).unwrap();
        }
        batch.push_with(6, |_| Ok::<(), ()>(())).unwrap();
        let mut block = Vec::new();
        write_heads(&batch, 0..batch.len(), &mut block);
        block.extend_from_slice(batch.lines(0..batch.len()));
        let mut again = Batch::new();
        read(&block, batch.len(), usize::MAX, &mut again).unwrap();
        let all = |batch: &Batch| {
            let one = |index| (batch.get(index).map(|(key, json)| (key, json.to_vec())), batch.numbered(index));
            (0..batch.len()).map(one).collect::<Vec<_>>()
        };
        assert_eq!(all(&again), all(&batch));
        for length in 0..block.len() {
            assert!(read(&block[..length], batch.len(), usize::MAX, &mut Batch::new()).is_none(), "{length}");
        }
    }
}
