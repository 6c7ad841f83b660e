//! A block of messages, as a record of a segment. Nobody but the process that wrote it reads it.
//!
//! ```text
//!   for each message   key (8 bytes) | kind (1) | whether there is a digest (1) | digest (16) | length (8)
//!   the messages       JSON, one after the other
//! ```
//!
//! Numbers are little endian. The number of messages is known to who reads it.

use std::ops::Range;

use strum::VariantArray;

use crate::deliver::batch::Batch;
use crate::deliver::label::{Label, MessageKind};
use crate::deliver::seq::Seq;
use crate::mysql::sql::{Digest, StatementKind};

const HEAD: usize = 8 + 1 + 1 + 16 + 8;

/// The kind that is no statement's.
const OBSERVATION_LOST: u8 = u8::MAX;

/// Writes what is known of each of these messages; `into` holds nothing else afterwards.
pub(super) fn write_heads(batch: &Batch, range: Range<usize>, into: &mut Vec<u8>) {
    into.clear();
    for index in range {
        let (key, json) = batch.get(index).unwrap_or_default();
        let label = batch.numbered(index).map(|numbered| numbered.label).unwrap_or_default();
        let kind = match label.kind {
            MessageKind::Statement(kind) => StatementKind::VARIANTS.iter().position(|other| *other == kind),
            MessageKind::ObservationLost => None,
        };
        into.extend_from_slice(&key.to_le_bytes());
        into.push(kind.and_then(|kind| u8::try_from(kind).ok()).unwrap_or(OBSERVATION_LOST));
        into.push(u8::from(label.digest.is_some()));
        into.extend_from_slice(&label.digest.map_or([0; 16], |digest| *digest.as_bytes()));
        into.extend_from_slice(&(json.len() as u64).to_le_bytes());
    }
}

/// Appends the first `messages` messages of a block to the batch. None, and not all of them, where it is no such block.
pub(super) fn read(block: &[u8], of: usize, messages: usize, batch: &mut Batch) -> Option<()> {
    let (heads, mut bytes) = block.split_at_checked(of.checked_mul(HEAD)?)?;
    for head in heads.chunks_exact(HEAD).take(messages) {
        let (key, rest) = head.split_first_chunk()?;
        let ([kind, has_digest], rest) = rest.split_first_chunk()?;
        let (digest, length) = rest.split_first_chunk()?;
        let length = usize::try_from(u64::from_le_bytes(*length.first_chunk()?)).ok()?;
        let (json, rest) = bytes.split_at_checked(length.checked_add(1)?)?;
        bytes = rest;
        let kind = StatementKind::VARIANTS.get(usize::from(*kind)).copied();
        let label = Label {
            kind: kind.map_or(MessageKind::ObservationLost, MessageKind::Statement),
            digest: (*has_digest == 1).then(|| Digest::from_bytes(*digest)),
        };
        let key = u64::from_le_bytes(*key);
        batch
            .push_numbered(key, &mut Seq::default(), label, |out| {
                out.extend_from_slice(json.strip_suffix(b"\n").unwrap_or(json));
                Ok::<(), ()>(())
            })
            .ok()?;
    }
    Some(())
}
