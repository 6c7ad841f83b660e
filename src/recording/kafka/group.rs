//! A player in a consumer group: a thread that reads its partitions, and says how far they are.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use tokio_util::sync::CancellationToken;

use super::common::{Common, GroupConfig, State};
use super::membership::consumer;
use super::progress::Zero;
use super::reader::Reader;
use super::scan::{Scan, ScanError, partitions};
use super::share::{ShareCounts, Turn};
use super::wire::decode;
use crate::deliver::KafkaOption;
use crate::recording::{Record, RecordingAbout, SessionId};

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
    pub(crate) fn join(config: GroupConfig) -> Result<Self, ScanError> {
        if let Some(wrong) = config.options.iter().find_map(KafkaOption::missing_file) {
            return Err(ScanError::Client(wrong));
        }
        let (_, recorded_ns) = first(&config)?;
        let common = Arc::new(Common::default());
        let consumer = consumer(&config, &common)?;
        let ends = partitions(&consumer, &config.brokers, &config.topic)?;
        let read = |error: KafkaError| ScanError::Read { topic: config.topic.clone(), reason: error.to_string() };
        consumer.subscribe(&[&config.topic]).map_err(read)?;
        let leave = CancellationToken::new();
        let ends = ends.into_iter().map(|(partition, (low, high))| (partition, low, high)).collect();
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
        let thread = spawn.map_err(|error| ScanError::Client(error.to_string()))?;
        Ok(Self { common, leave, thread: Some(thread) })
    }

    /// What a topic's first messages say of the recording, and when the earliest began, in nanoseconds since 1970.
    pub(crate) fn first(config: &GroupConfig) -> Result<(RecordingAbout, u64), ScanError> {
        first(config)
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

/// What the first messages say of the recording, and when the earliest began, in nanoseconds since 1970.
fn first(config: &GroupConfig) -> Result<(RecordingAbout, u64), ScanError> {
    let scan = Scan::begin(&config.brokers, &config.topic, &config.options)?;
    let mut missing = scan.partitions_with_messages();
    let mut found: Option<RecordingAbout> = None;
    let mut earliest = u64::MAX;
    let mut wrong = None;
    scan.read(|message| {
        match decode(message.payload().unwrap_or_default()) {
            Ok((record, about)) => {
                earliest = earliest.min(record.started.epoch_ms);
                found = found.take().or(about);
            }
            Err(error) => wrong = Some(error.to_string()),
        }
        missing.remove(&message.partition());
        !missing.is_empty() || found.is_none()
    })?;
    match found {
        Some(about) => Ok((about, earliest.saturating_mul(1_000_000))),
        None => {
            let reason = wrong.unwrap_or_else(|| "there is no recording in it yet".to_owned());
            Err(ScanError::Read { topic: config.topic.clone(), reason })
        }
    }
}
