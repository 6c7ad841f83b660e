//! Manifests: records among those of a segment that say, signed, what the segment has before them.
//!
//! A manifest is a record of no messages (`record`), so that whoever reads messages passes over it, with a record of the marker stream
//! instead of them: `file_finished`, with the positions of the segment's messages so far and SHA-256 of their records.

use std::time::{Duration, Instant};

use super::record::write_head;
use crate::audit::{Event, FileHash, Manifest, Scribe};
use crate::clocks;
use crate::deliver::ledger::AuditConfig;
use crate::segment::{Segment, SegmentError};

/// Writes the manifests of a process, of which each has the hash of the one before.
#[derive(Debug)]
pub(super) struct Manifests {
    scribe: Scribe,
    interval: Duration,
    last: Instant,
}

/// What a segment has so far.
#[derive(Debug, Default)]
pub(super) struct Content {
    hash: FileHash,
    messages: u64,
    /// Of these, those that a manifest has.
    told: u64,
}

impl Content {
    /// A record of messages was appended, given in parts.
    pub(super) fn add(&mut self, parts: &[&[u8]], messages: usize) {
        parts.iter().for_each(|part| self.hash.add_bytes(part));
        self.messages += messages as u64;
    }
}

impl Manifests {
    pub(super) fn new(config: &AuditConfig) -> Self {
        let scribe = Scribe::new(config.instance, config.signer.clone());
        Self { scribe, interval: config.interval, last: Instant::now() }
    }

    /// Whether what came since the last one should have one.
    pub(super) fn is_due(&self) -> bool {
        self.last.elapsed() >= self.interval
    }

    /// Appends the manifest of a segment whose first message has the position `first`, if something in it has none. After an error the
    /// next one has it.
    pub(super) fn write(
        &mut self,
        segment: &mut Segment,
        content: &mut Content,
        first: u64,
        file: String,
    ) -> Result<(), SegmentError> {
        if content.told == content.messages {
            return Ok(());
        }
        self.last = Instant::now();
        let to = first.saturating_add(content.messages);
        let manifest = Manifest { file, from: first, to, messages: content.messages, sha256: content.hash.hash() };
        let (mut head, mut line, before) = (Vec::new(), Vec::new(), self.scribe.clone());
        write_head(to, 0, &mut head);
        // An event is always JSON.
        let _ = self.scribe.write(&Event::FileFinished(manifest), clocks::epoch_ms(), &mut line);
        if let Err(error) = segment.append(&[&head, &line]) {
            self.scribe = before;
            return Err(error);
        }
        content.told = content.messages;
        Ok(())
    }
}
