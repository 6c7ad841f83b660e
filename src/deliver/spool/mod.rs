//! The durable spool: messages on the disk until every sink has delivered them.
//!
//! ```text
//!   DIR/lock                       whose it is: one process at a time
//!   DIR/cursors                    how far each sink is, replaced as a whole
//!   DIR/spool-<first position>.seg records: what one append had, in order (`record`)
//! ```
//!
//! It stands where messages get their positions, in front of the sinks' queues. A sink that keeps up gets what was appended from memory; one
//! that has fallen behind gets it from the disk ([`SpoolReader`]). What every sink has delivered is removed, segment by segment.
//!
//! Invariants: positions in it are without a gap and never used twice; what was appended is there until every sink has delivered it; what is
//! torn is never read as a message. `tests/model` holds them against a model, `tests/invariants` one by one; `tests/known_errors` has what
//! once went wrong.
//!
//! The parts, from top to bottom:
//!
//! ```text
//!   store           appends, and removes what was delivered
//!   parts           all that is there, for `verify`
//!   reader          reads from any position on
//!   cursors         how far sinks are
//!   manifest        signed records of what a segment has
//!   record, sync    records as bytes; fsync on a thread of its own
//!   fullness        when it was full, for marker streams
//!   folder, config  the files; settings
//!   error           what can go wrong
//! ```

mod config;
mod cursors;
mod error;
mod folder;
mod fullness;
mod manifest;
mod parts;
mod reader;
mod record;
mod store;
mod sync;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::audit::Event;
use crate::deliver::batch::Batch;
use crate::deliver::fsync::Fsync;
use crate::deliver::queue::lock;
use crate::deliver::rate_limit::RateLimit;
pub use config::{SpoolConfig, SpoolFull, SpoolMode};
use cursors::Cursors;
pub use error::SpoolError;
use fullness::{Consequences, Fullness};
use manifest::Manifests;
pub(crate) use parts::{Part, each_part};
pub use reader::{Found, SpoolReader, SpooledMessage};
use store::{Limits, Store};
use sync::Syncer;

/// How often it is written down how far sinks are.
const SAVE_INTERVAL: Duration = Duration::from_millis(if cfg!(test) { 0 } else { 100 });
/// How often a full spool looks for room.
const RETRY_INTERVAL: Duration = Duration::from_millis(if cfg!(test) { 0 } else { 100 });
/// What is remembered for sinks before the dispatcher's first round.
const FRESH_BYTES: usize = 1 << 20;
/// How often the log speaks of a full spool.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The spool of this process.
#[derive(Debug)]
pub struct Spool {
    config: SpoolConfig,
    state: Mutex<State>,
    /// Apart from `state`, so that nobody who appends waits for files that are written or removed. Locked before `state`, where both are.
    tidying: Mutex<Tidying>,
    syncer: Arc<Syncer>,
    /// The position of the last message.
    last: AtomicU64,
    is_full: AtomicBool,
    times_full: AtomicU64,
    held: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
    bytes: AtomicU64,
    /// Notified when there is room again, when more is in it, and when more of it is on the disk.
    changed: Arc<Notify>,
    /// The position through which each sink had everything at the start.
    delivered: Vec<u64>,
    names: Vec<String>,
    _lock: File,
}

#[derive(Debug)]
struct State {
    store: Store,
    /// With [`SpoolMode::Reply`]: what was appended since it was taken, for sinks that keep up.
    fresh: Batch,
    /// There was more than fits: sinks read it from the disk.
    fresh_is_cut: bool,
    /// Bytes that `fresh` may have; 0 where no sink keeps up.
    fresh_bytes: usize,
    fullness: Fullness,
    log: RateLimit,
}

/// Writing down how far sinks are, and what depends on that.
#[derive(Debug)]
struct Tidying {
    cursors: Cursors,
    saved_at: Instant,
    tried_at: Instant,
}

/// What became of messages that were to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    /// They are in the spool, and have positions.
    Taken,
    /// There is no room. They are to be offered again.
    Refused,
    /// There is no room, and they are to be counted as lost.
    Dropped,
}

/// How a spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpoolCounts {
    /// Bytes that messages take of the disk.
    pub bytes: u64,
    /// The position of the last message, counted from the first that ever was in it.
    pub last: u64,
    /// Whether no further statements are let in.
    pub is_full: bool,
    /// How often it has become full.
    pub times_full: u64,
}

impl Spool {
    /// Opens the spool for these sinks, whose names say which they are from one start to the next.
    ///
    /// A sink that is new to the spool gets all that any sink has yet to get. One that the spool knows and that is not among them is forgotten.
    ///
    /// # Errors
    ///
    /// Another process has it; it is of another version; its folder cannot be written; nothing is in it and its disk is full.
    pub fn open(config: SpoolConfig, sinks: &[String]) -> Result<Self, SpoolError> {
        let taken = folder::take(&config.folder, config.file_mode)?;
        let cursors = Cursors::new(&config.folder, config.file_mode);
        let known = cursors.load()?;
        let at_least = known.iter().flat_map(BTreeMap::values).copied().max().unwrap_or(0);
        let limits = Limits { segment: config.segment_bytes(), all: config.max_bytes };
        let manifests = config.audit.as_ref().map(Manifests::new);
        let (mut store, recovered) =
            Store::open(config.folder.clone(), config.file_mode, &config.run, limits, at_least, manifests)?;
        if recovered.torn > 0 {
            tracing::warn!(spool = %config.folder.display(), bytes = recovered.torn, "the spool ends in the middle of a record, which is cut off: the process that wrote it was killed in between");
        }
        let delivered = starts(sinks, known.as_ref(), &store);
        let changed: Arc<Notify> = Arc::default();
        let syncer = Syncer::start(config.fsync, &config.folder, store.last(), Arc::clone(&changed))?;
        let oldest = delivered.iter().copied().min().unwrap_or(0);
        let waiting = store.last().saturating_sub(oldest);
        let is_full = match store.begin() {
            Ok(file) => {
                file.into_iter().for_each(|file| syncer.begun(file));
                false
            }
            // What is in it has to get out first.
            Err(error) if error.is_full() && waiting > 0 => {
                tracing::warn!(spool = %config.folder.display(), %error, waiting, "the spool is full");
                true
            }
            Err(error) => return Err(error),
        };
        tracing::info!(spool = %config.folder.display(), mode = %config.mode, waiting, bytes = store.bytes_without_reserve(), "spool opened");
        let (last, bytes) = (AtomicU64::new(store.last()), AtomicU64::new(store.bytes_without_reserve()));
        let now = Instant::now();
        let state = State {
            store,
            fresh: Batch::new(),
            fresh_is_cut: false,
            // The dispatcher has not said yet what is wanted.
            fresh_bytes: FRESH_BYTES,
            fullness: Fullness::new(config.full.to_string()),
            log: RateLimit::new(LOG_INTERVAL),
        };
        let spool = Self {
            config,
            state: Mutex::new(state),
            tidying: Mutex::new(Tidying { cursors, saved_at: now, tried_at: now }),
            syncer,
            last,
            is_full: AtomicBool::new(is_full),
            times_full: AtomicU64::new(u64::from(is_full)),
            held: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            bytes,
            changed,
            delivered,
            names: sinks.to_vec(),
            _lock: taken,
        };
        spool.note_fullness(&mut lock(&spool.state));
        Ok(spool)
    }

    /// When a message must be in it.
    pub fn mode(&self) -> SpoolMode {
        self.config.mode
    }

    /// What it means that it is full.
    pub fn policy(&self) -> SpoolFull {
        self.config.full
    }

    /// Bytes that messages may take of the disk.
    pub(crate) fn most_bytes(&self) -> u64 {
        self.config.max_bytes
    }

    /// How it is now.
    pub fn counts(&self) -> SpoolCounts {
        SpoolCounts {
            bytes: self.bytes.load(Relaxed),
            last: self.last(),
            is_full: self.is_full(),
            times_full: self.times_full.load(Relaxed),
        }
    }

    /// The position through which each sink had everything at the start.
    pub(crate) fn delivered_at_start(&self) -> &[u64] {
        &self.delivered
    }

    /// The position of the last message.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Relaxed)
    }

    /// Whether no further statements are to be let in.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Relaxed) || self.syncer.has_failed()
    }

    /// Whether a reply may tell of the message at this position, which is in the spool.
    pub(crate) fn covers(&self, position: u64) -> bool {
        // Where clients never wait, they do not wait for a disk that fails either.
        self.syncer.covers(position) || (self.config.full == SpoolFull::Drop && self.syncer.has_failed())
    }

    /// Notified when there is room again, when what waited is in it, and when more of it is on the disk.
    pub(crate) fn changed(&self) -> &Notify {
        &self.changed
    }

    /// For marker streams: that it has become full, or has room again, since the last call, with the times in milliseconds since 1970. At the end
    /// of the process a full one is told of again, with what it has meant.
    pub(crate) fn take_events(&self, is_end: bool) -> Vec<(u64, Event)> {
        let fullness = &mut lock(&self.state).fullness;
        if is_end {
            fullness.finish(self.consequences());
        }
        fullness.take()
    }

    /// A request waits because it is full. `known` is where the request is counted already, so that it is counted once each time; 0 at first.
    pub(crate) fn count_held(&self, known: &mut u64) {
        // A failed sync makes it full as well, and is not among the times.
        let time = self.times_full.load(Relaxed).max(1);
        if self.is_full() && *known != time {
            *known = time;
            self.held.fetch_add(1, Relaxed);
        }
    }

    /// Messages were dropped because it is full.
    pub(crate) fn count_dropped(&self, messages: usize) {
        self.dropped.fetch_add(messages as u64, Relaxed);
    }

    /// A request was answered with an error because it is full.
    pub(crate) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    fn consequences(&self) -> Consequences {
        let [held, dropped, refused] = [&self.held, &self.dropped, &self.refused].map(|count| count.load(Relaxed));
        Consequences { held, dropped, refused }
    }

    fn note_fullness(&self, state: &mut State) {
        if state.fullness.is_noticed() != self.is_full() {
            state.fullness.change(self.consequences());
        }
    }

    /// A reader of what is in it.
    pub(crate) fn reader(&self, next: u64) -> SpoolReader {
        SpoolReader::at(&self.config.folder, next)
    }

    /// Appends the messages of a batch, and gives it positions.
    pub(crate) fn append(&self, batch: &mut Batch) -> Appended {
        self.append_in(&mut lock(&self.state), batch)
    }

    /// As [`Self::append`]; the messages are remembered for [`Self::take_fresh`].
    pub(crate) fn append_fresh(&self, batch: &mut Batch) -> Appended {
        let mut state = lock(&self.state);
        let appended = self.append_in(&mut state, batch);
        if appended == Appended::Taken {
            let fits = state.fresh.byte_len().saturating_add(batch.byte_len()) <= state.fresh_bytes;
            state.fresh_is_cut |= !fits;
            if !state.fresh_is_cut {
                state.fresh.extend_from(batch, 0..batch.len());
            }
        }
        appended
    }

    fn append_in(&self, state: &mut State, batch: &mut Batch) -> Appended {
        let is_dropped = self.config.full == SpoolFull::Drop && self.is_full();
        let appended = if is_dropped { Appended::Dropped } else { self.store_in(state, batch) };
        self.note_fullness(state);
        if appended == Appended::Dropped {
            self.count_dropped(batch.len());
        }
        appended
    }

    fn store_in(&self, state: &mut State, batch: &mut Batch) -> Appended {
        let appended = match state.store.append(batch) {
            Ok(begun) => {
                begun.into_iter().for_each(|file| self.syncer.begun(file));
                let last = state.store.last();
                self.syncer.wrote(last);
                self.last.store(last, Relaxed);
                self.bytes.store(state.store.bytes_without_reserve(), Relaxed);
                Appended::Taken
            }
            Err(error) => {
                self.log_full(state, &error);
                if self.config.full == SpoolFull::Drop { Appended::Dropped } else { Appended::Refused }
            }
        };
        if state.store.is_full() {
            if !self.is_full.swap(true, Relaxed) {
                self.times_full.fetch_add(1, Relaxed);
                self.log_full(state, &SpoolError::Bound { bound: self.config.max_bytes });
            }
        } else if self.is_full.load(Relaxed) {
            self.has_room();
        }
        appended
    }

    #[cold]
    fn log_full(&self, state: &mut State, error: &SpoolError) {
        if state.log.add(1, Instant::now()).is_some() {
            let consequence = match self.config.full {
                SpoolFull::Block => "clients wait before their next statement",
                SpoolFull::Drop => "messages are dropped and counted",
                SpoolFull::Error => "clients' next statements are answered with an error",
            };
            tracing::error!(spool = %self.config.folder.display(), bytes = self.bytes.load(Relaxed), %error, "the spool is full: {consequence} until sinks have delivered more, or the disk has room (--spool-full={})", self.config.full);
        }
    }

    /// What was appended with [`Self::append_fresh`] since the last call; nothing of it is missing, unless more was appended than
    /// `most` bytes, which is also what is remembered until the next call. Returns the position of the last message then: what comes
    /// after that is for the next call, and need not be read from the disk.
    pub(crate) fn take_fresh(&self, spare: &mut Batch, most: usize) -> u64 {
        let mut state = lock(&self.state);
        state.fresh_is_cut = false;
        state.fresh_bytes = most;
        std::mem::swap(&mut state.fresh, spare);
        state.store.last()
    }

    /// Whether [`Self::take_fresh`] would return something.
    pub(crate) fn has_fresh(&self) -> bool {
        !lock(&self.state).fresh.is_empty()
    }

    /// Each sink has everything through its position: writes that down now and then, removes what nobody needs any more, and looks for room where
    /// there was none.
    ///
    /// Returns whether that is written down.
    pub(crate) fn delivered(&self, delivered: &[u64]) -> bool {
        let mut tidying = lock(&self.tidying);
        let now = Instant::now();
        if now.saturating_duration_since(tidying.saved_at) < SAVE_INTERVAL {
            return false;
        }
        tidying.saved_at = now;
        self.save(&mut tidying, delivered, false)
    }

    /// As [`Self::delivered`], at the end: everything is on the disk when this returns.
    pub(crate) fn finish(&self, delivered: &[u64]) {
        lock(&self.state).store.write_manifest();
        self.save(&mut lock(&self.tidying), delivered, self.config.fsync != Fsync::Never);
        self.syncer.finish();
    }

    fn save(&self, tidying: &mut Tidying, delivered: &[u64], durable: bool) -> bool {
        let by_name: BTreeMap<_, _> = self.names.iter().cloned().zip(delivered.iter().copied()).collect();
        let oldest = delivered.iter().copied().min().unwrap_or(0);
        let mut saved = tidying.cursors.save(&by_name, durable);
        if saved.as_ref().is_err_and(SpoolError::is_full) {
            lock(&self.state).store.give_back(oldest);
            saved = tidying.cursors.save(&by_name, durable);
        }
        // Where it cannot be written down because the disk is full, this is what helps.
        let removed = self.remove_delivered(oldest);
        let mut state = lock(&self.state);
        for error in [saved.as_ref().err(), removed.as_ref().err()].into_iter().flatten() {
            if state.log.add(1, Instant::now()).is_some() {
                tracing::error!(spool = %self.config.folder.display(), %error, "the spool cannot be kept tidy");
            }
        }
        if state.store.is_full() && tidying.tried_at.elapsed() >= RETRY_INTERVAL {
            tidying.tried_at = Instant::now();
            self.look_for_room(&mut state, if saved.is_ok() { oldest } else { 0 });
        }
        state.store.write_due_manifest();
        self.bytes.store(state.store.bytes_without_reserve(), Relaxed);
        self.note_fullness(&mut state);
        saved.is_ok()
    }

    /// Removes the segments that every sink has delivered. A large file is not removed at once: nobody waits for that.
    fn remove_delivered(&self, delivered: u64) -> Result<(), SpoolError> {
        loop {
            let Some(path) = lock(&self.state).store.oldest_delivered(delivered) else { return Ok(()) };
            folder::remove(&path)?;
            lock(&self.state).store.removed_oldest();
        }
    }

    #[cold]
    fn look_for_room(&self, state: &mut State, delivered: u64) {
        if let Ok(begun) = state.store.try_again(delivered) {
            begun.into_iter().for_each(|file| self.syncer.begun(file));
            self.has_room();
        }
    }

    #[cold]
    fn has_room(&self) {
        self.is_full.store(false, Relaxed);
        tracing::info!(spool = %self.config.folder.display(), "the spool has room again");
        self.changed.notify_waiters();
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.syncer.close();
    }
}

/// Where each sink goes on: the position through which it has everything.
fn starts(sinks: &[String], known: Option<&BTreeMap<String, u64>>, store: &Store) -> Vec<u64> {
    let (first, last) = (store.first().saturating_sub(1), store.last());
    let nothing = BTreeMap::new();
    let known = known.unwrap_or(&nothing);
    for (name, delivered) in known.iter().filter(|(name, _)| !sinks.contains(name)) {
        let missed = last.saturating_sub(*delivered);
        if missed > 0 {
            tracing::warn!(
                sink = name,
                missed,
                "the spool's sink is not among the sinks any more, and will not get what waits for it"
            );
        } else {
            tracing::info!(sink = name, "the spool's sink is not among the sinks any more; it has got everything");
        }
    }
    let oldest = known.values().copied().min().unwrap_or(first).clamp(first, last.max(first));
    let start = |name: &String| match known.get(name) {
        Some(delivered) => (*delivered).clamp(first, last.max(first)),
        None => {
            if last > oldest {
                tracing::info!(
                    sink = name,
                    messages = last - oldest,
                    "a sink that is new to the spool gets what waits in it"
                );
            }
            oldest
        }
    };
    sinks.iter().map(start).collect()
}
