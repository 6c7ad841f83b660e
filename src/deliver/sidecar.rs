//! The file beside files of messages: what each message's hash is, where nothing else can say it, and the marker stream.

use std::collections::VecDeque;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::batch::{Batch, Routed};
use super::counters::{LossReason, SinkCounter};
use super::error::SinkError;
use super::ledger::{AuditConfig, Identity, Ledger, MarkerStream, Together};
use super::ndjson::{Kind, Output};
use crate::audit::{FileHash, Heads, Link, Manifest, MessageId, push_hexadecimal};
use crate::files::FileMode;

/// `FILE.audit`.
#[derive(Debug)]
pub(crate) struct Sidecar {
    path: PathBuf,
    mode: FileMode,
    output: Output,
    identity: Identity,
    heads: Heads,
    stream: MarkerStream,
    /// Lines that are not written yet.
    lines: Batch,
    /// When they are, the file gets this name, and another one begins.
    renamed_to: Option<PathBuf>,
    /// Messages that are written and may not be delivered yet, with their positions.
    pending: VecDeque<(u64, MessageId, Link)>,
    rows: Together,
    part: Part,
}

/// What this process has written to the file of messages.
#[derive(Debug, Default)]
struct Part {
    from: u64,
    messages: u64,
    hash: FileHash,
}

impl Sidecar {
    /// Opens or creates it. The file of messages has `begins_at` bytes.
    pub(crate) fn open(
        sink: &str,
        path: PathBuf,
        mode: FileMode,
        begins_at: u64,
        audit: &AuditConfig,
    ) -> Result<Self, SinkError> {
        Ok(Self {
            output: Output::open(&path, Kind::Regular, mode)?,
            path,
            mode,
            identity: Identity::of(audit),
            heads: Heads::default(),
            stream: MarkerStream::new(audit, sink, Instant::now()),
            lines: Batch::new(),
            renamed_to: None,
            pending: VecDeque::new(),
            rows: Together::default(),
            part: Part { from: begins_at, ..Part::default() },
        })
    }

    pub(crate) fn attach(&mut self, counter: &Arc<SinkCounter>) {
        self.stream.attach(counter);
    }

    pub(crate) fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(self.stream.ledger())
    }

    /// The name of a message, and its place in its session's chain, if it is written next; `None`: it has no name.
    pub(crate) fn place(&mut self, message: &Routed<'_>) -> Option<(MessageId, Link)> {
        let id = self.identity.name(&message.numbered?, message.origin)?;
        Some((id, Link::of(self.heads.before(&id).unwrap_or_default(), &id, message.value)))
    }

    fn note(&mut self, id: &MessageId, link: &Link) {
        self.heads.set(id, link.hash);
        self.part.messages += 1;
        self.part.hash.add(&link.hash);
    }

    /// A row was written that has this place. Rows are delivered together ([`Self::settle_rows`]).
    pub(crate) fn took_row(&mut self, id: &MessageId, link: &Link) {
        self.note(id, link);
        self.rows.add(id, link);
    }

    /// Every row that was taken is delivered.
    pub(crate) fn settle_rows(&mut self) {
        self.stream.ledger().entries().delivered_together(std::mem::take(&mut self.rows));
    }

    /// The sink will never have this message.
    #[cold]
    pub(crate) fn lost(&self, id: &MessageId, reason: LossReason) {
        self.stream.ledger().entries().lost(id, reason);
    }

    /// Messages were written as lines; the last of them ends at the offset `end`. The sidecar says what their hashes are.
    pub(crate) fn wrote_lines(&mut self, batch: &Batch, range: Range<usize>, end: u64) {
        // It tells whoever reads this where what another process has written ends.
        self.stream.begin(&mut self.lines);
        let mut offset = end.saturating_sub(batch.lines(range.clone()).len() as u64);
        for index in range {
            let Some(message) = batch.routed(index) else { return };
            if let Some((id, link)) = self.place(&message) {
                let written = self.lines.push_with(0, |out| {
                    write_line(&id, offset, &link, out);
                    Ok::<(), std::convert::Infallible>(())
                });
                match written {
                    Ok(()) => {}
                }
                self.note(&id, &link);
                self.pending.push_back((batch.position(index), id, link));
            }
            offset += message.value.len() as u64 + 1;
        }
    }

    /// Everything through this position is delivered.
    pub(crate) fn settle(&mut self, through: u64) {
        if self.pending.front().is_some_and(|(position, ..)| *position <= through) {
            let mut entries = self.stream.ledger().entries();
            while let Some((_, id, link)) = self.pending.front().filter(|(position, ..)| *position <= through) {
                entries.delivered(id, link);
                self.pending.pop_front();
            }
        }
        self.stream.ledger().delivered_through(through);
    }

    /// Writes what there is to write, and renames the file then if that is due.
    pub(crate) fn write_out(&mut self) -> Result<(), SinkError> {
        if !self.lines.is_empty() {
            let (written, error) = self.output.append(&self.lines, 0, self.lines.len());
            if written == self.lines.len() {
                self.lines.clear();
            } else {
                let mut rest = Batch::new();
                rest.extend_from(&self.lines, written..self.lines.len());
                self.lines = rest;
            }
            error.map_or(Ok(()), |error| Err(SinkError::io("write to", &self.path, error)))?;
        }
        if let Some(target) = &self.renamed_to {
            if self.output.is_at(&self.path) {
                fs::rename(&self.path, target).map_err(|source| SinkError::io("rename", &self.path, source))?;
            }
            self.output = Output::open(&self.path, Kind::Regular, self.mode)?;
            self.renamed_to = None;
        }
        Ok(())
    }

    /// Adds what the marker stream has to tell.
    pub(crate) fn tick(&mut self) -> Result<(), SinkError> {
        self.write_out()?;
        self.stream.tick(Instant::now(), &mut self.lines);
        self.write_out()?;
        self.stream.confirm();
        Ok(())
    }

    /// The file of messages is called `file` from here on, and ends at this offset; another begins, and another sidecar. This one is called `sidecar`
    /// when it is written ([`Self::write_out`]).
    pub(crate) fn rotate(&mut self, file: &Path, end: u64, sidecar: PathBuf) {
        self.end_part(file, end);
        self.renamed_to = Some(sidecar);
    }

    /// Adds a marker, whether it is due or not.
    pub(crate) fn mark(&mut self) {
        self.stream.mark_now(Instant::now(), &mut self.lines);
    }

    /// Notices that it was renamed or removed by somebody else.
    pub(crate) fn check_path(&mut self) -> Result<(), SinkError> {
        if !self.output.is_at(&self.path) {
            tracing::warn!(file = %self.path.display(), "the file was renamed or removed; opening it again (--markers)");
            self.output = Output::open(&self.path, Kind::Regular, self.mode)?;
        }
        Ok(())
    }

    /// The manifest of what the process has written to the file of messages, which ends at this offset.
    fn end_part(&mut self, file: &Path, end: u64) {
        let Part { from, messages, hash } = std::mem::take(&mut self.part);
        let file = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let manifest = Manifest { file, from, to: end, messages, sha256: hash.hash() };
        self.stream.file_finished(manifest, &mut self.lines);
    }

    /// The last records. `part`: the file of messages that is left open, and where it ends.
    pub(crate) fn finish(&mut self, part: Option<(&Path, u64)>) -> Result<(), SinkError> {
        if let Some((file, end)) = part {
            self.end_part(file, end);
            self.part.from = end;
        }
        self.stream.finish(&mut self.lines);
        self.write_out()?;
        self.stream.confirm();
        Ok(())
    }
}

/// `{"instance":"..","session":1,"seq":1,"offset":0,"previous":"..","hash":".."}`
fn write_line(id: &MessageId, offset: u64, link: &Link, out: &mut Vec<u8>) {
    let mut number = itoa::Buffer::new();
    out.extend_from_slice(b"{\"instance\":\"");
    push_hexadecimal(&id.instance.0, out);
    out.push(b'"');
    for (name, value) in [("session", id.session), ("seq", id.seq), ("offset", offset)] {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(number.format(value).as_bytes());
    }
    for (name, hash) in [("previous", &link.previous), ("hash", &link.hash)] {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":\"");
        push_hexadecimal(&hash.0, out);
        out.push(b'"');
    }
    out.push(b'}');
}
