//! A player in a consumer group: a thread that reads its partitions, and says how far they are.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::message::{BorrowedMessage, Message};
use tokio_util::sync::CancellationToken;

use super::common::{Common, GroupConfig, State};
use super::membership::consumer;
use super::progress::Zero;
use super::reader::Reader;
use super::share::{ShareCounts, Turn};
use super::wire::decode;
use crate::recording::{Record, RecordingAbout, SessionId};
use crate::stored::{SourceError, Topics, Watermarks};

const POLL: Duration = Duration::from_millis(20);
/// How long a partition without messages holds up the others.
const ORDERING: Duration = Duration::from_millis(300);

/// A player's place in its group.
pub(crate) struct Group {
    common: Arc<Common>,
    leave: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// Tells the group what becomes of the sessions.
#[derive(Debug, Clone)]
pub(crate) struct GroupWatch(Arc<Common>);

impl Group {
    /// Joins the group, as soon as the topic has anything.
    pub(crate) fn join(config: GroupConfig) -> Result<Self, SourceError> {
        let whole = Whole::of(&config)?;
        let (_, recorded_ns) = whole.first()?;
        let common = Arc::new(Common::default());
        let consumer = consumer(&config, &common, whole.watermarks.clone())?;
        let failed = |source| SourceError::Topic { topic: config.topic.clone(), source };
        consumer.subscribe(&[&config.topic]).map_err(failed)?;
        let leave = CancellationToken::new();
        let ends = whole.watermarks.into_iter().map(|(partition, (low, high))| (partition, low, high)).collect();
        let reader = Reader {
            config,
            common: Arc::clone(&common),
            leave: leave.clone(),
            consumer,
            ends,
            recorded_ns,
            last_commit: Instant::now(),
            last_look: Instant::now(),
        };
        let spawn = std::thread::Builder::new().name("kafka-group".to_owned()).spawn(move || reader.run());
        let thread = spawn.map_err(|error| SourceError::Client(error.to_string()))?;
        Ok(Self { common, leave, thread: Some(thread) })
    }

    /// Waits for the common start; `None` if `stop` comes first, or the group fails: [`Self::next`] says why.
    pub(crate) fn zero(&self, stop: &CancellationToken) -> Option<Zero> {
        let mut state = self.common.lock();
        while state.share.zero.is_none() {
            if stop.is_cancelled() || state.error.is_some() || state.is_over {
                return None;
            }
            state = self.wait(state);
        }
        state.share.zero
    }

    /// The next record; `None` when the group is done, or `stop` comes.
    pub(crate) fn next(&self, stop: &CancellationToken) -> Result<Option<Record>, String> {
        let mut state = self.common.lock();
        loop {
            if let Some(error) = &state.error {
                return Err(error.clone());
            }
            if state.is_over || stop.is_cancelled() {
                return Ok(None);
            }
            let is_late = state.waits_since.is_some_and(|since| since.elapsed() > ORDERING);
            if let Turn::Record(record) = state.share.next(is_late) {
                state.waits_since = None;
                return Ok(Some(*record));
            }
            state.waits_since.get_or_insert_with(Instant::now);
            if state.last_message.is_none()
                && let Some(end) = state.share.missing_end()
            {
                return Ok(Some(end));
            }
            state = self.wait(state);
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let waited = self.common.changed.wait_timeout(state, POLL);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) fn watch(&self) -> GroupWatch {
        GroupWatch(Arc::clone(&self.common))
    }

    /// What became of the topic's records.
    pub(crate) fn counts(&self) -> ShareCounts {
        self.common.lock().share.counts
    }

    /// Leaves the group, and says how far the sessions are.
    pub(crate) fn leave(&mut self) {
        self.leave.cancel();
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.leave();
    }
}

impl GroupWatch {
    /// The session is opened on the target.
    pub(crate) fn began(&self, session: SessionId) {
        self.0.lock().share.began(session);
    }

    /// The session is over, or closed after `token` had it given up.
    pub(crate) fn ended(&self, session: SessionId, token: &CancellationToken) {
        self.0.lock().share.ended(session, token);
        self.0.changed.notify_all();
    }

    /// What has the session given up; one that is unknown already is.
    pub(crate) fn token(&self, session: SessionId) -> CancellationToken {
        self.0.lock().share.token(session).unwrap_or_else(|| {
            let token = CancellationToken::new();
            token.cancel();
            token
        })
    }
}

/// All that the topic has now.
pub(crate) struct Whole {
    topics: Topics,
    topic: String,
    watermarks: Watermarks,
}

impl Whole {
    /// Joins no group, and commits nothing.
    pub(crate) fn of(config: &GroupConfig) -> Result<Self, SourceError> {
        let topics = Topics::connect(&config.brokers, "replay", &config.options)?;
        let topic = config.topic.clone();
        topics.named(std::slice::from_ref(&topic))?;
        let watermarks = topics.watermarks(&topic)?;
        Ok(Self { topics, topic, watermarks })
    }

    /// Calls `is_enough` with each message until it says so; those of a partition are in order.
    pub(crate) fn read(&self, is_enough: impl FnMut(&BorrowedMessage<'_>) -> bool) -> Result<(), SourceError> {
        self.topics.read_until(&self.topic, &self.watermarks, is_enough)
    }

    /// What the first messages say of the recording, and when the earliest began, in nanoseconds since 1970.
    pub(crate) fn first(&self) -> Result<(RecordingAbout, u64), SourceError> {
        let with_messages = self.watermarks.iter().filter(|(_, (low, high))| low < high);
        let mut missing: BTreeSet<_> = with_messages.map(|(partition, _)| *partition).collect();
        let mut found: Option<RecordingAbout> = None;
        let mut earliest = u64::MAX;
        let mut wrong = None;
        self.read(|message| {
            match decode(message.payload().unwrap_or_default()) {
                Ok((record, about)) => {
                    earliest = earliest.min(record.started.epoch_ms);
                    found = found.take().or(about);
                }
                Err(error) => wrong = Some(error.to_string()),
            }
            missing.remove(&message.partition());
            missing.is_empty() && found.is_some()
        })?;
        let reason = || wrong.unwrap_or_else(|| "there is no recording in it yet".to_owned());
        let found =
            found.ok_or_else(|| SourceError::Foreign { name: format!("topic {}", self.topic), reason: reason() });
        Ok((found?, earliest.saturating_mul(1_000_000)))
    }
}
