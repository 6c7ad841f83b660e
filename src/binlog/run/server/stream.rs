//! What is kept of a stream while connections come and go.

use crate::backoff::Backoff;
use crate::binlog::checkpoint::tail::Tail;
use crate::binlog::event::position::Position;
use crate::binlog::gtid::AnyGtidSet;
use crate::binlog::run::error::RunError;
use crate::binlog::run::read::Reading;
use crate::binlog::source::BinlogStart;

/// Where to go on: at a position of one server, or after these transactions on any.
#[derive(Debug, Clone)]
pub(super) struct Resume {
    pub(super) position: Position,
    pub(super) gtids: Option<AnyGtidSet>,
    pub(super) server: Option<String>,
    /// The events before the position.
    pub(super) tail: Option<Tail>,
    /// In this process: a transaction may be under way.
    pub(super) is_reconnect: bool,
}

/// One server after the other, and what is known of where to go on.
pub(super) struct Stream {
    pub(super) resume: Option<Resume>,
    pub(super) backoff: Backoff,
    /// What was purged is given up (`--on-purged=oldest`).
    pub(super) from_oldest: bool,
    pub(super) has_history: bool,
    /// The server that was read last.
    pub(super) server: Option<String>,
}

impl Stream {
    /// Takes note of where to go on.
    pub(super) fn keep(&mut self, reading: &Reading<'_>, position: Position, server: Option<String>) {
        match &mut self.resume {
            // Called for every transaction: the set of GTIDs is the assembler's, and copied when it is needed.
            Some(resume) => {
                resume.position = position;
                resume.tail = reading.assembler.tail();
                resume.is_reconnect = true;
                if resume.server != server {
                    resume.server = server;
                }
            }
            None => {
                let gtids = reading.assembler.gtids().cloned();
                self.resume = Some(Resume { position, gtids, server, tail: None, is_reconnect: true });
            }
        }
    }
}

impl Resume {
    /// At the position if it is of this server, else after the GTIDs.
    pub(super) fn go_on(&self, server: Option<&String>) -> Result<BinlogStart, RunError> {
        match (&self.server, server, &self.gtids) {
            // Nothing has come since reading began by GTIDs.
            (_, _, Some(gtids)) if self.position.file.is_empty() => Ok(BinlogStart::Gtids(gtids.clone())),
            // Not known of which it is: from before servers were kept.
            (None, _, _) => Ok(BinlogStart::Position(self.position.clone())),
            (Some(before), Some(now), _) if before == now => Ok(BinlogStart::Position(self.position.clone())),
            (_, _, Some(gtids)) => {
                tracing::info!(%gtids, "this is another server than the one that was read before: going on by GTIDs");
                Ok(BinlogStart::Gtids(gtids.clone()))
            }
            (Some(before), now, None) => Err(RunError::Start(format!(
                "the source is another server ({}) than the one that was read before ({before}), and it is not known which GTIDs were read up to {} \
                 (its transactions have none, or reading began in the middle of a file); go on with the server from before, or say where with `from`",
                now.map_or("unknown", String::as_str),
                self.position
            ))),
        }
    }
}
