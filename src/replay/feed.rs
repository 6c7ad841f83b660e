//! Reads ahead, and hands each session its records.
//!
//! What is read and not played yet is bounded in bytes, whatever the recording's length.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::task::TaskTracker;

use super::item::{Held, Item};
use super::order::Sequencer;
use super::progress::Recorded;
use super::session::{Part, play};
use super::shared::Shared;
use super::source::{Flow, RecordSource};
use super::workers::Workers;
use crate::recording::{Event, Record, SessionId};

/// The bound is kept in units of this many bytes.
const UNIT: usize = 256;
/// A full read-ahead goes on when this many are free, or a sixteenth of all: to be woken for each record that is played costs more than to read it.
const MORE_UNITS: u32 = 4096;

/// What a session takes that waits for its beginning, besides its records.
const SESSION_BYTES: usize = 16 << 10;

/// Reads the recording once.
pub(super) struct Feed<'a> {
    shared: &'a Arc<Shared>,
    workers: &'a Workers,
    tasks: &'a TaskTracker,
    recorded: &'a Recorded,
    room: Arc<Semaphore>,
    units: u32,
    /// One for each copy.
    sequencers: Vec<Sequencer>,
    sessions: HashMap<SessionId, Session>,
    /// How many sessions have ended.
    ended: u64,
    part: Part,
    has_begun: bool,
}

/// Where a session's records go.
enum Session {
    /// To its copies.
    Played(Vec<UnboundedSender<Item>>),
    /// It was not chosen.
    Left,
}

impl<'a> Feed<'a> {
    /// `part`: which loop it is, and what the replay's clock shows when it begins.
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        workers: &'a Workers,
        tasks: &'a TaskTracker,
        recorded: &'a Recorded,
        part: Part,
    ) -> Self {
        let config = &shared.config;
        let units = u32::try_from(config.read_ahead_bytes / UNIT).unwrap_or(u32::MAX).max(1);
        let sequencers = (0..config.amplify.copies).map(|_| Sequencer::new(config.order, shared.lexis)).collect();
        Self {
            shared,
            workers,
            tasks,
            recorded,
            room: Arc::new(Semaphore::new(usize::try_from(units).unwrap_or(Semaphore::MAX_PERMITS))),
            units,
            sequencers,
            sessions: HashMap::new(),
            ended: 0,
            part,
            has_begun: false,
        }
    }

    /// Reads all of it, or up to where the replay ends.
    pub(super) fn read(mut self, source: &mut dyn RecordSource) -> Result<(), String> {
        self.shared.is_read.store(false, Ordering::Relaxed);
        let selection = self.shared.config.selection.clone();
        let read = source.read(selection.from_ns, selection.to_ns, &mut |record| self.record(record));
        self.sequencers.iter_mut().for_each(Sequencer::finish);
        self.shared.is_read.store(true, Ordering::Relaxed);
        read
    }

    fn record(&mut self, record: Record) -> Flow {
        if self.shared.stop.is_cancelled() {
            return Flow::End;
        }
        if let Event::Begin(begin) = &record.event
            && (record.number == 0 || !self.sessions.contains_key(&record.session))
        {
            let is_chosen = self.shared.config.selection.has_session(begin);
            let session = if is_chosen { self.begin(record.session, &record) } else { Session::Left };
            self.sessions.insert(record.session, session);
        }
        match self.sessions.get(&record.session) {
            Some(Session::Played(_)) => self.hand_out(record),
            Some(Session::Left) => {
                if matches!(record.event, Event::End(_)) {
                    self.sessions.remove(&record.session);
                }
                Flow::On
            }
            None => {
                self.shared.counters.skip("its session's beginning is not in the recording");
                Flow::On
            }
        }
    }

    /// Starts a session's copies.
    fn begin(&mut self, id: SessionId, first: &Record) -> Session {
        if !std::mem::replace(&mut self.has_begun, true) {
            // Nobody waits for the time before the first session.
            let from = self.shared.config.selection.from_ns;
            if !self.part.is_agreed {
                self.part.recorded_zero = first.started.monotonic_ns.max(from);
            }
            self.recorded.begin(self.part.recorded_zero, self.part.zero);
        }
        // Asked for before the session's task begins, so that nothing comes between.
        let given_up = self.shared.watch.as_ref().map(|watch| watch.given_up(id)).unwrap_or_default();
        let copies = (0..self.shared.config.amplify.copies).map(|copy| {
            let (sender, receiver) = unbounded_channel();
            let (shared, given_up) = (Arc::clone(self.shared), given_up.clone());
            self.workers.play(self.tasks, |alarm| play(shared, alarm, id, copy, self.part, given_up, receiver));
            sender
        });
        Session::Played(copies.collect())
    }

    fn hand_out(&mut self, record: Record) -> Flow {
        let Some(record) = self.held(record) else { return Flow::End };
        let id = record.record.session;
        let ended = self.ended;
        let is_end = matches!(record.record.event, Event::End(_));
        if matches!(record.record.event, Event::Command(_)) {
            self.recorded.count(record.record.started.monotonic_ns);
        }
        if let Some(Session::Played(copies)) = self.sessions.get(&id) {
            for (copy, sequencer) in copies.iter().zip(&mut self.sequencers) {
                let turn = sequencer.next(&record.record);
                // A session that has failed takes in the rest of its records all the same.
                let _ = copy.send(Item { record: Arc::clone(&record), turn, ended });
            }
        }
        if is_end {
            self.ended += 1;
            self.sessions.remove(&id);
        }
        Flow::On
    }

    /// Waits until there is room for it; `None` if the replay is stopped first.
    fn held(&self, record: Record) -> Option<Arc<Held>> {
        let session = if matches!(record.event, Event::Begin(_)) { SESSION_BYTES } else { 0 };
        let units = u32::try_from((record.bytes() + session) / UNIT + 1).unwrap_or(u32::MAX).min(self.units);
        let room = Arc::clone(&self.room);
        let share = match Arc::clone(&room).try_acquire_many_owned(units) {
            Ok(share) => share,
            Err(_) => {
                let room_for_more = units.max((self.units / 16).min(MORE_UNITS));
                let mut share = self.workers.event_loop().block_on(async {
                    tokio::select! {
                        share = room.acquire_many_owned(room_for_more) => share.ok(),
                        () = self.shared.stop.cancelled() => None,
                    }
                })?;
                share.split(usize::try_from(units).ok()?)?
            }
        };
        Some(Arc::new(Held { record, _share: share }))
    }
}
