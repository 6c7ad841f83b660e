//! How much there is to read, which the source is asked now and then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::binlog::event::position::Position;
use crate::binlog::run::place::{bytes_between, is_at_or_behind};
use crate::binlog::run::start_check;
use crate::binlog::source::{BinlogError, LogExtent, ServerSource, SourceOptions};
use crate::metrics::Verdict;

/// How often the source is asked how far its binlog goes.
const ASK_INTERVAL: Duration = Duration::from_secs(5);

/// How much there is to read, as far as it is known. Written by the thread that reads, and by the one that asks the source.
#[derive(Debug, Default)]
pub(super) struct Extent {
    state: Mutex<State>,
    /// To be set when the stream that is read will never go on.
    interrupt: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The server that is read from.
    source: Option<SourceOptions>,
    /// Its files with their sizes, oldest first.
    files: Vec<(String, u64)>,
    /// Where the source had nothing more to send, the last time it said so.
    idle_at: Option<Position>,
    /// The bytes of a run that ends by itself.
    pub(super) total: Option<u64>,
    /// How far reading is at least.
    reached: Position,
    /// Whether a server's stream is read; `None` where there is no server.
    connection: Option<Verdict>,
    /// Why what is read is not the source's binlog any more.
    lost: Option<String>,
}

impl Extent {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reading is from this server now.
    pub(super) fn set_source(&self, source: &SourceOptions) {
        let mut state = self.lock();
        state.source = Some(source.clone());
        state.files.clear();
        state.idle_at = None;
        state.reached = Position::default();
        state.lost = None;
        self.interrupt.store(false, Ordering::Relaxed);
    }

    /// The source's stream is read now, or why not.
    pub(super) fn set_connection(&self, connection: Verdict) {
        self.lock().connection = Some(connection);
    }

    /// Whether a server's stream is read; `None` where there is no server.
    pub(super) fn connection(&self) -> Option<Verdict> {
        self.lock().connection.clone()
    }

    /// Everything up to here has come.
    pub(super) fn reached(&self, position: &Position) {
        self.lock().reached.clone_from(position);
    }

    /// What is set when the source's binlog was begun again while it is read: the server goes on with the file that it has deleted,
    /// which looks as if nothing happened any more.
    pub(super) fn interrupts(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupt)
    }

    /// The reason, if reading was interrupted by that.
    pub(super) fn why_interrupted(&self) -> Option<BinlogError> {
        let state = self.lock();
        state.lost.as_ref().map(|what| start_check::begun_again(&state.reached, what))
    }

    fn compare(&self, before: Option<&LogExtent>, now: &LogExtent, reached: &Position) {
        let is_new = || before.is_some_and(|before| before.was_begun_again(now));
        let what = match now.files.iter().find(|(name, _)| *name == reached.file) {
            Some((_, size)) if reached.offset > *size => format!("the file has only {size} bytes now"),
            _ if is_new() => "it has lost files or transactions since".to_owned(),
            _ => return,
        };
        let mut state = self.lock();
        state.lost = Some(what);
        self.interrupt.store(true, Ordering::Relaxed);
    }

    /// This many bytes are to be read in all.
    pub(super) fn set_total(&self, bytes: u64) {
        self.lock().total = Some(bytes);
    }

    /// The bytes of the source's binlog after `position`.
    pub(super) fn bytes_after(&self, position: &Position) -> Option<u64> {
        let state = self.lock();
        let knows_file = state.files.iter().any(|(name, _)| *name == position.file);
        knows_file.then(|| bytes_between(&state.files, position, None))
    }

    /// The source says that there is nothing after `position`.
    pub(super) fn set_idle(&self, position: &Position) {
        let mut state = self.lock();
        if state.idle_at.as_ref() != Some(position) {
            state.idle_at = Some(position.clone());
        }
    }

    /// Whether all that the source has was read, as far as it has said.
    pub(super) fn is_caught_up(&self, position: &Position) -> bool {
        let state = self.lock();
        let end = state.files.last().map(|(file, size)| Position { file: file.clone(), offset: *size });
        state.idle_at.as_ref() == Some(position) || end.is_some_and(|end| is_at_or_behind(position, &end))
    }

    /// Asks the source now and then how far its binlog goes, until `end` is set and the thread is unparked.
    pub(super) fn keep_asking(&self, end: &AtomicBool) {
        let mut connection: Option<ServerSource> = None;
        let mut before: Option<LogExtent> = None;
        let mut asked = Instant::now();
        while !end.load(Ordering::Relaxed) {
            thread::park_timeout(ASK_INTERVAL.saturating_sub(asked.elapsed()));
            if asked.elapsed() < ASK_INTERVAL {
                continue;
            }
            asked = Instant::now();
            let (source, reached) = {
                let state = self.lock();
                (state.source.clone(), state.reached.clone())
            };
            let Some(source) = source else { continue };
            if connection.as_ref().is_none_or(|connection| !connection.is_to(&source)) {
                connection = ServerSource::connect(&source, CancellationToken::new()).ok();
                before = None;
            }
            match connection.as_mut().map(ServerSource::extent) {
                Some(Ok(now)) => {
                    self.compare(before.as_ref(), &now, &reached);
                    self.lock().files.clone_from(&now.files);
                    before = Some(now);
                }
                // No right to ask (REPLICATION CLIENT), or the server is away: then the number of bytes is not known.
                _ => connection = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caught_up_is_who_has_read_what_there_is() {
        let extent = Extent::default();
        let at = |file: &str, offset| Position { file: file.into(), offset };
        assert!(!extent.is_caught_up(&Position::default()));
        extent.lock().files = vec![("b.000001".into(), 100), ("b.000002".into(), 50)];
        assert!(!extent.is_caught_up(&at("b.000001", 100)) && !extent.is_caught_up(&at("b.000002", 49)));
        // It was asked a while ago.
        assert!(extent.is_caught_up(&at("b.000002", 50)) && extent.is_caught_up(&at("b.000003", 4)));
        // Without the right to ask there are heartbeats.
        extent.lock().files.clear();
        extent.set_idle(&at("b.000002", 70));
        assert!(extent.is_caught_up(&at("b.000002", 70)) && !extent.is_caught_up(&at("b.000002", 80)));
    }
}
